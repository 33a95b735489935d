import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KernelMemory, loadKernel } from "./kernels.ts";
import {
  APPEND_ROWS_MAX,
  CHUNK_VALUES_MAX,
  FATE_ACCEPTED,
  FATE_LATE,
  FATE_REPEATED,
  SampleArena,
  SampleStore,
} from "./sample-store.ts";
import { readValueChunk } from "./value-chunk.ts";

interface ValueChunkExports {
  encodeValues(
    source: number,
    count: number,
    target: number,
    hint: number,
    scratch: number,
  ): number;
  decodeValues(source: number, count: number, target: number): void;
}

const memory = new KernelMemory();
const kernel = loadKernel<ValueChunkExports>("value-chunk", memory);

/** Encodes at 1024, works at 4096, decodes to 512; returns the bytes. */
function encode(values: BigUint64Array, hint: number): Uint8Array {
  new BigUint64Array(memory.bytes.buffer, 0, values.length).set(values);
  const length = kernel.encodeValues(0, values.length, 1024, hint, 4096);
  return memory.bytes.slice(1024, 1024 + length);
}

const anyBits = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const bitsOf = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const decimals = fc
  .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 12 }))
  .map(([integer, exponent]) => bitsOf(integer / 10 ** exponent));
const special = fc
  .constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 2 ** 50, -(2 ** 50), 2 ** 53, 1e308, 5e-324)
  .map(bitsOf);
const stale = fc.constant(0x7ff0000000000002n);
const columns = fc.oneof(
  fc.array(anyBits, { minLength: 1, maxLength: 32 }),
  fc.array(decimals, { minLength: 1, maxLength: 32 }),
  fc.array(fc.oneof(decimals, special, stale), { minLength: 1, maxLength: 32 }),
  // Counters: steps of many sizes from a start of many sizes.
  fc
    .tuple(
      fc.integer({ min: 0, max: 2 ** 50 }),
      fc.array(fc.integer({ min: 0, max: 2 ** 20 }), { minLength: 1, maxLength: 32 }),
      fc.constantFrom(1, 4096, 0.01),
    )
    .map(([start, steps, unit]) => {
      let sum = start;
      return steps.map((step) => bitsOf(Math.round((sum += step)) * unit));
    }),
);

test("every column of doubles comes back bit for bit, from the kernel and from its twin, within the bytes allowed", () => {
  fc.assert(
    fc.property(columns, fc.integer({ min: 0, max: 15 }), (list, hint) => {
      const values = BigUint64Array.from(list);
      const bytes = encode(values, hint);
      assert.ok(bytes.length <= 10 + 8 * 31);
      kernel.decodeValues(1024, values.length, 512);
      assert.deepEqual(new BigUint64Array(memory.bytes.buffer, 512, values.length), values);
      assert.deepEqual(readValueChunk(bytes, values.length), values);
    }),
    { numRuns: 5000 },
  );
});

test("what is regular is small", () => {
  const sizeOf = (values: readonly number[]) =>
    encode(new BigUint64Array(Float64Array.from(values).buffer), 0).length;
  const rows = Array.from({ length: 32 }, (_, i) => i);
  assert.equal(sizeOf(rows.map(() => 12.5)), 9);
  assert.ok(sizeOf(rows.map((i) => 1e9 + 15 * i)) <= 10, "steady counter");
  assert.ok(sizeOf(rows.map((i) => 4096 * (1e6 + ((i * 7) % 5)))) <= 25, "pages of memory");
  assert.ok(
    sizeOf(rows.map((i) => Math.round(5_123_417 + 50 * i + (i % 3)) / 100)) <= 25,
    "hundredths",
  );
});

interface Sample {
  readonly timestampMs: number;
  readonly bits: bigint;
}

/** Appends one sample to each of `series` and returns the fates. */
function append(
  store: SampleStore,
  arena: SampleArena,
  rows: readonly (Sample & { series: number })[],
): number[] {
  const fates: number[] = [];
  for (let from = 0; from < rows.length; from += APPEND_ROWS_MAX) {
    const part = rows.slice(from, from + APPEND_ROWS_MAX);
    store.reserve(Math.max(...part.map((row) => row.series)) + 1);
    const { columns: to } = arena;
    const bits = new BigUint64Array(to.valueBytes.buffer, to.valueBytes.byteOffset);
    for (const [i, row] of part.entries()) {
      to.series[i] = row.series;
      to.counts[i] = 1;
      to.timestampsMs[i] = row.timestampMs;
      bits[i] = row.bits;
    }
    const accepted = store.append(part.length);
    const got = [...arena.columns.fates.subarray(0, part.length)];
    assert.equal(accepted, got.filter((fate) => fate === FATE_ACCEPTED).length);
    fates.push(...got);
  }
  return fates;
}

