import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBinaryBytes, formatBytes, parseBytes, tryParseBytes } from "./bytes.ts";

const PARSED: readonly [text: string, bytes: number][] = [
  ["42", 42],
  ["42B", 42],
  ["42MB", 42e6],
  ["42MiB", 42 * 2 ** 20],
  ["42mb", 42e6],
  ["42 MB", 42e6],
  ["42.5MB", 42.5e6],
  ["42.5 MiB", 42.5 * 2 ** 20],
  ["1.5GiB", 1.5 * 2 ** 30],
  ["20KB", 20_000],
  ["42M", 42e6],
  ["42Mi", 42 * 2 ** 20],
  ["1,005.03 MB", 1_005_030_000],
  ["12.5 EB", 12.5e18],
  ["0", 0],
];

for (const [text, bytes] of PARSED) {
  void test(`size ${text}`, () => assert.equal(parseBytes(text), bytes));
}

for (const text of ["", "MB", "84 JB", "1.2.3B", ".", "-1B", "16 EiB", "B 1", "1e3"]) {
  void test(`no size: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseBytes(text), { code: "model/bad-bytes", kind: "invalid" });
    assert.equal(tryParseBytes(text), undefined);
  });
}

const PRINTED: readonly [bytes: number, decimal: string, binary: string][] = [
  [0, "0 B", "0 B"],
  [803, "803 B", "803 B"],
  [999, "999 B", "999 B"],
  [1024, "1.0 kB", "1.0 KiB"],
  [9999, "10 kB", "9.8 KiB"],
  [1_500_000, "1.5 MB", "1.4 MiB"],
  [5.5 * 2 ** 30, "5.9 GB", "5.5 GiB"],
  [83e6, "83 MB", "79 MiB"],
];

for (const [bytes, decimal, binary] of PRINTED) {
  void test(`print ${bytes}`, () => {
    assert.equal(formatBytes(bytes), decimal);
    assert.equal(formatBinaryBytes(bytes), binary);
  });
}
