import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import fc from "fast-check";
import { ByteMemory } from "./byte-memory.ts";
import { LogHead } from "./log-head.ts";
import { ClosedPages } from "./log-page/closed-page.ts";
import { findRepetitions } from "./log-repetitions.ts";

type Row = readonly [timeNs: number, line: string];

function columnsOf(rows: readonly Row[]): LogColumns {
  const lines = rows.map(([, line]) => Buffer.from(line));
  const lineBounds = new Uint32Array(rows.length + 1);
  for (const [i, { length }] of lines.entries()) lineBounds[i + 1] = lineBounds[i]! + length;
  return {
    count: rows.length,
    timestampsNs: BigInt64Array.from(rows, ([time]) => BigInt(time)),
    lines: Buffer.concat(lines),
    lineBounds,
    metadataSets: [Labels.EMPTY],
    metadataOf: new Uint32Array(rows.length),
  };
}

/** Pushes to one stream; which rows of each were taken as new. */
function push(pushes: readonly (readonly Row[])[]): Uint32Array[] {
  const head = new LogHead(new ClosedPages(), new ByteMemory(0));
  return pushes.map((rows) => head.append([{ stream: 0, entries: columnsOf(rows) }])[0]!.newRows);
}

function expectedRows(pushes: readonly (readonly Row[])[]): number[][] {
  const seen = new Set<string>();
  return pushes.map((rows) =>
    rows.flatMap(([time, line], i) => {
      const known = seen.size;
      seen.add(`${time} ${line}`);
      return seen.size > known ? [i] : [];
    }),
  );
}

function check(pushes: readonly (readonly Row[])[]): void {
  assert.deepEqual(
    push(pushes).map((rows) => [...rows]),
    expectedRows(pushes),
  );
}

describe("a head takes each entry once", () => {
  const line = fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(300).map(String));

  test("times in any order", () => {
    const row = fc.tuple(fc.nat(5), line);
    const rows = fc.array(row, { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(fc.array(rows, { maxLength: 6 }), check), { numRuns: 500 });
  });

  test("times that ascend, many entries of one time", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom(0, 0, 0, 0, 0, 1), line), {
      minLength: 1,
      maxLength: 120,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1), steps), { maxLength: 6 }), (pushes) => {
        let time = 10;
        check(
          pushes.map(([back, rows]) => {
            time -= back;
            return rows.map(([step, text]): Row => [(time += step), text]);
          }),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("pages that end within one time", () => {
    const long = (text: string) => text.padEnd(300_000, "x");
    const rows = Array.from({ length: 9 }, (_, i): Row => [7, long(String(i))]);
    check([rows, [rows[0]!, [7, "new"]], [[7, "new"], rows[8]!], [[8, "y"]], rows]);
  });
});

test("repetitions are found where times are the same", () => {
  const of = (rows: readonly Row[]) => findRepetitions(columnsOf(rows));
  const many = Array.from({ length: 100 }, (_, i): Row => [3, String(i)]);
  assert.equal(of([[1, "a"]]), "none");
  assert.equal(
    of([
      [1, "a"],
      [1, "b"],
      [2, "a"],
    ]),
    "none",
  );
  assert.equal(
    of([
      [1, "a"],
      [1, "b"],
      [1, "a"],
    ]),
    "maybe",
  );
  assert.equal(
    of([
      [2, "a"],
      [1, "b"],
    ]),
    "unsorted",
  );
  assert.equal(
    of([
      [1, "a"],
      [1, "a"],
      [0, "b"],
    ]),
    "unsorted",
  );
  assert.equal(of(many), "none");
  assert.equal(of([...many, [3, "5"]]), "maybe");
  assert.equal(of([...many, [4, "5"]]), "none");
});

describe("memory of pages that is used again", () => {
  const rowsFrom = (first: number, count: number): Row[] =>
    Array.from({ length: count }, (_, i) => [
      first + i,
      `line ${first + i} ${"x".repeat((first + i) % 90)}`,
    ]);
  const ALL = [-(2n ** 62n), 2n ** 62n] as const;

  function dirtyMemory(): ByteMemory {
    const memory = new ByteMemory(64 << 20);
    for (let size = 4096; size <= 1 << 20; size *= 2)
      for (const bytes of [size, 1.5 * size]) memory.give(new Uint8Array(bytes).fill(255));
    return memory;
  }

  function rowsOf({ count, timestampsNs, lines, lineBounds, metadataOf }: LogColumns): Row[] {
    return Array.from({ length: count }, (_, row) => {
      assert.equal(metadataOf[row], 0);
      const line = Buffer.from(lines.subarray(lineBounds[row], lineBounds[row + 1]));
      return [Number(timestampsNs[row]), line.toString()];
    });
  }

  function openRows(head: LogHead, stream: number): Row[] {
    return head
      .pieces(stream, ...ALL)
      .flatMap((piece) => (piece.kind === "open" ? rowsOf(piece.rows.columns()) : []));
  }

  test("has nothing of what was there before", () => {
    const head = new LogHead(new ClosedPages(), dirtyMemory());
    for (let first = 0; first < 4000; first += 500)
      head.append([{ stream: 0, entries: columnsOf(rowsFrom(first, 500)) }]);
    assert.deepEqual(openRows(head, 0), rowsFrom(0, 4000));
  });

  test("is not that of what a reader has seen", () => {
    const head = new LogHead(new ClosedPages(), dirtyMemory());
    head.append([{ stream: 0, entries: columnsOf(rowsFrom(0, 2000)) }]);
    const seen = head.pieces(0, ...ALL);
    for (let first = 2000; first < 40_000; first += 2000)
      head.append([{ stream: 0, entries: columnsOf(rowsFrom(first, 2000)) }]);
    assert.ok(head.hasFullPages);
    while (head.hasFullPages) head.closeOne();
    for (let stream = 1; stream < 6; stream++)
      head.append([{ stream, entries: columnsOf(rowsFrom(0, 20_000)) }]);
    assert.ok(seen[0]?.kind === "open");
    assert.deepEqual(rowsOf(seen[0].rows.columns()), rowsFrom(0, 2000));
    assert.deepEqual(openRows(head, 5).length, rowsFrom(0, 20_000).length);
  });
});
