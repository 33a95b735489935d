/** The collector `heartbeat` of `prometheus.exporter.mysql`: replication lag by pt-heartbeat. */
import type { MysqlCollector } from "./table.ts";

export interface HeartbeatOptions {
  readonly database: string;
  readonly table: string;
  /** Whether times in the table are UTC, as with `pt-heartbeat --utc`. */
  readonly utc: boolean;
}

/** Of pt-heartbeat, or whatever else writes `ts` and `server_id` into a table of the primary. */
export function heartbeatCollector(heartbeat: HeartbeatOptions): MysqlCollector {
  const name = (text: string) => `\`${text.replaceAll("`", "``")}\``;
  const now = heartbeat.utc ? "UTC_TIMESTAMP(6)" : "NOW(6)";
  const table = `${name(heartbeat.database)}.${name(heartbeat.table)}`;
  return {
    async collect(ask, families) {
      const { rows } = await ask(
        `SELECT UNIX_TIMESTAMP(ts), UNIX_TIMESTAMP(${now}), server_id FROM ${table}`,
      );
      const gauge = (metric: string, help: string) =>
        families.take("gauge", `mysql_heartbeat_${metric}_timestamp_seconds`, help);
      const stored = gauge("stored", "Timestamp stored in the heartbeat table.");
      const current = gauge("now", "Timestamp of the current server.");
      for (const [then, time, server] of rows) {
        stored.add(Number(then), "server_id", server ?? "");
        current.add(Number(time), "server_id", server ?? "");
      }
    },
  };
}
