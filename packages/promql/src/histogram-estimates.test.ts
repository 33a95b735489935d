import assert from "node:assert/strict";
import { test } from "node:test";
import { histogramOf } from "../test/histogram-of.ts";
import {
  fractionOfHistogram,
  quantileOfHistogram,
  varianceOfHistogram,
} from "./histogram-estimates.ts";
import { formatHistogram } from "./histogram-text.ts";
import { trimHistogram } from "./histogram-trim.ts";

const POSITIVE = "count:12 sum:100 z_bucket:2 z_bucket_w:0.5 buckets:[2 3 0 1 4]";
const SIGNED = "count:8 sum:0 z_bucket:2 z_bucket_w:0.5 buckets:[1 2] n_buckets:[2 1]";
const CUSTOM = "schema:-53 count:10 sum:20 custom_values:[1 2 4] buckets:[2 4 3 1]";

function assertClose(got: number, wanted: number): void {
  const isClose = Math.abs(got - wanted) <= 1e-12 * Math.max(1, Math.abs(wanted));
  assert.ok(Object.is(got, wanted) || isClose, `${got} is not ${wanted}`);
}

for (const [text, phi, wanted] of [
  [POSITIVE, -1, -Infinity],
  [POSITIVE, 1.1, Infinity],
  [POSITIVE, NaN, NaN],
  [POSITIVE, 0, 0],
  [POSITIVE, 1 / 12, 0.25],
  [POSITIVE, 1, 16],
  [POSITIVE, 10 / 12, 2 ** 3.5],
  [SIGNED, 0.5, 0],
  [SIGNED, 1 / 16, -(2 ** 0.5)],
  [CUSTOM, 0.1, 0.5],
  [CUSTOM, 0.4, 1.5],
  [CUSTOM, 1, 4],
  ["count:0", 0.5, NaN],
  ["schema:-53 count:2 custom_values:[-1 1] buckets:[1 1]", 0.1, -1],
] as const) {
  void test(`quantile ${phi} of ${text}`, () => {
    assertClose(quantileOfHistogram(phi, histogramOf(text)).value, wanted);
  });
}

void test("observations of NaN are above all buckets", () => {
  const withNaN = histogramOf("count:4 sum:NaN buckets:[1 1]");
  assert.deepEqual(quantileOfHistogram(0.9, withNaN), { value: NaN, nanEffect: "result-is-nan" });
  assert.equal(quantileOfHistogram(0.2, withNaN).nanEffect, "skewed");
  assert.equal(
    quantileOfHistogram(0.9, histogramOf("count:2 sum:NaN buckets:[1 1]")).nanEffect,
    "none",
  );
  const all = fractionOfHistogram(-Infinity, Infinity, withNaN);
  assert.deepEqual(all, { value: 0.5, nanEffect: "excluded" });
});

for (const [text, lower, upper, wanted] of [
  [POSITIVE, -Infinity, Infinity, 1],
  [POSITIVE, 0, 0.25, 1 / 12],
  [POSITIVE, 2 ** 3.5, Infinity, 2 / 12],
  [POSITIVE, 3, 2, 0],
  [POSITIVE, NaN, 2, NaN],
  [SIGNED, -Infinity, 0, 0.5],
  [SIGNED, -(2 ** 0.5), 0, 3.5 / 8],
  [CUSTOM, 1.5, 3, 3.5 / 10],
  [CUSTOM, -Infinity, 0.5, 0.1],
  [CUSTOM, 5, Infinity, 0.1],
  ["count:0", 0, 1, NaN],
] as const) {
  void test(`fraction from ${lower} to ${upper} of ${text}`, () => {
    assertClose(fractionOfHistogram(lower, upper, histogramOf(text)).value, wanted);
  });
}

void test("the variance takes the middle of each bucket", () => {
  const custom = "schema:-53 count:10 sum:20 custom_values:[1 2 4] buckets:[0 4 3 0]";
  assertClose(varianceOfHistogram(histogramOf(custom)), (4 * 0.25 + 3) / 10);
  const signed = "count:2 sum:0 buckets:[1] n_buckets:[1]";
  assertClose(varianceOfHistogram(histogramOf(signed)), 0.5);
});

for (const [text, value, side, wanted] of [
  [CUSTOM, 2, "keep-below", "{count:6, sum:7, [-Inf,1]:2, (1,2]:4}"],
  [CUSTOM, 2, "keep-above", "{count:4, sum:13, (2,4]:3, (4,+Inf]:1}"],
  [CUSTOM, 3, "keep-below", "{count:7.5, sum:10.75, [-Inf,1]:2, (1,2]:4, (2,4]:1.5}"],
  [CUSTOM, 5, "keep-above", "{count:1, sum:5, (4,+Inf]:1}"],
  [CUSTOM, Infinity, "keep-below", "{count:10, sum:20, [-Inf,1]:2, (1,2]:4, (2,4]:3, (4,+Inf]:1}"],
  [
    SIGNED,
    -2,
    "keep-above",
    "{count:8, sum:0, [-2,-1):1, [-1,-0.5):2, [-0.5,0.5]:2, (0.5,1]:1, (1,2]:2}",
  ],
  [
    SIGNED,
    0.5,
    "keep-below",
    "{count:5, sum:-2.8284271247461903, [-2,-1):1, [-1,-0.5):2, [-0.5,0.5]:2}",
  ],
  [POSITIVE, 0.25, "keep-below", "{count:1, sum:0.125, [-0.5,0.5]:1}"],
] as const) {
  void test(`${side} ${value} of ${text}`, () => {
    assert.equal(formatHistogram(trimHistogram(histogramOf(text), value, side)), wanted);
  });
}
