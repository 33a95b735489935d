import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import {
  checkOtlpRequest,
  decodeOtlpTree,
  decodeOtlpTreeJson,
  DEFAULT_OTLP_LIMITS,
  encodeOtlpTree,
  encodeOtlpTreeJson,
} from "./index.ts";
import type { AnyValue, OtlpSignal, OtlpTrees } from "./index.ts";
import { OTLP_REQUESTS } from "./otlp-tables.ts";
import type { Field, MessageTable } from "./otlp-tables.ts";

const LIMITS = DEFAULT_OTLP_LIMITS;
const SIGNALS = ["traces", "metrics", "logs"] as const;
const decode = (signal: OtlpSignal, bytes: Uint8Array) => decodeOtlpTree(signal, bytes, LIMITS);
const decodeJson = (signal: OtlpSignal, json: object) =>
  decodeOtlpTreeJson(signal, Buffer.from(JSON.stringify(json)), LIMITS);

const ATTRIBUTES = [
  { key: "text", value: { stringValue: "größe" } },
  { key: "yes", value: { boolValue: true } },
  { key: "whole", value: { intValue: "-9223372036854775808" } },
  { key: "half", value: { doubleValue: 0.5 } },
  { key: "bytes", value: { bytesValue: "AQID" } },
  { key: "list", value: { arrayValue: { values: [{ stringValue: "a" }, { intValue: "2" }] } } },
  {
    key: "map",
    value: { kvlistValue: { values: [{ key: "in", value: { doubleValue: 2 } }] } },
  },
  { key: "none", value: {} },
];
const TRACE_ID = "0102030405060708090a0b0c0d0e0f10";
const SPAN_ID = "a1a2a3a4a5a6a7a8";
const RESOURCE = {
  attributes: ATTRIBUTES,
  droppedAttributesCount: 4_294_967_295,
  entityRefs: [{ schemaUrl: "e", type: "host", idKeys: ["a", "b"], descriptionKeys: ["c"] }],
};
const SCOPE = { name: "lib", version: "1", attributes: ATTRIBUTES, droppedAttributesCount: 2 };
const TIMES = { startTimeUnixNano: "1700000000123456789", timeUnixNano: "18446744073709551615" };
const EXEMPLARS = [
  {
    timeUnixNano: "5",
    asDouble: -1.5,
    spanId: SPAN_ID,
    traceId: TRACE_ID,
    filteredAttributes: ATTRIBUTES,
  },
  { timeUnixNano: "6", asInt: "-7" },
];
const POINT = { ...TIMES, attributes: ATTRIBUTES, flags: 1 };
const NUMBERS = [
  { ...POINT, asDouble: 0, exemplars: EXEMPLARS },
  { ...POINT, asInt: "-5" },
];
const DISTRIBUTION = { ...POINT, count: "9", sum: 0, min: -1, max: 3, exemplars: EXEMPLARS };

