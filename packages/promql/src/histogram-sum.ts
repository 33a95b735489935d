/**
 * Sums and differences of native histograms. Layouts are brought together first: the coarser schema, the wider zero bucket, or the custom
 * bounds that both have. Every number of the sum carries its rounding error along, so that long sums come out as Prometheus' do.
 */
import type { CounterResetHint, Histogram } from "@finch/model";
import { customBucketMap, hasCustomBounds, sameBounds, sharedBounds } from "./histogram-bounds.ts";
import {
  addMapped,
  coarsen,
  keepBuckets,
  listBuckets,
  mergeLists,
  packBuckets,
  viewBuckets,
} from "./histogram-buckets.ts";
import type { BucketList } from "./histogram-buckets.ts";
import { beyondZero, outsideZero, widenZero } from "./histogram-zero.ts";
import type { ZeroParts } from "./histogram-zero.ts";
import { KahanSum } from "./kahan.ts";

/** A sum under way; belongs to whoever made it. */
export class HistogramSum {
  #schema: number;
  #zeroThreshold: number;
  #bounds: Float64Array;
  #zero: KahanSum;
  #count: KahanSum;
  #sum: KahanSum;
  #positive: BucketList;
  #negative: BucketList;
  /** What the hints of all terms amount to. */
  resetHint: CounterResetHint;
  /** One term said that its counter was reset, another that it was not. */
  isCollided = false;
  /** Terms had different custom bounds. */
  isReconciled = false;

  constructor(first: Histogram) {
    this.#schema = first.schema;
    this.#zeroThreshold = first.zeroThreshold;
    this.#bounds = first.customBounds;
    this.#zero = startAt(first.zeroCount);
    this.#count = startAt(first.count);
    this.#sum = startAt(first.sum);
    this.#positive = listBuckets(first.positive);
    this.#negative = listBuckets(first.negative);
    this.resetHint = first.resetHint;
  }

