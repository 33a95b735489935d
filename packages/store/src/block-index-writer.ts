/**
 * Writes the label index of a block: strings, series and postings in checksummed, compressed pages, and a root that says where they are,
 * so that a reader fetches only what a query touches. Drawn in `docs/format/index.md`.
 */
import { ByteWriter } from "@finch/codec";
import { writeString } from "./byte-strings.ts";
import { compressBytes, framePage } from "./block-format.ts";
import type { PageRef } from "./block-format.ts";
import type { BlockFile } from "./block-writer.ts";
import type { LabelIndex } from "./label-index.ts";
import { INDEX_PAGE_BYTES } from "./limits.ts";
import { sortPaced } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";
import { ascending } from "./number-columns.ts";

export const SERIES_PER_PAGE = 64;
export const ROOT_TRAILER_BYTES = 16;

/** The order of a block: series by labels, strings by code units. */
export interface BlockOrder {
  /** Series of the head in the order of the block; only those that have data. */
  readonly series: Uint32Array;
  /** Strings of the head in order, and the rank of each. */
  readonly strings: Uint32Array;
  readonly ranks: Uint32Array;
}

export async function orderSeries(
  index: LabelIndex,
  wanted: Uint32Array,
  pacer: Pacer,
): Promise<BlockOrder> {
  const texts = index.strings;
  const strings = ascending(texts.length);
  await sortPaced(
    strings,
    (a, b) => (texts[a]! < texts[b]! ? -1 : texts[a]! > texts[b]! ? 1 : 0),
    pacer,
  );
  const ranks = new Uint32Array(strings.length);
  for (let rank = 0; rank < strings.length; rank++) ranks[strings[rank]!] = rank;
  const series = wanted.slice();
  await sortPaced(
    series,
    (a, b) => {
      const left = index.pairsOf(a);
      const right = index.pairsOf(b);
      const shared = Math.min(left.length, right.length);
      for (let i = 0; i < shared; i++)
        if (left[i] !== right[i]) return ranks[left[i]!]! - ranks[right[i]!]!;
      return left.length - right.length;
    },
    pacer,
  );
  return { series, strings, ranks };
}

/** `payloads[i]` is what the index keeps with the series at place `i` of the order. */
export async function writeIndex(
  file: BlockFile,
  index: LabelIndex,
  order: BlockOrder,
  payloads: readonly Uint8Array[],
  pacer: Pacer,
): Promise<void> {
  const root = new ByteWriter(4096);
  root.writeVarint(order.strings.length);
  root.writeVarint(order.series.length);
  await writeStrings(file, index, order, root, pacer);
  await writeSeries(file, index, order, payloads, root, pacer);
  await writePostings(file, index, order, root, pacer);
  const { offset, length } = await appendPage(file, root);
  const trailer = new ByteWriter(ROOT_TRAILER_BYTES);
  trailer.writeUint32(offset % 2 ** 32);
  trailer.writeUint32(Math.floor(offset / 2 ** 32));
  trailer.writeUint32(length);
  trailer.writeUint32(0x58444e49);
  await file.append(trailer.finish());
}

async function appendPage(file: BlockFile, body: ByteWriter): Promise<PageRef> {
  return file.append(framePage(await compressBytes(body.bytes.subarray(0, body.length))));
}

/** Root: page count, then for each page its place, rank of its first string, that string. */
async function writeStrings(
  file: BlockFile,
  index: LabelIndex,
  order: BlockOrder,
  root: ByteWriter,
  pacer: Pacer,
): Promise<void> {
  const entries = new ByteWriter();
  let pages = 0;
  const page = new ByteWriter();
  let first = 0;
  const flush = async (next: number) => {
    writePlace(entries, await appendPage(file, page));
    entries.writeVarint(first);
    writeString(entries, index.strings[order.strings[first]!]!);
    page.clear();
    pages++;
    first = next;
  };
  for (let rank = 0; rank < order.strings.length; rank++) {
    writeString(page, index.strings[order.strings[rank]!]!);
    if (page.length >= INDEX_PAGE_BYTES) await flush(rank + 1);
    if (pacer.isDue()) await pacer.rest();
  }
  if (page.length > 0) await flush(order.strings.length);
  root.writeVarint(pages);
  root.writeBytes(entries.finish());
}

/** Root: for each page of {@link SERIES_PER_PAGE} series its place. */
async function writeSeries(
  file: BlockFile,
  index: LabelIndex,
  order: BlockOrder,
  payloads: readonly Uint8Array[],
  root: ByteWriter,
  pacer: Pacer,
): Promise<void> {
  const page = new ByteWriter();
  for (let at = 0; at < order.series.length; at++) {
    const pairs = index.pairsOf(order.series[at]!);
    page.writeVarint(pairs.length / 2);
    for (const number of pairs) page.writeVarint(order.ranks[number]!);
    page.writeVarint(payloads[at]!.length);
    page.writeBytes(payloads[at]!);
    if ((at + 1) % SERIES_PER_PAGE === 0 || at + 1 === order.series.length) {
      writePlace(root, await appendPage(file, page));
      page.clear();
    }
    if (pacer.isDue()) await pacer.rest();
  }
}

/** Root: page count, then for each page its place, and the ranks of name and value of its first list. */
async function writePostings(
  file: BlockFile,
  index: LabelIndex,
  order: BlockOrder,
  root: ByteWriter,
  pacer: Pacer,
): Promise<void> {
  const lists = await collectPostings(index, order, pacer);
  const entries = new ByteWriter();
  let pages = 0;
  const page = new ByteWriter();
  let first: readonly [number, number] = [0, 0];
  const flush = async () => {
    writePlace(entries, await appendPage(file, page));
    entries.writeVarint(first[0]);
    entries.writeVarint(first[1]);
    page.clear();
    pages++;
  };
  for (const name of Array.from(lists.keys()).sort((a, b) => a - b)) {
    const values = lists.get(name)!;
    const ranks = Uint32Array.from(values.keys());
    await sortPaced(ranks, (a, b) => a - b, pacer);
    for (const value of ranks) {
      const series = values.get(value)!;
      if (page.length === 0) first = [name, value];
      page.writeVarint(name);
      page.writeVarint(value);
      page.writeVarint(series.length);
      let last = 0;
      for (const number of series) {
        page.writeVarint(number - last);
        last = number;
      }
      if (page.length >= INDEX_PAGE_BYTES) await flush();
      if (pacer.isDue()) await pacer.rest();
    }
  }
  if (page.length > 0) await flush();
  root.writeVarint(pages);
  root.writeBytes(entries.finish());
}

/** Places of series by rank of name, then of value. */
async function collectPostings(
  index: LabelIndex,
  order: BlockOrder,
  pacer: Pacer,
): Promise<Map<number, Map<number, number[]>>> {
  const byName = new Map<number, Map<number, number[]>>();
  for (let at = 0; at < order.series.length; at++) {
    const pairs = index.pairsOf(order.series[at]!);
    for (let i = 0; i < pairs.length; i += 2) {
      const name = order.ranks[pairs[i]!]!;
      const value = order.ranks[pairs[i + 1]!]!;
      let values = byName.get(name);
      if (values === undefined) byName.set(name, (values = new Map()));
      const list = values.get(value);
      if (list === undefined) values.set(value, [at]);
      else list.push(at);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  return byName;
}

function writePlace(writer: ByteWriter, place: PageRef): void {
  writer.writeVarint(place.offset);
  writer.writeVarint(place.length);
}