/** Requests with every field of every message, as JSON. */
const REQUESTS: Readonly<Record<OtlpSignal, object>> = {
  traces: {
    resourceSpans: [
      {
        resource: RESOURCE,
        schemaUrl: "r",
        scopeSpans: [
          {
            scope: SCOPE,
            schemaUrl: "s",
            spans: [
              {
                traceId: TRACE_ID,
                spanId: SPAN_ID,
                traceState: "a=1",
                parentSpanId: "0000000000000001",
                name: "GET /",
                kind: 3,
                startTimeUnixNano: "1700000000000000001",
                endTimeUnixNano: "1700000000000000002",
                attributes: ATTRIBUTES,
                droppedAttributesCount: 1,
                events: [
                  {
                    timeUnixNano: "3",
                    name: "e",
                    attributes: ATTRIBUTES,
                    droppedAttributesCount: 2,
                  },
                ],
                droppedEventsCount: 3,
                links: [
                  {
                    traceId: TRACE_ID,
                    spanId: SPAN_ID,
                    traceState: "b=2",
                    attributes: ATTRIBUTES,
                    droppedAttributesCount: 4,
                    flags: 769,
                  },
                ],
                droppedLinksCount: 5,
                status: { message: "no", code: 2 },
                flags: 257,
              },
              {},
            ],
          },
        ],
      },
    ],
  },
  metrics: {
    resourceMetrics: [
      {
        resource: RESOURCE,
        schemaUrl: "r",
        scopeMetrics: [
          {
            scope: SCOPE,
            schemaUrl: "s",
            metrics: [
              { name: "g", description: "d", unit: "By", gauge: { dataPoints: NUMBERS } },
              {
                name: "s",
                metadata: ATTRIBUTES,
                sum: { dataPoints: NUMBERS, aggregationTemporality: 2, isMonotonic: true },
              },
              {
                name: "h",
                histogram: {
                  aggregationTemporality: 1,
                  dataPoints: [
                    {
                      ...DISTRIBUTION,
                      bucketCounts: ["0", "9", "18446744073709551615"],
                      explicitBounds: [-0.5, 10],
                    },
                  ],
                },
              },
              {
                name: "e",
                exponentialHistogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      ...DISTRIBUTION,
                      scale: -4,
                      zeroCount: "2",
                      positive: { offset: -3, bucketCounts: ["1", "300", "18446744073709551615"] },
                      negative: { offset: 2_147_483_647, bucketCounts: ["0"] },
                      zeroThreshold: 1e-300,
                    },
                  ],
                },
              },
              {
                name: "q",
                summary: {
                  dataPoints: [
                    {
                      ...POINT,
                      count: "3",
                      sum: 2.5,
                      quantileValues: [{ quantile: 0.5, value: 1.25 }],
                    },
                  ],
                },
              },
              { name: "nothing" },
            ],
          },
        ],
      },
    ],
  },
  logs: {
    resourceLogs: [
      {
        resource: RESOURCE,
        schemaUrl: "r",
        scopeLogs: [
          {
            scope: SCOPE,
            schemaUrl: "s",
            logRecords: [
              {
                timeUnixNano: "1700000000123456789",
                observedTimeUnixNano: "1700000000200000000",
                severityNumber: 17,
                severityText: "ERROR",
                body: { stringValue: "" },
                attributes: ATTRIBUTES,
                droppedAttributesCount: 1,
                flags: 1,
                traceId: TRACE_ID,
                spanId: SPAN_ID,
                eventName: "paid",
              },
              { body: { kvlistValue: { values: ATTRIBUTES } } },
              {},
            ],
          },
        ],
      },
    ],
  },
};
const ITEMS: Readonly<Record<OtlpSignal, number>> = { traces: 2, metrics: 7, logs: 3 };

for (const signal of SIGNALS) {
  test(`${signal}: every field is read from protobuf and from JSON as the same tree, and written as it came`, () => {
    const json = REQUESTS[signal];
    const bytes = encodeOtlpJson(json);
    const tree = decode(signal, bytes);
    assert.deepEqual(decodeJson(signal, json), tree);
    assert.deepEqual(decode(signal, encodeOtlpTree(signal, tree)), tree);
    const written = JSON.parse(Buffer.from(encodeOtlpTreeJson(signal, tree)).toString()) as object;
    assert.deepEqual(decodeJson(signal, written), tree);
    for (const field of everyField(OTLP_REQUESTS[signal]))
      assert.ok(JSON.stringify(json).includes(`"${field.name}"`), `${field.name} is tested`);
  });

  test(`${signal}: items are counted without decoding, and joined requests are one request`, () => {
    const bytes = encodeOtlpJson(REQUESTS[signal]);
    assert.deepEqual(checkOtlpRequest(signal, bytes, LIMITS), { items: ITEMS[signal] });
    const joined = Buffer.concat([bytes, bytes]);
    assert.deepEqual(checkOtlpRequest(signal, joined, LIMITS), { items: 2 * ITEMS[signal] });
    const name = `resource${signal === "traces" ? "Spans" : signal === "logs" ? "Logs" : "Metrics"}`;
    const [one] = Object.values(decode(signal, bytes)) as [unknown[]];
    assert.deepEqual({ ...decode(signal, joined) }, { [name]: [...one, ...one] });
  });

  test(`${signal}: a cut or changed request is read or refused, by both readers alike`, () => {
    const bytes = encodeOtlpJson(REQUESTS[signal]);
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 0xff;
      for (const one of [bytes.subarray(0, at), changed]) {
        const outcome = outcomeOf(() => decode(signal, one));
        assert.equal(
          outcomeOf(() => checkOtlpRequest(signal, one, LIMITS)),
          outcome,
        );
        if (outcome !== "read") refused++;
      }
    }
    assert.ok(refused > bytes.length / 2, `${refused} of ${2 * bytes.length} refused`);
  });
}

function outcomeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    assert.ok(error instanceof FinchError, String(error));
    return error.message;
  }
}

function everyField(table: MessageTable, seen = new Set<MessageTable>()): Field[] {
  if (seen.has(table)) return [];
  seen.add(table);
  return table.fields.flatMap((field) => [
    field,
    ...(field.message === undefined ? [] : everyField(field.message, seen)),
  ]);
}

const ANY_VALUE: fc.Arbitrary<AnyValue> = fc.letrec<{ value: AnyValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.uint8Array({ maxLength: 8 }),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 3 }).map((list) => new Map(list)),
  ),
})).value;

const UINT64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const KINDS: Readonly<Record<Exclude<Field["kind"], "message">, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: "grapheme" }),
  id: fc.uint8Array({ maxLength: 16 }),
  bool: fc.boolean(),
  double: fc.double(),
  fixed64: UINT64,
  sfixed64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  uint64: UINT64,
  uint32: fc.nat({ max: 0xffff_ffff }),
  fixed32: fc.nat({ max: 0xffff_ffff }),
  sint32: fc.integer(),
  enum: fc.nat({ max: 24 }),
  value: ANY_VALUE,
  attributes: fc
    .array(fc.tuple(fc.string(), ANY_VALUE), { maxLength: 3 })
    .map((list) => new Map(list)),
};

function arbitraryOf(table: MessageTable): fc.Arbitrary<object> {
  const fields = table.fields.map((field) => {
    const one = field.kind === "message" ? arbitraryOf(field.message!) : KINDS[field.kind];
    if (field.isRepeated) return [field.name, fc.array(one, { maxLength: 2 })] as const;
    return [field.name, field.isOptional ? fc.option(one, { nil: undefined }) : one] as const;
  });
  return fc.record(Object.fromEntries(fields)).map((node) => {
    for (const { group, name } of table.fields)
      if (group !== undefined && node[name] !== undefined)
        for (const rival of group) if (rival !== name) node[rival] = undefined;
    return { ...node };
  });
}

test("any tree is read back from protobuf and from JSON as it was", () => {
  for (const signal of SIGNALS)
    fc.assert(
      fc.property(arbitraryOf(OTLP_REQUESTS[signal]), (node) => {
        const tree = node as unknown as OtlpTrees[typeof signal];
        const bytes = encodeOtlpTree(signal, tree);
        assert.deepEqual(decode(signal, bytes), tree);
        const json = encodeOtlpTreeJson(signal, tree);
        // JSON has no negative zero in what is left out as a default.
        assert.deepEqual(
          encodeOtlpTreeJson(signal, decodeOtlpTreeJson(signal, json, LIMITS)),
          json,
        );
      }),
      { numRuns: 60 },
    );
});

