/** Settings of the optional collectors, as the component's defaults are. */
import type { MysqlSettings } from "../src/mysql/optional-collectors.ts";

export const SETTINGS: MysqlSettings = {
  heartbeat: { database: "heartbeat", table: "heartbeat", utc: false },
  userPrivileges: false,
  statements: { limit: 250, timeLimitSeconds: 86_400, textLimit: 120, excludeSchemas: [] },
  fileInstances: { filter: ".*", removePrefix: "/var/lib/mysql/" },
  processes: { minTimeSeconds: 0, byUser: true, byHost: true },
  tables: { databases: "*" },
  memoryEvents: { removePrefix: "memory/" },
};
