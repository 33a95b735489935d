import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Histogram, HistogramBuckets } from "@finch/model";
import { histogramOf } from "../test/histogram-of.ts";
import {
  combineHistograms,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  scaleHistogram,
  scaleOwnHistogram,
  subtractSameLayout,
} from "./histogram-arithmetic.ts";
import { averageHistograms, sumHistograms } from "./histogram-mean.ts";

/** What `a ± b` is: without empty buckets. */
const SUMS: readonly (readonly [rule: string, a: string, sign: 1 | -1, b: string, sum: string])[] =
  [
    [
      "buckets of equal layout add up",
      "count:6 sum:3 buckets:[1 2 3]",
      1,
      "count:3 sum:1 buckets:[1 1 1]",
      "count:9 sum:4 buckets:[2 3 4]",
    ],
    [
      "buckets that only one side has are kept",
      "count:3 sum:3 offset:-2 buckets:[1 2]",
      1,
      "count:2 sum:1 offset:2 buckets:[2] n_buckets:[1]",
      "count:5 sum:4 offset:-2 buckets:[1 2 0 0 2] n_buckets:[1]",
    ],
    [
      "the coarser schema wins, on either side",
      "schema:1 count:4 sum:1 offset:1 buckets:[1 1 1 1]",
      1,
      "schema:0 count:1 sum:1 offset:1 buckets:[1]",
      "schema:0 count:5 sum:2 offset:1 buckets:[3 2]",
    ],
    [
      "differences may be negative",
      "count:1 sum:1 buckets:[1]",
      -1,
      "count:3 sum:5 buckets:[3]",
      "count:-2 sum:-4 buckets:[-2]",
    ],
    [
      "the wider zero bucket takes in what it covers",
      "count:7 sum:1 z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[2 4]",
      1,
      "count:1 sum:1 z_bucket:1 z_bucket_w:0.25",
      "count:8 sum:2 z_bucket:4 z_bucket_w:0.25 offset:-1 buckets:[4]",
    ],
    [
      "an edge inside a populated bucket moves to its end",
      "count:7 sum:1 z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[2 4]",
      1,
      "count:1 sum:1 z_bucket:1 z_bucket_w:0.2 n_offset:-1 n_buckets:[1]",
      "count:8 sum:2 z_bucket:4 z_bucket_w:0.25 offset:-1 buckets:[4] n_offset:-1 n_buckets:[1]",
    ],
    [
      "custom bounds are cut down to those both have",
      "schema:-53 count:10 sum:1 custom_values:[1 2 5] buckets:[1 2 3 4]",
      1,
      "schema:-53 count:6 sum:1 custom_values:[2 3 5] buckets:[1 1 1 3]",
      "schema:-53 count:16 sum:2 custom_values:[2 5] buckets:[4 5 7]",
    ],
    [
      "custom bounds that have nothing in common leave one bucket",
      "schema:-53 count:3 sum:1 custom_values:[1] buckets:[1 2]",
      -1,
      "schema:-53 count:1 sum:1 custom_values:[2] buckets:[1]",
      "schema:-53 count:2 sum:0 buckets:[2]",
    ],
  ];

for (const [rule, a, sign, b, sum] of SUMS) {
  void test(`sums: ${rule}`, () => {
    const combined = combineHistograms(histogramOf(a), histogramOf(b), sign);
    assert.ok(combined !== undefined);
    const got = compactHistogram(combined.histogram);
    assert.ok(equalHistograms(got, compactHistogram(histogramOf(sum))), JSON.stringify(got));
  });
}

void test("operands are left as they are", () => {
  const a = histogramOf("schema:1 count:4 sum:1 z_bucket_w:0.01 z_bucket:2 buckets:[1 1]");
  const b = histogramOf("schema:0 count:4 sum:1 z_bucket_w:2 z_bucket:2 buckets:[1 1]");
  const before = structuredClone([a, b]);
  combineHistograms(a, b, 1);
  sumHistograms([a, b, a]);
  averageHistograms([b, a, b]);
  scaleHistogram(a, -2);
  assert.deepEqual([a, b], before);
});

void test("exponential and custom buckets do not add up", () => {
  const custom = histogramOf("schema:-53 count:1 sum:1 custom_values:[1] buckets:[1]");
  const exponential = histogramOf("count:1 sum:1 buckets:[1]");
  assert.equal(combineHistograms(custom, exponential, 1), undefined);
  assert.equal(sumHistograms([exponential, exponential, custom]), undefined);
  assert.equal(averageHistograms([custom, exponential]), undefined);
});

