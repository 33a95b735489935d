import assert from "node:assert/strict";
import { test } from "node:test";
import { isStaleAt, wordsOf } from "@finch/model";
import type { Histogram } from "@finch/model";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { DEFAULT_REMOTE_WRITE_LIMITS } from "./limits.ts";
import { DEFAULT_OTLP_LIMITS } from "./otlp-limits.ts";
import { decodeOtlpMetricsJson } from "./otlp-metrics-json.ts";
import { decodeOtlpMetrics } from "./otlp-metrics-protobuf.ts";
import { formatOtlpValue } from "./otlp-model.ts";
import { encodeOtlpResponse, encodeRpcStatus } from "./otlp-reply.ts";
import { translateOtlpMetrics } from "./otlp-translator.ts";
import type { OtlpTranslated, OtlpTranslation } from "./otlp-translator.ts";

const T = 1_795_132_800_000;
const AT = { timeUnixNano: `${T}999999`, startTimeUnixNano: `${T - 60_000}000000` };
const OPTIONS: OtlpTranslation = {
  strategy: "UnderscoreEscapingWithSuffixes",
  promoteResourceAttributes: [],
  promoteScope: false,
  keepIdentifyingAttributes: false,
  convertHistograms: false,
  labelsPerSeriesMax: 30,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 2048,
  limits: DEFAULT_REMOTE_WRITE_LIMITS,
  lookbackMs: 300_000,
  deltas: undefined,
};

const attribute = (key: string, value: object | string) => ({
  key,
  value: typeof value === "string" ? { stringValue: value } : value,
});

function requestOf(
  metrics: readonly object[],
  resource: readonly object[] = [],
  scope: object = {},
): object {
  return {
    resourceMetrics: [{ resource: { attributes: resource }, scopeMetrics: [{ scope, metrics }] }],
  };
}

const jsonBytes = (value: unknown) => new Uint8Array(Buffer.from(JSON.stringify(value)));

/** Both encodings must say the same. */
function decode(request: object) {
  const fromJson = decodeOtlpMetricsJson(jsonBytes(request), DEFAULT_OTLP_LIMITS);
  const fromProtobuf = decodeOtlpMetrics(encodeOtlpJson(request), DEFAULT_OTLP_LIMITS);
  assert.deepEqual(fromProtobuf, fromJson);
  return fromJson;
}

function translate(request: object, options: Partial<OtlpTranslation> = {}): OtlpTranslated {
  return translateOtlpMetrics(decode(request), { ...OPTIONS, ...options });
}

/** `{labels}`: its samples, and exemplars behind an `@`. */
function samplesIn({ batch }: OtlpTranslated): Record<string, unknown> {
  const words = wordsOf(batch.values);
  const found: Record<string, unknown> = {};
  for (let s = 0; s < batch.seriesCount; s++) {
    const values: unknown[] = [];
    for (let row = batch.sampleStarts[s]!; row < batch.sampleStarts[s + 1]!; row++) {
      const histogram = batch.histograms?.get(row);
      values.push(
        histogram === undefined
          ? isStaleAt(words, row)
            ? "stale"
            : batch.values[row]
          : plain(histogram),
      );
    }
    for (const { series, exemplar } of batch.exemplars ?? [])
      if (series === s) values.push(`@ ${exemplar.value} ${exemplar.labels.toString()}`);
    found[batch.labelsOf(s).toString()] = values.length === 1 ? values[0] : values;
  }
  return found;
}

function plain({ positive, negative, customBounds, ...rest }: Histogram): object {
  const side = ({ spans, counts }: Histogram["positive"]) => [
    Array.from(spans),
    Array.from(counts),
  ];
  return {
    ...rest,
    positive: side(positive),
    negative: side(negative),
    customBounds: Array.from(customBounds),
  };
}

const EXEMPLAR = {
  timeUnixNano: `${T}000000`,
  traceId: "0102030405060708090A0b0c0d0e0f10",
  spanId: "0102030405060708",
};

