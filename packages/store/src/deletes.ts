/**
 * What was deleted and still stands in blocks: matchers and a time range, for all data that was sealed by then. One small file, replaced
 * atomically; readers leave the rows out (`hidden-rows.ts`), merges drop them, and a delete that no block needs any more is forgotten. Layout:
 * `docs/format/deletes.md`.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import type { BlockMeta } from "./block-format.ts";
import { replaceFile } from "./durable-directory.ts";
import { queueFull } from "./errors.ts";
import { DAMAGED_SUFFIX, DELETES_FILE } from "./file-names.ts";
import { DELETES_MAX } from "./limits.ts";

const VERSION = 1;

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
}

interface Kept {
  readonly entries: readonly Delete[];
  readonly lastId: number;
}

/** The deletes of one store. */
export class Deletes {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  #entries: readonly Delete[];
  #lastId: number;
  /** Writes, one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(fileSystem: FileSystem, directory: string, kept: Kept) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#entries = kept.entries;
    this.#lastId = kept.lastId;
  }

  /**
   * Reads the file in `directory`, if there is one; ids go on above `idFloor`, the highest that a block names. A damaged file is set aside and named
   * in the log: deleted samples may be seen again.
   */
  static async open(
    fileSystem: FileSystem,
    log: Logger,
    at: { readonly directory: string; readonly idFloor: number },
  ): Promise<Deletes> {
    const { directory, idFloor } = at;
    const path = join(directory, DELETES_FILE);
    let kept: Kept = { entries: [], lastId: 0 };
    if ((await fileSystem.list(directory)).includes(DELETES_FILE)) {
      const bytes = await fileSystem.readFile(path);
      try {
        kept = decodeDeletes(bytes);
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
    const lastId = Math.max(kept.lastId, idFloor);
    return new Deletes(fileSystem, directory, { ...kept, lastId });
  }

  /** Id of the newest delete. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Those not yet carried out in all blocks. Immutable: a change makes a new list. */
  get entries(): readonly Delete[] {
    return this.#entries;
  }

  /** Seals up to this are named by a delete: their numbers must not be given again. */
  get lastSeal(): number {
    return this.#entries.reduce((last, { seal }) => Math.max(last, seal), 0);
  }

  /** Adds a delete; durable when this resolves, and seen by readers from then on. */
  add(request: Omit<Delete, "id">): Promise<void> {
    return this.#write(() => {
      if (this.#entries.length >= DELETES_MAX)
        throw queueFull("deletes that are not yet carried out", DELETES_MAX);
      const id = this.#lastId + 1;
      return { entries: [...this.#entries, { ...request, id }], lastId: id };
    });
  }

  /** Forgets the deletes that `isDone` says need no block any more. */
  async forget(isDone: (entry: Delete) => boolean): Promise<void> {
    if (!this.#entries.some(isDone)) return;
    await this.#write(() => ({
      entries: this.#entries.filter((entry) => !isDone(entry)),
      lastId: this.#lastId,
    }));
  }

  #write(change: () => Kept): Promise<void> {
    const written = this.#writing.then(async () => {
      const kept = change();
      await replaceFile(this.#fileSystem, join(this.#directory, DELETES_FILE), encodeDeletes(kept));
      this.#entries = kept.entries;
      this.#lastId = kept.lastId;
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

function encodeDeletes(kept: Kept): Uint8Array {
  const deletes = {
    version: VERSION,
    lastId: kept.lastId,
    entries: kept.entries.map(({ id, seal, startMs, endMs, matchers }) => ({
      id,
      seal,
      // JSON has no infinities.
      startMs: Number.isFinite(startMs) ? startMs : null,
      endMs: Number.isFinite(endMs) ? endMs : null,
      matchers: matchers.map(({ name, operator, value }) => [name, operator, value]),
    })),
  };
  const sum = crc32(new TextEncoder().encode(JSON.stringify(deletes)));
  return new TextEncoder().encode(`${JSON.stringify({ deletes, crc32: sum }, null, 2)}\n`);
}

interface Plain {
  readonly version: number;
  readonly lastId: number;
  readonly entries: readonly {
    readonly id: number;
    readonly seal: number;
    readonly startMs: number | null;
    readonly endMs: number | null;
    readonly matchers: readonly (readonly [string, MatchOperator, string])[];
  }[];
}

function decodeDeletes(bytes: Uint8Array): Kept {
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly deletes: Plain;
    readonly crc32: number;
  };
  const { deletes } = parsed;
  if (parsed.crc32 !== crc32(new TextEncoder().encode(JSON.stringify(deletes))))
    throw new RangeError("its checksum is wrong");
  if (deletes.version !== VERSION) throw new RangeError(`it has version ${deletes.version}`);
  return {
    lastId: deletes.lastId,
    entries: deletes.entries.map(({ id, seal, startMs, endMs, matchers }) => ({
      id,
      seal,
      startMs: startMs ?? -Infinity,
      endMs: endMs ?? Infinity,
      matchers: matchers.map(([name, operator, value]) => createMatcher(name, operator, value)),
    })),
  };
}