for (const [a, b, hint, collides] of [
  ["unknown", "unknown", "unknown", false],
  ["gauge", "reset", "gauge", false],
  ["not_reset", "gauge", "gauge", false],
  ["not_reset", "unknown", "unknown", false],
  ["unknown", "reset", "unknown", false],
  ["not_reset", "not_reset", "not-reset", false],
  ["reset", "reset", "reset", false],
  ["reset", "not_reset", "unknown", true],
  ["not_reset", "reset", "unknown", true],
] as const) {
  void test(`hints: ${a} and ${b} make ${hint}`, () => {
    const [left, right] = [a, b].map((one) => histogramOf(`count:1 counter_reset_hint:${one}`));
    const { histogram, isCollided } = combineHistograms(left!, right!, 1)!;
    assert.deepEqual([histogram.resetHint, isCollided], [hint, collides]);
  });
}

void test("long sums make rounding errors good", () => {
  const terms = [1e100, 1, -1e100, 1].map((x) => histogramOf(`count:${x} sum:${x} buckets:[${x}]`));
  const { histogram } = sumHistograms(terms)!;
  assert.deepEqual([histogram.count, histogram.sum, ...histogram.positive.counts], [2, 2, 2]);
});

void test("a mean does not overflow where its sum would", () => {
  const terms = [1.5e308, 1.5e308, 3e307].map((x) => histogramOf(`count:1 sum:${x} buckets:[1]`));
  const { histogram } = averageHistograms(terms)!;
  assert.ok(Math.abs(histogram.sum / 1.1e308 - 1) < 1e-12, `${histogram.sum}`);
  assert.deepEqual([histogram.count, histogram.positive.counts[0]], [1, 1]);
});

void test("products and quotients", () => {
  const one = histogramOf("count:4 sum:6 z_bucket:2 buckets:[2] n_buckets:[0]");
  const half = divideHistogram(one, -2);
  assert.deepEqual([half.count, half.sum, half.zeroCount, half.resetHint], [-2, -3, -1, "gauge"]);
  assert.ok(equalHistograms(scaleHistogram(half, -2), one));
  const byZero = divideHistogram(one, 0);
  assert.deepEqual([byZero.count, byZero.positive.counts.length], [Infinity, 0]);
});

void test("equality is of data: empty buckets count, NaN equals NaN, 0 is not -0", () => {
  const equal = (a: string, b: string) => equalHistograms(histogramOf(a), histogramOf(b));
  assert.ok(
    equal("count:1 sum:NaN buckets:[1]", "count:1 sum:NaN buckets:[1] counter_reset_hint:gauge"),
  );
  assert.ok(!equal("count:1 buckets:[1]", "count:1 buckets:[1 0]"));
  assert.ok(!equal("count:1 buckets:[1]", "count:1 offset:1 buckets:[1]"));
  assert.ok(!equal("count:0 sum:0", "count:0 sum:-0"));
  assert.ok(!equal("schema:-53 custom_values:[1]", "schema:-53 custom_values:[2]"));
});

const count = fc.constantFrom(0, -0, 1, 2.5, 3, 1e300);
const buckets = fc
  .record({
    offset: fc.integer({ min: -3, max: 1 }),
    counts: fc.array(count, { minLength: 2, maxLength: 2 }),
    isSplit: fc.boolean(),
  })
  .map(({ offset, counts, isSplit }): HistogramBuckets => ({
    spans: isSplit ? Int32Array.of(offset, 1, 2, 1) : Int32Array.of(offset, 2),
    counts: Float64Array.from(counts),
  }));
const histogram = fc
  .record({
    schema: fc.constantFrom(0, 0, 1),
    zeroThreshold: fc.constantFrom(0, 0, 0.2, 1),
    zeroCount: count,
    count,
    sum: fc.oneof(count, fc.constant(NaN)),
    positive: buckets,
    negative: fc.oneof(
      buckets,
      fc.constant({ spans: new Int32Array(0), counts: new Float64Array(0) }),
    ),
  })
  .map((parts): Histogram => ({
    ...parts,
    resetHint: "unknown",
    customBounds: new Float64Array(0),
  }));

void test("the difference of equal layouts is that of any two", () => {
  let found = 0;
  const property = fc.property(histogram, histogram, fc.boolean(), (a, other, isLike) => {
    const { spans: ofPositive } = a.positive;
    const { spans: ofNegative, counts } = a.negative;
    const b = isLike
      ? {
          ...other,
          schema: a.schema,
          zeroThreshold: a.zeroThreshold,
          positive: { ...other.positive, spans: ofPositive },
          negative: { spans: ofNegative, counts: counts.map((x) => x + 1) },
        }
      : other;
    const difference = subtractSameLayout(a, b);
    if (difference === undefined) return;
    found++;
    const whole = combineHistograms(a, b, -1)!;
    assert.deepEqual(compactHistogram(difference), compactHistogram(whole.histogram));
    const scaled = scaleHistogram(difference, 0.3);
    assert.deepEqual(scaleOwnHistogram(difference, 0.3), scaled);
  });
  fc.assert(property, { numRuns: 2000 });
  assert.ok(found > 300, `${found} pairs of one layout`);
});
