/**
 * Turns points of delta temporality into cumulative ones: the sum of each series is kept here and grows with every point. The sums live in memory
 * only. After a restart, or once a series was silent long enough to be forgotten, its sum begins anew with a new start time, which queries see as
 * the counter reset it is: `rate` and `increase` lose nothing but what came while Finch was down.
 * Requests with deltas run one after the other, and their sums count only once the store has taken them: a request that fails is sent again, and must
 * not be added twice.
 */
import type {
  OtlpBuckets,
  OtlpDeltas,
  OtlpExponentialPoint,
  OtlpHistogramPoint,
  OtlpNumberPoint,
  OtlpPoint,
} from "@finch/wire";

export interface DeltaLimits {
  /** Bytes of keys and sums kept, as an estimate; a new series beyond them is rejected. */
  readonly stateBytesMax: number;
  /** How long a series may be silent before its sum is forgotten. */
  readonly staleMs: number;
}

export const DEFAULT_DELTA_LIMITS: DeltaLimits = {
  stateBytesMax: 32 * 1024 * 1024,
  staleMs: 3_600_000,
};

type SummedPoint =
  | { readonly kind: "number"; readonly point: OtlpNumberPoint }
  | { readonly kind: "histogram"; readonly point: OtlpHistogramPoint }
  | { readonly kind: "exponential"; readonly point: OtlpExponentialPoint };

type Entry = SummedPoint & { readonly touchedMs: number; readonly bytes: number };

/** What an entry costs beside its key and its buckets. */
const ENTRY_BYTES = 300;
/** Buckets of one sign that a sum may grow to; beyond them it gets coarser. OpenTelemetry's clients send 160. */
const BUCKETS_MAX = 1024;

export class DeltaSums {
  readonly #limits: DeltaLimits;
  /** Least recently touched first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(limits: DeltaLimits) {
    this.#limits = limits;
  }

  get series(): number {
    return this.#entries.size;
  }

  /** Runs `work` alone; what it summed counts when it resolves, and not when it rejects. */
  async run<Result>(nowMs: number, work: (deltas: OtlpDeltas) => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(async () => {
      this.#forgetStale(nowMs);
      const round = new DeltaRound(
        this.#entries,
        Math.max(0, this.#limits.stateBytesMax - this.#bytes),
        nowMs,
      );
      const result = await work(round);
      for (const [key, entry] of round.staged) this.#keep(key, entry);
      return result;
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  #keep(key: string, entry: Entry): void {
    this.#bytes += entry.bytes - (this.#entries.get(key)?.bytes ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  #forgetStale(nowMs: number): void {
    for (const [key, { touchedMs, bytes }] of this.#entries) {
      if (nowMs - touchedMs <= this.#limits.staleMs) return;
      this.#entries.delete(key);
      this.#bytes -= bytes;
    }
  }
}

/** The sums of one request. */
class DeltaRound implements OtlpDeltas {
  readonly staged = new Map<string, Entry>();
  readonly #kept: ReadonlyMap<string, Entry>;
  readonly #nowMs: number;
  #room: number;

  constructor(kept: ReadonlyMap<string, Entry>, room: number, nowMs: number) {
    this.#kept = kept;
    this.#room = room;
    this.#nowMs = nowMs;
  }

  addNumber(key: string, point: OtlpNumberPoint): OtlpNumberPoint | undefined | string {
    const before = this.#before(key, "number");
    if (before === undefined) return this.#stage(key, { kind: "number", point: begun(point) });
    return (
      orderFault(before.point, point) ??
      this.#stage(key, {
        kind: "number",
        point: { ...point, startMs: before.point.startMs, value: before.point.value + point.value },
      })
    );
  }

  addHistogram(key: string, point: OtlpHistogramPoint): OtlpHistogramPoint | undefined | string {
    const before = this.#before(key, "histogram");
    if (before === undefined || !sameBounds(before.point, point))
      return this.#stage(key, { kind: "histogram", point: begun(point) });
    return (
      orderFault(before.point, point) ??
      this.#stage(key, {
        kind: "histogram",
        point: {
          ...point,
          startMs: before.point.startMs,
          count: before.point.count + point.count,
          sum: sumOf(before.point.sum, point.sum),
          bucketCounts: point.bucketCounts.map((count, i) => count + before.point.bucketCounts[i]!),
        },
      })
    );
  }

  addExponential(
    key: string,
    point: OtlpExponentialPoint,
  ): OtlpExponentialPoint | undefined | string {
    const before = this.#before(key, "exponential");
    // Where the zero bucket is as wide as before only, its count and those beside it can be added.
    if (before === undefined || before.point.zeroThreshold !== point.zeroThreshold)
      return this.#stage(key, { kind: "exponential", point: begun(point) });
    return (
      orderFault(before.point, point) ??
      this.#stage(key, { kind: "exponential", point: addExponentials(before.point, point) })
    );
  }

