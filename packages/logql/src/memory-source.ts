/** A source that holds its entries in memory: for tests, and for running case files. Follows the contract of `source.ts` to the letter. */
import { Labels } from "@finch/model";
import type { LogColumns, LogPage } from "@finch/model";
import type { LogSelectRequest, LogSelectStatistics, LogSource } from "./source.ts";

export interface MemoryEntry {
  readonly timestampNs: bigint;
  readonly line: string;
  readonly metadata?: Labels;
}

export interface MemoryLogSource extends LogSource {
  /** Adds entries to a stream, in any order; one that is equal to another in time, line and metadata is dropped. */
  append(labels: Labels, entries: readonly MemoryEntry[]): void;
}

interface MemoryStream {
  readonly labels: Labels;
  entries: MemoryEntry[];
}

/** Rows of a page at most; small, so that tests see several. */
const PAGE_ROWS = 256;

export function createMemorySource(): MemoryLogSource {
  const streams = new Map<string, MemoryStream>();
  return {
    append: (labels, entries) => {
      let stream = streams.get(labels.key);
      if (stream === undefined) {
        stream = { labels, entries: [] };
        streams.set(labels.key, stream);
      }
      const seen = new Set(stream.entries.map(identity));
      for (const entry of entries) {
        if (seen.has(identity(entry))) continue;
        seen.add(identity(entry));
        stream.entries.push(entry);
      }
      stream.entries.sort((a, b) =>
        a.timestampNs < b.timestampNs ? -1 : a.timestampNs > b.timestampNs ? 1 : 0,
      );
    },
    select: (request, statistics) => selectPages([...streams.values()], request, statistics),
  };
}

function identity({ timestampNs, line, metadata }: MemoryEntry): string {
  return `${timestampNs}\n${metadata?.key ?? ""}\n${line}`;
}

async function* selectPages(
  streams: readonly MemoryStream[],
  request: LogSelectRequest,
  statistics: LogSelectStatistics,
): AsyncGenerator<LogPage> {
  const { matchers, startNs, endNs, direction, signal } = request;
  const pages: LogPage[] = [];
  for (const { labels, entries } of streams) {
    if (!matchers.every(({ name, matches }) => matches(labels.get(name)))) continue;
    const inside = entries.filter(
      ({ timestampNs, line }) =>
        timestampNs >= startNs && timestampNs < endNs && hasAll(line, request.needles),
    );
    for (let from = 0; from < inside.length; from += PAGE_ROWS) {
      pages.push({ labels, entries: makeColumns(inside.slice(from, from + PAGE_ROWS)) });
    }
  }
  const front = ({ entries }: LogPage) =>
    entries.timestampsNs[direction === "backward" ? entries.count - 1 : 0]!;
  const sign = direction === "backward" ? -1 : 1;
  pages.sort((a, b) => (front(a) < front(b) ? -sign : front(a) > front(b) ? sign : 0));
  for (const page of pages) {
    signal.throwIfAborted();
    statistics.pagesRead++;
    statistics.bytesRead += page.entries.lines.length;
    yield await Promise.resolve(page);
  }
}

function hasAll(line: string, needles: readonly Uint8Array[]): boolean {
  return needles.every((needle) => Buffer.from(line).includes(needle));
}

/** Entries as columns. */
export function makeColumns(entries: readonly MemoryEntry[]): LogColumns {
  const encoder = new TextEncoder();
  const lines = entries.map(({ line }) => encoder.encode(line));
  const lineBounds = new Uint32Array(entries.length + 1);
  for (const [i, line] of lines.entries()) lineBounds[i + 1] = lineBounds[i]! + line.length;
  const bytes = new Uint8Array(lineBounds[entries.length]!);
  for (const [i, line] of lines.entries()) bytes.set(line, lineBounds[i]);
  const metadataSets = [Labels.EMPTY];
  const sets = new Map([[Labels.EMPTY.key, 0]]);
  const metadataOf = new Uint32Array(entries.length);
  for (const [i, { metadata }] of entries.entries()) {
    if (metadata === undefined || metadata.size === 0) continue;
    let set = sets.get(metadata.key);
    if (set === undefined) {
      set = metadataSets.push(metadata) - 1;
      sets.set(metadata.key, set);
    }
    metadataOf[i] = set;
  }
  return {
    count: entries.length,
    timestampsNs: BigInt64Array.from(entries, ({ timestampNs }) => timestampNs),
    lines: bytes,
    lineBounds,
    metadataSets,
    metadataOf,
  };
}
