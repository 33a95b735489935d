/** Remote read: chunks, requests, answers; round trips as properties, golden bytes, damaged input at every offset. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createMatcher, formatMatcher, Labels, wordsOf } from "@finch/model";
import type { Histogram, Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { decodeHistogramChunk, encodeHistogramChunk, sharesChunk } from "./histogram-chunk.ts";
import { decodeReadFrames, decodeReadResponse } from "./remote-read-decoder.ts";
import {
  decodeReadRequest,
  encodeReadRequest,
  negotiateReadResponse,
} from "./remote-read-request.ts";
import { encodeReadFrames, ReadResponseWriter } from "./remote-read-response.ts";
import { decodeXorChunk, encodeXorChunk } from "./xor-chunk.ts";

const LIMITS = { decodedBytesMax: 1 << 20, queriesMax: 10 };

/** Times that ascend by steps which need every size of difference. */
const times = fc
  .tuple(
    fc.integer({ min: -1e12, max: 2e12 }),
    fc.array(
      fc.oneof(
        fc.constant(15_000),
        fc.integer({ min: 1, max: 30_000 }),
        fc.integer({ min: 1, max: 200_000 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
      ),
      { maxLength: 200 },
    ),
  )
  .map(([start, steps]) => {
    let at = start;
    return Float64Array.from([start, ...steps.map((step) => (at += step))]);
  });

/** Words of doubles, so that NaNs have all kinds of bits. */
const wordsFor = (count: number) =>
  fc.array(
    fc.oneof(
      fc.constantFrom(0, 1, 0x80000000, 0x3ff00000, 0x7ff00000, 0x7ff80001, 2),
      fc.integer({ min: 0, max: 0xffffffff }),
    ),
    { minLength: 2 * count, maxLength: 2 * count },
  );

test("xor chunks: what goes in comes out, bit for bit", () => {
  fc.assert(
    fc.property(
      times.chain((timestampsMs) =>
        fc.tuple(fc.constant(timestampsMs), wordsFor(timestampsMs.length)),
      ),
      ([timestampsMs, words]) => {
        const values = new Float64Array(timestampsMs.length);
        wordsOf(values).set(words);
        const range = { from: 0, to: values.length };
        const decoded = decodeXorChunk(encodeXorChunk(timestampsMs, values, range));
        assert.deepEqual(decoded.timestampsMs, timestampsMs);
        assert.deepEqual([...wordsOf(decoded.values)], words);
      },
    ),
  );
});

test("xor chunks: golden bytes", () => {
  const chunk = encodeXorChunk(
    Float64Array.of(1_000, 16_000, 31_000, 46_005, 200_000),
    Float64Array.of(1, 1, 2.5, 2.5, -1),
    { from: 0, to: 5 },
  );
  assert.equal(Buffer.from(chunk).toString("hex"), GOLDEN_XOR);
});

/**
 * 5 samples · 1000 as a zigzag varint · the double 1 · 15000 as a varint · the same value (0) · no difference of times (0) · a window (11) of one
 * zero (00001) and 13 bits (001101) · 5 in 14 bits (10) · the same value · 138990 in 20 bits (1110) · a window. `e2e/remote-read.test.ts` lets a
 * real Prometheus read such chunks.
 */
const GOLDEN_XOR = "0005d00f3ff00000000000009875309bffd8005710f77603bffd";

const PLAIN: Histogram = {
  schema: 2,
  resetHint: "unknown",
  zeroThreshold: 2 ** -128,
  zeroCount: 1,
  count: 10,
  sum: 3.5,
  positive: { spans: Int32Array.of(-3, 2, 5, 1), counts: Float64Array.of(1, 2, 3) },
  negative: { spans: Int32Array.of(0, 1), counts: Float64Array.of(3) },
  customBounds: new Float64Array(),
};

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1e12 });

