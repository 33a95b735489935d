/** The table of agents. Lists are JSON arrays of strings. */
import type { Migration } from "./database.ts";

export const AGENT_MIGRATIONS: readonly Migration[] = [
  {
    name: "agents/0001-agents",
    sql: `
      CREATE TABLE agents (
        resource_id TEXT PRIMARY KEY,
        hostname TEXT NOT NULL UNIQUE,
        node TEXT NOT NULL CHECK (node IN ('unix', 'windows')),
        labels TEXT NOT NULL,
        log_sources TEXT NOT NULL,
        metrics INTEGER NOT NULL,
        metrics_targets TEXT NOT NULL,
        profiles INTEGER NOT NULL,
        registered_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
];
