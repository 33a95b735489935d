import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import { Labels, type LogBatchStream } from "@finch/model";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { parseLabelString } from "./label-string.ts";
import { DEFAULT_LOKI_PUSH_LIMITS } from "./limits.ts";
import { decodeLokiPush } from "./loki-push-decoder.ts";
import { encodeLokiPush } from "./loki-push-encoder.ts";

const JSON_TYPE = "application/json";

function decode(
  body: Uint8Array | string,
  options: { type?: string; encoding?: string; limits?: object } = {},
) {
  return decodeLokiPush({
    body: typeof body === "string" ? new Uint8Array(Buffer.from(body)) : body,
    contentType: options.type,
    contentEncoding: options.encoding,
    limits: { ...DEFAULT_LOKI_PUSH_LIMITS, ...options.limits },
  });
}

interface Entry {
  readonly ns: bigint;
  readonly line: string;
  readonly metadata: Readonly<Record<string, string>>;
}

function rowsOf({ labels, entries }: LogBatchStream): { labels: string; rows: Entry[] } {
  assert.equal(entries.metadataSets[0], Labels.EMPTY);
  const rows = Array.from({ length: entries.count }, (_, i) => ({
    ns: entries.timestampsNs[i]!,
    line: Buffer.from(
      entries.lines.subarray(entries.lineBounds[i], entries.lineBounds[i + 1]),
    ).toString(),
    metadata: entries.metadataSets[entries.metadataOf[i]!]!.toObject(),
  }));
  return { labels: labels.toString(), rows };
}

function streamOf(labels: Labels, rows: readonly Entry[]): LogBatchStream {
  const lines = rows.map((row) => Buffer.from(row.line));
  const lineBounds = new Uint32Array(rows.length + 1);
  for (const [i, line] of lines.entries()) lineBounds[i + 1] = lineBounds[i]! + line.length;
  return {
    labels,
    entries: {
      count: rows.length,
      timestampsNs: BigInt64Array.from(rows, (row) => row.ns),
      lines: Buffer.concat(lines),
      lineBounds,
      metadataSets: [Labels.EMPTY, ...rows.map((row) => Labels.fromObject(row.metadata))],
      metadataOf: Uint32Array.from(rows, (_, i) => i + 1),
    },
  };
}

const ns = fc.bigInt({ min: -9_000_000_000_000_000_000n, max: 9_000_000_000_000_000_000n });
const text = fc.string({ unit: "grapheme", maxLength: 60 });
const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,5}$/);
// Names that stay as they are.
const plainName = fc.stringMatching(/^[a-z](_?[a-z0-9]){0,4}$/);
const metadata = fc.dictionary(plainName, fc.string({ minLength: 1, maxLength: 10 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
const labels = fc.dictionary(name, fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), {
  minKeys: 1,
  maxKeys: 4,
  noNullPrototype: true,
});
const streams = fc.array(
  fc.record({
    labels,
    rows: fc.array(fc.record({ ns, line: text, metadata }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 20,
    }),
  }),
  { maxLength: 4 },
);

void test("what is encoded decodes to the same, as protobuf and as JSON in every encoding", () => {
  fc.assert(
    fc.property(streams, (list) => {
      const expected = list.map((s) => ({
        labels: Labels.fromObject(s.labels).toString(),
        rows: s.rows,
      }));
      const same = (result: ReturnType<typeof decode>) => {
        assert.deepEqual(result.faults, []);
        assert.deepEqual(result.batch.streams.map(rowsOf), expected);
      };
      const protobuf = encodeLokiPush(
        list.map((s) => streamOf(Labels.fromObject(s.labels), s.rows)),
      );
      same(decode(protobuf));
      same(decode(protobuf, { type: "text/plain", encoding: "snappy" }));
      const json = JSON.stringify({
        streams: list.map((s) => ({
          stream: s.labels,
          values: s.rows.map((r) => [String(r.ns), r.line, r.metadata]),
        })),
      });
      same(decode(json, { type: "application/json; charset=utf-8" }));
      same(decode(gzipSync(json), { type: JSON_TYPE, encoding: "gzip" }));
      same(decode(deflateSync(json), { type: JSON_TYPE, encoding: "deflate" }));
      same(decode(deflateRawSync(json), { type: JSON_TYPE, encoding: "deflate" }));
    }),
    { numRuns: 60 },
  );
});

const json = (values: unknown, stream: unknown = { a: "b" }) =>
  JSON.stringify({ streams: [{ stream, values }] });

void test("a timestamp without quotes keeps its digits", () => {
  const result = decode(
    '{"streams":[{"stream":{"a":"b"},"values":[[1700000000123456789,"x"],[5,"y"]]}]}',
    { type: JSON_TYPE },
  );
  assert.deepEqual(Array.from(result.batch.streams[0]!.entries.timestampsNs), [
    1_700_000_000_123_456_789n,
    5n,
  ]);
});

const LEFT_OUT: readonly [name: string, body: string, entries: number, fault: RegExp][] = [
  ["no labels", json([["1", "x"]], {}), 1, /at least one label pair is required/],
  ["only empty labels", json([["1", "x"]], { a: "" }), 1, /at least one label pair is required/],
  [
    "bad label name",
    json(
      [
        ["1", "x"],
        ["2", "y"],
      ],
      { "a.b": "c" },
    ),
    2,
    /"a\.b" is not a label name/,
  ],
  [
    "long line",
    json([["1", "x".repeat(300_000)]]),
    1,
    /max entry size '262144' bytes exceeded for stream '\{a="b"\}' while adding an entry with length '300000' bytes/,
  ],
  [
    "long label value",
    json([["1", "x"]], { a: "x".repeat(3000) }),
    1,
    /value longer than 2048 bytes in label a/,
  ],
  [
    "much metadata",
    json([["1", "x", Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`k${i}`, "v"]))]]),
    1,
    /129 pairs of structured metadata, 128 are allowed/,
  ],
  [
    "large metadata",
    json([["1", "x", { k: "v".repeat(70_000) }]]),
    1,
    /70001 bytes of structured metadata/,
  ],
  [
    "many labels",
    json([["1", "x"]], Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, "v"]))),
    1,
    /more than 32 labels/,
  ],
];

