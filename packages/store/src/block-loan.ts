/**
 * Blocks lent to another thread for one selection: what it needs to read them itself, as plain data that can be posted. Blocks do not change, and
 * who lends keeps those named here in their places until the loan is returned.
 */
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator, Series } from "@finch/model";
import type { Clock, FileSystem } from "@finch/runtime";
import type { MetricSelection } from "./api.ts";
import { openBlock } from "./block.ts";
import type { Block, BlockContext } from "./block.ts";
import type { Delete, RowSelection } from "./deletes.ts";
import { HiddenRows } from "./hidden-rows.ts";
import { IDLE_LENT_BLOCKS_MAX } from "./limits.ts";
import { selectMetrics } from "./metric-select.ts";
import { createPacer } from "./pacer.ts";
import { PageCache } from "./page-cache.ts";

type PlainMatcher = readonly [name: string, operator: MatchOperator, value: string];

type Plain<Rows extends RowSelection> = Omit<Rows, "matchers"> & {
  readonly matchers: readonly PlainMatcher[];
};

export interface LentBlocks {
  readonly matchers: readonly PlainMatcher[];
  /** Directories of the blocks to be read, those that take precedence first. */
  readonly directories: readonly string[];
  /** Of all blocks that the store has: others will not be lent again. */
  readonly standing: readonly string[];
  readonly deletes: readonly Plain<Delete>[];
  readonly expired: readonly Plain<RowSelection>[];
}

export function lendBlocks(
  matchers: readonly Matcher[],
  blocks: readonly Block[],
  from: { readonly standing: readonly Block[]; readonly hidden: HiddenRows },
): LentBlocks {
  return {
    matchers: matchers.map(plainMatcher),
    directories: blocks.map(({ directory }) => directory),
    standing: from.standing.map(({ directory }) => directory),
    deletes: from.hidden.deletes.map(plainRows),
    expired: from.hidden.expired.map(plainRows),
  };
}

/** Reads lent blocks, in the thread that borrowed them; what it opened and decoded it keeps for the next loan. */
export class BlockReader {
  readonly #context: BlockContext;
  readonly #cache: PageCache;
  readonly #clock: Clock;
  readonly #blocks = new Map<string, Promise<Block>>();

  /** `cacheBytesMax` bounds what it keeps of indexes. */
  constructor(fileSystem: FileSystem, clock: Clock, cacheBytesMax: number) {
    this.#cache = new PageCache(cacheBytesMax);
    const idleMax = IDLE_LENT_BLOCKS_MAX;
    this.#context = { fileSystem, cache: this.#cache, idle: new Set(), idleMax };
    this.#clock = clock;
  }

  /** Bytes of what is kept. */
  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  /** As the store selects; `others` are the series that are not in blocks, each once. To be returned when it is done. */
  async *select(
    lent: LentBlocks,
    request: Omit<MetricSelection, "matchers">,
    others: AsyncIterable<readonly Series[]>,
  ): AsyncGenerator<readonly Series[]> {
    await this.#forget(new Set(lent.standing));
    const blocks: Block[] = [];
    try {
      for (const directory of lent.directories) {
        const block = await this.#open(directory);
        block.acquire();
        blocks.push(block);
      }
      const hidden = new HiddenRows(lent.deletes.map(rowsOf), lent.expired.map(rowsOf));
      const matchers = lent.matchers.map(matcherOf);
      const pacer = createPacer(this.#clock, request.signal);
      const view = { blocks, heads: [], hidden, others };
      for await (const batch of selectMetrics(view, { ...request, matchers }, pacer)) {
        request.signal.throwIfAborted();
        yield batch;
      }
    } finally {
      for (const block of blocks) await block.release();
    }
  }

  #open(directory: string): Promise<Block> {
    let block = this.#blocks.get(directory);
    if (block === undefined) {
      block = openBlock(this.#context, directory);
      this.#blocks.set(directory, block);
      block.catch(() => this.#blocks.delete(directory));
    }
    return block;
  }

  /** Closes blocks that are gone: their files would take up the disk. */
  async #forget(standing: ReadonlySet<string>): Promise<void> {
    for (const [directory, opened] of this.#blocks) {
      if (standing.has(directory)) continue;
      this.#blocks.delete(directory);
      await opened.then(
        (block) => block.retire(() => Promise.resolve()),
        () => {},
      );
    }
  }
}

function plainMatcher({ name, operator, value }: Matcher): PlainMatcher {
  return [name, operator, value];
}

function matcherOf([name, operator, value]: PlainMatcher): Matcher {
  return createMatcher(name, operator, value);
}

function plainRows<Rows extends RowSelection>(rows: Rows): Plain<Rows> {
  return { ...rows, matchers: rows.matchers.map(plainMatcher) };
}

function rowsOf<Rows extends Plain<RowSelection>>(
  rows: Rows,
): Omit<Rows, "matchers"> & Pick<RowSelection, "matchers"> {
  return { ...rows, matchers: rows.matchers.map(matcherOf) };
}
