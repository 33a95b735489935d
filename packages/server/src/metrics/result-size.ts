/** How long an answer will be, before its first byte is sent: afterwards there is no way to say that it is too long. */
import type { Labels } from "@finch/model";
import type { InstantResult } from "@finch/promql";
import { FinchError } from "@finch/runtime";

/** `[1795132800,"12345.67"],` */
const POINT_BYTES = 24;
/** A histogram with a few buckets. */
const HISTOGRAM_BYTES = 256;
/** What stands around the labels of an element. */
const ELEMENT_BYTES = 32;
/** Quotes, colon, comma. */
const LABEL_BYTES = 6;

/** Throws when the answer, cut at `limit` elements unless that is 0, would be longer than `bytesMax`. */
export function refuseLargeAnswer(result: InstantResult, limit: number, bytesMax: number): void {
  const bytes = estimateBytes(result, limit === 0 ? Infinity : limit);
  if (bytes <= bytesMax) return;
  const size = `${Math.round(bytes / 1024 / 1024)} MiB`;
  throw new FinchError(
    "unprocessable",
    "server/result-too-large",
    `the answer would have about ${size}: aggregate, select fewer series, use a larger step, or ask for less with the parameter limit`,
  );
}

function estimateBytes(result: InstantResult, limit: number): number {
  let bytes = 0;
  if (result.type === "vector") {
    const count = Math.min(limit, result.labels.length);
    for (let i = 0; i < count; i++)
      bytes += ELEMENT_BYTES + POINT_BYTES + lengthOf(result.labels[i]!);
  } else if (result.type === "matrix") {
    const count = Math.min(limit, result.series.length);
    for (let i = 0; i < count; i++) {
      const { labels, values, histograms } = result.series[i]!;
      const each = histograms === undefined ? POINT_BYTES : HISTOGRAM_BYTES;
      bytes += ELEMENT_BYTES + lengthOf(labels) + each * values.length;
    }
  }
  return bytes;
}

function lengthOf({ pairs }: Labels): number {
  let length = (pairs.length / 2) * LABEL_BYTES;
  for (const text of pairs) length += text.length;
  return length;
}
