/** The table of the audit trail. */
import type { Migration } from "./database.ts";

export const AUDIT_MIGRATIONS: readonly Migration[] = [
  {
    name: "audit/0001-events",
    sql: `
      CREATE TABLE audit_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        origin TEXT NOT NULL,
        details TEXT NOT NULL
      ) STRICT;
      CREATE INDEX audit_events_actor ON audit_events (actor, id);
      CREATE INDEX audit_events_target ON audit_events (target, id);
    `,
  },
];
