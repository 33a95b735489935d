/** Collectors of `prometheus.exporter.mysql` that are off by default, by name. */
import { heartbeatCollector, type HeartbeatOptions } from "./heartbeat.ts";
import {
  EVENTS_WAITS,
  FILE_EVENTS,
  fileInstances,
  INDEX_IO_WAITS,
  memoryEvents,
  TABLE_IO_WAITS,
  TABLE_LOCKS,
} from "./performance-schema.ts";
import { APPLIER_STATUS_BY_WORKER, GROUP_MEMBERS, GROUP_MEMBER_STATS } from "./replication.ts";
import { STATEMENTS_SUM, statementsCollector, type StatementOptions } from "./statements.ts";
import { tableCollector, type MysqlCollector } from "./table.ts";
import { userCollector } from "./users.ts";

export interface MysqlSettings {
  readonly heartbeat: HeartbeatOptions;
  /** Whether privileges of users are told, besides their limits. */
  readonly userPrivileges: boolean;
  readonly statements: StatementOptions;
  readonly fileInstances: Parameters<typeof fileInstances>[0];
  readonly memoryEvents: Parameters<typeof memoryEvents>[0];
}

export const OPTIONAL_COLLECTORS = {
  heartbeat: ({ heartbeat }) => heartbeatCollector(heartbeat),
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
} satisfies Readonly<Record<string, (settings: MysqlSettings) => MysqlCollector>>;
