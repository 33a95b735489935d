/**
 * Writes answers of Prometheus' API as JSON text, chunk by chunk: `resultType` before `result`, times in seconds with three decimals when
 * needed, values as strings. Large answers are never one string.
 */
import { formatSampleValue, formatTimestamp } from "@finch/codec";
import { SampleTextWriter } from "@finch/codec/kernels";
import type { Histogram, Labels } from "@finch/model";
import { populatedBuckets } from "@finch/promql";
import type { InstantResult, MatrixSeries, VectorResult } from "@finch/promql";
import { AnswerBytes, CHUNK_BYTES } from "./answer-bytes.ts";

/** Warnings, and notes, that one answer tells; of the others it tells how many there are. */
const REMARKS_TOLD_MAX = 10;

export const LIMIT_WARNING = "results truncated due to limit";

/**
 * The envelope around an engine's answer, with `statistics` beside the result if there are any; more than `limit` elements (0: no limit) are cut
 * with a warning. The chunks are the caller's.
 */
export function* writeAnswer(
  answer: InstantResult,
  limit: number,
  statistics?: object,
): Generator<Uint8Array<ArrayBuffer>> {
  const out = new AnswerBytes();
  out.text(`{"status":"success","data":{"resultType":"${answer.type}","result":`);
  let isCut = false;
  switch (answer.type) {
    // Prometheus writes the time of a scalar and of a string as a plain number, all others with three decimals.
    case "scalar":
      out.text(`[${answer.timeMs / 1000},"${formatSampleValue(answer.value)}"]`);
      break;
    case "string":
      out.text(`[${answer.timeMs / 1000},${JSON.stringify(answer.value)}]`);
      break;
    case "vector": {
      const labels = cut(answer.labels, limit);
      isCut = labels.length < answer.labels.length;
      yield* writeVector(out, answer, labels.length);
      break;
    }
    case "matrix": {
      const series = cut(answer.series, limit);
      isCut = series.length < answer.series.length;
      yield* writeMatrix(out, series);
      break;
    }
  }
  const told = tellRemarks(answer.warnings, "warning");
  const warnings = isCut ? [...told, LIMIT_WARNING] : told;
  const infos = tellRemarks(answer.infos, "info");
  out.text(statistics === undefined ? "}" : `,"stats":${JSON.stringify(statistics)}}`);
  if (warnings.length > 0) out.text(`,"warnings":${JSON.stringify(warnings)}`);
  if (infos.length > 0) out.text(`,"infos":${JSON.stringify(infos)}`);
  out.text("}");
  yield out.finish();
}

function* writeVector(
  out: AnswerBytes,
  { labels, values, histograms, timeMs }: VectorResult,
  count: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const timestamp = formatTimestamp(timeMs);
  out.text("[");
  for (let index = 0; index < count; index++) {
    const histogram = histograms?.[index];
    const sample =
      histogram === undefined
        ? `"value":[${timestamp},"${formatSampleValue(values[index]!)}"]`
        : `"histogram":[${timestamp},${writeHistogram(histogram)}]`;
    out.text(`${index === 0 ? "" : ","}{"metric":${writeLabels(labels[index]!)},${sample}}`);
    if (out.isFull) yield out.take();
  }
  out.text("]");
}

function* writeMatrix(
  out: AnswerBytes,
  matrix: readonly MatrixSeries[],
): Generator<Uint8Array<ArrayBuffer>> {
  out.text("[");
  for (const [index, { labels, timestampsMs, values, histograms }] of matrix.entries()) {
    out.text(`${index === 0 ? "" : ","}{"metric":${writeLabels(labels)}`);
    if (histograms === undefined) {
      out.text(',"values":[');
      for (const samples of writeSamples(timestampsMs, values)) {
        out.bytes(samples);
        if (out.isFull) yield out.take();
      }
      out.text("]}");
    } else out.text(writeMixed({ timestampsMs, values, histograms }));
    if (out.isFull) yield out.take();
  }
  out.text("]");
}

let sampleWriter: SampleTextWriter | undefined;

