import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ConversionFault,
  parseByteSize,
  parseGoDuration,
  parseGoFloat,
  parseQueryDuration,
  unescapeGo,
} from "./conversions.ts";

describe("what does not convert is worded as in Go", () => {
  const cases: readonly (readonly [() => number, string])[] = [
    [() => parseGoFloat("abc"), 'strconv.ParseFloat: parsing "abc": invalid syntax'],
    [() => parseGoFloat("1e999"), 'strconv.ParseFloat: parsing "1e999": value out of range'],
    [() => parseGoFloat("0x1A"), 'strconv.ParseFloat: parsing "0x1A": invalid syntax'],
    [() => parseGoDuration("nope"), 'time: invalid duration "nope"'],
    [() => parseGoDuration("90"), 'time: missing unit in duration "90"'],
    [() => parseGoDuration("1d"), 'time: unknown unit "d" in duration "1d"'],
    [() => parseByteSize("oops"), 'strconv.ParseFloat: parsing "": invalid syntax'],
    [() => parseByteSize("5 apples"), "unhandled size name: apples"],
  ];
  for (const [convert, message] of cases) {
    test(message, () =>
      assert.throws(
        convert,
        (error) => error instanceof ConversionFault && error.message === message,
      ),
    );
  }
});

test("durations of queries know days, weeks and years", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["5m", 300e9],
    ["1h30m", 5400e9],
    ["1d", 86_400e9],
    ["1w", 604_800e9],
    ["1y", 31_536_000e9],
    ["250ms", 250e6],
    ["-2s", -2e9],
    ["5", undefined],
    ["", undefined],
    ["5x", undefined],
  ];
  for (const [text, ns] of cases) assert.equal(parseQueryDuration(text), ns, text);
});

test("escapes of Go strings", () => {
  assert.equal(unescapeGo(String.raw`a\n\t\"\\\x41\u00e9\U0001F600\101`), 'a\n\t"\\Aé😀A');
  assert.equal(unescapeGo(String.raw`\xc3\xa9`), "é");
  assert.equal(unescapeGo(String.raw`\d`), undefined);
  assert.equal(unescapeGo("\\"), undefined);
});
