import assert from "node:assert/strict";
import { test } from "node:test";
import { histogramOf } from "../test/histogram-of.ts";
import { detectReset } from "./histogram-resets.ts";

for (const [rule, previous, current, isReset] of [
  ["growth is none", "count:3 buckets:[1 2]", "count:4 buckets:[1 3]", false],
  ["a lower count", "count:3 buckets:[1 2]", "count:2 buckets:[1 2]", true],
  ["a lower bucket", "count:3 buckets:[1 2]", "count:3 buckets:[2 1]", true],
  ["a lost bucket", "count:3 buckets:[1 2]", "count:3 offset:1 buckets:[3]", true],
  [
    "a lost bucket that was empty is none",
    "count:2 buckets:[0 2]",
    "count:2 offset:1 buckets:[2]",
    false,
  ],
  ["a lost last bucket", "count:3 buckets:[1 2]", "count:3 buckets:[3]", true],
  [
    "a lower zero bucket",
    "count:3 z_bucket:2 z_bucket_w:0.1",
    "count:3 z_bucket:1 z_bucket_w:0.1",
    true,
  ],
  ["a narrower zero bucket", "count:3 z_bucket_w:0.1", "count:3 z_bucket_w:0.01", true],
  [
    "a wider zero bucket is none",
    "count:3 z_bucket_w:0.1 offset:-3 buckets:[3]",
    "count:3 z_bucket_w:0.125 z_bucket:3",
    false,
  ],
  [
    "an edge inside a populated bucket",
    "count:3 z_bucket_w:0.01 offset:-2 buckets:[3]",
    "count:4 z_bucket_w:0.2 z_bucket:4",
    true,
  ],
  ["a finer schema", "schema:0 count:1 buckets:[1]", "schema:1 count:1 buckets:[1]", true],
  [
    "a coarser schema is none",
    "schema:1 count:3 offset:1 buckets:[1 2]",
    "schema:0 count:3 offset:1 buckets:[3]",
    false,
  ],
  [
    "a coarser schema with a lower bucket",
    "schema:1 count:3 offset:1 buckets:[1 2]",
    "schema:0 count:3 offset:1 buckets:[2 1]",
    true,
  ],
  ["a lower negative bucket", "count:3 n_buckets:[2]", "count:3 n_buckets:[1]", true],
  [
    "from exponential to custom buckets",
    "count:1 buckets:[1]",
    "schema:-53 count:1 custom_values:[1] buckets:[1]",
    true,
  ],
  [
    "from custom to exponential buckets",
    "schema:-53 count:1 custom_values:[1] buckets:[1]",
    "count:1 buckets:[1]",
    true,
  ],
  [
    "other custom bounds with no less below the shared ones are none",
    "schema:-53 count:3 custom_values:[1 2] buckets:[1 1 1]",
    "schema:-53 count:4 custom_values:[2] buckets:[2 2]",
    false,
  ],
  [
    "other custom bounds with less below a shared one",
    "schema:-53 count:3 custom_values:[1 2] buckets:[1 1 1]",
    "schema:-53 count:4 custom_values:[2] buckets:[1 3]",
    true,
  ],
  ["the hint says so", "count:1 buckets:[1]", "count:2 buckets:[2] counter_reset_hint:reset", true],
  [
    "the hint says not",
    "count:2 buckets:[2]",
    "count:1 buckets:[1] counter_reset_hint:not_reset",
    false,
  ],
  [
    "gauges are looked at as counters",
    "count:2 buckets:[2]",
    "count:1 buckets:[1] counter_reset_hint:gauge",
    true,
  ],
] as const) {
  void test(`resets: ${rule}`, () => {
    assert.equal(detectReset(histogramOf(current), histogramOf(previous)), isReset);
  });
}
