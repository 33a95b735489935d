/** The tables of people: users, their sessions, their API tokens. Secrets stand there as hashes alone. */
import type { Migration } from "../database.ts";

export const PEOPLE_MIGRATIONS: readonly Migration[] = [
  {
    name: "people/0001-people",
    sql: `
      CREATE TABLE users (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        full_name TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
        read_scope TEXT NOT NULL,
        password_hash TEXT,
        is_initial INTEGER NOT NULL,
        is_disabled INTEGER NOT NULL,
        provider TEXT NOT NULL,
        subject TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        signed_in_at_ms INTEGER
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX users_subject ON users (provider, subject) WHERE provider <> '';
      CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        token_hash BLOB NOT NULL UNIQUE,
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        seen_at_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX sessions_user ON sessions (user_id, seen_at_ms);
      CREATE TABLE api_tokens (
        id TEXT PRIMARY KEY,
        token_hash BLOB NOT NULL UNIQUE,
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        permissions TEXT NOT NULL,
        read_scope TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        expires_at_ms INTEGER,
        used_at_ms INTEGER,
        used_from TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX api_tokens_name ON api_tokens (user_id, name);
    `,
  },
];