const histograms = fc
  .record({
    custom: fc.boolean(),
    threshold: fc.oneof(
      fc.constantFrom(0, 2 ** -128, 2 ** 10, 2 ** -243, 1024.0000000000002),
      finite,
    ),
    bounds: fc.uniqueArray(fc.oneof(fc.constantFrom(0.005, 0.01, 33_554.43, 33_554.431), finite), {
      minLength: 3,
      maxLength: 3,
    }),
    counts: fc.array(fc.array(finite, { minLength: 4, maxLength: 4 }), {
      minLength: 1,
      maxLength: 20,
    }),
    gauge: fc.boolean(),
    sum: fc.double(),
  })
  .map(({ custom, threshold, bounds, counts, gauge, sum }) => {
    const total = [0, 0, 0, 0];
    return counts.map((row, index): Histogram => {
      // Counters grow; gauges may do as they like.
      for (const [i, count] of row.entries()) total[i] = gauge ? count : total[i]! + count;
      return {
        schema: custom ? -53 : 3,
        resetHint: gauge ? "gauge" : index === 0 ? "unknown" : "not-reset",
        zeroThreshold: custom ? 0 : threshold,
        zeroCount: custom ? 0 : total[3]!,
        count: total[0]! + total[1]! + total[2]! + total[3]!,
        sum: sum * index,
        positive: {
          spans: Int32Array.of(custom ? 0 : -70, 1, 400, 2),
          counts: Float64Array.of(total[0]!, total[1]!, total[2]!),
        },
        negative: { spans: new Int32Array(), counts: new Float64Array() },
        customBounds: custom ? Float64Array.from(bounds).sort() : new Float64Array(),
      };
    });
  });

test("histogram chunks: what goes in comes out", () => {
  fc.assert(
    fc.property(histograms, (list) => {
      const samples = list.map((histogram, i) => ({
        timestampMs: 1e12 + i * 15_000 + (i % 3),
        histogram,
      }));
      assert.deepEqual(decodeHistogramChunk(encodeHistogramChunk(samples)), samples);
    }),
  );
});

test("a chunk ends where the layout changes or a counter begins again", () => {
  const { positive } = PLAIN;
  const rows: readonly [rule: string, next: Histogram, shares: boolean][] = [
    ["the same", PLAIN, true],
    ["more in a bucket", { ...PLAIN, count: 11, positive: counts(1, 2, 4) }, true],
    ["less in a bucket", { ...PLAIN, positive: counts(1, 1, 4) }, false],
    ["less around zero", { ...PLAIN, zeroCount: 0 }, false],
    ["less in all", { ...PLAIN, count: 9 }, false],
    ["a reset that was told", { ...PLAIN, resetHint: "reset" }, false],
    ["a gauge behind a counter", { ...PLAIN, resetHint: "gauge" }, false],
    ["another schema", { ...PLAIN, schema: 1 }, false],
    ["another threshold", { ...PLAIN, zeroThreshold: 1 }, false],
    ["other buckets", { ...PLAIN, positive: { ...positive, spans: Int32Array.of(-3, 3) } }, false],
  ];
  for (const [rule, next, shares] of rows) assert.equal(sharesChunk(PLAIN, next), shares, rule);
  const gauge: Histogram = { ...PLAIN, resetHint: "gauge" };
  assert.ok(sharesChunk(gauge, { ...gauge, count: 1, positive: counts(1, 0, 0) }));
});

function counts(...list: number[]): Histogram["positive"] {
  return { spans: PLAIN.positive.spans, counts: Float64Array.from(list) };
}

test("damaged chunks are refused, never read past", () => {
  const timestampsMs = Float64Array.from({ length: 50 }, (_, i) => i * 15_000 + (i % 7));
  const values = Float64Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const xor = encodeXorChunk(timestampsMs, values, { from: 0, to: 50 });
  const histogram = encodeHistogramChunk([
    { timestampMs: 1, histogram: PLAIN },
    { timestampMs: 2, histogram: PLAIN },
  ]);
  for (const [chunk, decode] of [
    [xor, decodeXorChunk],
    [histogram, decodeHistogramChunk],
  ] as const) {
    for (let end = 0; end < chunk.length - 1; end++)
      assert.throws(() => decode(chunk.slice(0, end)), RangeError, `cut at ${end}`);
    for (let bit = 0; bit < chunk.length * 8; bit++) {
      const flipped = chunk.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      try {
        decode(flipped);
      } catch (error) {
        assert.ok(error instanceof RangeError, `bit ${bit}: ${String(error)}`);
      }
    }
  }
});