function readBack(
  store: SampleStore,
  series: number,
  want = { startMs: -Infinity, endMs: Infinity, total: Infinity },
): Sample[] {
  const { timestampsMs, values } = store.read(series, want);
  const bits = new BigUint64Array(values.buffer);
  return [...timestampsMs].map((timestampMs, i) => ({ timestampMs, bits: bits[i]! }));
}

test("histories of appends read back as a plain model has them, at every moment", () => {
  const arena = new SampleArena();
  const step = fc.record({
    series: fc.integer({ min: 0, max: 4 }),
    stepMs: fc.oneof(
      { weight: 8, arbitrary: fc.constant(15_000) },
      { weight: 1, arbitrary: fc.integer({ min: -20_000, max: 40_000 }) },
      { weight: 1, arbitrary: fc.constantFrom(0, 2 ** 33, 1) },
    ),
    bits: fc.oneof(decimals, fc.constant(bitsOf(7)), anyBits),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.integer({ min: 1, max: CHUNK_VALUES_MAX }),
      (steps, closeAt) => {
        const store = new SampleStore(arena, closeAt);
        store.reserve(5);
        const model: Sample[][] = [[], [], [], [], []];
        for (const { series, stepMs, bits } of steps) {
          const list = model[series]!;
          const last = list.at(-1);
          const timestampMs = (last?.timestampMs ?? 1_700_000_000_000) + stepMs;
          const [fate] = append(store, arena, [{ series, timestampMs, bits }]);
          if (last === undefined || stepMs > 0) {
            assert.equal(fate, FATE_ACCEPTED);
            list.push({ timestampMs, bits });
          } else if (fate === FATE_REPEATED) {
            assert.ok(stepMs === 0 && bits === last.bits);
          } else assert.equal(fate, FATE_LATE);
        }
        for (const [series, list] of model.entries()) {
          assert.equal(store.total(series), list.length);
          assert.equal(store.newestMs(series), list.at(-1)?.timestampMs ?? -Infinity);
          assert.equal(store.oldestMs(series), list[0]?.timestampMs ?? Infinity);
          assert.deepEqual(readBack(store, series), list);
          const total = list.length >> 1;
          assert.deepEqual(
            readBack(store, series, { startMs: -Infinity, endMs: Infinity, total }),
            list.slice(0, total),
          );
          const [startMs, endMs] = [list[3]?.timestampMs ?? 0, list[9]?.timestampMs ?? 0];
          const inRange = (s: Sample) => s.timestampMs >= startMs && s.timestampMs <= endMs;
          assert.deepEqual(
            readBack(store, series, { startMs, endMs, total: Infinity }).filter(inRange),
            list.filter(inRange),
          );
        }
        store.close();
      },
    ),
    { numRuns: 300 },
  );
});

test("many series of few scrapes share their times; memory given back is used again", () => {
  const arena = new SampleArena();
  const fill = (): SampleStore => {
    const store = new SampleStore(arena, 32);
    for (let scrape = 0; scrape < 40; scrape++) {
      const rows = Array.from({ length: 6000 }, (_, series) => ({
        series,
        // Three targets, each with its own times, one of them irregular.
        timestampMs: 15_000 * scrape + (series % 3) * 1000 + (series % 3 === 2 ? scrape % 4 : 0),
        bits: bitsOf(series * 100 + scrape),
      }));
      append(store, arena, rows);
    }
    return store;
  };
  const first = fill();
  assert.deepEqual(
    readBack(first, 5000).map((sample) => sample.timestampMs),
    Array.from({ length: 40 }, (_, scrape) => 15_000 * scrape + 2000 + (scrape % 4)),
  );
  // A state of 40, a chunk of about 24, and the 32 values that each had open at once.
  assert.ok(first.bytes < 6000 * (40 + 24 + 256) + 200_000, `${first.bytes} bytes`);
  first.close();
  const before = arena.bytes;
  const second = fill();
  assert.equal(arena.bytes, before);
  assert.deepEqual(readBack(second, 17).at(-1), { timestampMs: 587_003, bits: bitsOf(1739) });
});

test("a series marked rich repeats nothing", () => {
  const arena = new SampleArena();
  const store = new SampleStore(arena, 32);
  const row = { series: 0, timestampMs: 1000, bits: bitsOf(1) };
  assert.deepEqual(append(store, arena, [row, row]), [FATE_ACCEPTED, FATE_REPEATED]);
  store.markRich(0);
  assert.deepEqual(append(store, arena, [row]), [FATE_LATE]);
});