const TRANSLATED: readonly [
  rule: string,
  request: object,
  series: Record<string, unknown>,
  options?: Partial<OtlpTranslation>,
][] = [
  [
    "numbers: whole, with fractions, none",
    requestOf([
      { name: "a", gauge: { dataPoints: [{ ...AT, asInt: "-7" }] } },
      { name: "b", gauge: { dataPoints: [{ ...AT, asDouble: 0.5 }] } },
      { name: "c", gauge: { dataPoints: [AT] } },
      { name: "d", gauge: { dataPoints: [{ ...AT, flags: 1 }] } },
    ]),
    { '{__name__="a"}': -7, '{__name__="b"}': 0.5, '{__name__="c"}': 0, '{__name__="d"}': "stale" },
  ],
  [
    "sums: monotonic ones are counters",
    requestOf([
      {
        name: "a",
        unit: "By",
        sum: {
          aggregationTemporality: 2,
          isMonotonic: true,
          dataPoints: [{ ...AT, asDouble: 3, exemplars: [{ ...EXEMPLAR, asDouble: 2 }] }],
        },
      },
      {
        name: "b",
        unit: "By",
        sum: { aggregationTemporality: 2, dataPoints: [{ ...AT, asInt: 4 }] },
      },
    ]),
    {
      '{__name__="a_bytes_total"}': [
        3,
        '@ 2 {span_id="0102030405060708", trace_id="0102030405060708090a0b0c0d0e0f10"}',
      ],
      '{__name__="b_bytes"}': 4,
    },
  ],
  [
    "attributes: names that become one share a label, reserved ones give way",
    requestOf(
      [
        {
          name: "a",
          gauge: {
            dataPoints: [
              {
                ...AT,
                asInt: 1,
                attributes: [
                  attribute("x_y", "2"),
                  attribute("x.y", "1"),
                  attribute("job", "lost"),
                  attribute("__name__", "lost"),
                  attribute("none", {}),
                ],
              },
            ],
          },
        },
      ],
      [
        attribute("service.name", "cart"),
        attribute("service.namespace", "shop"),
        attribute("service.instance.id", { intValue: "7" }),
      ],
    ),
    { '{__name__="a", instance="7", job="shop/cart", x_y="1;2"}': 1 },
  ],
  [
    "target_info tells what is not identity, once for the same resource",
    {
      resourceMetrics: [1, 2].map((value) => ({
        resource: { attributes: [attribute("service.name", "cart"), attribute("host.name", "h")] },
        scopeMetrics: [
          { metrics: [{ name: `m${value}`, gauge: { dataPoints: [{ ...AT, asInt: value }] } }] },
        ],
      })),
    },
    {
      '{__name__="m1", job="cart"}': 1,
      '{__name__="m2", job="cart"}': 2,
      '{__name__="target_info", host_name="h", job="cart"}': 1,
    },
  ],
  [
    "target_info every half lookback, between the oldest and the newest point",
    requestOf(
      [
        {
          name: "m",
          gauge: {
            dataPoints: [
              { timeUnixNano: `${T - 400_000}000000`, asInt: 1 },
              { timeUnixNano: `${T}000000`, asInt: 2 },
            ],
          },
        },
      ],
      [attribute("service.name", "cart"), attribute("host.name", "h")],
    ),
    {
      '{__name__="m", job="cart"}': 2,
      '{__name__="target_info", host_name="h", job="cart"}': [1, 1, 1, 1],
    },
  ],
  [
    "promotion of resource and scope",
    requestOf(
      [
        {
          name: "m",
          gauge: { dataPoints: [{ ...AT, asInt: 1, attributes: [attribute("host.name", "own")] }] },
        },
      ],
      [attribute("service.name", "cart"), attribute("host.name", "h"), attribute("region", "eu")],
      { name: "lib", version: "1.2", attributes: [attribute("s.a", "x")] },
    ),
    {
      '{__name__="m", host_name="own", job="cart", otel_scope_name="lib", otel_scope_s_a="x", otel_scope_version="1.2", region="eu"}': 1,
      '{__name__="target_info", host_name="h", job="cart", region="eu", service_name="cart"}': 1,
    },
    {
      promoteResourceAttributes: ["host.name", "region"],
      promoteScope: true,
      keepIdentifyingAttributes: true,
    },
  ],
  [
    "histograms: cumulative buckets, exemplars where they fall",
    requestOf([
      {
        name: "lat",
        unit: "s",
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            {
              ...AT,
              count: "6",
              sum: 4.5,
              bucketCounts: ["2", "3", "1"],
              explicitBounds: [0.1, 1],
              exemplars: [
                { ...EXEMPLAR, spanId: "", traceId: "", asDouble: 7 },
                { ...EXEMPLAR, spanId: "", traceId: "", asDouble: 0.1 },
              ],
            },
          ],
        },
      },
      { name: "bare", histogram: { aggregationTemporality: 2, dataPoints: [{ ...AT, count: 3 }] } },
    ]),
    {
      '{__name__="lat_seconds_sum"}': 4.5,
      '{__name__="lat_seconds_count"}': 6,
      '{__name__="lat_seconds_bucket", le="0.1"}': [2, "@ 0.1 {}"],
      '{__name__="lat_seconds_bucket", le="1"}': 5,
      '{__name__="lat_seconds_bucket", le="+Inf"}': [6, "@ 7 {}"],
      '{__name__="bare_count"}': 3,
      '{__name__="bare_bucket", le="+Inf"}': 3,
    },
  ],
  [
    "histograms as native ones with their bounds",
    requestOf([
      {
        name: "lat",
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            { ...AT, count: 6, sum: 4.5, bucketCounts: [0, 5, 1], explicitBounds: [0.1, 1] },
          ],
        },
      },
    ]),
    {
      '{__name__="lat"}': {
        schema: -53,
        resetHint: "unknown",
        zeroThreshold: 0,
        zeroCount: 0,
        count: 6,
        sum: 4.5,
        positive: [
          [1, 2],
          [5, 1],
        ],
        negative: [[], []],
        customBounds: [0.1, 1],
      },
    },
    { convertHistograms: true },
  ],
  [
    "exponential histograms: bucket i of OTLP is i + 1, gaps become spans, finer scales are reduced",
    requestOf([
      {
        name: "e",
        exponentialHistogram: {
          aggregationTemporality: 2,
          dataPoints: [
            {
              ...AT,
              count: 12,
              sum: 3,
              scale: 1,
              zeroCount: 2,
              zeroThreshold: 0.25,
              positive: { offset: -2, bucketCounts: [1, 0, 2, 0, 0, 0, 3] },
              negative: { offset: 5, bucketCounts: [4] },
            },
          ],
        },
      },
      {
        name: "f",
        exponentialHistogram: {
          aggregationTemporality: 2,
          dataPoints: [
            { ...AT, count: 10, scale: 10, positive: { offset: 3, bucketCounts: [1, 2, 3, 4] } },
          ],
        },
      },
      {
        name: "g",
        exponentialHistogram: {
          aggregationTemporality: 2,
          dataPoints: [{ ...AT, flags: 1, scale: 3 }],
        },
      },
    ]),
    {
      '{__name__="e"}': {
        schema: 1,
        resetHint: "unknown",
        zeroThreshold: 0.25,
        zeroCount: 2,
        count: 12,
        sum: 3,
        positive: [
          [-1, 3, 3, 1],
          [1, 0, 2, 3],
        ],
        negative: [[6, 1], [4]],
        customBounds: [],
      },
      '{__name__="f"}': {
        schema: 8,
        resetHint: "unknown",
        zeroThreshold: 1e-128,
        zeroCount: 0,
        count: 10,
        sum: 0,
        positive: [
          [1, 2],
          [1, 9],
        ],
        negative: [[], []],
        customBounds: [],
      },
      '{__name__="g"}': "stale",
    },
  ],
  [
    "summaries",
    requestOf([
      {
        name: "s",
        unit: "ms",
        summary: {
          dataPoints: [
            {
              ...AT,
              count: 4,
              sum: 8,
              quantileValues: [
                { quantile: 0.5, value: 1 },
                { quantile: 1, value: 3 },
              ],
            },
          ],
        },
      },
    ]),
    {
      '{__name__="s_milliseconds_sum"}': 8,
      '{__name__="s_milliseconds_count"}': 4,
      '{__name__="s_milliseconds", quantile="0.5"}': 1,
      '{__name__="s_milliseconds", quantile="1"}': 3,
    },
  ],
];

