/**
 * Metric samples in the shapes that cross packages: batches on the way in (wire → store), series on the way out (store → promql).
 * Values are IEEE 754 doubles whose bits matter: a stale marker is the NaN with bits 0x7ff0000000000002. JavaScript does not promise to
 * keep NaN payloads when a number passes through a variable, so copy values with typed-array `set`/`slice` or two 32-bit words.
 */
import type { Histogram } from "./histogram.ts";
import type { Labels } from "./labels.ts";

export const STALE_NAN_HIGH = 0x7ff00000;
export const STALE_NAN_LOW = 0x00000002;

const LITTLE_ENDIAN_CHECK = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
if (!LITTLE_ENDIAN_CHECK) throw new Error("Finch needs a little-endian machine");

/** The 32-bit words of a column of doubles, low word first; the view {@link isStaleAt} and {@link setStaleAt} work on. */
export function wordsOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
}

/** Whether value `index` of the column behind `words` is the stale marker. */
export function isStaleAt(words: Uint32Array, index: number): boolean {
  return words[2 * index] === STALE_NAN_LOW && words[2 * index + 1] === STALE_NAN_HIGH;
}

export function setStaleAt(words: Uint32Array, index: number): void {
  words[2 * index] = STALE_NAN_LOW;
  words[2 * index + 1] = STALE_NAN_HIGH;
}

/** What a metric family is, from exposition `# TYPE` or remote-write metadata. */
export type MetricType =
  | "counter"
  | "gauge"
  | "histogram"
  | "gaugehistogram"
  | "summary"
  | "info"
  | "stateset"
  | "unknown";

export interface MetricMetadata {
  readonly family: string;
  readonly type: MetricType;
  readonly help: string;
  readonly unit: string;
}

/** One observation kept with a series, to lead from a chart to, say, its trace. */
export interface Exemplar {
  /** `trace_id` and the like. */
  readonly labels: Labels;
  readonly value: number;
  readonly timestampMs: number;
}

/**
 * Samples of one write request. Series `s` owns samples `sampleStarts[s] … sampleStarts[s + 1] - 1`, in the order they came.
 * The batch may alias the request's buffer: it is valid until the promise of `append` settles, and nobody changes it meanwhile.
 */
export interface SampleBatch {
  readonly seriesCount: number;
  /** Length `seriesCount + 1`. */
  readonly sampleStarts: Uint32Array;
  /** Unix milliseconds, whole numbers. */
  readonly timestampsMs: Float64Array;
  /** A float sample's value; of a sample that is a histogram, its sum. */
  readonly values: Float64Array;
  /** Samples that are native histograms, by number of the sample. Missing when there is none. */
  readonly histograms?: ReadonlyMap<number, Histogram>;
  /** When each counter began, Unix milliseconds; 0 where the sender did not say. Missing when it never did. */
  readonly startTimestampsMs?: Float64Array;
  /** Exemplars with the number of their series. Missing when there is none. */
  readonly exemplars?: readonly { readonly series: number; readonly exemplar: Exemplar }[];
  /**
   * Bytes that stand for the labels of a series, as they came: `keyBytes[keyBounds[2s] … keyBounds[2s + 1])`. Equal bytes mean equal labels
   * (not the other way round), so a store can find a series it has seen without parsing its labels.
   */
  readonly keyBytes: Uint8Array;
  readonly keyBounds: Uint32Array;
  /** The hash of each series' key, four words each, by codec's kernels in this process. Missing where the decoder did not come by it. */
  readonly keyHashes?: Uint32Array;
  /** Parses the labels of series `s`; validated already, `__name__` included. */
  labelsOf(s: number): Labels;
  readonly metadata: readonly MetricMetadata[];
}

/** The samples of one series in a time range: ascending, one per timestamp, stale markers included. */
export interface Series {
  readonly labels: Labels;
  /** Unix milliseconds. Series of one batch with the same times have the very same array; nobody changes it. */
  readonly timestampsMs: Float64Array;
  /** Same length as `timestampsMs`. Means nothing where `histograms` has one. */
  readonly values: Float64Array;
  /** Native histograms among the samples: same length, undefined where the sample is a float. Missing when there is none. */
  readonly histograms?: readonly (Histogram | undefined)[];
  /** When the counter began, Unix milliseconds, 0 where unknown; same length. Missing when never known. */
  readonly startTimestampsMs?: Float64Array;
  /** Who read the samples saw that all are floats, none is NaN and none below the one before. Missing where nobody looked. */
  readonly isRising?: boolean | undefined;
}
