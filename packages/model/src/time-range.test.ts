import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatRfc3339,
  parseDurationParameter,
  parseLokiTime,
  parsePrometheusTime,
  parseRfc3339,
} from "./time-range.ts";

const PROMETHEUS: readonly [text: string, ms: number][] = [
  ["0", 0],
  ["1700000000", 1_700_000_000_000],
  ["1700000000.123", 1_700_000_000_123],
  ["1700000000.1239", 1_700_000_000_124],
  ["-1.5", -1500],
  ["1e3", 1_000_000],
  ["2015-06-03T13:21:58.555Z", 1_433_337_718_555],
  ["2015-06-03T14:21:58.555+01:00", 1_433_337_718_555],
  ["1969-12-31T23:59:59.999999999Z", -1],
  ["0001-01-01T00:00:00Z", -62_135_596_800_000],
];

for (const [text, ms] of PROMETHEUS) {
  void test(`Prometheus time ${text}`, () => assert.equal(parsePrometheusTime(text), ms));
}

const LOKI: readonly [text: string, ns: bigint][] = [
  ["0", 0n],
  ["1700000000", 1_700_000_000_000_000_000n],
  ["1700000000123456789", 1_700_000_000_123_456_789n],
  ["17000000000", 17_000_000_000n],
  ["1700000000.5", 1_700_000_000_500_000_000n],
  ["2020-01-01T00:00:00.000000001Z", 1_577_836_800_000_000_001n],
  ["-5", -5_000_000_000n],
];

for (const [text, ns] of LOKI) {
  void test(`Loki time ${text}`, () => assert.equal(parseLokiTime(text), ns));
}

for (const text of [
  "",
  "now",
  "NaN",
  "Inf",
  "2020-02-30T00:00:00Z",
  "2020-01-01",
  "2020-01-01T24:00:00Z",
  "9".repeat(30),
]) {
  void test(`no time: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parsePrometheusTime(text), { code: "model/bad-time", kind: "invalid" });
    assert.throws(() => parseLokiTime(text), { code: "model/bad-time", kind: "invalid" });
  });
}

void test("steps are seconds or durations", () => {
  assert.equal(parseDurationParameter("1.5"), 1500);
  assert.equal(parseDurationParameter("5m"), 300_000);
  for (const text of ["", "1.5m", "abc", "NaN", "1e30"]) {
    assert.throws(() => parseDurationParameter(text), { code: "model/bad-duration" });
  }
});

void test("RFC 3339 is printed as it is read", () => {
  for (const text of [
    "1970-01-01T00:00:00Z",
    "2015-06-03T13:21:58.555Z",
    "1969-12-31T23:59:59.999999999Z",
  ]) {
    assert.equal(formatRfc3339(parseRfc3339(text)!), text);
  }
});