for (const [name, body, entries, fault] of LEFT_OUT) {
  void test(`left out, the rest kept: ${name}`, () => {
    const both = body.replace(
      '{"streams":[',
      '{"streams":[{"stream":{"ok":"1"},"values":[["7","kept"]]},',
    );
    const result = decode(both, { type: JSON_TYPE });
    assert.deepEqual(
      result.batch.streams.map((s) => s.labels.toString()),
      ['{ok="1"}'],
    );
    assert.equal(result.rejectedEntries, entries);
    assert.equal(result.faultCount, 1);
    assert.match(result.faults[0]!, fault);
  });
}

const REFUSED: readonly [
  name: string,
  body: Uint8Array | string,
  options: Parameters<typeof decode>[1],
  kind: string,
  message: RegExp,
][] = [
  ["bad JSON", '{"streams":', { type: JSON_TYPE }, "invalid", /not valid JSON/],
  ["no object", "[]", { type: JSON_TYPE }, "invalid", /not an object/],
  ["streams no array", '{"streams":{}}', { type: JSON_TYPE }, "invalid", /streams is not an array/],
  [
    "stream no object",
    '{"streams":[1]}',
    { type: JSON_TYPE },
    "invalid",
    /streams\[0\] is not an object/,
  ],
  [
    "label no string",
    json([], { a: 1 }),
    { type: JSON_TYPE },
    "invalid",
    /streams\[0\]\.stream\.a is not a string/,
  ],
  [
    "time no number",
    json([
      ["1", "x"],
      ["soon", "x"],
    ]),
    { type: JSON_TYPE },
    "invalid",
    /streams\[0\]\.values\[1\]\[0\] is not a string of Unix nanoseconds/,
  ],
  [
    "time too large",
    json([["9223372036854775808", "x"]]),
    { type: JSON_TYPE },
    "invalid",
    /values\[0\]\[0\]/,
  ],
  [
    "line no string",
    json([["1", 5]]),
    { type: JSON_TYPE },
    "invalid",
    /values\[0\]\[1\] is not a string/,
  ],
  [
    "metadata no object",
    json([["1", "x", "y"]]),
    { type: JSON_TYPE },
    "invalid",
    /values\[0\]\[2\] is not an object/,
  ],
  [
    "too few elements",
    json([["1"]]),
    { type: JSON_TYPE },
    "invalid",
    /values\[0\] is not an array of/,
  ],
  [
    "deep nesting",
    "[".repeat(1_000_000),
    { type: JSON_TYPE },
    "invalid",
    /nests deeper than 16 at byte 16/,
  ],
  [
    "many brackets",
    `[${"{},".repeat(2000)}`,
    { type: JSON_TYPE, limits: { jsonContainersMax: 1000 } },
    "too-large",
    /more than 1000 arrays and objects/,
  ],
  [
    "gzip bomb",
    gzipSync(Buffer.alloc(10_000_000)),
    { type: JSON_TYPE, encoding: "gzip", limits: { decodedBytesMax: 1 << 20 } },
    "too-large",
    /decodes to more than 1048576 bytes/,
  ],
  [
    "deflate bomb",
    deflateSync(Buffer.alloc(10_000_000)),
    { type: JSON_TYPE, encoding: "deflate", limits: { decodedBytesMax: 1 << 20 } },
    "too-large",
    /decodes to more than/,
  ],
  ["no gzip", "{}", { type: JSON_TYPE, encoding: "gzip" }, "invalid", /not valid gzip/],
  [
    "unknown encoding",
    "{}",
    { type: JSON_TYPE, encoding: "br" },
    "invalid",
    /Content-Encoding "br" not supported/,
  ],
  [
    "body too long",
    "x".repeat(100),
    { limits: { bodyBytesMax: 10 } },
    "too-large",
    /10 are allowed/,
  ],
  [
    "declares 4 GiB",
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0),
    {},
    "too-large",
    /decodes to 4294967295 bytes/,
  ],
  [
    "JSON sent as protobuf",
    json([["1", "x"]]),
    {},
    "invalid",
    /cannot read the push request: snappy/,
  ],
  [
    "too many entries",
    json([
      ["1", "x"],
      ["2", "x"],
    ]),
    { type: JSON_TYPE, limits: { entriesMax: 1 } },
    "too-large",
    /more than 1 entries/,
  ],
  [
    "too many streams",
    '{"streams":[{},{}]}',
    { type: JSON_TYPE, limits: { streamsMax: 1 } },
    "too-large",
    /more than 1 streams/,
  ],
];

