/**
 * Writes answers of Prometheus' API as JSON text, chunk by chunk: `resultType` before `result`, times in seconds with three decimals when
 * needed, values as strings. Large answers are never one string.
 */
import { formatSampleValue } from "@finch/model";
import type { Histogram, Labels } from "@finch/model";
import { populatedBuckets } from "@finch/promql";
import type { InstantResult, MatrixSeries } from "@finch/promql";

/** Characters gathered before a chunk is handed to the socket. */
const CHUNK_LENGTH = 48 * 1024;
/** Texts of timestamps kept for the next series; all series of a range query share their steps. */
const TIMESTAMPS_KEPT_MAX = 16_384;

/** Warnings, and notes, that one answer tells; of the others it tells how many there are. */
const REMARKS_TOLD_MAX = 10;

export const LIMIT_WARNING = "results truncated due to limit";

/** The envelope around an engine's answer, with `statistics` beside the result if there are any; more than `limit` elements (0: no limit) are cut with a warning. */
export function* writeAnswer(
  answer: InstantResult,
  limit: number,
  statistics?: object,
): Generator<string> {
  let chunk = `{"status":"success","data":{"resultType":"${answer.type}","result":`;
  let isCut = false;
  switch (answer.type) {
    // Prometheus writes the time of a scalar and of a string as a plain number, all others with three decimals.
    case "scalar":
      chunk += `[${answer.timeMs / 1000},"${formatSampleValue(answer.value)}"]`;
      break;
    case "string":
      chunk += `[${answer.timeMs / 1000},${JSON.stringify(answer.value)}]`;
      break;
    case "vector": {
      const { values, histograms } = answer;
      const timestamp = formatTimestamp(answer.timeMs);
      const labels = cut(answer.labels, limit);
      isCut = labels.length < answer.labels.length;
      chunk = yield* writeList(chunk, labels, (metric, index) => {
        const histogram = histograms?.[index];
        const sample =
          histogram === undefined
            ? `"value":[${timestamp},"${formatSampleValue(values[index]!)}"]`
            : `"histogram":[${timestamp},${writeHistogram(histogram)}]`;
        return `{"metric":${writeLabels(metric)},${sample}}`;
      });
      break;
    }
    case "matrix": {
      const series = cut(answer.series, limit);
      isCut = series.length < answer.series.length;
      const timestamps = new Map<number, string>();
      chunk = yield* writeList(chunk, series, (one) => writeSeries(one, timestamps));
      break;
    }
  }
  const told = tellRemarks(answer.warnings, "warning");
  const warnings = isCut ? [...told, LIMIT_WARNING] : told;
  const infos = tellRemarks(answer.infos, "info");
  chunk += statistics === undefined ? "}" : `,"stats":${JSON.stringify(statistics)}}`;
  if (warnings.length > 0) chunk += `,"warnings":${JSON.stringify(warnings)}`;
  if (infos.length > 0) chunk += `,"infos":${JSON.stringify(infos)}`;
  yield `${chunk}}`;
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
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = "";
    }
  }
  return `${chunk}]`;
}

/** Floats under `values` and histograms under `histograms`, each with its time; a list that would be empty is left out. */
function writeSeries(series: MatrixSeries, timestamps: Map<number, string>): string {
  const { timestampsMs, values, histograms } = series;
  let floatText = "";
  let histogramText = "";
  for (let i = 0; i < values.length; i++) {
    const timestampMs = timestampsMs[i]!;
    let timestamp = timestamps.get(timestampMs);
    if (timestamp === undefined) {
      timestamp = formatTimestamp(timestampMs);
      if (timestamps.size < TIMESTAMPS_KEPT_MAX) timestamps.set(timestampMs, timestamp);
    }
    const histogram = histograms?.[i];
    if (histogram === undefined)
      floatText += `${floatText === "" ? "" : ","}[${timestamp},"${formatSampleValue(values[i]!)}"]`;
    else
      histogramText += `${histogramText === "" ? "" : ","}[${timestamp},${writeHistogram(histogram)}]`;
  }
  const floats = floatText === "" && histogramText !== "" ? "" : `,"values":[${floatText}]`;
  const others = histogramText === "" ? "" : `,"histograms":[${histogramText}]`;
  return `{"metric":${writeLabels(series.labels)}${floats}${others}}`;
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

/** Seconds; with three decimals unless whole. */
export function formatTimestamp(timestampMs: number): string {
  const sign = timestampMs < 0 ? "-" : "";
  const magnitude = Math.abs(timestampMs);
  const seconds = Math.floor(magnitude / 1000);
  const ms = magnitude % 1000;
  return ms === 0 ? `${sign}${seconds}` : `${sign}${seconds}.${String(ms).padStart(3, "0")}`;
}