for (const [rule, request, series, options] of TRANSLATED) {
  test(`translated: ${rule}`, () => {
    const translated = translate(request, options);
    assert.deepEqual(translated.faults, []);
    assert.deepEqual(samplesIn(translated), series);
    for (const start of translated.batch.startTimestampsMs ?? [])
      assert.ok(start === 0 || start === T - 60_000, String(start));
  });
}

test("times are exact milliseconds, rounded down, and metadata tells the family", () => {
  const { batch, pointOf } = translate(
    requestOf(
      [
        {
          name: "h",
          unit: "By",
          description: "Sizes.",
          histogram: {
            aggregationTemporality: "AGGREGATION_TEMPORALITY_CUMULATIVE",
            dataPoints: [{ ...AT, count: 1 }],
          },
        },
      ].map((metric) => ({
        ...metric,
        histogram: { ...metric.histogram, aggregationTemporality: 2 },
      })),
    ),
  );
  assert.deepEqual([...new Set(batch.timestampsMs)], [T]);
  assert.deepEqual(batch.metadata, [
    { family: "h_bytes", type: "histogram", help: "Sizes.", unit: "bytes" },
  ]);
  assert.deepEqual(pointOf, [0, 0]);
});

const REJECTED: readonly [metric: object, fault: RegExp][] = [
  [{ name: "ü", gauge: { dataPoints: [AT] } }, /^metric "ü": nothing of its name is left/],
  [
    { name: "d", sum: { aggregationTemporality: 1, dataPoints: [AT] } },
    /invalid temporality and type combination \(delta sum\)/,
  ],
  [{ name: "d", sum: { dataPoints: [AT] } }, /\(unspecified sum\)/],
  [
    {
      name: "d",
      exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ ...AT, scale: -5 }] },
    },
    /Scale must be >= -4, was -5/,
  ],
  [
    {
      name: "d",
      exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ ...AT, count: 5 }] },
    },
    /0 observations found in buckets, but the Count field is 5/,
  ],
  [
    { name: "d", gauge: { dataPoints: [{ ...AT, attributes: [attribute("..", "x")] }] } },
    /attribute "\.\." leaves no name/,
  ],
  [
    {
      name: "d",
      gauge: { dataPoints: [{ ...AT, attributes: [attribute("a", "x".repeat(2049))] }] },
    },
    /value of label "a" is longer than 2048 bytes/,
  ],
  [
    {
      name: "d",
      gauge: {
        dataPoints: [
          { ...AT, attributes: Array.from({ length: 30 }, (_, i) => attribute(`a${i}`, "x")) },
        ],
      },
    },
    /series has 31 labels, 30 are allowed/,
  ],
];