for (const [name, body, options, kind, message] of REFUSED) {
  void test(`refused: ${name}`, () => {
    assert.throws(
      () => decode(body, options),
      (error: unknown) => {
        assert.ok(error instanceof FinchError, String(error));
        assert.equal(error.kind, kind, error.message);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

void test("protobuf: a stream with bad labels is left out, entries may come before labels", () => {
  const writer = new ProtobufWriter();
  for (const label of ['{a="b"', '{a="b"}']) {
    const stream = writer.begin(1);
    const entry = writer.begin(2);
    writer.writeString(2, "line");
    writer.end(entry);
    writer.writeString(1, label);
    writer.end(stream);
  }
  const result = decode(encodeSnappy(writer.finish()));
  assert.deepEqual(result.batch.streams.map(rowsOf), [
    { labels: '{a="b"}', rows: [{ ns: 0n, line: "line", metadata: {} }] },
  ]);
  assert.deepEqual(result.faults, [
    'error parsing labels {a="b": parse error at line 1, col 7: expected }, found the end',
  ]);
});

const LABELS: readonly [text: string, pairs: readonly string[]][] = [
  ["{}", []],
  ['{a="\\xc3\\xa9\\U0001f600\\303\\251"}', ["a", "é😀é"]],
  ['{a="b"}', ["a", "b"]],
  [' { a = "b" , c="d", } ', ["a", "b", "c", "d"]],
  ["{a='b', c=`d\\n`}", ["a", "b", "c", "d\\n"]],
  ['{a="\\"\\\\\\n\\x41\\u00e9\\101"}', ["a", '"\\\nAéA']],
  ['{a="ü😀"}', ["a", "ü😀"]],
];

for (const [text, pairs] of LABELS) {
  void test(`labels ${text}`, () => assert.deepEqual(parseLabelString(text), pairs));
}

const BAD_LABELS: readonly [text: string, column: number][] = [
  ["", 1],
  ["a", 1],
  ['{a="b"', 7],
  ['{="b"}', 2],
  ["{a}", 3],
  ["{a=b}", 4],
  ['{a="b}', 7],
  ['{a="b" c="d"}', 8],
  ['{a="\\q"}', 5],
  ['{a="b"} x', 9],
  ['{1a="b"}', 2],
  ["{a=`b}", 7],
  ['{a="\\xff"}', 5],
  ['{a="\\ud800"}', 5],
];

for (const [text, column] of BAD_LABELS) {
  void test(`no labels: ${text}`, () => {
    assert.throws(() => parseLabelString(text), {
      code: "wire/bad-labels",
      message: new RegExp(`col ${column}:`),
    });
  });
}

test("structured metadata has names that queries can have", () => {
  const given = {
    "trace.id": "1",
    "a - b": "2",
    "1x": "3",
    "...": "4",
    _x__y: "5",
    __r__: "6",
    v: "a\ufffdb",
  };
  const body = JSON.stringify({ streams: [{ stream: { a: "b" }, values: [["1", "x", given]] }] });
  const [stream] = decode(body, { type: "application/json" }).batch.streams;
  assert.deepEqual(rowsOf(stream!).rows[0]!.metadata, {
    __r__: "6",
    _x_y: "5",
    a_b: "2",
    key_1x: "3",
    trace_id: "1",
    v: "a b",
  });
});
