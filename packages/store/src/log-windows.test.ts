import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { touches, windowsOf } from "./log-windows.ts";
import type { TimeSpan } from "./log-windows.ts";

const HOUR_MS = 3_600_000;
const NS_PER_MS = 1_000_000n;
const FOREVER = { startNs: -(2n ** 62n), endNs: 2n ** 62n };

/** Blocks of an hour, one behind the other. */
const HOURS: readonly TimeSpan[] = Array.from({ length: 20 }, (_, hour) => ({
  minMs: hour * HOUR_MS,
  maxMs: (hour + 1) * HOUR_MS - 2,
}));

/** How many spans each window touches. */
function touchedBy(
  spans: readonly TimeSpan[],
  direction: "forward" | "backward" | "any",
): readonly number[] {
  return [...windowsOf(spans, { ...FOREVER, direction })].map(
    (window) => spans.filter((span) => touches(span, window)).length,
  );
}

describe("windows of a selection", () => {
  test("grow, so that the first has few blocks and none is in many", () => {
    assert.deepEqual(touchedBy(HOURS, "backward"), [2, 2, 4, 8, 4]);
    assert.deepEqual(touchedBy(HOURS, "forward"), [2, 2, 4, 8, 4]);
  });

  test("are one where the order does not count, and where there is little", () => {
    assert.deepEqual(touchedBy(HOURS, "any"), [20]);
    assert.deepEqual(touchedBy(HOURS.slice(0, 2), "backward"), [2]);
    assert.deepEqual(touchedBy([], "backward"), [0]);
  });

  test("do not look at an empty head", () => {
    const spans = [{ minMs: Infinity, maxMs: -Infinity }, ...HOURS];
    assert.deepEqual(touchedBy(spans, "backward"), [2, 2, 4, 8, 4]);
  });

  test("are the range, in order; each has all spans with entries of its time", () => {
    const span = fc
      .tuple(fc.integer({ min: -50, max: 50 }), fc.nat(30))
      .map(([minMs, length]) => ({ minMs, maxMs: minMs + length }));
    const time = fc.bigInt({ min: -60n * NS_PER_MS, max: 90n * NS_PER_MS });
    fc.assert(
      fc.property(
        fc.array(span, { maxLength: 20 }),
        time,
        time,
        fc.constantFrom("forward", "backward", "any"),
        (spans, a, b, direction) => {
          const [startNs, endNs] = a < b ? [a, b] : [b, a];
          const windows = [...windowsOf(spans, { startNs, endNs, direction })];
          const ascending = direction === "backward" ? windows.toReversed() : windows;
          let at = startNs;
          for (const window of ascending) {
            assert.equal(window.startNs, at);
            assert.ok(window.endNs > at);
            at = window.endNs;
          }
          assert.equal(at, endNs);
          for (const { minMs, maxMs } of spans) {
            // Of a span all that is known is in which milliseconds it begins and ends, rounded towards zero.
            for (const ns of [
              BigInt(minMs) * NS_PER_MS - (minMs <= 0 ? NS_PER_MS - 1n : 0n),
              BigInt(maxMs) * NS_PER_MS + NS_PER_MS - 1n,
            ]) {
              const home = windows.find(({ startNs: from, endNs: to }) => ns >= from && ns < to);
              assert.ok(home === undefined || touches({ minMs, maxMs }, home));
            }
          }
        },
      ),
    );
  });
});