  /** Adds or (sign -1) subtracts; false, and nothing changed, when one has custom bounds and the other an exponential schema. */
  add(other: Histogram, sign: 1 | -1 = 1): boolean {
    const custom = hasCustomBounds(other);
    if (custom !== hasCustomBounds({ schema: this.#schema })) return false;
    this.#joinHints(other.resetHint);
    this.#count.add(sign * other.count);
    this.#sum.add(sign * other.sum);
    if (custom) this.#addCustom(other, sign);
    else this.#addExponential(other, sign);
    return true;
  }

  #joinHints(hint: CounterResetHint): void {
    const own = this.resetHint;
    if (hint === own || own === "gauge") return;
    if (hint !== "gauge" && own !== "unknown" && hint !== "unknown") this.isCollided = true;
    this.resetHint = hint === "gauge" ? "gauge" : "unknown";
  }

  #addCustom(other: Histogram, sign: 1 | -1): void {
    const list = viewBuckets(other.positive);
    if (sameBounds(this.#bounds, other.customBounds)) {
      this.#positive = mergeLists(this.#positive, list, sign);
      return;
    }
    this.isReconciled = true;
    const shared = sharedBounds(this.#bounds, other.customBounds);
    const merged = emptyList(shared.length + 1);
    addMapped(merged, this.#positive, customBucketMap(this.#bounds, shared), 1);
    addMapped(merged, list, customBucketMap(other.customBounds, shared), sign);
    this.#positive = keepBuckets(
      merged,
      (at) => merged.counts[at] !== 0 || merged.errors[at] !== 0,
    );
    this.#bounds = shared;
  }

  #addExponential(other: Histogram, sign: 1 | -1): void {
    const theirs: ZeroParts = {
      schema: other.schema,
      zeroThreshold: other.zeroThreshold,
      zeroCount: other.zeroCount,
      zeroError: 0,
      positive: viewBuckets(other.positive),
      negative: viewBuckets(other.negative),
    };
    const zero = this.#meetZero(theirs);
    this.#zero.add(sign * zero.zeroCount);
    this.#zero.add(sign * zero.zeroError);
    const schema = Math.min(this.#schema, other.schema);
    this.coarsenTo(schema);
    const outside = (list: BucketList) =>
      beyondZero(coarsen(list, other.schema, schema), schema, this.#zeroThreshold);
    this.#positive = mergeLists(this.#positive, outside(theirs.positive), sign);
    this.#negative = mergeLists(this.#negative, outside(theirs.negative), sign);
  }

  /** Widens the own zero bucket until it fits the other's; answers what the other's is with the same threshold. */
  #meetZero(theirs: ZeroParts): Pick<ZeroParts, "zeroThreshold" | "zeroCount" | "zeroError"> {
    let met: Pick<ZeroParts, "zeroThreshold" | "zeroCount" | "zeroError"> = theirs;
    while (met.zeroThreshold !== this.#zeroThreshold) {
      if (this.#zeroThreshold > met.zeroThreshold) met = widenZero(theirs, this.#zeroThreshold);
      if (met.zeroThreshold > this.#zeroThreshold) this.#widenTo(met.zeroThreshold);
    }
    return met;
  }

  #widenTo(wanted: number): void {
    const { zeroThreshold, zeroCount, zeroError } = widenZero(
      {
        schema: this.#schema,
        zeroThreshold: this.#zeroThreshold,
        zeroCount: this.#zero.sum,
        zeroError: this.#zero.compensation,
        positive: this.#positive,
        negative: this.#negative,
      },
      wanted,
    );
    this.#zeroThreshold = zeroThreshold;
    this.#zero.sum = zeroCount;
    this.#zero.compensation = zeroError;
    this.#positive = outsideZero(this.#positive, this.#schema, zeroThreshold);
    this.#negative = outsideZero(this.#negative, this.#schema, zeroThreshold);
  }

  /** Brings the sum to a coarser exponential schema; the same one changes nothing. */
  coarsenTo(schema: number): void {
    this.#positive = coarsen(this.#positive, this.#schema, schema);
    this.#negative = coarsen(this.#negative, this.#schema, schema);
    this.#schema = schema;
  }

  /** Multiplies all numbers and their errors. */
  scale(factor: number): void {
    this.#mapNumbers((x) => x * factor);
  }

  /** Divides all numbers and their errors. */
  divide(by: number): void {
    this.#mapNumbers((x) => x / by);
  }

  #mapNumbers(apply: (x: number) => number): void {
    for (const sum of [this.#zero, this.#count, this.#sum]) {
      sum.sum = apply(sum.sum);
      sum.compensation = apply(sum.compensation);
    }
    for (const { counts, errors } of [this.#positive, this.#negative]) {
      for (let at = 0; at < counts.length; at++) {
        counts[at] = apply(counts[at]!);
        errors[at] = apply(errors[at]!);
      }
    }
  }

  /** Whether any number has become infinite. */
  isOverflowing(): boolean {
    const isInfinite = (x: number) => x === Infinity || x === -Infinity;
    return (
      [this.#zero.sum, this.#count.sum, this.#sum.sum].some(isInfinite) ||
      this.#positive.counts.some(isInfinite) ||
      this.#negative.counts.some(isInfinite)
    );
  }

  /** The sum with its rounding errors made good, as {@link plain} hands it over. */
  total(): Histogram {
    for (const { counts, errors } of [this.#positive, this.#negative])
      for (let at = 0; at < counts.length; at++) counts[at] = counts[at]! + errors[at]!;
    const { total: zeroCount } = this.#zero;
    return { ...this.plain(), zeroCount, count: this.#count.total, sum: this.#sum.total };
  }

  /** The sum as plain additions would have made it. It is the caller's, numbers included: the sum itself is not to be used any more. */
  plain(): Histogram {
    return {
      schema: this.#schema,
      resetHint: this.resetHint,
      zeroThreshold: this.#zeroThreshold,
      zeroCount: this.#zero.sum,
      count: this.#count.sum,
      sum: this.#sum.sum,
      positive: packBuckets(this.#positive.indexes, this.#positive.counts),
      negative: packBuckets(this.#negative.indexes, this.#negative.counts),
      customBounds: this.#bounds,
    };
  }
}

function startAt(value: number): KahanSum {
  const sum = new KahanSum();
  sum.sum = value;
  return sum;
}

/** Buckets 0 to `length - 1`, all empty. */
function emptyList(length: number): BucketList {
  return {
    indexes: Int32Array.from({ length }, (_, index) => index),
    counts: new Float64Array(length),
    errors: new Float64Array(length),
  };
}
