/** The tables of the fleet. Attributes, stages and policies are JSON. */
import type { Migration } from "../database.ts";

export const FLEET_MIGRATIONS: readonly Migration[] = [
  {
    name: "fleet/0001-fleet",
    sql: `
      CREATE TABLE fleet_collectors (
        id TEXT PRIMARY KEY,
        resource_id TEXT NOT NULL,
        name TEXT NOT NULL,
        attributes TEXT NOT NULL,
        first_contact_ms INTEGER NOT NULL,
        last_contact_ms INTEGER NOT NULL,
        gone_at_ms INTEGER,
        told_hash TEXT NOT NULL,
        given_hash TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('unset', 'applied', 'applying', 'failed')),
        status_error TEXT NOT NULL,
        status_at_ms INTEGER,
        applied_hash TEXT NOT NULL,
        failed_hash TEXT NOT NULL,
        effective_hash TEXT
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE fleet_versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        configuration TEXT NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        hash TEXT NOT NULL,
        comment TEXT NOT NULL,
        author TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (configuration, number)
      ) STRICT;
      CREATE TABLE fleet_rollouts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version_id INTEGER NOT NULL REFERENCES fleet_versions (id),
        selector TEXT NOT NULL,
        stages TEXT NOT NULL,
        policy TEXT NOT NULL,
        author TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('applying', 'observing', 'paused', 'completed', 'rolled-back')),
        stage INTEGER NOT NULL,
        since_ms INTEGER NOT NULL,
        reason TEXT NOT NULL
      ) STRICT;
      CREATE TABLE fleet_rollout_members (
        rollout_id INTEGER NOT NULL REFERENCES fleet_rollouts (id) ON DELETE CASCADE,
        collector_id TEXT NOT NULL,
        stage INTEGER NOT NULL,
        is_counted INTEGER NOT NULL,
        error_share_before REAL,
        unhealthy_before INTEGER,
        PRIMARY KEY (rollout_id, collector_id)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: "fleet/0002-contacts",
    sql: `
      CREATE TABLE fleet_contacts (
        resource_id TEXT PRIMARY KEY,
        last_contact_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: "fleet/0003-ignored",
    sql: "ALTER TABLE fleet_collectors ADD COLUMN ignored_hash TEXT NOT NULL DEFAULT '';",
  },
];
