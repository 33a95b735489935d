/**
 * `finch.db`: the SQLite database of the control plane, by the `node:sqlite` that comes with Node. Write-ahead log, foreign keys, an fsync for each commit,
 * migrations by name, and copies while it is in use. Calls are synchronous, for what is kept here is small; whoever adds to it keeps its tables bounded.
 */
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import { assert, describeError, FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";

/** A step of the schema. Once released it never changes: what a database has is told by its name. */
export interface Migration {
  /** `area/0001-what`. */
  readonly name: string;
  /** Statements of SQL, each ended by a semicolon. */
  readonly sql: string;
}

export interface ControlDatabase extends Disposable {
  /** Where the file is. */
  readonly path: string;
  /** A statement for its owner to keep; it lives as long as the database is open. */
  prepare(sql: string): StatementSync;
  /**
   * Runs `work`, which is synchronous: all it wrote is on disk when this returns, and nothing of it when `work` throws. A transaction within another is
   * undone by itself.
   */
  transaction<T>(work: () => T): T;
  /**
   * The same for what may come often and is a pity to lose at most: it survives the end of the process, and a loss of power only from the next checkpoint on. Not
   * within a transaction.
   */
  relaxedTransaction<T>(work: () => T): T;
  /** Writes a whole copy to `path`, which appears complete or not at all, while the database is in use. Replaces a file that is there. */
  backup(path: string): Promise<void>;
}

export interface DatabaseOptions {
  readonly path: string;
  /** In the order in which they are applied. */
  readonly migrations: readonly Migration[];
  /** Called with a database which has tables but none of our migrations; throws for one that is not to be taken over. */
  readonly checkAdoption?: (database: DatabaseSync) => void;
  /** Called within the transaction that migrates such a database, before the migrations. */
  readonly adopt?: (database: DatabaseSync) => void;
  /** The same, after them. */
  readonly finishAdoption?: (database: DatabaseSync) => void;
  /** Called with the database as it was, before it is migrated; not for a new one. */
  readonly beforeMigration?: (database: DatabaseSync) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a statement waits for another process, such as a backup tool, that holds the file. */
const BUSY_MS_MAX = 5000;

/**
 * Opens the database, makes it when there is none, and migrates it. Faults: `control/bad-database` (no database, or damaged), `control/newer-database`
 * (a newer Finch has migrated it).
 */
export function openDatabase(options: DatabaseOptions): ControlDatabase {
  const { path } = options;
  // SQLite gives its other files the mode of this one.
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  const database = openFile(path);
  try {
    setUp(database);
    migrate(database, options);
  } catch (error) {
    database.close();
    throw error instanceof FinchError ? error : badDatabase(path, error);
  }
  return new OpenDatabase(path, database);
}

function openFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: BUSY_MS_MAX, enableForeignKeyConstraints: true });
  } catch (error) {
    throw badDatabase(path, error);
  }
}

function setUp(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.enableDefensive(true);
}

function badDatabase(path: string, error: unknown): FinchError {
  return new FinchError(
    "corrupt",
    "control/bad-database",
    `${path} cannot be read as Finch's database (${describeError(error)}); stop Finch and put a backup in its place, or move it away to begin without agents and users`,
    { cause: error },
  );
}

const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS migrations (
  name TEXT PRIMARY KEY,
  applied_at_ms INTEGER NOT NULL
) STRICT`;

function migrate(database: DatabaseSync, options: DatabaseOptions): void {
  const { migrations, path, clock, log } = options;
  const tables = new Set(namesIn(database, "SELECT name FROM sqlite_schema WHERE type = 'table'"));
  const isAdopted = tables.size > 0 && !tables.has("migrations");
  const applied = new Set(tables.has("migrations") ? appliedIn(database) : []);
  const known = new Set(migrations.map(({ name }) => name));
  const unknown = [...applied].filter((name) => !known.has(name));
  if (unknown.length > 0) throw newerDatabase(path, unknown);
  const pending = migrations.filter(({ name }) => !applied.has(name));
  if (isAdopted) options.checkAdoption?.(database);
  if (tables.size > 0 && pending.length > 0) options.beforeMigration?.(database);
  inTransaction(database, () => {
    database.exec(MIGRATIONS_TABLE);
    if (isAdopted) options.adopt?.(database);
    const insert = database.prepare("INSERT INTO migrations (name, applied_at_ms) VALUES (?, ?)");
    for (const { name, sql } of pending) {
      database.exec(sql);
      insert.run(name, clock.nowMs());
    }
    if (isAdopted) options.finishAdoption?.(database);
    if (pending.length > 0 && applied.size > 0)
      log.info("database migrated", {
        path,
        migrations: pending.map(({ name }) => name).join(" "),
      });
  });
}

function appliedIn(database: DatabaseSync): string[] {
  return namesIn(database, "SELECT name FROM migrations");
}

function namesIn(database: DatabaseSync, sql: string): string[] {
  return database
    .prepare(sql)
    .all()
    .map((row) => String(row["name"]));
}

function newerDatabase(path: string, unknown: readonly string[]): FinchError {
  return new FinchError(
    "conflict",
    "control/newer-database",
    `${path} was written by a newer Finch (it has ${unknown.join(", ")}, which this one does not know); start that Finch, or restore the backup made before the update`,
  );
}

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  let result: T;
  try {
    result = work();
    assert(!(result instanceof Promise), "the work of a transaction is synchronous");
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
  return result;
}

class OpenDatabase implements ControlDatabase {
  readonly path: string;
  readonly #database: DatabaseSync;

  constructor(path: string, database: DatabaseSync) {
    this.path = path;
    this.#database = database;
  }

  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  transaction<T>(work: () => T): T {
    if (!this.#database.isTransaction) return inTransaction(this.#database, work);
    this.#database.exec("SAVEPOINT inner_work");
    try {
      const result = work();
      assert(!(result instanceof Promise), "the work of a transaction is synchronous");
      this.#database.exec("RELEASE inner_work");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK TO inner_work; RELEASE inner_work");
      throw error;
    }
  }

  relaxedTransaction<T>(work: () => T): T {
    assert(!this.#database.isTransaction, "a relaxed transaction stands by itself");
    this.#database.exec("PRAGMA synchronous = NORMAL");
    try {
      return inTransaction(this.#database, work);
    } finally {
      this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  async backup(path: string): Promise<void> {
    const temporary = `${path}.tmp`;
    try {
      rmSync(temporary, { force: true });
      closeSync(openSync(temporary, "wx", 0o600));
      await backup(this.#database, temporary);
      syncPath(temporary);
      renameSync(temporary, path);
      syncPath(dirname(path));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new FinchError(
        "unavailable",
        "control/no-backup",
        `the database cannot be copied to ${path}: ${describeError(error)}; look at the room and the permissions there`,
        { cause: error },
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** Makes what was written to a file, or the names in a directory, survive a loss of power. */
function syncPath(path: string): void {
  const handle = openSync(path, "r");
  fsyncSync(handle);
  closeSync(handle);
}
