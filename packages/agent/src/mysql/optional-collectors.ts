/** Collectors of `prometheus.exporter.mysql` that are off by default: replication lag by pt-heartbeat, and users. */
import type { FamilySet } from "../unix/family-set.ts";
import type { MysqlCollector } from "./collectors.ts";

export interface MysqlSettings {
  readonly heartbeat: {
    readonly database: string;
    readonly table: string;
    /** Whether times in the table are UTC, as with `pt-heartbeat --utc`. */
    readonly utc: boolean;
  };
  /** Whether privileges of users are told, besides their limits. */
  readonly userPrivileges: boolean;
}

/** Of pt-heartbeat, or whatever else writes `ts` and `server_id` into a table of the primary. */
export function heartbeatCollector({ heartbeat }: MysqlSettings): MysqlCollector {
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

const PRIVILEGES =
  "Select Insert Update Delete Create Drop Reload Shutdown Process File Grant References Index Alter Show_db Super Create_tmp_table Lock_tables Execute Repl_slave Repl_client Create_view Show_view Create_routine Alter_routine Create_user Event Trigger Create_tablespace"
    .split(" ")
    .map((privilege) => `${privilege}_priv`);
const LIMITS = ["max_questions", "max_updates", "max_connections", "max_user_connections"];
const VALUES: Readonly<Record<string, number>> = { Y: 1, N: 0 };

export function userCollector({ userPrivileges }: MysqlSettings): MysqlCollector {
  const columns = ["user", "host", ...PRIVILEGES, ...LIMITS];
  return {
    async collect(ask, families) {
      const { rows } = await ask(`SELECT ${columns.join(", ")} FROM mysql.user`);
      for (const [user, host, ...values] of rows) {
        const labels = ["hostmask", host ?? "", "mysql_user", user ?? ""];
        if (userPrivileges) addPrivileges(families, values, labels);
        for (const [index, limit] of LIMITS.entries())
          families
            .take("gauge", `mysql_mysql_${limit}`, `The number of ${limit} by user.`)
            .add(Number(values[PRIVILEGES.length + index]), ...labels);
      }
    },
  };
}

function addPrivileges(
  families: FamilySet,
  values: readonly (string | null)[],
  labels: readonly string[],
): void {
  for (const [index, privilege] of PRIVILEGES.entries()) {
    const value = VALUES[values[index] ?? ""];
    if (value !== undefined)
      families
        .take("gauge", `mysql_mysql_${privilege.toLowerCase()}`, `${privilege} by user.`)
        .add(value, ...labels);
  }
}