test("requests: queries, matchers of all kinds, types in order; others are skipped", () => {
  const queries = [
    {
      startMs: -5,
      endMs: 1_700_000_000_000,
      matchers: [
        createMatcher("__name__", "=", "up"),
        createMatcher("a", "!=", "é"),
        createMatcher("b", "=~", "x|y"),
        createMatcher("c", "!~", ".+"),
      ],
    },
    { startMs: 0, endMs: 0, matchers: [] },
  ];
  const request = decodeReadRequest(
    encodeReadRequest({ queries, acceptedTypes: ["streamed-xor-chunks", "samples"] }),
    LIMITS,
  );
  assert.deepEqual(
    request.queries.map(({ startMs, endMs, matchers }) => [
      startMs,
      endMs,
      matchers.map(formatMatcher),
    ]),
    queries.map(({ startMs, endMs, matchers }) => [startMs, endMs, matchers.map(formatMatcher)]),
  );
  assert.equal(negotiateReadResponse(request), "streamed-xor-chunks");
  assert.equal(negotiateReadResponse({ queries: [], acceptedTypes: [] }), "samples");
  assert.equal(negotiateReadResponse({ queries: [], acceptedTypes: [7, 0] }), "samples");
  assert.throws(
    () => negotiateReadResponse({ queries: [], acceptedTypes: [7] }),
    /does not support any of the requested response types: 7/,
  );
});

test("bad requests: every cut and every flipped bit is a fault or another request", () => {
  const body = encodeReadRequest({
    queries: [{ startMs: 1, endMs: 2, matchers: [createMatcher("job", "=~", "a|b")] }],
    acceptedTypes: ["samples"],
  });
  const tryDecode = (bytes: Uint8Array) => {
    try {
      decodeReadRequest(bytes, LIMITS);
    } catch (error) {
      assert.ok(error instanceof FinchError, String(error));
      assert.ok(error.kind === "invalid" || error.kind === "too-large");
    }
  };
  for (let end = 0; end < body.length; end++) tryDecode(body.slice(0, end));
  for (let bit = 0; bit < body.length * 8; bit++) {
    const flipped = body.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    tryDecode(flipped);
  }
  const many = Array.from({ length: 11 }, () => ({ startMs: 0, endMs: 0, matchers: [] }));
  assert.throws(
    () => decodeReadRequest(encodeReadRequest({ queries: many, acceptedTypes: [] }), LIMITS),
    /more than 10 queries/,
  );
});

const MIXED: Series = {
  labels: Labels.fromObject({ __name__: "m", job: "é" }),
  timestampsMs: Float64Array.from({ length: 300 }, (_, i) => 1e12 + i * 1000),
  values: Float64Array.from({ length: 300 }, (_, i) => (i < 150 ? i / 3 : 3.5)),
  histograms: Array.from({ length: 300 }, (_, i) =>
    i < 150
      ? undefined
      : ({ ...PLAIN, resetHint: i === 150 || i === 270 ? "unknown" : "not-reset" } as const),
  ),
};

const FLOATS: Series = {
  labels: Labels.fromObject({ __name__: "f" }),
  timestampsMs: Float64Array.of(1, 2),
  values: Float64Array.of(0.5, Number.POSITIVE_INFINITY),
};

test("answers of both types hold every sample", () => {
  const writer = new ReadResponseWriter();
  writer.beginQuery();
  writer.addSeries(FLOATS);
  writer.addSeries(MIXED);
  writer.beginQuery();
  writer.beginQuery();
  writer.addSeries(FLOATS);
  assert.deepEqual(decodeReadResponse(writer.finish(), { decodedBytesMax: 1 << 20 }), [
    [FLOATS, MIXED],
    [],
    [FLOATS],
  ]);
  for (const frameBytesMax of [1, 500, 1 << 20]) {
    const frames = [
      ...encodeReadFrames(FLOATS, { queryIndex: 0, frameBytesMax }),
      ...encodeReadFrames(MIXED, { queryIndex: 0, frameBytesMax }),
      ...encodeReadFrames(FLOATS, { queryIndex: 1, frameBytesMax }),
    ];
    assert.deepEqual(decodeReadFrames(Buffer.concat(frames)), [[FLOATS, MIXED], [FLOATS]]);
    if (frameBytesMax === 1) assert.equal(frames.length, 1 + 2 + 2 + 1);
  }
  const broken = Buffer.concat([...encodeReadFrames(FLOATS, { queryIndex: 0, frameBytesMax: 1 })]);
  broken[broken.length - 1]! ^= 1;
  assert.throws(() => decodeReadFrames(broken), /does not match its checksum/);
});
