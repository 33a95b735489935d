/** Collectors of `prometheus.exporter.mysql` that are off by default, by name. */
import { heartbeatCollector, type HeartbeatOptions } from "./heartbeat.ts";
import {
  AUTO_INCREMENT_COLUMNS,
  processCollector,
  REPLICA_HOST,
  tablesCollector,
  USER_SUMMARY,
  type ProcessOptions,
} from "./information-schema.ts";
import { ENGINE_INNODB_STATUS, INNODB_METRICS, INNODB_TABLESPACES } from "./innodb.ts";
import {
  EVENTS_WAITS,
  FILE_EVENTS,
  fileInstances,
  INDEX_IO_WAITS,
  memoryEvents,
  TABLE_IO_WAITS,
  TABLE_LOCKS,
} from "./performance-schema.ts";
import {
  APPLIER_STATUS_BY_WORKER,
  BINLOG_SIZE,
  GROUP_MEMBERS,
  GROUP_MEMBER_STATS,
  SLAVE_HOSTS,
} from "./replication.ts";
import { STATEMENTS_SUM, statementsCollector, type StatementOptions } from "./statements.ts";
import { tableCollector, type MysqlCollector } from "./table.ts";
import {
  SCHEMA_STATISTICS_COLLECTOR,
  statisticsCollector,
  TABLE_STATISTICS_COLLECTOR,
} from "./user-statistics.ts";
import { userCollector } from "./users.ts";

export interface MysqlSettings {
  readonly heartbeat: HeartbeatOptions;
  /** Whether privileges of users are told, besides their limits. */
  readonly userPrivileges: boolean;
  readonly statements: StatementOptions;
  readonly fileInstances: Parameters<typeof fileInstances>[0];
  readonly processes: ProcessOptions;
  readonly tables: Parameters<typeof tablesCollector>[0];
  readonly memoryEvents: Parameters<typeof memoryEvents>[0];
}

export const OPTIONAL_COLLECTORS = {
  "auto_increment.columns": () => tableCollector(AUTO_INCREMENT_COLUMNS),
  binlog_size: () => BINLOG_SIZE,
  engine_innodb_status: () => ENGINE_INNODB_STATUS,
  heartbeat: ({ heartbeat }) => heartbeatCollector(heartbeat),
  "info_schema.clientstats": () => statisticsCollector("client"),
  "info_schema.innodb_metrics": () => INNODB_METRICS,
  "info_schema.innodb_tablespaces": () => INNODB_TABLESPACES,
  "info_schema.processlist": ({ processes }) => processCollector(processes),
  "info_schema.replica_host": () => REPLICA_HOST,
  "info_schema.schemastats": () => SCHEMA_STATISTICS_COLLECTOR,
  "info_schema.tables": ({ tables }) => tablesCollector(tables),
  "info_schema.tablestats": () => TABLE_STATISTICS_COLLECTOR,
  "info_schema.userstats": () => statisticsCollector("user"),
  "mysql.user": ({ userPrivileges }) => userCollector({ privileges: userPrivileges }),
  "perf_schema.eventsstatements": ({ statements }) => statementsCollector(statements),
  "perf_schema.eventsstatementssum": () => tableCollector(STATEMENTS_SUM),
  "perf_schema.eventswaits": () => tableCollector(EVENTS_WAITS),
  "perf_schema.file_events": () => tableCollector(FILE_EVENTS),
  "perf_schema.file_instances": (settings) => tableCollector(fileInstances(settings.fileInstances)),
  "perf_schema.indexiowaits": () => tableCollector(INDEX_IO_WAITS),
  "perf_schema.memory_events": (settings) => tableCollector(memoryEvents(settings.memoryEvents)),
  "perf_schema.replication_applier_status_by_worker": () =>
    tableCollector(APPLIER_STATUS_BY_WORKER),
  "perf_schema.replication_group_member_stats": () => GROUP_MEMBER_STATS,
  "perf_schema.replication_group_members": () => GROUP_MEMBERS,
  "perf_schema.tableiowaits": () => tableCollector(TABLE_IO_WAITS),
  "perf_schema.tablelocks": () => tableCollector(TABLE_LOCKS),
  slave_hosts: () => SLAVE_HOSTS,
  "sys.user_summary": () => tableCollector(USER_SUMMARY),
} satisfies Readonly<Record<string, (settings: MysqlSettings) => MysqlCollector>>;
