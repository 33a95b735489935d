/** Metric columns of a block: pages of samples by series, one after the other in the order of the index. Drawn in `docs/format/blocks.md`. */
import {
  ByteReader,
  ByteWriter,
  decodeFloats,
  decodeTimestamps,
  encodeFloats,
  encodeTimestamps,
} from "@finch/codec";
import { readBytes } from "./byte-strings.ts";
import { join } from "node:path";
import type { Block } from "./block.ts";
import { framePage, openPage } from "./block-format.ts";
import type { PageRef } from "./block-format.ts";
import { orderSeries, writeIndex } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { INDEX_FILE, METADATA_FILE, PAGES_FILE } from "./file-names.ts";
import { METRIC_PAGE_SAMPLES, READ_BYTES_MAX, READ_GAP_BYTES } from "./limits.ts";
import type { MetricHead } from "./metric-head.ts";
import type { SampleColumns } from "./sample-columns.ts";
import type { Pacer } from "./pacer.ts";
import { ascending } from "./number-columns.ts";

export interface MetricPageRef extends PageRef {
  readonly count: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export async function sealMetrics(
  head: MetricHead,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<{ readonly series: number; readonly rows: number }> {
  const { index } = head;
  const wanted = ascending(index.seriesCount).filter((series) => head.hasSamples(series));
  const order = await orderSeries(index, wanted, pacer);
  const pages = await createFile(PAGES_FILE);
  const payloads: Uint8Array[] = [];
  let rows = 0;
  for (const series of order.series) {
    const columns = head.readAll(series);
    rows += columns.timestampsMs.length;
    payloads.push(await writePages(pages, columns));
    if (pacer.isDue()) await pacer.rest();
  }
  await writeIndex(await createFile(INDEX_FILE), index, order, payloads, pacer);
  const metadata = await createFile(METADATA_FILE);
  await metadata.append(
    framePage(new TextEncoder().encode(JSON.stringify([...head.metadata.values()]))),
  );
  return { series: order.series.length, rows };
}

/** Returns the list of the pages as the index keeps it. */
async function writePages(file: BlockFile, columns: SampleColumns): Promise<Uint8Array> {
  const list = new ByteWriter(64);
  const total = columns.timestampsMs.length;
  list.writeVarint(Math.ceil(total / METRIC_PAGE_SAMPLES));
  let lastMs = 0;
  for (let from = 0; from < total; from += METRIC_PAGE_SAMPLES) {
    const timestampsMs = columns.timestampsMs.slice(from, from + METRIC_PAGE_SAMPLES);
    const times = encodeTimestamps(timestampsMs);
    const values = encodeFloats(columns.values.slice(from, from + METRIC_PAGE_SAMPLES));
    const body = new ByteWriter(8 + times.length + values.length);
    body.writeVarint(times.length);
    body.writeBytes(times);
    body.writeBytes(values);
    const { offset, length } = await file.append(framePage(body.finish()));
    list.writeVarint(offset);
    list.writeVarint(length);
    list.writeVarint(timestampsMs.length);
    list.writeZigzag(timestampsMs[0]! - lastMs);
    lastMs = timestampsMs.at(-1)!;
    list.writeVarint(lastMs - timestampsMs[0]!);
  }
  return list.finish();
}

export function readPageList(payload: Uint8Array): MetricPageRef[] {
  const reader = new ByteReader(payload);
  const pages: MetricPageRef[] = [];
  let lastMs = 0;
  for (let left = reader.readVarint(); left > 0; left--) {
    const offset = reader.readVarint();
    const length = reader.readVarint();
    const count = reader.readVarint();
    const minMs = lastMs + reader.readZigzag();
    lastMs = minMs + reader.readVarint();
    pages.push({ offset, length, count, minMs, maxMs: lastMs });
  }
  return pages;
}

/** Decoded pages in the order of `wanted` (ascending offsets); neighbours are fetched in one read. */
export async function* readMetricPages(
  block: Block,
  wanted: readonly MetricPageRef[],
): AsyncGenerator<SampleColumns> {
  const path = join(block.directory, PAGES_FILE);
  for (let at = 0; at < wanted.length;) {
    const start = wanted[at]!.offset;
    let end = start + wanted[at]!.length;
    let next = at + 1;
    for (; next < wanted.length; next++) {
      const page = wanted[next]!;
      if (page.offset - end > READ_GAP_BYTES || page.offset + page.length - start > READ_BYTES_MAX)
        break;
      end = page.offset + page.length;
    }
    const bytes = await block.read(PAGES_FILE, { offset: start, length: end - start });
    for (; at < next; at++) {
      const { offset, length } = wanted[at]!;
      yield decodePage(
        openPage(bytes.subarray(offset - start, offset - start + length), path, offset),
      );
    }
  }
}

function decodePage(body: Uint8Array): SampleColumns {
  const reader = new ByteReader(body);
  const times = readBytes(reader, reader.readVarint());
  return {
    timestampsMs: decodeTimestamps(times),
    values: decodeFloats(body.subarray(reader.position)),
  };
}
