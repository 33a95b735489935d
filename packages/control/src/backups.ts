/** Copies of `finch.db` in the data directory: one a day while Finch runs, and one before each migration. The oldest go. */
import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Clock, Logger } from "@finch/runtime";
import type { ControlDatabase } from "./database.ts";
import { BACKUPS_MAX } from "./limits.ts";

const NAME = /^finch-(\d{8}T\d{6}Z)\.db$/;
const DAY_MS = 24 * 3_600_000;

export interface BackupsOptions {
  /** The data directory; the copies are below it, in `backups`. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Backups {
  readonly #options: BackupsOptions;
  readonly #folder: string;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#folder = join(options.directory, "backups");
  }

  /** A copy of a database that is not migrated yet, and that nobody else uses. */
  copyBeforeMigration(database: DatabaseSync): void {
    const path = this.#makePath();
    database.prepare("VACUUM INTO ?").run(path);
    chmodSync(path, 0o600);
    this.#options.log.info("copied the database before it is migrated", { path });
    this.#forgetOld();
  }

  /** Copies the database, while it is in use, when the newest copy is a day old; says whether it did. */
  async copyDaily(database: ControlDatabase): Promise<boolean> {
    const newestMs = this.newestMs();
    if (newestMs !== undefined && this.#options.clock.nowMs() - newestMs < DAY_MS) return false;
    await database.backup(this.#makePath());
    this.#forgetOld();
    return true;
  }

  /** Unix milliseconds; undefined when there is none. */
  newestMs(): number | undefined {
    const newest = this.#names().at(-1);
    return newest === undefined ? undefined : timeOf(newest);
  }

  #makePath(): string {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const time = new Date(this.#options.clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const path = join(this.#folder, `finch-${time.replaceAll(/[-:]/g, "")}.db`);
    rmSync(path, { force: true });
    return path;
  }

  /** Oldest first. */
  #names(): readonly string[] {
    try {
      return readdirSync(this.#folder)
        .filter((name) => NAME.test(name))
        .toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  #forgetOld(): void {
    for (const name of this.#names().slice(0, -BACKUPS_MAX)) rmSync(join(this.#folder, name));
  }
}

/** `finch-20261101T000000Z.db` → Unix milliseconds. */
function timeOf(name: string): number {
  const digits = NAME.exec(name)?.[1] ?? "";
  return Date.parse(
    digits.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
}
