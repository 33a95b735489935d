import assert from "node:assert/strict";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import {
  decodeOtlpLogs,
  decodeOtlpLogsJson,
  DEFAULT_LOKI_PUSH_LIMITS,
  DEFAULT_OTLP_LIMITS,
  translateOtlpLogs,
} from "./index.ts";

const text = (stringValue: string) => ({ stringValue });
const attribute = (key: string, value: object) => ({ key, value });

const REQUEST = {
  resourceLogs: [
    {
      resource: {
        attributes: [
          attribute("service.name", text("cart")),
          attribute("host.name", text("h1")),
          attribute("os", { kvlistValue: { values: [attribute("type", text("linux"))] } }),
        ],
      },
      scopeLogs: [
        {
          scope: {
            name: "lib",
            version: "1.2",
            attributes: [attribute("s.a", { boolValue: true })],
            droppedAttributesCount: 3,
          },
          logRecords: [
            {
              timeUnixNano: "1700000000123456789",
              observedTimeUnixNano: "1700000000200000000",
              severityNumber: 17,
              severityText: "ERROR",
              body: text("boom"),
              attributes: [
                attribute("http.status", { intValue: "500" }),
                attribute("9lives", { doubleValue: 0.5 }),
                attribute("raw", { bytesValue: "AQID" }),
                attribute("list", { arrayValue: { values: [text("a"), { intValue: "2" }] } }),
                attribute("___", text("no name is left")),
              ],
              droppedAttributesCount: 1,
              flags: 1,
              traceId: "0102030405060708090a0b0c0d0e0f10",
              spanId: "0102030405060708",
              eventName: "paid",
            },
            {
              observedTimeUnixNano: "7",
              body: {
                kvlistValue: {
                  values: [attribute("b", text("<")), attribute("a", { boolValue: false })],
                },
              },
            },
            { body: { arrayValue: { values: [{ doubleValue: 1.5 }, text("x")] } } },
            {},
          ],
        },
      ],
    },
    { scopeLogs: [{ logRecords: [{ timeUnixNano: "18446744073709551615", body: text("far") }] }] },
  ],
};

const translate = (resources: ReturnType<typeof decodeOtlpLogs>, limits = {}) =>
  translateOtlpLogs(resources, { limits: { ...DEFAULT_LOKI_PUSH_LIMITS, ...limits }, nowNs: 42n });

/** Streams as objects. */
function shown({ batch }: ReturnType<typeof translate>) {
  return batch.streams.map(({ labels, entries }) => ({
    labels: labels.toObject(),
    entries: Array.from({ length: entries.count }, (_, row) => [
      entries.timestampsNs[row],
      Buffer.from(
        entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]),
      ).toString(),
      entries.metadataSets[entries.metadataOf[row]!]!.toObject(),
    ]),
  }));
}

const json = (value: unknown) => new Uint8Array(Buffer.from(JSON.stringify(value)));

const SHARED = {
  host_name: "h1",
  os_type: "linux",
  s_a: "true",
  scope_name: "lib",
  scope_version: "1.2",
  scope_dropped_attributes_count: "3",
};

void test("a request becomes the same streams from either encoding", () => {
  const expected = [
    {
      labels: { service_name: "cart" },
      entries: [
        [
          1_700_000_000_123_456_789n,
          "boom",
          {
            ...SHARED,
            http_status: "500",
            key_9lives: "0.5",
            raw: "AQID",
            list: '["a",2]',
            observed_timestamp: "1700000000200000000",
            severity_number: "17",
            severity_text: "ERROR",
            dropped_attributes_count: "1",
            flags: "1",
            trace_id: "0102030405060708090a0b0c0d0e0f10",
            span_id: "0102030405060708",
            event_name: "paid",
          },
        ],
        [7n, '{"a":false,"b":"\\u003c"}', SHARED],
        [42n, '[1.5,"x"]', SHARED],
        [42n, "", SHARED],
      ],
    },
    // Beyond 64 bits with a sign: the farthest future, which the store refuses.
    { labels: { service_name: "unknown_service" }, entries: [[2n ** 63n - 1n, "far", {}]] },
  ];
  assert.deepEqual(
    shown(translate(decodeOtlpLogs(encodeOtlpJson(REQUEST), DEFAULT_OTLP_LIMITS))),
    expected,
  );
  assert.deepEqual(
    shown(translate(decodeOtlpLogsJson(json(REQUEST), DEFAULT_OTLP_LIMITS))),
    expected,
  );
});

void test("JSON: severities by name, and faults that name the field", () => {
  const record = (fields: object) =>
    json({ resourceLogs: [{ scopeLogs: [{ logRecords: [fields] }] }] });
  for (const [name, number] of [
    ["SEVERITY_NUMBER_WARN2", "14"],
    ["SEVERITY_NUMBER_FATAL", "21"],
  ] as const) {
    const [stream] = shown(
      translate(decodeOtlpLogsJson(record({ severityNumber: name }), DEFAULT_OTLP_LIMITS)),
    );
    assert.deepEqual(stream!.entries[0]![2], { severity_number: number });
  }
  const rows: readonly [object, RegExp][] = [
    [
      { severityNumber: "SEVERITY_NUMBER_BAD" },
      /logRecords\[0\]\.severityNumber must be a severity/,
    ],
    [{ traceId: "xyz" }, /scopeLogs\[0\]\.logRecords\[0\]\.traceId must be hexadecimal/],
    [{ timeUnixNano: "now" }, /timeUnixNano must be Unix nanoseconds/],
    [{ body: "plain" }, /logRecords\[0\]\.body must be an object/],
  ];
  for (const [fields, message] of rows)
    assert.throws(() => decodeOtlpLogsJson(record(fields), DEFAULT_OTLP_LIMITS), message);
});

void test("records over a limit are left out and named", () => {
  const resources = decodeOtlpLogs(encodeOtlpJson(REQUEST), DEFAULT_OTLP_LIMITS);
  const { batch, faults, rejectedRecords } = translate(resources, {
    lineBytesMax: 4,
    metadataPairsMax: 8,
  });
  assert.equal(rejectedRecords, 3);
  assert.match(faults[0]!, /pairs of structured metadata, 8 are allowed/);
  assert.deepEqual(
    batch.streams.map(({ entries }) => entries.count),
    [1, 1],
  );
});

void test("damaged bytes are a fault of the sender, never another error", () => {
  const message = encodeOtlpJson(REQUEST);
  for (let length = 0; length < message.length; length++) {
    try {
      decodeOtlpLogs(message.subarray(0, length), DEFAULT_OTLP_LIMITS);
    } catch (error) {
      assert.ok(error instanceof FinchError && error.kind === "invalid", String(error));
    }
  }
  fc.assert(
    fc.property(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
      const damaged = message.slice();
      damaged[at]! ^= bits;
      try {
        translate(decodeOtlpLogs(damaged, DEFAULT_OTLP_LIMITS));
      } catch (error) {
        assert.ok(error instanceof FinchError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
