import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatTime, NAMED_LAYOUTS, parseTime } from "./time-layout.ts";
import { isTimeZone } from "./zone.ts";

/** Layout, text, zone, and the instant as ISO text; undefined where Go refuses. */
const PARSED: readonly (readonly [string, string, string, string | undefined])[] = [
  ["2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59.123Z", "UTC", "2024-02-29T23:59:59.123Z"],
  ["2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59-0830", "UTC", "2024-03-01T08:29:59.000Z"],
  ["2006-01-02 15:04:05,000", "2024-01-02 03:04:05,5", "UTC", "2024-01-02T03:04:05.500Z"],
  ["2006-01-02 15:04:05.000", "2024-01-02 03:04:05", "UTC", undefined],
  ["2006-01-02 15:04:05.999", "2024-01-02 03:04:05", "UTC", "2024-01-02T03:04:05.000Z"],
  ["Jan _2 2006", "FEB  3 2024", "UTC", "2024-02-03T00:00:00.000Z"],
  ["Jan _2 2006", "Fob  3 2024", "UTC", undefined],
  ["Monday 2 January 2006", "Friday 1 March 2024", "UTC", "2024-03-01T00:00:00.000Z"],
  ["2006 002", "2024 366", "UTC", "2024-12-31T00:00:00.000Z"],
  ["2006 002", "2023 366", "UTC", undefined],
  ["3:04PM 2006", "12:30AM 2024", "UTC", "2024-01-01T00:30:00.000Z"],
  ["15:04 2006", "24:00 2024", "UTC", undefined],
  ["2006-01-02", "2023-02-29", "UTC", undefined],
  ["2006-01-02 15:04", "2024-07-01 12:00", "Europe/Berlin", "2024-07-01T10:00:00.000Z"],
  ["2006-01-02 15:04", "2024-12-01 12:00", "Europe/Berlin", "2024-12-01T11:00:00.000Z"],
  ["2006-01-02 15:04 MST", "2024-12-01 12:00 CET", "Europe/Berlin", "2024-12-01T11:00:00.000Z"],
  ["2006-01-02 15:04 MST", "2024-12-01 12:00 EST", "Europe/Berlin", "2024-12-01T12:00:00.000Z"],
  ["2006-01-02 15:04 MST", "2024-12-01 12:00 UTC", "Europe/Berlin", "2024-12-01T12:00:00.000Z"],
  ["a.b 2006", "axb 2024", "UTC", undefined],
];

describe("parseTime", () => {
  for (const [layout, text, zone, iso] of PARSED) {
    test(`${layout} of ${text} in ${zone}`, () => {
      const time = parseTime(layout, text, { zone });
      const shown = time && new Date(Number(time.ns / 1_000_000n)).toISOString();
      assert.equal(shown, iso);
    });
  }
  test("a layout without a year takes the given one, else 0", () => {
    const at = (year?: number) =>
      formatTime("2006", parseTime("Jan 2", "May 6", { zone: "UTC", ...(year && { year }) })!);
    assert.equal(at(2031), "2031");
    assert.equal(at(), "0000");
  });
  test("reads back what formatTime writes", () => {
    const layouts = [...NAMED_LAYOUTS.values()].filter((layout) => layout.includes("05"));
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 3_000_000_000n }),
        fc.constantFrom(...layouts),
        (seconds, layout) => {
          const ns = (seconds % 1_500_000_000n) * 1_000_000_000n;
          const text = formatTime(layout, { ns, zone: "UTC" });
          assert.equal(parseTime(layout, text, { zone: "UTC" })?.ns, ns, text);
        },
      ),
    );
  });
});

test("formats", () => {
  const time = { ns: 1_719_835_445_006_000_000n, zone: "Europe/Berlin" };
  const cases: readonly (readonly [string, string])[] = [
    ["Mon Jan _2 15:04:05.000 MST 2006", "Mon Jul  1 14:04:05.006 CEST 2024"],
    ["06-1-2 3:4:5.999999 pm Z07:00 002", "24-7-1 2:4:5.006 pm +02:00 183"],
    ["Monday_2006 -0700", "Monday_2024 +0200"],
  ];
  for (const [layout, text] of cases) assert.equal(formatTime(layout, time), text, layout);
});

test("time zones", () => {
  assert.deepEqual(["", "UTC", "Asia/Tokyo", "Mars/Base"].map(isTimeZone), [
    true,
    true,
    true,
    false,
  ]);
});
