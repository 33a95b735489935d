import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SampleRangeReader } from "./sample-range-reader.ts";
import { CHUNK_VALUES_MAX, SampleArena, SampleStore } from "./sample-store.ts";

interface Sample {
  readonly timestampMs: number;
  readonly value: number;
}

function append(store: SampleStore, arena: SampleArena, series: number, sample: Sample): void {
  const { columns } = arena;
  columns.series[0] = series;
  columns.counts[0] = 1;
  columns.timestampsMs[0] = sample.timestampMs;
  new DataView(columns.valueBytes.buffer, columns.valueBytes.byteOffset).setFloat64(
    0,
    sample.value,
    true,
  );
  store.append(1);
}

function isRising(values: readonly number[]): boolean {
  return values.every((value, i) => value >= (values[i - 1] ?? -Infinity));
}

const step = fc.record({
  series: fc.nat(3),
  stepMs: fc.oneof(
    { weight: 9, arbitrary: fc.constant(15_000) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 33, 1) },
  ),
  value: fc.oneof(
    { weight: 2, arbitrary: fc.constant(7) },
    fc.integer({ min: 7 }),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.constant(NaN),
  ),
});

test("ranges of several series, one behind the other, are what a plain model has, under any total", () => {
  const arena = new SampleArena();
  const bound = fc.nat(300);
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 400 }),
      fc.integer({ min: 1, max: CHUNK_VALUES_MAX }),
      fc.array(fc.tuple(fc.nat(3), bound, bound, bound, fc.boolean()), { maxLength: 12 }),
      (steps, closeAt, wishes) => {
        const store = new SampleStore(arena, closeAt);
        store.reserve(4);
        const model: Sample[][] = [[], [], [], []];
        for (const { series, stepMs, value } of steps) {
          const timestampMs = (model[series]!.at(-1)?.timestampMs ?? 1e12) + stepMs;
          model[series]!.push({ timestampMs, value });
          append(store, arena, series, { timestampMs, value });
        }
        const reader = new SampleRangeReader(arena);
        const target = new Float64Array(12 * 400);
        let at = 0;
        const expected: number[] = [];
        for (const [series, first, last, total, newestOnly] of wishes) {
          const list = model[series]!;
          const startMs = list[first]?.timestampMs ?? -Infinity;
          const endMs = (list[last]?.timestampMs ?? Infinity) - (total % 2);
          const want = { startMs, endMs, total, newestOnly, target, at };
          const rows = reader.read(store, series, want);
          const wanted = list
            .slice(0, total)
            .filter(({ timestampMs }) => timestampMs >= startMs && timestampMs <= endMs)
            .slice(newestOnly ? -1 : 0);
          assert.equal(rows, wanted.length);
          const counted = store.countRange(series, want);
          assert.ok(newestOnly ? counted >= rows && counted <= 1 : counted === rows);
          assert.deepEqual(
            [...reader.timestampsMs],
            wanted.map(({ timestampMs }) => timestampMs),
          );
          const values = wanted.map(({ value }) => value);
          if (!newestOnly && rows > 0) assert.equal(reader.isRising, isRising(values));
          expected.push(...values);
          at += rows;
        }
        reader.flush();
        assert.deepEqual([...target.subarray(0, at)], expected);
        store.close();
      },
    ),
    { numRuns: 500 },
  );
});

test("series of one scrape have the same array of times; what is too long is left to who can read it", () => {
  const arena = new SampleArena();
  const store = new SampleStore(arena, CHUNK_VALUES_MAX);
  store.reserve(3);
  for (let i = 0; i < 40_000; i++) {
    if (i < 100) append(store, arena, 0, { timestampMs: 1000 * i, value: i });
    append(store, arena, 1, { timestampMs: 1000 * i, value: -i });
  }
  const reader = new SampleRangeReader(arena);
  const target = new Float64Array(200);
  const want = { startMs: 10_000, endMs: 50_000, total: Infinity, newestOnly: false, target };
  assert.equal(reader.read(store, 0, { ...want, at: 0 }), 41);
  const times = reader.timestampsMs;
  assert.equal(reader.read(store, 1, { ...want, at: 41 }), 41);
  assert.equal(reader.timestampsMs, times);
  // Elsewhere than behind the last: what waits is brought to its place first.
  assert.equal(reader.read(store, 1, { ...want, endMs: 10_000, at: 150 }), 1);
  assert.equal(reader.read(store, 2, { ...want, at: 0 }), 0);
  assert.equal(reader.timestampsMs.length, 0);
  reader.flush();
  assert.equal(target[40], 50);
  assert.equal(target[81], -50);
  assert.equal(target[150], -10);
  const all = { ...want, startMs: -Infinity, endMs: Infinity, at: 0 };
  assert.equal(reader.read(store, 1, all), -1);
  assert.equal(reader.read(store, 1, { ...all, newestOnly: true }), 1);
});

test("a range that ends before it begins has nothing", () => {
  const arena = new SampleArena();
  const store = new SampleStore(arena, CHUNK_VALUES_MAX);
  store.reserve(1);
  append(store, arena, 0, { timestampMs: 1000, value: 1 });
  append(store, arena, 0, { timestampMs: 16_000, value: 2 });
  const want = { startMs: 16_000, endMs: 900, total: Infinity, newestOnly: false };
  const reader = new SampleRangeReader(arena);
  assert.equal(store.countRange(0, want), 0);
  assert.equal(reader.read(store, 0, { ...want, target: new Float64Array(2), at: 0 }), 0);
});
