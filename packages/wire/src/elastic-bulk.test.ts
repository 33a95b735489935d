import assert from "node:assert/strict";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { decodeElasticBulk, encodeBulkReply } from "./elastic-bulk.ts";
import { DEFAULT_LOKI_PUSH_LIMITS } from "./limits.ts";

const NOW_NS = 1_795_198_239_000_000_000n;
const OPTIONS = {
  index: undefined,
  nowNs: NOW_NS,
  oldestNs: NOW_NS - 86_400_000_000_000n,
  newestNs: NOW_NS + 600_000_000_000n,
  limits: { ...DEFAULT_LOKI_PUSH_LIMITS, lineBytesMax: 300, metadataPairsMax: 8 },
};
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const decode = (text: string, index?: string) =>
  decodeElasticBulk(bytesOf(text), { ...OPTIONS, index });
const objectOf = (pairs: readonly string[]) =>
  Object.fromEntries(
    Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]),
  );

/** What becomes of one document. */
function entryOf(document: object | string) {
  const source = typeof document === "string" ? document : JSON.stringify(document);
  const [operation] = decode(`{"create":{"_index":"logs"}}\n${source}\n`);
  const { entry, fault } = operation!;
  if (entry === undefined) return fault;
  return {
    labels: objectOf(entry.labels),
    line: Buffer.from(entry.entry.line).toString(),
    metadata: objectOf(entry.entry.metadata),
    timeNs: entry.entry.timeNs,
  };
}

const ROWS: readonly [rule: string, document: object | string, expected: object][] = [
  [
    "what Filebeat sends",
    {
      "@timestamp": "2026-11-20T18:10:39.123Z",
      message: "hi ü",
      host: { name: "h1" },
      service: { name: "shop" },
      log: { level: "warn", file: { path: "/a.log" }, offset: 7 },
      tags: ["a", "b"],
      gone: null,
      done: true,
    },
    {
      labels: { index: "logs", host: "h1", service_name: "shop" },
      line: "hi ü",
      metadata: {
        level: "warn",
        log_file_path: "/a.log",
        log_offset: "7",
        tags: '["a","b"]',
        done: "true",
      },
      timeNs: 1_795_198_239_123_000_000n,
    },
  ],
  [
    "Fluent Bit: log, and milliseconds",
    { "@timestamp": 1_795_198_239_500, log: "x", host: "h2" },
    {
      labels: { index: "logs", host: "h2" },
      line: "x",
      metadata: {},
      timeNs: 1_795_198_239_500_000_000n,
    },
  ],
  [
    "no message: JSON as it came",
    '{"b": 1,"log.level":"error"}',
    {
      labels: { index: "logs" },
      line: '{"b": 1,"log.level":"error"}',
      metadata: { level: "error" },
      timeNs: NOW_NS,
    },
  ],
  [
    "too many fields: JSON as it came",
    { message: "m", ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, i])) },
    {
      labels: { index: "logs" },
      line: '{"message":"m","f0":0,"f1":1,"f2":2,"f3":3,"f4":4,"f5":5,"f6":6,"f7":7,"f8":8}',
      metadata: {},
      timeNs: NOW_NS,
    },
  ],
  [
    "too old",
    { "@timestamp": "2020-01-01T00:00:00Z", message: "x" },
    { status: 400, type: "illegal_argument_exception", reason: "@timestamp is too old" },
  ],
  [
    "too long",
    { message: "x".repeat(301) },
    {
      status: 400,
      type: "illegal_argument_exception",
      reason: "a line of 301 bytes is longer than 300 bytes",
    },
  ],
  [
    "no object",
    "[1]",
    { status: 400, type: "document_parsing_exception", reason: "failed to parse: it is no object" },
  ],
];

for (const [rule, document, expected] of ROWS) {
  void test(`document: ${rule}`, () => assert.deepEqual(entryOf(document), expected));
}

void test("operations: each has an outcome, in order; the path's index stands in", () => {
  const operations = decode(
    '{"index":{}}\r\n{"message":"a"}\r\n\n{"delete":{"_index":"x","_id":"1"}}\n{"update":{"_id":"2"}}\n{"doc":{}}\n{"create":{"_index":"y","_id":"3"}}\nnonsense\n{"index":{}}\n{"message":"last"}',
    "p",
  );
  assert.deepEqual(
    operations.map(({ action, fault, id, index }) => [action, index, id, fault?.status]),
    [
      ["index", "p", undefined, undefined],
      ["delete", "x", "1", 400],
      ["update", "p", "2", 400],
      ["create", "y", "3", 400],
      ["index", "p", undefined, undefined],
    ],
  );
  const reply = JSON.parse(encodeBulkReply(operations, { isBrief: true, tookMs: 3 })) as {
    errors: boolean;
    items: Record<string, { status: number }>[];
  };
  assert.equal(reply.errors, true);
  assert.deepEqual(reply.items[0], { index: { status: 201 } });
});

const REFUSED: readonly [rule: string, body: string, message: RegExp][] = [
  ["no action", '{"message":"x"}\n', /line 1 of the bulk body is no action/],
  ["two actions", '{"index":{},"create":{}}\n{}\n', /line 1 of the bulk body is no action/],
  ["no JSON", '{"index":{"_index":"a"}}\n{}\nx\n', /line 3 of the bulk body is no action: /],
  ["no index", '{"index":{}}\n{}\n', /line 1 of the bulk body names no index/],
  ["no document", '{"index":{"_index":"a"}}\n', /line 1 of the bulk body has no document/],
];

for (const [rule, body, message] of REFUSED) {
  void test(`refused: ${rule}`, () => assert.throws(() => decode(body), message));
}

void test("deep documents and random bytes are faults, never other errors", () => {
  const deep = `{"create":{"_index":"a"}}\n${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}\n`;
  assert.match(decode(deep)[0]!.fault!.reason, /nests deeper than 64/);
  const good = bytesOf('{"create":{"_index":"a"}}\n{"message":"x","@timestamp":1}\n');
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 8 }), (at, bytes) => {
      const damaged = Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + 1)]);
      try {
        decodeElasticBulk(new Uint8Array(damaged), OPTIONS);
      } catch (error) {
        assert.ok(error instanceof FinchError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
