/** What the tests of the stores share: options over a file system in memory, batches from plain objects, answers as plain objects. */
import { ProtobufWriter } from "@finch/codec";
import { createMatcher, Labels } from "@finch/model";
import type {
  Histogram,
  LogBatch,
  LogColumns,
  Matcher,
  MetricMetadata,
  SampleBatch,
} from "@finch/model";
import { silentLogger } from "@finch/runtime";
import type { Clock, FileSystem } from "@finch/runtime";
import type { LogSelect, LogStore, MetricStore, StoreLimits, StoreOptions } from "../src/api.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";

export const NOW_MS = 1_790_000_000_000;

/** A clock that stands still until told; sleeping ends only by abort. */
export function createTestClock(): Clock & { now: number } {
  const clock = {
    now: NOW_MS,
    nowMs: () => clock.now,
    nowNs: () => BigInt(clock.now) * 1_000_000n,
    monotonicMs: () => performance.now(),
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
  };
  return clock;
}

export function storeOptions(
  fileSystem: FileSystem,
  options: {
    readonly directory?: string;
    readonly clock?: Clock;
    readonly limits?: Partial<StoreLimits>;
    readonly maxAgeMs?: number;
  } = {},
): StoreOptions {
  return {
    directory: options.directory ?? "/data/signal",
    fileSystem,
    clock: options.clock ?? createTestClock(),
    log: silentLogger,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    retention: { maxAgeMs: options.maxAgeMs ?? Infinity, maxDiskShare: 1 },
  };
}

export interface PlainSample {
  readonly series: string;
  readonly t: number;
  /** With a histogram, its sum. */
  readonly v: number;
  readonly histogram?: Histogram | undefined;
  /** When the counter began. */
  readonly start?: number | undefined;
}

/** A histogram of so many observations, each with a bucket of its own. */
export function histogramOf(count: number, sum: number): Histogram {
  return {
    schema: 0,
    resetHint: "unknown",
    zeroThreshold: 0.5,
    zeroCount: 0,
    count,
    sum,
    positive: { spans: Int32Array.of(1, count), counts: new Float64Array(count).fill(1) },
    negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
    customBounds: new Float64Array(0),
  };
}

/** One batch; series `name` is `{__name__="name", parity="even|odd"}`. */
export function sampleBatch(
  samples: readonly PlainSample[],
  metadata: readonly MetricMetadata[] = [],
  exemplars?: SampleBatch["exemplars"],
): SampleBatch {
  const keys = samples.map(({ series }) => keyOf(labelsOfSeries(series)));
  const keyBounds = new Uint32Array(2 * keys.length);
  const histograms = new Map<number, Histogram>();
  for (const [index, { histogram }] of samples.entries())
    if (histogram !== undefined) histograms.set(index, histogram);
  let at = 0;
  for (const [index, key] of keys.entries()) {
    keyBounds[2 * index] = at;
    keyBounds[2 * index + 1] = at += key.length;
  }
  return {
    seriesCount: samples.length,
    sampleStarts: Uint32Array.from({ length: samples.length + 1 }, (_, index) => index),
    timestampsMs: Float64Array.from(samples, ({ t }) => t),
    values: Float64Array.from(samples, ({ v }) => v),
    ...(histograms.size > 0 ? { histograms } : {}),
    ...(samples.some(({ start }) => start !== undefined)
      ? { startTimestampsMs: Float64Array.from(samples, ({ start }) => start ?? 0) }
      : {}),
    ...(exemplars === undefined ? {} : { exemplars }),
    keyBytes: new Uint8Array(Buffer.concat(keys)),
    keyBounds,
    labelsOf: (s) => labelsOfSeries(samples[s]!.series),
    metadata,
  };
}

/** Labels as the messages of remote write. */
function keyOf(labels: Labels): Uint8Array {
  const writer = new ProtobufWriter();
  for (const [name, value] of labels) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
  return writer.finish();
}

export function labelsOfSeries(name: string): Labels {
  return Labels.fromObject({ __name__: name, parity: name.length % 2 === 0 ? "even" : "odd" });
}

/** Everything the matchers select, as `series@t` → value; a repetition is an error. */
export async function readSamples(
  store: MetricStore,
  matchers: readonly Matcher[] = [createMatcher("__name__", "=~", ".+")],
  range: { readonly startMs: number; readonly endMs: number } = { startMs: -8e15, endMs: 8e15 },
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const seen = new Set<string>();
  for await (const batch of store.select({
    matchers,
    ...range,
    signal: new AbortController().signal,
  })) {
    for (const { labels, timestampsMs, values, isRising } of batch) {
      if (seen.has(labels.key)) throw new Error(`series ${labels.toString()} came twice`);
      const rises = values.every((value, i) => value >= (values[i - 1] ?? -Infinity));
      if ((isRising ?? rises) !== rises) throw new Error(`${labels.toString()}: ${isRising}`);
      seen.add(labels.key);
      let last = -Infinity;
      for (const [index, t] of timestampsMs.entries()) {
        if (t <= last) throw new Error(`${labels.toString()} does not ascend at ${t}`);
        last = t;
        found.set(`${labels.get("__name__")}@${t}`, values[index]!);
      }
    }
  }
  return found;
}

