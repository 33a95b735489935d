/**
 * Joins the label indexes of blocks that are merged: all strings in order, each once and with a new number, then all series in order, each with what its blocks
 * keep with it. Series of which nothing is left go, and strings that only they need. Memory: of each block a page of strings and of series, 4 bytes
 * a string, and where something is hidden a byte a series.
 */
import type { Block } from "./block.ts";
import type { RankedSeries } from "./block-index.ts";
import type { BlockIndexWriter } from "./block-index-writer.ts";
import { growUint32, growUint8 } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";

/** A block whose index is joined. */
export interface IndexSource {
  readonly block: Block;
  /** Whether a series, told by its number and what the index keeps with it, has anything left; undefined when all have. Asked once for each, in order. */
  readonly isLeft: ((series: number, payload: Uint8Array) => Promise<boolean>) | undefined;
}

/** A series of the merged block. */
export interface MergedSeries {
  /** Its strings by their new numbers. */
  readonly ranks: Uint32Array;
  /** In the order of the sources. */
  readonly parts: readonly SeriesPart[];
}

/** A series in one of the sources. */
export interface SeriesPart {
  readonly source: number;
  readonly series: number;
  readonly payload: Uint8Array;
}

/** Writes the strings that are needed and then hands out the series, which are to be added to `index` in that order. */
export async function* mergeIndexes(
  sources: readonly IndexSource[],
  index: BlockIndexWriter,
  pacer: Pacer,
): AsyncGenerator<MergedSeries> {
  const needs: (Needs | undefined)[] = [];
  for (const source of sources) needs.push(await findNeeds(source, pacer));
  const ranks = await mergeStrings(sources, needs, index, pacer);
  const cursors: Cursor[] = [];
  for (const [number, { block }] of sources.entries())
    cursors.push(await openCursor(block, ranks[number]!, needs[number]?.left));
  for (let next = smallest(cursors); next !== undefined; next = smallest(cursors)) {
    const parts: SeriesPart[] = [];
    for (const [source, cursor] of cursors.entries()) {
      const { current } = cursor;
      if (current === undefined || compareRanks(current.ranks, next) !== 0) continue;
      parts.push({ source, series: current.series, payload: current.payload });
      await cursor.advance();
    }
    yield { ranks: next, parts };
    if (pacer.isDue()) await pacer.rest();
  }
}

/** What is left of a block: 1 for each series that has anything left, and for each string that one of these needs. */
interface Needs {
  readonly left: Uint8Array;
  readonly strings: Uint8Array;
}

/** Undefined when all is left. Names that were deleted must not stay on disk. */
async function findNeeds({ block, isLeft }: IndexSource, pacer: Pacer): Promise<Needs | undefined> {
  if (isLeft === undefined) return undefined;
  const left = new Uint8Array(block.index.seriesCount);
  let strings: Uint8Array = new Uint8Array(1024);
  let number = 0;
  for await (const page of block.index.rankedSeries()) {
    for (const { ranks, payload } of page) {
      const series = number++;
      if (!(await isLeft(series, payload))) continue;
      left[series] = 1;
      for (const rank of ranks) {
        strings = growUint8(strings, rank + 1);
        strings[rank] = 1;
      }
    }
    if (pacer.isDue()) await pacer.rest();
  }
  return { left, strings };
}

/** Writes the strings that are needed, each once; returns for each block the new number of every such string. */
async function mergeStrings(
  sources: readonly IndexSource[],
  needs: readonly (Needs | undefined)[],
  index: BlockIndexWriter,
  pacer: Pacer,
): Promise<Uint32Array[]> {
  const streams: StringStream[] = [];
  for (const [number, { block }] of sources.entries()) {
    const pages = block.index.strings();
    const used = needs[number]?.strings;
    const stream = { pages, used, page: [], at: 0, total: 0, isDone: false };
    await fillStream(stream);
    streams.push(stream);
  }
  const ranks: Uint32Array[] = sources.map(() => new Uint32Array(1024));
  for (let rank = 0; ;) {
    let text: string | undefined;
    for (const stream of streams) {
      if (stream.isDone) continue;
      const candidate = stream.page[stream.at]!;
      if (text === undefined || candidate < text) text = candidate;
    }
    if (text === undefined) break;
    let isUsed = false;
    for (const [number, stream] of streams.entries()) {
      if (stream.isDone || stream.page[stream.at] !== text) continue;
      isUsed ||= stream.used === undefined || stream.used[stream.total] === 1;
      ranks[number] = growUint32(ranks[number]!, stream.total + 1);
      ranks[number][stream.total++] = rank;
      stream.at++;
      if (stream.at === stream.page.length) await fillStream(stream);
    }
    if (isUsed) {
      await index.addString(text);
      rank++;
    }
    if (pacer.isDue()) await pacer.rest();
  }
  await index.endStrings();
  return ranks;
}

interface StringStream {
  readonly pages: AsyncGenerator<readonly string[]>;
  /** 1 for each string that is needed; undefined when all are. */
  readonly used: Uint8Array | undefined;
  page: readonly string[];
  at: number;
  total: number;
  isDone: boolean;
}

async function fillStream(stream: StringStream): Promise<void> {
  const next = await stream.pages.next();
  stream.isDone = next.done === true;
  stream.page = next.done === true ? [] : next.value;
  stream.at = 0;
}

/** A walk over the series of one block that have something left. */
interface Cursor {
  current:
    | { readonly ranks: Uint32Array; readonly series: number; readonly payload: Uint8Array }
    | undefined;
  advance(): Promise<void>;
}

async function openCursor(
  { index }: Block,
  newRanks: Uint32Array,
  left: Uint8Array | undefined,
): Promise<Cursor> {
  const pages = index.rankedSeries();
  let page: readonly RankedSeries[] = [];
  let at = 0;
  let number = 0;
  const cursor: Cursor = {
    current: undefined,
    async advance() {
      for (;;) {
        if (at === page.length) {
          const next = await pages.next();
          page = next.done === true ? [] : next.value;
          at = 0;
        }
        const found = page[at++];
        cursor.current = undefined;
        if (found === undefined) return;
        const series = number++;
        if (left !== undefined && left[series] === 0) continue;
        const ranks = Uint32Array.from(found.ranks, (rank) => newRanks[rank]!);
        cursor.current = { ranks, series, payload: found.payload };
        return;
      }
    },
  };
  await cursor.advance();
  return cursor;
}

function smallest(cursors: readonly Cursor[]): Uint32Array | undefined {
  let found: Uint32Array | undefined;
  for (const { current } of cursors)
    if (current !== undefined && (found === undefined || compareRanks(current.ranks, found) < 0))
      found = current.ranks;
  return found;
}

function compareRanks(a: Uint32Array, b: Uint32Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
