import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatDuration, formatSpan } from "../src/time/format-time.ts";
import {
  chooseStepSeconds,
  cutSpan,
  DEFAULT_RANGE,
  formatSeconds,
  parseRange,
  parseSeconds,
  rateWindowSeconds,
  resolveRange,
  selectRange,
  shiftRange,
  writeRange,
  zoomRange,
  type TimeRange,
} from "../src/time/time-range.ts";

const NOW = 1_700_000_000_000;

describe("the range in the URL", () => {
  const rows: [name: string, search: string, expected: TimeRange][] = [
    ["nothing gives the default", "", DEFAULT_RANGE],
    ["a preset", "range=6h", { kind: "live", seconds: 21_600 }],
    ["compound durations", "range=1h30m", { kind: "live", seconds: 5400 }],
    ["bare seconds", "range=90", { kind: "live", seconds: 90 }],
    [
      "fixed in milliseconds",
      "from=1000000&to=2000000",
      { kind: "fixed", fromMs: 1_000_000, toMs: 2_000_000 },
    ],
    [
      "fixed as ISO",
      "from=2026-01-01T00:00:00Z&to=2026-01-01T00:01:00Z",
      { kind: "fixed", fromMs: Date.UTC(2026, 0, 1), toMs: Date.UTC(2026, 0, 1, 0, 1) },
    ],
    ["an end before its start gives the default", "from=2000000&to=1000000", DEFAULT_RANGE],
    ["half a range gives the default", "from=1000000", DEFAULT_RANGE],
    ["rubbish gives the default", "range=soon", DEFAULT_RANGE],
    ["too wide is cut to a year", "range=9000d", { kind: "live", seconds: 366 * 86_400 }],
    ["too narrow is widened", "range=1s", { kind: "live", seconds: 15 }],
  ];
  for (const [name, search, expected] of rows)
    test(name, () => assert.deepEqual(parseRange(search), expected));

  test("what is written is read again, and other parameters stay", () => {
    fc.assert(
      fc.property(fc.integer({ min: 15, max: 366 * 86_400 }), (seconds) => {
        const search = writeRange("q=up&from=1&to=2", { kind: "live", seconds });
        assert.equal(new URLSearchParams(search).get("q"), "up");
        assert.deepEqual(parseRange(search), { kind: "live", seconds });
      }),
    );
  });
  test("a fixed range replaces a live one", () => {
    const range: TimeRange = { kind: "fixed", fromMs: NOW - 60_000, toMs: NOW };
    assert.equal(writeRange("range=5m", range), `from=${NOW - 60_000}&to=${NOW}`);
  });
});

describe("moving", () => {
  test("back by half makes a live range fixed", () => {
    assert.deepEqual(shiftRange({ kind: "live", seconds: 600 }, -1, NOW), {
      kind: "fixed",
      fromMs: NOW - 900_000,
      toMs: NOW - 300_000,
    });
  });
  test("forward past now becomes live again", () => {
    const back = shiftRange({ kind: "live", seconds: 600 }, -1, NOW);
    assert.deepEqual(shiftRange(back, 1, NOW), { kind: "live", seconds: 600 });
  });
  test("zooming keeps the middle, and out and in again is where it was", () => {
    const range: TimeRange = { kind: "fixed", fromMs: NOW - 500_000, toMs: NOW - 400_000 };
    assert.deepEqual(zoomRange(zoomRange(range, 2, NOW), 0.5, NOW), range);
  });
  test("zooming out never reaches into the future", () => {
    const wide = zoomRange({ kind: "fixed", fromMs: NOW - 100_000, toMs: NOW }, 4, NOW);
    assert.deepEqual(resolveRange(wide, NOW), { fromMs: NOW - 400_000, toMs: NOW });
  });
  test("a drag from right to left selects the same, and never too little", () => {
    assert.deepEqual(selectRange(NOW, NOW - 60_000), {
      kind: "fixed",
      fromMs: NOW - 60_000,
      toMs: NOW,
    });
    assert.deepEqual(selectRange(NOW, NOW + 1), { kind: "fixed", fromMs: NOW, toMs: NOW + 15_000 });
  });
});

describe("steps", () => {
  test("never more points than asked for, and never finer than a scrape", () => {
    fc.assert(
      fc.property(fc.integer({ min: 15, max: 366 * 86_400 }), (seconds) => {
        const step = chooseStepSeconds(seconds);
        assert.ok(step >= 5 && seconds / step <= 360, `${seconds} s in steps of ${step} s`);
      }),
    );
  });
  test("the rate window holds four scrapes and always more than a step", () => {
    for (const step of [5, 10, 15, 30, 60, 300]) {
      for (const scrape of [5, 15, 60]) {
        const window = rateWindowSeconds(step, scrape);
        assert.ok(window >= 4 * scrape && window > step, `${window} s at ${step} s`);
      }
    }
  });
});

describe("durations as text", () => {
  const rows: [number, string][] = [
    [90, "90s"],
    [60, "1m"],
    [3600, "1h"],
    [5400, "90m"],
    [86_400, "1d"],
  ];
  for (const [seconds, text] of rows) {
    test(text, () => {
      assert.equal(formatSeconds(seconds), text);
      assert.equal(parseSeconds(text), seconds);
    });
  }
  test("up-times use the two largest units", () => {
    assert.deepEqual([59, 61, 7260, 90_000, 172_800].map(formatDuration), [
      "59 s",
      "1 min",
      "2 h 1 min",
      "1 d 1 h",
      "2 d",
    ]);
  });
  test("a span of today does not name the day", () => {
    const noon = new Date(2026, 10, 20, 12, 0, 0).getTime();
    assert.equal(formatSpan(noon, noon + 60_000, noon), "12:00:00 – 12:01:00");
    assert.equal(
      formatSpan(noon, noon + 60_000, noon + 86_400_000),
      "2026-11-20 12:00:00 – 12:01:00",
    );
  });
});

describe("the part of the range since a machine began to be watched", () => {
  const span = { fromMs: NOW - 300_000, toMs: NOW };
  const rows: [name: string, fromMs: number, expected: number][] = [
    ["the beginning lies inside", NOW - 120_000, NOW - 120_000],
    ["in the first minute a whole one is shown", NOW - 10_000, NOW - 60_000],
    ["the span never grows", NOW - 900_000, NOW - 300_000],
  ];
  for (const [name, fromMs, expected] of rows) {
    test(name, () => assert.deepEqual(cutSpan(span, fromMs), { fromMs: expected, toMs: NOW }));
  }
  test("a span shorter than that stays as it is", () => {
    const short = { fromMs: NOW - 15_000, toMs: NOW };
    assert.deepEqual(cutSpan(short, NOW - 5000), short);
  });
});
