/** The collector `mysql.user` of `prometheus.exporter.mysql`: limits of users, and what they may do. */
import type { FamilySet } from "../unix/family-set.ts";
import type { MysqlCollector } from "./table.ts";

const PRIVILEGES =
  "Select Insert Update Delete Create Drop Reload Shutdown Process File Grant References Index Alter Show_db Super Create_tmp_table Lock_tables Execute Repl_slave Repl_client Create_view Show_view Create_routine Alter_routine Create_user Event Trigger Create_tablespace"
    .split(" ")
    .map((privilege) => `${privilege}_priv`);
const LIMITS = ["max_questions", "max_updates", "max_connections", "max_user_connections"];
const VALUES: Readonly<Record<string, number>> = { Y: 1, N: 0 };

/** Privileges are told besides limits where that was asked for. */
export function userCollector({ privileges }: { readonly privileges: boolean }): MysqlCollector {
  const columns = ["user", "host", ...PRIVILEGES, ...LIMITS];
  return {
    async collect(ask, families) {
      const { rows } = await ask(`SELECT ${columns.join(", ")} FROM mysql.user`);
      for (const [user, host, ...values] of rows) {
        const labels = ["hostmask", host ?? "", "mysql_user", user ?? ""];
        if (privileges) addPrivileges(families, values, labels);
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
