import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatDuration,
  formatGoDuration,
  parseDuration,
  parseGoDuration,
  tryParseGoDuration,
} from "./durations.ts";

const PROMETHEUS: readonly [text: string, ms: number, printed: string][] = [
  ["0", 0, "0s"],
  ["0w", 0, "0s"],
  ["0s", 0, "0s"],
  ["324ms", 324, "324ms"],
  ["3s", 3000, "3s"],
  ["5m", 300_000, "5m"],
  ["1h30m", 5_400_000, "1h30m"],
  ["4d", 345_600_000, "4d"],
  ["4d1h", 349_200_000, "4d1h"],
  ["14d", 1_209_600_000, "2w"],
  ["3w2d1h", 1_990_800_000, "23d1h"],
  ["10y", 315_360_000_000, "10y"],
  ["90m", 5_400_000, "1h30m"],
  ["1y1ms", 31_536_000_001, "365d1ms"],
];

for (const [text, ms, printed] of PROMETHEUS) {
  void test(`duration ${text}`, () => {
    assert.equal(parseDuration(text), ms);
    assert.equal(formatDuration(ms), printed);
  });
}

for (const text of ["", "1", "1m1h", "1h1h", "-1w", "1.5d", "d", "1 s", "1S", "294y"]) {
  void test(`no duration: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseDuration(text), { code: "model/bad-duration", kind: "invalid" });
  });
}

const GO: readonly [text: string, ns: number, printed: string][] = [
  ["0", 0, "0s"],
  ["1.5s", 1.5e9, "1.5s"],
  ["300ms", 3e8, "300ms"],
  ["1h2m3.5s", 3_723_500_000_000, "1h2m3.5s"],
  ["-1.5h", -5400e9, "-1h30m0s"],
  [".5s", 5e8, "500ms"],
  ["1.s", 1e9, "1s"],
  ["10ns", 10, "10ns"],
  ["1.5us", 1500, "1.5\u00b5s"],
  ["1.5\u00b5s", 1500, "1.5\u00b5s"],
  ["1.5\u03bcs", 1500, "1.5\u00b5s"],
  ["+5m", 300e9, "5m0s"],
  ["39h9m14.425s", 140_954_425_000_000, "39h9m14.425s"],
  ["0.3333333333333333333h", 1_200_000_000_000 - 1, "19m59.999999999s"],
  ["1m1h", 3660e9, "1h1m0s"],
];

for (const [text, ns, printed] of GO) {
  void test(`Go duration ${text}`, () => {
    // The digits beyond 18 are cut, so the third of an hour may differ by one nanosecond.
    assert.ok(Math.abs(parseGoDuration(text) - ns) <= (text.length > 18 ? 1 : 0));
    assert.equal(formatGoDuration(ns), printed);
  });
}

const NOT_GO: readonly [text: string, message: string][] = [
  ["", 'time: invalid duration ""'],
  ["3", 'time: missing unit in duration "3"'],
  ["-", 'time: invalid duration "-"'],
  ["s", 'time: invalid duration "s"'],
  [".s", 'time: invalid duration ".s"'],
  ["1d", 'time: unknown unit "d" in duration "1d"'],
  ["1 s", 'time: unknown unit " s" in duration "1 s"'],
  ["1toString", 'time: unknown unit "toString" in duration "1toString"'],
  ["9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'],
];

for (const [text, message] of NOT_GO) {
  void test(`no Go duration: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseGoDuration(text), { code: "model/bad-duration", message });
    assert.equal(tryParseGoDuration(text), undefined);
  });
}

void test("what is printed reads back", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 43), max: 2 ** 43 }), (n) => {
      assert.equal(parseDuration(formatDuration(Math.abs(n))), Math.abs(n));
      assert.equal(parseGoDuration(formatGoDuration(n)), n);
    }),
  );
});
