/**
 * Writes answers of Prometheus' API as JSON text, chunk by chunk: `resultType` before `result`, times in seconds with three decimals when
 * needed, values as strings. Large answers are never one string.
 */
import { formatSampleValue } from "@finch/model";
import type { Labels } from "@finch/model";
import type { InstantResult, MatrixSeries } from "@finch/promql";

/** Characters gathered before a chunk is handed to the socket. */
const CHUNK_LENGTH = 48 * 1024;
/** Texts of timestamps kept for the next series; all series of a range query share their steps. */
const TIMESTAMPS_KEPT_MAX = 16_384;

export const LIMIT_WARNING = "results truncated due to limit";

/** The envelope around an engine's answer; more than `limit` elements (0: no limit) are cut with a warning. */
export function* writeAnswer(answer: InstantResult, limit: number): Generator<string> {
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
      const { values } = answer;
      const timestamp = formatTimestamp(answer.timeMs);
      const labels = cut(answer.labels, limit);
      isCut = labels.length < answer.labels.length;
      chunk = yield* writeList(chunk, labels, (metric, index) => {
        const value = formatSampleValue(values[index]!);
        return `{"metric":${writeLabels(metric)},"value":[${timestamp},"${value}"]}`;
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
  const warnings = isCut ? [...answer.warnings, LIMIT_WARNING] : answer.warnings;
  chunk += "}";
  if (warnings.length > 0) chunk += `,"warnings":${JSON.stringify(warnings)}`;
  if (answer.infos.length > 0) chunk += `,"infos":${JSON.stringify(answer.infos)}`;
  yield `${chunk}}`;
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

function writeSeries(series: MatrixSeries, timestamps: Map<number, string>): string {
  const { timestampsMs, values } = series;
  let text = `{"metric":${writeLabels(series.labels)},"values":[`;
  for (let i = 0; i < values.length; i++) {
    const timestampMs = timestampsMs[i]!;
    let timestamp = timestamps.get(timestampMs);
    if (timestamp === undefined) {
      timestamp = formatTimestamp(timestampMs);
      if (timestamps.size < TIMESTAMPS_KEPT_MAX) timestamps.set(timestampMs, timestamp);
    }
    text += `${i === 0 ? "" : ","}[${timestamp},"${formatSampleValue(values[i]!)}"]`;
  }
  return `${text}]}`;
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
