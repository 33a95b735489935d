-- Recorded from the secondary of two MySQL 9.7.4 servers in group replication; the tables have the columns that the server's have.
SET time_zone = '+00:00', sql_mode = '';
CREATE TABLE replication_group_members (
  CHANNEL_NAME char(64),
  MEMBER_ID char(36),
  MEMBER_HOST char(255),
  MEMBER_PORT int,
  MEMBER_STATE char(64),
  MEMBER_ROLE char(64),
  MEMBER_VERSION char(64),
  MEMBER_COMMUNICATION_STACK char(64)
);
INSERT INTO replication_group_members VALUES ('group_replication_applier', 'a147377d-eb1e-11f1-9eb1-02fc00000001', '127.0.0.1', '13402', 'ONLINE', 'SECONDARY', '9.7.4', 'XCom');
INSERT INTO replication_group_members VALUES ('group_replication_applier', 'c356df50-eb1c-11f1-87e3-02fc00000001', '127.0.0.1', '13400', 'ONLINE', 'PRIMARY', '9.7.4', 'XCom');
CREATE TABLE replication_group_member_stats (
  CHANNEL_NAME char(64),
  VIEW_ID char(60),
  MEMBER_ID char(36),
  COUNT_TRANSACTIONS_IN_QUEUE bigint unsigned,
  COUNT_TRANSACTIONS_CHECKED bigint unsigned,
  COUNT_CONFLICTS_DETECTED bigint unsigned,
  COUNT_TRANSACTIONS_ROWS_VALIDATING bigint unsigned,
  TRANSACTIONS_COMMITTED_ALL_MEMBERS longtext,
  LAST_CONFLICT_FREE_TRANSACTION text,
  COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE bigint unsigned,
  COUNT_TRANSACTIONS_REMOTE_APPLIED bigint unsigned,
  COUNT_TRANSACTIONS_LOCAL_PROPOSED bigint unsigned,
  COUNT_TRANSACTIONS_LOCAL_ROLLBACK bigint unsigned
);
INSERT INTO replication_group_member_stats VALUES ('group_replication_applier', '17958644694041485:2', 'a147377d-eb1e-11f1-9eb1-02fc00000001', '0', '2', '0', '1', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-4,);
INSERT INTO replication_group_member_stats VALUES (c356df50-eb1c-11f1-87e3-02fc00000001:1-5', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:4', '0', '2', '0', '0');
INSERT INTO replication_group_member_stats VALUES ('group_replication_applier', '17958644694041485:2', 'c356df50-eb1c-11f1-87e3-02fc00000001', '0', '4', '0', '1', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-4,);
INSERT INTO replication_group_member_stats VALUES (c356df50-eb1c-11f1-87e3-02fc00000001:1-5', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:4', '0', '0', '4', '0');
CREATE TABLE replication_applier_status_by_worker (
  CHANNEL_NAME char(64),
  WORKER_ID bigint unsigned,
  THREAD_ID bigint unsigned,
  SERVICE_STATE enum('ON','OFF'),
  LAST_ERROR_NUMBER int,
  LAST_ERROR_MESSAGE varchar(1024),
  LAST_ERROR_TIMESTAMP timestamp(6),
  LAST_APPLIED_TRANSACTION char(90),
  LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP timestamp(6),
  LAST_APPLIED_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP timestamp(6),
  LAST_APPLIED_TRANSACTION_START_APPLY_TIMESTAMP timestamp(6),
  LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP timestamp(6),
  APPLYING_TRANSACTION char(90),
  APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP timestamp(6),
  APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP timestamp(6),
  APPLYING_TRANSACTION_START_APPLY_TIMESTAMP timestamp(6),
  LAST_APPLIED_TRANSACTION_RETRIES_COUNT bigint unsigned,
  LAST_APPLIED_TRANSACTION_LAST_TRANSIENT_ERROR_NUMBER int,
  LAST_APPLIED_TRANSACTION_LAST_TRANSIENT_ERROR_MESSAGE varchar(1024),
  LAST_APPLIED_TRANSACTION_LAST_TRANSIENT_ERROR_TIMESTAMP timestamp(6),
  APPLYING_TRANSACTION_RETRIES_COUNT bigint unsigned,
  APPLYING_TRANSACTION_LAST_TRANSIENT_ERROR_NUMBER int,
  APPLYING_TRANSACTION_LAST_TRANSIENT_ERROR_MESSAGE varchar(1024),
  APPLYING_TRANSACTION_LAST_TRANSIENT_ERROR_TIMESTAMP timestamp(6)
);
INSERT INTO replication_applier_status_by_worker VALUES ('group_replication_recovery', '1', NULL, 'OFF', '0', '', '0000-00-00 00:00:00.000000', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:2', '2026-11-28 11:27:16.553911', '2026-11-28 11:27:16.557840', '2026-11-28 11:27:18.393644', '2026-11-28 11:27:18.408083', '', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000');
INSERT INTO replication_applier_status_by_worker VALUES ('group_replication_recovery', '2', NULL, 'OFF', '0', '', '0000-00-00 00:00:00.000000', 'c356df50-eb1c-11f1-87e3-02fc00000001:3', '2026-11-28 11:14:28.817652', '2026-11-28 11:14:28.817652', '2026-11-28 11:27:18.163922', '2026-11-28 11:27:18.168807', '', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000');
INSERT INTO replication_applier_status_by_worker VALUES ('group_replication_applier', '1', '48', 'ON', '0', '', '0000-00-00 00:00:00.000000', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:4', '2026-11-28 11:27:22.104221', '2026-11-28 11:27:22.104221', '2026-11-28 11:27:22.122228', '2026-11-28 11:27:22.141702', '', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000');
INSERT INTO replication_applier_status_by_worker VALUES ('group_replication_applier', '2', '49', 'ON', '0', '', '0000-00-00 00:00:00.000000', '', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000', '0', '0', '', '0000-00-00 00:00:00.000000');
CREATE TABLE events_statements_summary_by_digest (
  SCHEMA_NAME varchar(64),
  DIGEST varchar(64),
  DIGEST_TEXT longtext,
  COUNT_STAR bigint unsigned,
  SUM_TIMER_WAIT bigint unsigned,
  MIN_TIMER_WAIT bigint unsigned,
  AVG_TIMER_WAIT bigint unsigned,
  MAX_TIMER_WAIT bigint unsigned,
  SUM_LOCK_TIME bigint unsigned,
  SUM_ERRORS bigint unsigned,
  SUM_WARNINGS bigint unsigned,
  SUM_ROWS_AFFECTED bigint unsigned,
  SUM_ROWS_SENT bigint unsigned,
  SUM_ROWS_EXAMINED bigint unsigned,
  SUM_CREATED_TMP_DISK_TABLES bigint unsigned,
  SUM_CREATED_TMP_TABLES bigint unsigned,
  SUM_SELECT_FULL_JOIN bigint unsigned,
  SUM_SELECT_FULL_RANGE_JOIN bigint unsigned,
  SUM_SELECT_RANGE bigint unsigned,
  SUM_SELECT_RANGE_CHECK bigint unsigned,
  SUM_SELECT_SCAN bigint unsigned,
  SUM_SORT_MERGE_PASSES bigint unsigned,
  SUM_SORT_RANGE bigint unsigned,
  SUM_SORT_ROWS bigint unsigned,
  SUM_SORT_SCAN bigint unsigned,
  SUM_NO_INDEX_USED bigint unsigned,
  SUM_NO_GOOD_INDEX_USED bigint unsigned,
  SUM_CPU_TIME bigint unsigned,
  MAX_CONTROLLED_MEMORY bigint unsigned,
  MAX_TOTAL_MEMORY bigint unsigned,
  COUNT_SECONDARY bigint unsigned,
  FIRST_SEEN timestamp(6),
  LAST_SEEN timestamp(6),
  QUANTILE_95 bigint unsigned,
  QUANTILE_99 bigint unsigned,
  QUANTILE_999 bigint unsigned,
  QUERY_SAMPLE_TEXT longtext,
  QUERY_SAMPLE_SEEN timestamp(6),
  QUERY_SAMPLE_TIMER_WAIT bigint unsigned
);
INSERT INTO events_statements_summary_by_digest VALUES ('shop', '44e35cee979ba420eb49a8471f852bbe15b403c89742704817dfbaace0d99dbb', 'SELECT @@`version_comment` LIMIT ?', '1', '169322000', '169322000', '169322000', '169322000', '0', '0', '0', '0', '1', '1', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '28816', '45581', '0', '2026-11-28 11:27:54.215452', '2026-11-28 11:27:54.215452', '173780082', '173780082', '173780082', 'select @@version_comment limit 1', '2026-11-28 11:27:54.215452', '169322000');
INSERT INTO events_statements_summary_by_digest VALUES ('shop', '6b4a99a6ad7b1fb33caf5915a32820dfa04cb9894df304d6d111ae7df280d4b9', 'SELECT * FROM `items` WHERE `n` = ?', '1', '389969000', '389969000', '389969000', '389969000', '5000000', '0', '0', '0', '1', '1', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '34960', '57117', '0', '2026-11-28 11:27:54.215952', '2026-11-28 11:27:54.215952', '398107170', '398107170', '398107170', 'select * from items where n = \'z\'', '2026-11-28 11:27:54.215952', '389969000');
INSERT INTO events_statements_summary_by_digest VALUES ('shop', '5af813cbd889da48ac182488667a1cfbf79dbaa66764d3ebec8866419f7cdfe4', 'SELECT `n` , COUNT ( * ) FROM `items` GROUP BY `n` ORDER BY `n`', '1', '896441000', '896441000', '896441000', '896441000', '2000000', '0', '0', '0', '4', '4', '0', '0', '0', '0', '0', '0', '1', '0', '0', '0', '0', '0', '0', '0', '46176', '68649', '0', '2026-11-28 11:27:54.218593', '2026-11-28 11:27:54.218593', '912010839', '912010839', '912010839', 'select n, count(*) from items group by n order by n', '2026-11-28 11:27:54.218593', '896441000');
