import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSampleValue } from "@finch/codec";
import { Labels } from "@finch/model";
import type { Histogram } from "@finch/model";
import type { InstantResult, QueryReport } from "@finch/promql";
import { LIMIT_WARNING, writeAnswer } from "./result-json.ts";

const REPORT: QueryReport = {
  warnings: [],
  infos: [],
  statistics: {
    series: 0,
    samples: 0,
    samplesPeak: 0,
    bytesPeak: 0,
    timeMs: { parse: 0, select: 0, evaluate: 0 },
  },
};

const HISTOGRAM: Histogram = {
  schema: 1,
  resetHint: "gauge",
  zeroThreshold: 0.75,
  zeroCount: 2,
  count: 9.5,
  sum: Number.NaN,
  positive: { spans: Int32Array.of(0, 1, 2, 2), counts: Float64Array.of(1, 0, 1e21) },
  negative: { spans: Int32Array.of(1, 1), counts: Float64Array.of(0.5) },
  customBounds: new Float64Array(0),
};
const CUSTOM: Histogram = {
  ...HISTOGRAM,
  schema: -53,
  zeroThreshold: 0,
  zeroCount: 0,
  sum: 1e-7,
  positive: { spans: Int32Array.of(0, 3), counts: Float64Array.of(1, 2, 3) },
  negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
  customBounds: Float64Array.of(0.5, 2),
};
const HISTOGRAM_JSON =
  '{"count":"9.5","sum":"NaN","buckets":[[1,"-1.414213562373095","-1","0.5"],[3,"-0.75","0.75","2"],' +
  '[0,"0.75","1","1"],[0,"2.82842712474619","4","1e+21"]]}';
const CUSTOM_JSON =
  '{"count":"9.5","sum":"1e-07","buckets":[[3,"-Inf","0.5","1"],[0,"0.5","2","2"],[0,"2","+Inf","3"]]}';

function jsonOf(answer: InstantResult, limit = 0): string {
  return Buffer.concat([...writeAnswer(answer, limit)]).toString();
}

void test("an element of a vector is a value or a histogram", () => {
  const answer = jsonOf({
    type: "vector",
    timeMs: 1500,
    labels: [Labels.fromObject({ a: "b" }), Labels.EMPTY, Labels.EMPTY],
    values: Float64Array.of(1, 0, 0),
    histograms: [undefined, HISTOGRAM, CUSTOM],
    ...REPORT,
  });
  assert.equal(
    answer,
    '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.500,"1"]},' +
      `{"metric":{},"histogram":[1.500,${HISTOGRAM_JSON}]},{"metric":{},"histogram":[1.500,${CUSTOM_JSON}]}]}}`,
  );
});

void test("a series has floats and histograms apart, and no list that is empty", () => {
  const columns = { timestampsMs: Float64Array.of(1000, 2000), values: Float64Array.of(4, 5) };
  const empty = {
    ...HISTOGRAM,
    zeroCount: 0,
    positive: CUSTOM.negative,
    negative: CUSTOM.negative,
  };
  const answer = jsonOf({
    type: "matrix",
    series: [
      { labels: Labels.EMPTY, ...columns, histograms: [CUSTOM, undefined] },
      { labels: Labels.EMPTY, ...columns, histograms: [empty, empty] },
      { labels: Labels.EMPTY, ...columns },
    ],
    ...REPORT,
  });
  const none = '{"count":"9.5","sum":"NaN"}';
  assert.equal(
    answer,
    `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[2,"5"]],"histograms":[[1,${CUSTOM_JSON}]]},` +
      `{"metric":{},"histograms":[[1,${none}],[2,${none}]]},{"metric":{},"values":[[1,"4"],[2,"5"]]}]}}`,
  );
});

void test("ten remarks of a kind are told, and how many there are besides", () => {
  const warnings = Array.from({ length: 12 }, (_, i) => `w${i}`);
  const infos = Array.from({ length: 10 }, (_, i) => `i${i}`);
  const told = JSON.parse(
    jsonOf({ type: "scalar", timeMs: 0, value: 1, ...REPORT, warnings, infos }),
  ) as { warnings: string[]; infos: string[] };
  assert.deepEqual(told.warnings, [...warnings.slice(0, 10), "2 more warning annotations omitted"]);
  assert.deepEqual(told.infos, infos);
});

void test("what a limit cuts off is told", () => {
  const labels = [Labels.EMPTY, Labels.EMPTY];
  const answer = jsonOf(
    { type: "vector", timeMs: 0, labels, values: Float64Array.of(1, 2), ...REPORT },
    1,
  );
  assert.deepEqual((JSON.parse(answer) as { warnings: string[] }).warnings, [LIMIT_WARNING]);
});

void test("many samples come in chunks, each a value at its time", () => {
  const timestampsMs = Float64Array.from({ length: 5000 }, (_, i) => i * 1500);
  const values = timestampsMs.map((timeMs) => Math.sin(timeMs) * 10 ** (timeMs % 13));
  const series = [1, 2].map((n) => ({
    labels: Labels.fromObject({ n: `${n}é` }),
    timestampsMs,
    values,
  }));
  const chunks = [...writeAnswer({ type: "matrix", series, ...REPORT }, 0)];
  assert.ok(chunks.length > 3);
  const answer = JSON.parse(Buffer.concat(chunks).toString()) as {
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
  };
  for (const [index, { metric, values: written }] of answer.data.result.entries()) {
    assert.deepEqual(metric, { n: `${index + 1}é` });
    assert.deepEqual(
      written,
      [...values].map((value, i) => [timestampsMs[i]! / 1000, formatSampleValue(value)]),
    );
  }
});

void test("answers that are written at the same time do not mix", () => {
  const timestampsMs = Float64Array.from({ length: 5000 }, (_, i) => i * 1000);
  const answerOf = (value: number): InstantResult => {
    const values = timestampsMs.map(() => value);
    return { type: "matrix", series: [{ labels: Labels.EMPTY, timestampsMs, values }], ...REPORT };
  };
  const alone = [1, 2].map((value) => Buffer.concat([...writeAnswer(answerOf(value), 0)]));
  const [first, second] = [writeAnswer(answerOf(1), 0), writeAnswer(answerOf(2), 0)];
  const begun = [first.next().value!, second.next().value!];
  assert.deepEqual(Buffer.concat([begun[0]!, ...first]), alone[0]);
  assert.deepEqual(Buffer.concat([begun[1]!, ...second]), alone[1]);
});
