import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtobufReader } from "@finch/codec";
import { Labels } from "@finch/model";
import type { Histogram } from "@finch/model";
import { formatFederation, negotiateFederation } from "./federation-format.ts";
import type { FederatedSample } from "./federation-format.ts";

const EXTERNAL = [["instance", ""]] as const;
const EMPTY = { spans: new Int32Array(), counts: new Float64Array() };

const NATIVE: Histogram = {
  schema: -1,
  resetHint: "unknown",
  zeroThreshold: 0.001,
  zeroCount: 1,
  count: 6,
  sum: 12.5,
  positive: { spans: Int32Array.of(-2, 1, 3, 1), counts: Float64Array.of(2, 3) },
  negative: EMPTY,
  customBounds: new Float64Array(),
};
const CUSTOM: Histogram = {
  ...NATIVE,
  schema: -53,
  positive: { spans: Int32Array.of(1, 2), counts: Float64Array.of(2, 4) },
  customBounds: Float64Array.of(0.1, 0.5),
};

const sample = (
  labels: Record<string, string>,
  value: number,
  histogram?: Histogram,
): FederatedSample => ({
  labels: Labels.fromObject(labels),
  timestampMs: 1_500,
  value,
  histogram,
});

const SAMPLES = [
  sample({ __name__: "a", instance: "x", job: 'q"\\\n' }, 1e6),
  sample({ __name__: "a" }, Number.NaN),
  sample({ __name__: "b", le: "x" }, 0, NATIVE),
  sample({ __name__: "c", instance: "x" }, 0, CUSTOM),
  sample({ __name__: "d.é", "k.1": "v" }, -0.5),
  sample({ nameless: "x" }, 1),
];

const textOf = (allowUtf8: boolean) =>
  [...formatFederation(SAMPLES, "text", { externalLabels: EXTERNAL, allowUtf8 })].join("");

test("text: labels escaped, native histograms left out, custom bounds as classic ones", () => {
  const classic = `# TYPE c histogram
c_bucket{instance="x",le="0.1"} 0 1500
c_bucket{instance="x",le="0.5"} 2 1500
c_bucket{instance="x",le="+Inf"} 6 1500
c_sum{instance="x"} 12.5 1500
c_count{instance="x"} 6 1500
`;
  const plain = `# TYPE a untyped
a{instance="x",job="q\\"\\\\\\n"} 1e+06 1500
a{instance=""} NaN 1500
${classic}`;
  assert.equal(textOf(false), `${plain}# TYPE d__ untyped\nd__{k_1="v",instance=""} -0.5 1500\n`);
  assert.equal(
    textOf(true),
    `${plain}# TYPE "d.é" untyped\n{"d.é","k.1"="v",instance=""} -0.5 1500\n`,
  );
});

test("protobuf: one delimited message for each family, native histograms with their buckets", () => {
  const families = [
    ...formatFederation(SAMPLES, "protobuf", { externalLabels: EXTERNAL, allowUtf8: true }),
  ] as Uint8Array[];
  const seen = families.map((bytes) => {
    const reader = new ProtobufReader(bytes);
    reader.enter();
    let name = "";
    let type = 0;
    let metrics = 0;
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) name = new TextDecoder().decode(reader.readBytes());
      else if (reader.field === 3) type = reader.readVarint32();
      else {
        reader.skip();
        metrics++;
      }
    }
    return [name, type, metrics];
  });
  assert.deepEqual(seen, [
    ["a", 3, 2],
    ["b", 4, 1],
    ["c", 4, 1],
    ["d.é", 3, 1],
  ]);
  const fields = histogramFields(families[1]!);
  assert.deepEqual(fields, [2, 4, 5, 6, 8, 12, 12, 14, 14]);
});

/** The fields of the histogram in the first metric of a family, in order. */
function histogramFields(family: Uint8Array): number[] {
  const reader = new ProtobufReader(family);
  reader.enter();
  const path = [4, 7];
  const fields: number[] = [];
  while (reader.more()) {
    reader.readTag();
    if (path.length > 0 && reader.field === path[0]) {
      path.shift();
      reader.enter();
      continue;
    }
    if (path.length === 0) fields.push(reader.field);
    reader.skip();
    if (path.length === 0 && fields.length === 9) break;
  }
  return fields;
}

test("the Accept header chooses", () => {
  const rows: readonly [accept: string, format: string, allowUtf8: boolean][] = [
    ["", "text", false],
    ["*/*", "text", false],
    ["text/plain;version=0.0.4;escaping=allow-utf-8", "text", true],
    [
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.8,text/plain;q=0.5",
      "protobuf",
      false,
    ],
    ["application/vnd.google.protobuf;encoding=text,text/plain", "text", false],
    ["application/openmetrics-text;version=1.0.0,text/plain;escaping=allow-utf-8", "text", true],
  ];
  for (const [accept, format, allowUtf8] of rows)
    assert.deepEqual(negotiateFederation(accept), { format, allowUtf8 }, accept);
});
