import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ContainerLogCursor, hashOf, isContainerLogPosition } from "./log-cursor.ts";
import type { ContainerLogLine } from "./log-reader.ts";

/** Steps of the clock between lines in nanoseconds: equal times, order broken by a little, and jumps. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 1000, 300_000_000) },
  { weight: 2, arbitrary: fc.constantFrom(-1000, -400_000_000) },
  { weight: 1, arbitrary: fc.constantFrom(-7_200_000_000_000, 3_600_000_000_000) },
);
const written = fc.record({
  step,
  stream: fc.constantFrom("stdout" as const, "stderr" as const),
  text: fc.constantFrom("a", "b", "x".repeat(2000)),
});

/** What an engine of today sends: all that stands behind the first line that is late enough. */
function logFrom(log: readonly ContainerLogLine[], sinceNs: bigint): readonly ContainerLogLine[] {
  const first = log.findIndex(({ timestampNs }) => timestampNs >= sinceNs);
  return first < 0 ? [] : log.slice(first);
}

test("C1 to C4: whatever the clock does, each line is taken once", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(written, { maxLength: 300 }), { minLength: 1, maxLength: 6 }),
      (runs) => {
        let ns = 1_000_000_000_000_000_000n;
        const log: ContainerLogLine[] = [];
        const taken: ContainerLogLine[] = [];
        let stored: string | undefined;
        for (const run of runs) {
          for (const { step: delta, stream, text } of run) {
            ns += BigInt(delta);
            log.push({ stream, timestampNs: ns, line: text });
          }
          const position: unknown = stored === undefined ? undefined : JSON.parse(stored);
          assert.ok(position === undefined || isContainerLogPosition(position));
          const cursor = new ContainerLogCursor(position);
          const { sinceNs, anchor } = cursor.plan(ns);
          const sent = logFrom(log, sinceNs);
          cursor.begin(sent.some((line) => hashOf(line) === anchor) ? anchor : undefined);
          for (const line of sent) {
            if (cursor.isTaken(line)) continue;
            taken.push(line);
            cursor.add(line);
          }
          const next = cursor.position();
          if (next !== undefined) stored = JSON.stringify(next);
        }
        // Lines that are equal in all are one and the same to everybody.
        assert.deepEqual(taken.map(hashOf).toSorted(), log.map(hashOf).toSorted());
      },
    ),
    { numRuns: 60 },
  );
});

test("lines that were rotated away do not keep new ones back", () => {
  const line = (timestampNs: bigint, text: string): ContainerLogLine => ({
    stream: "stdout",
    timestampNs,
    line: text,
  });
  const cursor = new ContainerLogCursor(undefined);
  for (const n of [5n, 5n, 5n]) cursor.add(line(n, "same"));
  cursor.begin(undefined);
  assert.equal(cursor.isTaken(line(5n, "same")), true);
  assert.equal(cursor.isTaken(line(3_000_000_000n, "much later")), false);
  assert.equal(cursor.isTaken(line(5n, "same")), false);
});

test("what is no position is none", () => {
  for (const value of [null, {}, { since: "1", passed: "x", seen: [] }, { since: 1 }, [], "1"])
    assert.equal(isContainerLogPosition(value), false);
});