/** Bytes that are valid until anything else asks for samples. */
function writeSamples(timestampsMs: Float64Array, values: Float64Array): Iterable<Uint8Array> {
  return (sampleWriter ??= new SampleTextWriter()).write(timestampsMs, values);
}

function tellRemarks(remarks: readonly string[], kind: "warning" | "info"): readonly string[] {
  const omitted = remarks.length - REMARKS_TOLD_MAX;
  if (omitted <= 0) return remarks;
  return [...remarks.slice(0, REMARKS_TOLD_MAX), `${omitted} more ${kind} annotations omitted`];
}

/** The envelope around a list, cut at `limit` with a warning; `write` makes the JSON of one element. */
export function* writeListAnswer<Element>(
  elements: readonly Element[],
  limit: number,
  write: (element: Element) => string,
): Generator<string> {
  const told = cut(elements, limit);
  const chunk = yield* writeList('{"status":"success","data":', told, write);
  const warning = told.length < elements.length ? `,"warnings":["${LIMIT_WARNING}"]` : "";
  yield `${chunk}${warning}}`;
}

function cut<Element>(elements: readonly Element[], limit: number): readonly Element[] {
  return limit > 0 && elements.length > limit ? elements.slice(0, limit) : elements;
}

/** Yields full chunks; returns what is left. */
function* writeList<Element>(
  start: string,
  elements: readonly Element[],
  write: (element: Element, index: number) => string,
): Generator<string, string> {
  let chunk = `${start}[`;
  for (const [index, element] of elements.entries()) {
    chunk += index === 0 ? write(element, index) : `,${write(element, index)}`;
    if (chunk.length >= CHUNK_BYTES) {
      yield chunk;
      chunk = "";
    }
  }
  return `${chunk}]`;
}

/** Floats under `values` and histograms under `histograms`, each with its time; a list that would be empty is left out. */
function writeMixed(
  series: Pick<MatrixSeries, "timestampsMs" | "values"> & {
    readonly histograms: NonNullable<MatrixSeries["histograms"]>;
  },
): string {
  const { timestampsMs, values, histograms } = series;
  const floatTexts: string[] = [];
  const histogramTexts: string[] = [];
  for (let i = 0; i < values.length; i++) {
    const timestamp = formatTimestamp(timestampsMs[i]!);
    const histogram = histograms[i];
    if (histogram === undefined)
      floatTexts.push(`[${timestamp},"${formatSampleValue(values[i]!)}"]`);
    else histogramTexts.push(`[${timestamp},${writeHistogram(histogram)}]`);
  }
  const hasOthers = histogramTexts.length > 0;
  const floats = floatTexts.length === 0 && hasOthers ? "" : `,"values":[${floatTexts.join(",")}]`;
  const others = hasOthers ? `,"histograms":[${histogramTexts.join(",")}]` : "";
  return `${floats}${others}}`;
}

/** Numbers as texts; of a bucket, which of its bounds belong to it, those bounds, its count. Empty buckets are left out. */
function writeHistogram(histogram: Histogram): string {
  const count = formatSampleValue(histogram.count);
  const sum = formatSampleValue(histogram.sum);
  const buckets = populatedBuckets(histogram, { cutAtZero: true }).map((bucket) => {
    const { lower, upper, includesLower, includesUpper } = bucket;
    const flags = includesLower ? (includesUpper ? 3 : 1) : includesUpper ? 0 : 2;
    return `[${flags},"${formatSampleValue(lower)}","${formatSampleValue(upper)}","${formatSampleValue(bucket.count)}"]`;
  });
  const list = buckets.length === 0 ? "" : `,"buckets":[${buckets.join(",")}]`;
  return `{"count":"${count}","sum":"${sum}"${list}}`;
}

/** `{"name":"value",…}` in the order of the set. */
export function writeLabels(labels: Labels): string {
  let text = "{";
  const { pairs } = labels;
  for (let i = 0; i < pairs.length; i += 2) {
    if (i > 0) text += ",";
    text += `${JSON.stringify(pairs[i])}:${JSON.stringify(pairs[i + 1])}`;
  }
  return `${text}}`;
}
