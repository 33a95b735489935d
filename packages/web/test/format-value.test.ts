import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatValue, type Unit } from "../src/format-value.ts";

describe("values with units", () => {
  const rows: [number | null, Unit, string][] = [
    [null, "bytes", "–"],
    [Number.NaN, "percent", "–"],
    [Infinity, "number", "+Inf"],
    [0, "bytes", "0 B"],
    [1023, "bytes", "1,023 B"],
    [1024, "bytes", "1 KiB"],
    [1536, "bytes", "1.5 KiB"],
    [25_232_932_864, "bytes", "23.5 GiB"],
    [1_048_575, "bytes", "1 MiB"],
    [2048, "bytes-per-second", "2 KiB/s"],
    [999_999, "bits-per-second", "1 Mb/s"],
    [1_000, "bits-per-second", "1 kb/s"],
    [12.34, "percent", "12.3%"],
    [100, "percent", "100%"],
    [0.04, "percent", "<0.1%"],
    [0, "percent", "0%"],
    [0.00055, "number", "5.5e-4"],
    [123_456, "number", "123k"],
    [3322, "number", "3,322"],
    [9_999, "number", "9,999"],
    [17, "per-minute", "17 /min"],
    [-3.14159, "number", "-3.14"],
  ];
  for (const [value, unit, text] of rows)
    test(`${String(value)} ${unit}`, () => assert.equal(formatValue(value, unit), text));
});