for (const [metric, fault] of REJECTED) {
  test(`rejected, the rest kept: ${fault.source}`, () => {
    const translated = translate(
      requestOf([metric, { name: "kept", gauge: { dataPoints: [{ ...AT, asInt: 1 }] } }]),
    );
    assert.match(translated.faults.join("\n"), fault);
    assert.deepEqual([translated.pointCount, translated.rejectedPoints], [2, 1]);
    assert.deepEqual(samplesIn(translated), { '{__name__="kept"}': 1 });
    assert.deepEqual(translated.pointOf, [1]);
  });
}

test("points at both ends of time ask for a bounded number of target_info samples", () => {
  const { batch } = translate(
    requestOf(
      [{ name: "m", gauge: { dataPoints: [{ asInt: 1 }, { ...AT, asInt: 2 }] } }],
      [attribute("service.name", "a"), attribute("x", "y")],
    ),
  );
  assert.ok(batch.timestampsMs.length < 1100, String(batch.timestampsMs.length));
});

test("exemplars: attributes come along when there is room", () => {
  const withAttribute = (value: string) =>
    translate(
      requestOf([
        {
          name: "m",
          gauge: {
            dataPoints: [
              {
                ...AT,
                exemplars: [
                  {
                    ...EXEMPLAR,
                    spanId: "",
                    asInt: 1,
                    filteredAttributes: [attribute("user", value)],
                  },
                ],
              },
            ],
          },
        },
      ]),
    ).batch.exemplars![0]!.exemplar.labels.toObject();
  assert.deepEqual(withAttribute("u"), { trace_id: EXEMPLAR.traceId.toLowerCase(), user: "u" });
  assert.deepEqual(withAttribute("x".repeat(90)), { trace_id: EXEMPLAR.traceId.toLowerCase() });
});

test("values of attributes as text", () => {
  const values: readonly [unknown, string][] = [
    ["a", "a"],
    [true, "true"],
    [9007199254740993n, "9007199254740993"],
    [1.5, "1.5"],
    [1e21, "1e+21"],
    [Number.NaN, "NaN"],
    [Uint8Array.of(1, 2), "AQI="],
    [["a", 1n, null, ["<"]], '["a",1,null,["\\u003c"]]'],
    [
      new Map<string, unknown>([
        ["b", 1n],
        ["a", "x"],
      ]),
      '{"a":"x","b":1}',
    ],
    [null, ""],
  ];
  for (const [value, text] of values) assert.equal(formatOtlpValue(value as never), text);
});

const deep = (levels: number): object =>
  levels === 0 ? { stringValue: "x" } : { arrayValue: { values: [deep(levels - 1)] } };
