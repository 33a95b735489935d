/**
 * What was deleted and still stands in blocks: matchers and a time range, for all data that was sealed by then. One small file, replaced
 * atomically; readers leave the samples out, compaction drops them, and a delete that no block needs any more is forgotten. Layout:
 * `docs/format/deletes.md`.
 */
import { join } from "node:path";
import { crc32c } from "@finch/codec";
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import type { Block } from "./block.ts";
import type { BlockMeta } from "./block-format.ts";
import type { BlockSet } from "./block-set.ts";
import { replaceFile } from "./durable-directory.ts";
import { queueFull } from "./errors.ts";
import { DAMAGED_SUFFIX, DELETES_FILE } from "./file-names.ts";
import { DELETES_MAX } from "./limits.ts";
import type { Pacer } from "./pacer.ts";

const VERSION = 1;

/** A stretch of time, both ends included. */
export interface TimeSpan {
  readonly startMs: number;
  readonly endMs: number;
}

export interface Delete extends TimeSpan {
  /** Ascending in the order of deletes. */
  readonly id: number;
  /** It concerns blocks whose data was sealed up to this seal; what came later is not deleted. */
  readonly seal: number;
  readonly matchers: readonly Matcher[];
}

/** The deletes of one store. */
export class Deletes {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  #entries: readonly Delete[];
  #lastId: number;
  /** Writes, one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    fileSystem: FileSystem,
    directory: string,
    kept: { readonly entries: readonly Delete[]; readonly lastId: number },
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#entries = kept.entries;
    this.#lastId = kept.lastId;
  }

  /** Reads the file in `directory`, if there is one. A damaged one is set aside and named in the log: deleted samples may be seen again. */
  static async open(fileSystem: FileSystem, log: Logger, directory: string): Promise<Deletes> {
    const path = join(directory, DELETES_FILE);
    if (!(await fileSystem.list(directory)).includes(DELETES_FILE))
      return new Deletes(fileSystem, directory, { entries: [], lastId: 0 });
    try {
      return new Deletes(fileSystem, directory, decodeDeletes(await fileSystem.readFile(path)));
    } catch (error) {
      log.error(
        "the list of deletes is damaged and set aside; what was deleted may be seen again",
        {
          path: path + DAMAGED_SUFFIX,
          cause: describeError(error),
        },
      );
      await fileSystem.rename(path, path + DAMAGED_SUFFIX);
      await fileSystem.syncDirectory(directory);
      return new Deletes(fileSystem, directory, { entries: [], lastId: 0 });
    }
  }

  /** Id of the newest delete. */
  get lastId(): number {
    return this.#lastId;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Seals up to this are named by a delete: their numbers must not be given again. */
  get lastSeal(): number {
    return this.#entries.reduce((last, { seal }) => Math.max(last, seal), 0);
  }

  /** Those that concern a block and are not yet carried out in it. */
  pendingFor(meta: BlockMeta): readonly Delete[] {
    return this.#entries.filter((entry) => concerns(entry, meta));
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

  /** Forgets deletes that no block needs, unless one that left may come back with the next start. */
  async prune({ blocks, hasLeavers }: BlockSet): Promise<void> {
    const isNeeded = (entry: Delete) => blocks.some(({ meta }) => concerns(entry, meta));
    if (hasLeavers || this.#entries.every(isNeeded)) return;
    await this.#write(() => ({
      entries: this.#entries.filter(isNeeded),
      lastId: this.#lastId,
    }));
  }

  #write(
    change: () => { readonly entries: readonly Delete[]; readonly lastId: number },
  ): Promise<void> {
    const written = this.#writing.then(() => this.#replace(change()));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #replace(kept: {
    readonly entries: readonly Delete[];
    readonly lastId: number;
  }): Promise<void> {
    const path = join(this.#directory, DELETES_FILE);
    await replaceFile(this.#fileSystem, path, encodeDeletes(kept));
    this.#entries = kept.entries;
    this.#lastId = kept.lastId;
  }
}

function concerns(entry: Delete, meta: BlockMeta): boolean {
  return (
    meta.rows > 0 &&
    meta.lastSeal <= entry.seal &&
    meta.deletes < entry.id &&
    meta.minMs <= entry.endMs &&
    meta.maxMs >= entry.startMs
  );
}

/** Deleted stretches of a block's samples by number of the series; undefined when there are none. */
export async function gapsOf(
  block: Block,
  pending: readonly Delete[],
  pacer: Pacer,
): Promise<ReadonlyMap<number, readonly TimeSpan[]> | undefined> {
  if (pending.length === 0) return undefined;
  const gaps = new Map<number, TimeSpan[]>();
  for (const { matchers, startMs, endMs } of pending) {
    for (const series of await block.index.select(matchers, pacer)) {
      const spans = gaps.get(series);
      if (spans === undefined) gaps.set(series, [{ startMs, endMs }]);
      else spans.push({ startMs, endMs });
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return gaps;
}

function encodeDeletes(kept: {
  readonly entries: readonly Delete[];
  readonly lastId: number;
}): Uint8Array {
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
  const sum = crc32c(new TextEncoder().encode(JSON.stringify(deletes)));
  return new TextEncoder().encode(`${JSON.stringify({ deletes, crc32c: sum }, null, 2)}\n`);
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

function decodeDeletes(bytes: Uint8Array): {
  readonly entries: readonly Delete[];
  readonly lastId: number;
} {
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly deletes: Plain;
    readonly crc32c: number;
  };
  const { deletes } = parsed;
  if (parsed.crc32c !== crc32c(new TextEncoder().encode(JSON.stringify(deletes))))
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
