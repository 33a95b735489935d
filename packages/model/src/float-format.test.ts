import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatSampleValue } from "@finch/codec";
import {
  formatFloat,
  formatGoFloat,
  formatScientificFloat,
  parseFloatText,
} from "./float-format.ts";

const ROWS: readonly [
  value: number,
  plain: string,
  sample: string,
  go: string,
  scientific: string,
][] = [
  [0, "0", "0", "0", "0e+00"],
  [-0, "-0", "-0", "-0", "-0e+00"],
  [1, "1", "1", "1", "1e+00"],
  [-1.5, "-1.5", "-1.5", "-1.5", "-1.5e+00"],
  [0.1, "0.1", "0.1", "0.1", "1e-01"],
  [0.0001, "0.0001", "0.0001", "0.0001", "1e-04"],
  [0.00001, "0.00001", "0.00001", "1e-05", "1e-05"],
  [1.5e-7, "0.00000015", "1.5e-07", "1.5e-07", "1.5e-07"],
  [123456, "123456", "123456", "123456", "1.23456e+05"],
  [1e6, "1000000", "1000000", "1e+06", "1e+06"],
  [123456789, "123456789", "123456789", "1.23456789e+08", "1.23456789e+08"],
  [1e20, "100000000000000000000", "100000000000000000000", "1e+20", "1e+20"],
  [1e21, "1000000000000000000000", "1e+21", "1e+21", "1e+21"],
  [1.25e22, "12500000000000000000000", "1.25e+22", "1.25e+22", "1.25e+22"],
  [1e-100, `0.${"0".repeat(99)}1`, "1e-100", "1e-100", "1e-100"],
  [Number.NaN, "NaN", "NaN", "NaN", "NaN"],
  [Infinity, "+Inf", "+Inf", "+Inf", "+Inf"],
  [-Infinity, "-Inf", "-Inf", "-Inf", "-Inf"],
];

for (const [value, plain, sample, go, scientific] of ROWS) {
  void test(`float ${go}`, () => {
    assert.equal(formatFloat(value), plain);
    assert.equal(formatSampleValue(value), sample);
    assert.equal(formatGoFloat(value), go);
    assert.equal(formatScientificFloat(value), scientific);
  });
}

const PARSED: readonly [text: string, value: number | undefined][] = [
  ["1", 1],
  ["+.5e3", 500],
  ["1.", 1],
  ["Inf", Infinity],
  ["-inf", -Infinity],
  ["+Infinity", Infinity],
  ["nan", Number.NaN],
  ["0x1p-2", 0.25],
  ["-0x1.8p1", -3],
  ["1e999", undefined],
  ["", undefined],
  [" 1", undefined],
  ["0x10", undefined],
  ["1_000", undefined],
  ["abc", undefined],
];

for (const [text, value] of PARSED) {
  void test(`read ${JSON.stringify(text)}`, () => assert.equal(parseFloatText(text), value));
}

void test("every form reads back", () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      for (const format of [formatFloat, formatSampleValue, formatGoFloat, formatScientificFloat]) {
        assert.ok(Object.is(parseFloatText(format(value)), value), format(value));
      }
      if (Number.isFinite(value)) assert.doesNotMatch(formatFloat(value), /e/);
    }),
    { numRuns: 1000 },
  );
});