const POINT_WITH = (value: object) =>
  requestOf([{ name: "m", gauge: { dataPoints: [{ ...AT, attributes: [{ key: "a", value }] }] } }]);
const REFUSED_JSON: readonly [body: unknown, message: RegExp][] = [
  [[], /^the body must be an object/],
  [{ resourceMetrics: {} }, /^resourceMetrics must be an array/],
  [{ resourceMetrics: [1] }, /^resourceMetrics\[0\] must be an object/],
  [
    requestOf([{ name: 1 }]),
    /^resourceMetrics\[0\]\.scopeMetrics\[0\]\.metrics\[0\]\.name must be a string/,
  ],
  [
    requestOf([{ gauge: { dataPoints: [{ asDouble: "x" }] } }]),
    /dataPoints\[0\]\.asDouble must be a number/,
  ],
  [
    requestOf([{ gauge: { dataPoints: [{ timeUnixNano: "-1" }] } }]),
    /timeUnixNano must be Unix nanoseconds/,
  ],
  [
    requestOf([{ gauge: { dataPoints: [{ exemplars: [{ traceId: "xyz" }] }] } }]),
    /traceId must be hexadecimal/,
  ],
  [POINT_WITH(deep(20)), /nests deeper than 16/],
];

for (const [body, message] of REFUSED_JSON) {
  test(`JSON refused: ${message.source}`, () => {
    assert.throws(() => decodeOtlpMetricsJson(jsonBytes(body), DEFAULT_OTLP_LIMITS), {
      kind: "invalid",
      message,
    });
  });
}

test("bodies that are neither, that nest, and that hold too much are refused", () => {
  const refused = (read: () => unknown, kind: string, message: RegExp) =>
    assert.throws(read, { kind, message });
  refused(
    () => decodeOtlpMetricsJson(Buffer.from("{"), DEFAULT_OTLP_LIMITS),
    "invalid",
    /not valid JSON/,
  );
  refused(
    () => decodeOtlpMetricsJson(Uint8Array.of(0x7b, 0x22, 0xff, 0x22), DEFAULT_OTLP_LIMITS),
    "invalid",
    /not valid JSON/,
  );
  refused(
    () => decodeOtlpMetrics(Buffer.from("no protobuf"), DEFAULT_OTLP_LIMITS),
    "invalid",
    /cannot read the OTLP request: .*at byte/,
  );
  refused(
    () => decodeOtlpMetrics(encodeOtlpJson(POINT_WITH(deep(20))), DEFAULT_OTLP_LIMITS),
    "invalid",
    /nests deeper than 16/,
  );
  const request = requestOf([
    { name: "m", gauge: { dataPoints: Array.from({ length: 50 }, () => AT) } },
  ]);
  const few = { ...DEFAULT_OTLP_LIMITS, elementsMax: 40 };
  refused(
    () => decodeOtlpMetrics(encodeOtlpJson(request), few),
    "too-large",
    /more than 40 points/,
  );
  refused(() => decodeOtlpMetricsJson(jsonBytes(request), few), "too-large", /more than 40 points/);
});

test("cut or flipped anywhere, a body is read or refused, never more", () => {
  const [, request] = TRANSLATED[6]!;
  const bytes = encodeOtlpJson(request);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at]! ^= 0x55;
    for (const body of [bytes.subarray(0, at), flipped]) {
      try {
        translateOtlpMetrics(decodeOtlpMetrics(body, DEFAULT_OTLP_LIMITS), OPTIONS);
      } catch (error) {
        assert.equal((error as Error).name, "FinchError", String(error));
      }
    }
  }
});

test("answers: full and partial success, and faults", () => {
  const partial = { rejectedName: "rejectedDataPoints", rejected: 3, message: "no" } as const;
  assert.equal(encodeOtlpResponse("json", undefined), "{}");
  assert.equal(
    encodeOtlpResponse("json", partial),
    '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}',
  );
  const hex = (bytes: string | Uint8Array) => Buffer.from(bytes as Uint8Array).toString("hex");
  assert.equal(hex(encodeOtlpResponse("protobuf", undefined)), "");
  assert.equal(hex(encodeOtlpResponse("protobuf", partial)), "0a06080312026e6f");
  const status = { code: 14, message: "no", retryAfterSeconds: 1.5 };
  assert.equal(
    encodeRpcStatus("json", status),
    '{"code":14,"message":"no","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}]}',
  );
  assert.match(hex(encodeRpcStatus("protobuf", status)), /^080e12026e6f1a30/);
});