/** Every sample, as `series@t`, with all that is known of it. */
export async function readRich(store: MetricStore): Promise<Map<string, PlainSample>> {
  const found = new Map<string, PlainSample>();
  const everything = [createMatcher("__name__", "=~", ".+")];
  const { signal } = new AbortController();
  for await (const batch of store.select({
    matchers: everything,
    startMs: -8e15,
    endMs: 8e15,
    signal,
  })) {
    for (const { labels, timestampsMs, values, histograms, startTimestampsMs } of batch) {
      const series = labels.get("__name__");
      for (const [row, t] of timestampsMs.entries()) {
        const histogram = histograms?.[row];
        const start = startTimestampsMs?.[row] ?? 0;
        found.set(`${series}@${t}`, { series, t, v: values[row]!, histogram, start });
      }
    }
  }
  return found;
}

export interface PlainEntry {
  readonly stream: string;
  readonly ns: bigint;
  readonly line: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function logBatch(entries: readonly PlainEntry[]): LogBatch {
  const streams = new Map<string, PlainEntry[]>();
  for (const entry of entries)
    streams.set(entry.stream, [...(streams.get(entry.stream) ?? []), entry]);
  return {
    streams: Array.from(streams, ([name, rows]) => ({
      labels: labelsOfStream(name),
      entries: columnsOf(rows),
    })),
  };
}

export function labelsOfStream(name: string): Labels {
  return Labels.fromObject({ app: name, kind: "test" });
}

function columnsOf(rows: readonly PlainEntry[]): LogColumns {
  const lines = rows.map(({ line }) => new TextEncoder().encode(line));
  const lineBounds = new Uint32Array(rows.length + 1);
  for (const [index, line] of lines.entries())
    lineBounds[index + 1] = lineBounds[index]! + line.length;
  const metadataSets = [
    Labels.EMPTY,
    ...rows.map(({ metadata }) => Labels.fromObject(metadata ?? {})),
  ];
  return {
    count: rows.length,
    timestampsNs: BigInt64Array.from(rows, ({ ns }) => ns),
    lines: new Uint8Array(Buffer.concat(lines)),
    lineBounds,
    metadataSets,
    metadataOf: Uint32Array.from(rows, ({ metadata }, index) =>
      metadata === undefined ? 0 : index + 1,
    ),
  };
}

/** Everything in the order it came, as `stream@ns line {metadata}`; breaks of the order of pages or rows are errors. */
export async function readEntries(
  store: LogStore,
  request: Partial<LogSelect> = {},
  statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 },
): Promise<string[]> {
  const direction = request.direction ?? "forward";
  const found: string[] = [];
  let lastEdge: bigint | undefined;
  const lastOfStream = new Map<string, bigint>();
  const full: LogSelect = {
    matchers: [createMatcher("kind", "=", "test")],
    startNs: -(2n ** 62n),
    endNs: 2n ** 62n,
    needles: [],
    lines: "all",
    signal: new AbortController().signal,
    ...request,
    direction,
  };
  for await (const { labels, entries } of store.select(full, statistics)) {
    const times = entries.timestampsNs;
    if (entries.count === 0) throw new Error("an empty page");
    const edge = direction === "forward" ? times[0]! : times[entries.count - 1]!;
    if (lastEdge !== undefined && (direction === "forward" ? edge < lastEdge : edge > lastEdge))
      throw new Error("pages are out of order");
    lastEdge = edge;
    const last = lastOfStream.get(labels.key);
    if (
      last !== undefined &&
      (direction === "forward" ? times[0]! < last : times[entries.count - 1]! > last)
    )
      throw new Error("pages of a stream overlap");
    lastOfStream.set(labels.key, direction === "forward" ? times[entries.count - 1]! : times[0]!);
    for (let row = 0; row < entries.count; row++) {
      if (row > 0 && times[row]! < times[row - 1]!) throw new Error("rows do not ascend");
      const line = new TextDecoder().decode(
        entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]),
      );
      const metadata = entries.metadataSets[entries.metadataOf[row]!]!;
      found.push(
        `${labels.get("app")}@${times[row]} ${line}${metadata.size === 0 ? "" : ` ${JSON.stringify(metadata.toObject())}`}`,
      );
    }
  }
  return found;
}

/** A small seeded generator (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
