/**
 * Native histograms as numbers in two columns, for the way to a query worker. Of each histogram the whole numbers hold: number of its sample in
 * the series, schema, reset hint, lengths of positive spans, positive counts, negative spans, negative counts and custom bounds, then the spans;
 * the doubles hold: zero threshold, zero count, count, sum, then positive counts, negative counts and custom bounds.
 */
import type { CounterResetHint, Histogram } from "@finch/model";

const HINTS: readonly CounterResetHint[] = ["unknown", "reset", "not-reset", "gauge"];
const INTEGERS_BEFORE_SPANS = 8;
const DOUBLES_BEFORE_COUNTS = 4;

/** Histograms on the way out: what `add` was given, in columns that grow. */
export class HistogramWriter {
  readonly integers: number[] = [];
  readonly doubles: number[] = [];

  /** The histograms of one series; undefined where the sample is a float. */
  add(histograms: readonly (Histogram | undefined)[]): void {
    for (const [sample, histogram] of histograms.entries())
      if (histogram !== undefined) this.#addOne(sample, histogram);
  }

  #addOne(sample: number, histogram: Histogram): void {
    const { positive, negative, customBounds } = histogram;
    this.integers.push(
      sample,
      histogram.schema,
      HINTS.indexOf(histogram.resetHint),
      positive.spans.length,
      positive.counts.length,
      negative.spans.length,
      negative.counts.length,
      customBounds.length,
    );
    append(this.integers, positive.spans);
    append(this.integers, negative.spans);
    this.doubles.push(histogram.zeroThreshold, histogram.zeroCount, histogram.count, histogram.sum);
    append(this.doubles, positive.counts);
    append(this.doubles, negative.counts);
    append(this.doubles, customBounds);
  }
}

function append(target: number[], source: Int32Array | Float64Array): void {
  for (let i = 0; i < source.length; i++) target.push(source[i]!);
}

/** Reads histograms out of columns; what it returns are views of them. */
export class HistogramReader {
  readonly #integers: Int32Array;
  readonly #doubles: Float64Array;
  #integerAt = 0;
  #doubleAt = 0;

  constructor(integers: Int32Array, doubles: Float64Array) {
    this.#integers = integers;
    this.#doubles = doubles;
  }

  /** The histograms up to whole number `end`: those of the next series, which has `samples` samples. */
  take(samples: number, end: number): readonly (Histogram | undefined)[] {
    const result = Array.from<Histogram | undefined>({ length: samples });
    while (this.#integerAt < end) result[this.#integers[this.#integerAt]!] = this.#takeOne();
    return result;
  }

  #takeOne(): Histogram {
    const integers = this.#integers;
    const at = this.#integerAt;
    const lengthAt = (index: number) => integers[at + 3 + index]!;
    let spanAt = at + INTEGERS_BEFORE_SPANS;
    const spans = (length: number) => integers.subarray(spanAt, (spanAt += length));
    const first = this.#doubleAt;
    let doubleAt = first + DOUBLES_BEFORE_COUNTS;
    const doubles = (length: number) => this.#doubles.subarray(doubleAt, (doubleAt += length));
    const positive = { spans: spans(lengthAt(0)), counts: doubles(lengthAt(1)) };
    const negative = { spans: spans(lengthAt(2)), counts: doubles(lengthAt(3)) };
    const customBounds = doubles(lengthAt(4));
    this.#integerAt = spanAt;
    this.#doubleAt = doubleAt;
    return {
      schema: integers[at + 1]!,
      resetHint: HINTS[integers[at + 2]!]!,
      zeroThreshold: this.#doubles[first]!,
      zeroCount: this.#doubles[first + 1]!,
      count: this.#doubles[first + 2]!,
      sum: this.#doubles[first + 3]!,
      positive,
      negative,
      customBounds,
    };
  }
}