const log = (record: object) => ({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
const gauge = (point: object) => ({
  resourceMetrics: [{ scopeMetrics: [{ metrics: [{ gauge: { dataPoints: [point] } }] }] }],
});

test("enums are read by name, numbers as text, and unknown names are passed over", () => {
  const tree = decodeOtlpTreeJson(
    "logs",
    Buffer.from(
      JSON.stringify(
        log({ severityNumber: "SEVERITY_NUMBER_ERROR3", flags: "7", later: { a: [] } }),
      ),
    ),
    LIMITS,
  );
  const record = tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  assert.deepEqual([record.severityNumber, record.flags], [19, 7]);
});

const BAD_JSON: readonly (readonly [name: string, signal: OtlpSignal, body: object, RegExp])[] = [
  ["an id of odd length", "logs", log({ traceId: "abc" }), /logRecords\[0\]\.traceId must be hex/],
  ["a time before 1970", "logs", log({ timeUnixNano: "-1" }), /timeUnixNano must be from 0 to 18/],
  ["half a nanosecond", "logs", log({ timeUnixNano: 0.5 }), /timeUnixNano must be a whole number/],
  ["a level that is none", "logs", log({ severityNumber: "LOUD" }), /must be one of SEVERITY_/],
  ["a list for a record", "logs", log([]), /logRecords\[0\] must be an object/],
  ["text for a number", "metrics", gauge({ asDouble: "x" }), /asDouble must be a number, not "x"/],
  ["a body that is a list", "traces", [], /the body must be an object/],
];
for (const [name, signal, body, message] of BAD_JSON)
  test(`JSON with ${name} is refused with its place`, () => {
    assert.throws(() => decodeJson(signal, body), message);
  });

test("of a oneof that is sent twice the last one counts", () => {
  const both = encodeOtlpJson(gauge({ asDouble: 1, asInt: "2" }));
  const point = decodeOtlpTree("metrics", both, LIMITS).resourceMetrics[0]!.scopeMetrics[0]!
    .metrics[0]!.gauge!.dataPoints[0]!;
  assert.deepEqual([point.asDouble, point.asInt], [undefined, 2n]);
});

test("what nests too deep or has too many parts is refused, read or written", () => {
  let value: AnyValue = "deep";
  for (let depth = 1; depth < LIMITS.valueDepthMax; depth++) value = [value];
  const tree = decodeOtlpTree("logs", encodeOtlpJson(log({})), LIMITS);
  const record = tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  record.body = value;
  const bytes = encodeOtlpTree("logs", tree);
  assert.deepEqual(decode("logs", bytes), tree);
  assert.throws(
    () => decodeOtlpTree("logs", bytes, { ...LIMITS, valueDepthMax: 15 }),
    /nests deeper than 15/,
  );
  record.body = [value];
  assert.throws(() => encodeOtlpTree("logs", tree), /an attribute nests deeper than 16/);
  const many = Buffer.concat(Array.from({ length: 40 }, () => bytes));
  for (const read of [decodeOtlpTree, checkOtlpRequest] as const)
    assert.throws(
      () => read("logs", many, { ...LIMITS, elementsMax: 700 }),
      (error) => error instanceof FinchError && error.kind === "too-large",
    );
});

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

test(
  "what OpenTelemetry's SDKs sent is read, and means the same when it is written again",
  { skip },
  () => {
    const seen = { json: 0, protobuf: 0 };
    for (const folder of ["otlp", "otlp-sdk3"])
      for (const file of readdirSync(join(CAPTURES, folder))) {
        const signal = /_(?<signal>trace|metrics|logs)/.exec(file)?.groups?.["signal"];
        if (signal === undefined || !file.endsWith(".body")) continue;
        const name = signal === "trace" ? "traces" : (signal as OtlpSignal);
        const { bytes, isJson } = bodyOf(readFileSync(join(CAPTURES, folder, file)), file);
        const tree = isJson ? decodeOtlpTreeJson(name, bytes, LIMITS) : decode(name, bytes);
        const again = encodeOtlpTree(name, tree);
        assert.deepEqual(decode(name, again), tree, file);
        if (!isJson) assert.ok(checkOtlpRequest(name, bytes, LIMITS).items > 0, file);
        seen[isJson ? "json" : "protobuf"]++;
      }
    assert.ok(seen.json >= 16 && seen.protobuf >= 32, JSON.stringify(seen));
  },
);

/** Without gzip, and without the frame of gRPC. */
function bodyOf(raw: Buffer, file: string): { bytes: Uint8Array; isJson: boolean } {
  const framed = file.includes("Service_Export") ? raw.subarray(5) : raw;
  const bytes = framed[0] === 0x1f && framed[1] === 0x8b ? gunzipSync(framed) : framed;
  return { bytes, isJson: bytes[0] === 0x7b };
}
