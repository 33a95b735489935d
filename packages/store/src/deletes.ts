/**
 * What was deleted and still stands in blocks: matchers and a time range, of logs also a query that finds the lines, for all data that was sealed
 * by then. One small file, replaced atomically; readers leave the rows out (`hidden-rows.ts`, `hidden-lines.ts`), merges drop them, and a delete that
 * no block needs any more is forgotten; of logs it is remembered as processed. Layout: `docs/format/deletes.md`.
 */
import { join } from "node:path";
import type { Matcher } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import type { CompileSelection } from "./api.ts";
import type { BlockMeta } from "./block-format.ts";
import { decodeDeletes, encodeDeletes, readDeletes } from "./deletes-format.ts";
import type { PlainDeletes } from "./deletes-format.ts";
import { replaceFile } from "./durable-directory.ts";
import { badSelection, noSelections, queueFull } from "./errors.ts";
import { DAMAGED_SUFFIX, DELETES_FILE } from "./file-names.ts";
import { DELETES_MAX, DELETES_REMEMBERED_MAX } from "./limits.ts";

/** A stretch of time, both ends included. */
export interface TimeSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** Rows in a span of time of the series that match. */
export interface RowSelection extends TimeSpan {
  readonly matchers: readonly Matcher[];
}

export interface Delete extends RowSelection {
  /** Ascending in the order of deletes. */
  readonly id: number;
  /** It concerns blocks whose data was sealed up to this seal; what came later is not deleted. */
  readonly seal: number;
  /** Of logs: which lines of the streams; the span in milliseconds around them only says which blocks may have some. */
  readonly lines?: DeletedLines;
}

/** Lines with `startNs <= time <= endNs` that the query finds. */
export interface LineRequest {
  readonly query: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly createdMs: number;
}

export interface DeletedLines extends LineRequest {
  readonly rows: ReturnType<CompileSelection>["rows"];
}

/** A delete of lines that no block needs any more. */
export interface ProcessedDelete extends LineRequest {
  readonly id: number;
}

/** What the file holds. */
export interface KeptDeletes {
  readonly entries: readonly Delete[];
  readonly processed: readonly ProcessedDelete[];
  readonly lastId: number;
}

const NONE: KeptDeletes = { entries: [], processed: [], lastId: 0 };

/** The deletes of one store. */
export class Deletes {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  #kept: KeptDeletes;
  /** Writes, one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(fileSystem: FileSystem, directory: string, kept: KeptDeletes) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#kept = kept;
  }

  /**
   * Reads the file in `directory`, if there is one; ids go on above `idFloor`, the highest that a block names. A damaged file is set aside and named
   * in the log: what was deleted may be seen again. `compile` reads the queries of deletes of lines.
   */
  static async open(
    fileSystem: FileSystem,
    log: Logger,
    at: {
      readonly directory: string;
      readonly idFloor: number;
      readonly compile: CompileSelection | undefined;
    },
  ): Promise<Deletes> {
    const { directory, idFloor, compile } = at;
    const path = join(directory, DELETES_FILE);
    let decoded: PlainDeletes | undefined;
    if ((await fileSystem.list(directory)).includes(DELETES_FILE)) {
      const bytes = await fileSystem.readFile(path);
      try {
        decoded = decodeDeletes(bytes);
      } catch (error) {
        const aside = path + DAMAGED_SUFFIX;
        const cause = describeError(error);
        log.error(
          "the list of deletes is damaged and set aside; what was deleted may be seen again",
          { path: aside, cause },
        );
        await fileSystem.rename(path, aside);
        await fileSystem.syncDirectory(directory);
      }
    }
    // A query that cannot be read is no damage: going on without it would show what was deleted.
    const kept = decoded === undefined ? NONE : readDeletes(decoded, namingQuery(path, compile));
    const lastId = Math.max(kept.lastId, idFloor);
    return new Deletes(fileSystem, directory, { ...kept, lastId });
  }

  /** Id of the newest delete. */
  get lastId(): number {
    return this.#kept.lastId;
  }

  /** Those not yet carried out in all blocks. Immutable: a change makes a new list. */
  get entries(): readonly Delete[] {
    return this.#kept.entries;
  }

  /** Seals up to this are named by a delete: their numbers must not be given again. */
  get lastSeal(): number {
    return this.#kept.entries.reduce((last, { seal }) => Math.max(last, seal), 0);
  }

  /** Deletes of lines that are carried out, the oldest first. */
  get processed(): readonly ProcessedDelete[] {
    return this.#kept.processed;
  }

  /** Adds a delete; durable when this resolves, and seen by readers from then on. */
  async add(request: Omit<Delete, "id">): Promise<Delete> {
    let added: Delete | undefined;
    await this.#write((kept) => {
      if (kept.entries.length >= DELETES_MAX)
        throw queueFull("deletes that are not yet carried out", DELETES_MAX);
      added = { ...request, id: kept.lastId + 1 };
      return { ...kept, entries: [...kept.entries, added], lastId: added.id };
    });
    return added!;
  }

  /** Forgets a delete as if it had never been: what of it still stands in blocks is seen again. */
  async cancel(id: number): Promise<void> {
    await this.#write((kept) => ({
      ...kept,
      entries: kept.entries.filter((entry) => entry.id !== id),
    }));
  }

  /** Forgets the deletes that `isDone` says need no block any more. */
  async forget(isDone: (entry: Delete) => boolean): Promise<void> {
    if (!this.#kept.entries.some(isDone)) return;
    await this.#write((kept) => {
      const done = kept.entries
        .filter(isDone)
        .flatMap(({ id, lines }) => (lines === undefined ? [] : [{ ...lines, id }]));
      return {
        entries: kept.entries.filter((entry) => !isDone(entry)),
        processed: [...kept.processed, ...done].slice(-DELETES_REMEMBERED_MAX),
        lastId: kept.lastId,
      };
    });
  }

  #write(change: (kept: KeptDeletes) => KeptDeletes): Promise<void> {
    const written = this.#writing.then(async () => {
      const kept = change(this.#kept);
      await replaceFile(this.#fileSystem, join(this.#directory, DELETES_FILE), encodeDeletes(kept));
      this.#kept = kept;
    });
    this.#writing = written.catch(() => {});
    return written;
  }
}

/** Whether the block may have rows that are deleted and still stand in it. */
export function concerns(entry: Delete, meta: BlockMeta): boolean {
  return (
    meta.rows > 0 &&
    meta.lastSeal <= entry.seal &&
    meta.deletes < entry.id &&
    meta.minMs <= entry.endMs &&
    meta.maxMs >= entry.startMs
  );
}

function namingQuery(path: string, compile: CompileSelection | undefined): CompileSelection {
  return (query) => {
    if (compile === undefined) throw noSelections(path);
    try {
      return compile(query);
    } catch (error) {
      throw badSelection(path, query, error);
    }
  };
}