  #before<Kind extends Entry["kind"]>(
    key: string,
    kind: Kind,
  ): Extract<Entry, { kind: Kind }> | undefined {
    const entry = this.staged.get(key) ?? this.#kept.get(key);
    return entry?.kind === kind ? (entry as Extract<Entry, { kind: Kind }>) : undefined;
  }

  #stage<Summed extends SummedPoint>(key: string, summed: Summed): Summed["point"] | string {
    const bytes = ENTRY_BYTES + 2 * key.length + bucketBytes(summed);
    const known = this.staged.get(key) ?? this.#kept.get(key);
    const more = bytes - (known?.bytes ?? 0);
    if (known === undefined && more > this.#room)
      return "no room to sum up another series of delta temporality: send cumulative points";
    this.#room -= more;
    // Exemplars are the point's own, not the sum's.
    const point = { ...summed.point, attributes: NO_ATTRIBUTES, exemplars: [] };
    this.staged.set(key, { ...summed, point, touchedMs: this.#nowMs, bytes } as Entry);
    return summed.point;
  }
}

const NO_ATTRIBUTES: OtlpPoint["attributes"] = new Map();

/** The first of a sum. */
function begun<Point extends OtlpPoint>(point: Point): Point {
  return { ...point, startMs: point.startMs === 0 ? point.timeMs : point.startMs };
}

/** Undefined when the point may be added; what to answer otherwise. */
function orderFault(before: OtlpPoint, point: OtlpPoint): undefined | string {
  if (point.timeMs > before.timeMs) return undefined;
  return `delta point at ${point.timeMs} is not newer than the last one of its series, at ${before.timeMs}`;
}

function sumOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

function sameBounds(a: OtlpHistogramPoint, b: OtlpHistogramPoint): boolean {
  return (
    a.bucketCounts.length === b.bucketCounts.length &&
    a.explicitBounds.length === b.explicitBounds.length &&
    a.explicitBounds.every((bound, i) => bound === b.explicitBounds[i])
  );
}

function bucketBytes(summed: SummedPoint): number {
  switch (summed.kind) {
    case "number":
      return 0;
    case "histogram":
      return 8 * (summed.point.bucketCounts.length + summed.point.explicitBounds.length);
    case "exponential":
      return 8 * (summed.point.positive.counts.length + summed.point.negative.counts.length);
  }
}

/** Both in the coarser scale of the two, or a coarser one still when the buckets would reach too far. */
function addExponentials(a: OtlpExponentialPoint, b: OtlpExponentialPoint): OtlpExponentialPoint {
  let scale = Math.min(a.scale, b.scale);
  const wide = (at: number) =>
    spread(a.positive, a.scale - at, b.positive, b.scale - at) > BUCKETS_MAX ||
    spread(a.negative, a.scale - at, b.negative, b.scale - at) > BUCKETS_MAX;
  while (wide(scale)) scale--;
  return {
    ...b,
    scale,
    startMs: a.startMs,
    count: a.count + b.count,
    sum: sumOf(a.sum, b.sum),
    zeroCount: a.zeroCount + b.zeroCount,
    positive: addBuckets(a.positive, a.scale - scale, b.positive, b.scale - scale),
    negative: addBuckets(a.negative, a.scale - scale, b.negative, b.scale - scale),
  };
}

/** Buckets between the first and the last of both, once `2^shift` neighbours are one. */
function spread(a: OtlpBuckets, shiftA: number, b: OtlpBuckets, shiftB: number): number {
  if (a.counts.length === 0 && b.counts.length === 0) return 0;
  return lastIndex(a, shiftA, b, shiftB) - firstIndex(a, shiftA, b, shiftB) + 1;
}

function firstIndex(a: OtlpBuckets, shiftA: number, b: OtlpBuckets, shiftB: number): number {
  const first = (one: OtlpBuckets, shift: number) =>
    one.counts.length === 0 ? Infinity : Math.floor(one.offset / 2 ** shift);
  return Math.min(first(a, shiftA), first(b, shiftB));
}

function lastIndex(a: OtlpBuckets, shiftA: number, b: OtlpBuckets, shiftB: number): number {
  const last = (one: OtlpBuckets, shift: number) =>
    one.counts.length === 0
      ? -Infinity
      : Math.floor((one.offset + one.counts.length - 1) / 2 ** shift);
  return Math.max(last(a, shiftA), last(b, shiftB));
}

function addBuckets(a: OtlpBuckets, shiftA: number, b: OtlpBuckets, shiftB: number): OtlpBuckets {
  const length = spread(a, shiftA, b, shiftB);
  if (length === 0) return a;
  const offset = firstIndex(a, shiftA, b, shiftB);
  const counts = new Float64Array(length);
  for (const [one, shift] of [
    [a, shiftA],
    [b, shiftB],
  ] as const) {
    for (let i = 0; i < one.counts.length; i++)
      counts[Math.floor((one.offset + i) / 2 ** shift) - offset]! += one.counts[i]!;
  }
  return { offset, counts };
}
