/**
 * From a batch to a record and back to what is told the sender: which series the batch's keys stand for, which samples are in the window, what the
 * record says, and which samples of the batch the outcome means.
 */
import { KeyHasher } from "@finch/codec/kernels";
import type { MetricMetadata, SampleBatch } from "@finch/model";
import type { MetricAppendResult, MetricRejection } from "./api.ts";
import type { IndexLimits } from "./label-index.ts";
import { METADATA_FAMILIES_MAX } from "./limits.ts";
import type { ApplyOutcome, MetricHead } from "./metric-head.ts";
import { MetricRecordWriter } from "./metric-record.ts";
import { growInt32 } from "./number-columns.ts";

/** Instead of a series' number. */
const NOT_WANTED = -2;
const NO_ROOM = -1;

/** What is so at the moment of an append. */
export interface AppendMoment {
  /** Samples outside are refused. */
  readonly oldestMs: number;
  readonly latestMs: number;
  readonly indexLimits: IndexLimits;
  /** Of `SeriesKeys.bytes`. */
  readonly keyBytesMax: number;
  /** The WAL's count of refusals. */
  readonly refusals: number;
}

/** A batch as a record, and how to tell the sender what became of it. */
export interface ComposedBatch {
  /** Undefined when there is nothing to write. */
  readonly payload: Uint8Array | undefined;
  settle(outcome: ApplyOutcome | undefined): MetricAppendResult;
}

/** The rows of a record whose samples stand elsewhere in the batch: rows from `rows[i]` on are samples from `samples[i]` on. */
interface RowMap {
  readonly rows: number[];
  readonly samples: number[];
}

/** Of a record that has all samples. */
const WHOLE_MAP: RowMap = { rows: [0], samples: [0] };

/** Composes one batch at a time; between two calls nothing of a batch is kept. */
export class MetricAppender {
  readonly #record = new MetricRecordWriter();
  readonly #hasher = new KeyHasher();
  /** Of the batch at hand: series numbers. */
  #series = new Int32Array(64) as Int32Array;

  /** Interns the series of a batch in `head` and writes the record. A fault leaves nothing half done: series without samples do no harm. */
  compose(head: MetricHead, batch: SampleBatch, moment: AppendMoment): ComposedBatch {
    const rejections: MetricRejection[] = [];
    const isWhole = this.#resolve(head, batch, moment);
    const record = this.#record;
    record.clear();
    const rowMap = isWhole
      ? this.#addWhole(head, batch, moment)
      : this.#addSamples(head, batch, { moment, rejections });
    const exemplars = this.#addExemplars(head, batch, { moment, rejections });
    for (const entry of batch.metadata) {
      if (
        !isSameMetadata(head.metadata.get(entry.family), entry) &&
        head.metadata.size < METADATA_FAMILIES_MAX
      )
        record.addMetadata(entry);
    }
    return {
      payload: record.isEmpty ? undefined : record.finish(),
      settle: (outcome) => settle(batch, { rejections, rowMap, exemplars }, outcome),
    };
  }

  /** The memory of a payload that is durable and applied is used again: fresh memory costs as much as composing does. */
  reuse(payload: Uint8Array): void {
    this.#record.reuse(payload);
  }

  /** Series numbers of a batch, all of them before anything is composed. Whether all samples can be taken, and are nothing but samples. */
  #resolve(head: MetricHead, batch: SampleBatch, moment: AppendMoment): boolean {
    const { keys, index } = head;
    const hashes =
      batch.keyHashes ?? this.#hasher.hash(batch.keyBytes, batch.keyBounds, batch.seriesCount);
    const { timestampsMs, sampleStarts, seriesCount, keyBounds } = batch;
    this.#series = growInt32(this.#series, seriesCount);
    const isWithin = areAllWithin(timestampsMs, moment);
    let isWhole =
      isWithin && batch.histograms === undefined && batch.startTimestampsMs === undefined;
    let unknown = keys.findAll(hashes, seriesCount, this.#series);
    for (let s = 0; unknown > 0; s++) {
      if (this.#series[s]! >= 0) continue;
      unknown--;
      const from = sampleStarts[s]!;
      const to = sampleStarts[s + 1]!;
      // What has no sample to be taken must not fill the head.
      const isWanted = isWithin ? from < to : hasWithin(timestampsMs, { from, to, moment });
      // A series that stands in the batch twice is known by now.
      let series = keys.find(hashes, s);
      if (series < 0 && !isWanted) series = NOT_WANTED;
      else if (series < 0) {
        series = index.internKey(
          { bytes: batch.keyBytes, start: keyBounds[2 * s]!, end: keyBounds[2 * s + 1]! },
          () => batch.labelsOf(s),
          moment.indexLimits,
        );
        if (series >= 0) keys.add(hashes, s, { series, bytesMax: moment.keyBytesMax });
        else series = NO_ROOM;
      }
      this.#series[s] = series;
      if (series < 0) isWhole = false;
    }
    return isWhole;
  }

  /** Samples of which none is left out. */
  #addWhole(head: MetricHead, batch: SampleBatch, moment: AppendMoment): RowMap {
    const { timestampsMs, values, sampleStarts, seriesCount } = batch;
    const series = this.#series;
    const record = this.#record;
    for (let s = 0; s < seriesCount && !head.areAllDefined(moment.refusals); s++) {
      if (sampleStarts[s] === sampleStarts[s + 1]) continue;
      if (head.needsDefinition(series[s]!, moment.refusals)) this.#define(head, series[s]!);
    }
    record.addRuns(series, sampleStarts, seriesCount);
    const end = sampleStarts[seriesCount]!;
    record.addTimes(timestampsMs, end);
    record.addValues(values.subarray(0, end));
    return WHOLE_MAP;
  }

  #addSamples(
    head: MetricHead,
    batch: SampleBatch,
    to: { readonly moment: AppendMoment; readonly rejections: MetricRejection[] },
  ): RowMap {
    const { timestampsMs, values, sampleStarts, histograms, startTimestampsMs } = batch;
    const { oldestMs, latestMs, refusals } = to.moment;
    const record = this.#record;
    const map: RowMap = { rows: [0], samples: [0] };
    /** Samples from here on wait to be copied. */
    let waiting = 0;
    const skip = (from: number, end: number): void => {
      record.addValues(values.subarray(waiting, from));
      map.rows.push(record.rowCount);
      map.samples.push(end);
      waiting = end;
    };
    for (let s = 0; s < batch.seriesCount; s++) {
      const from = sampleStarts[s]!;
      const end = sampleStarts[s + 1]!;
      const series = this.#series[s]!;
      if (from === end) continue;
      if (series === NO_ROOM) {
        to.rejections.push(rejectionOf(batch, s, { row: from, reason: "too-many-series" }));
        skip(from, end);
        continue;
      }
      let taken = 0;
      for (let i = from; i < end; i++) {
        const timestampMs = timestampsMs[i]!;
        if (timestampMs >= oldestMs && timestampMs <= latestMs) {
          record.addTime(timestampMs);
          if (startTimestampsMs !== undefined) record.addStart(startTimestampsMs[i]!);
          if (histograms !== undefined) this.#addHistogram(batch, i, i - waiting);
          taken++;
          continue;
        }
        const reason = timestampMs < oldestMs ? "too-old" : "too-far-in-future";
        to.rejections.push(rejectionOf(batch, s, { row: i, reason }));
        skip(i, i + 1);
      }
      if (taken === 0) continue;
      if (head.needsDefinition(series, refusals)) this.#define(head, series);
      record.addRun(series, taken);
    }
    record.addValues(values.subarray(waiting, sampleStarts[batch.seriesCount]));
    return map;
  }

  #define(head: MetricHead, series: number): void {
    this.#record.define(series, (writer) => head.index.writeLabelsOf(series, writer));
  }

  /** `ahead` is how many samples wait to be copied before this one. */
  #addHistogram(batch: SampleBatch, sample: number, ahead: number): void {
    const histogram = batch.histograms!.get(sample);
    if (histogram !== undefined)
      this.#record.addHistogram(this.#record.rowCount + ahead, histogram);
  }

  /** Returns, for each exemplar of the record, its series in the batch and its time. */
  #addExemplars(
    head: MetricHead,
    batch: SampleBatch,
    to: { readonly moment: AppendMoment; readonly rejections: MetricRejection[] },
  ): { readonly index: number; readonly timestampMs: number }[] {
    const added: { readonly index: number; readonly timestampMs: number }[] = [];
    for (const { series: index, exemplar } of batch.exemplars ?? []) {
      const series = this.#series[index]!;
      const { timestampMs } = exemplar;
      if (series < 0) {
        to.rejections.push({ index, kind: "exemplar", reason: "unknown-series", timestampMs });
        continue;
      }
      if (head.needsDefinition(series, to.moment.refusals)) this.#define(head, series);
      this.#record.addExemplar(series, exemplar);
      added.push({ index, timestampMs });
    }
    return added;
  }
}

function settle(
  batch: SampleBatch,
  composed: {
    readonly rejections: MetricRejection[];
    readonly rowMap: RowMap;
    readonly exemplars: readonly { readonly index: number; readonly timestampMs: number }[];
  },
  outcome: ApplyOutcome | undefined,
): MetricAppendResult {
  const { rejections, rowMap, exemplars } = composed;
  for (const { row } of outcome?.conflicts ?? []) {
    const place = lastNotAbove(rowMap.rows, rowMap.rows.length, row);
    const sample = rowMap.samples[place]! + row - rowMap.rows[place]!;
    const s = lastNotAbove(batch.sampleStarts, batch.seriesCount + 1, sample);
    rejections.push(rejectionOf(batch, s, { row: sample, reason: "duplicate-timestamp" }));
  }
  for (const exemplar of outcome?.lateExemplars ?? [])
    rejections.push({ ...exemplars[exemplar]!, kind: "exemplar", reason: "out-of-order" });
  return {
    accepted: outcome?.accepted ?? 0,
    acceptedHistograms: outcome?.acceptedHistograms ?? 0,
    acceptedExemplars: outcome?.acceptedExemplars ?? 0,
    duplicates: outcome?.duplicates ?? 0,
    rejections,
  };
}

function rejectionOf(
  batch: SampleBatch,
  index: number,
  of: { readonly row: number; readonly reason: MetricRejection["reason"] },
): MetricRejection {
  const kind = batch.histograms?.has(of.row) === true ? "histogram" : "sample";
  return { index, kind, reason: of.reason, timestampMs: batch.timestampsMs[of.row]! };
}

/** Index of the last of `count` ascending numbers that is not above `wanted`; the last of equal ones. */
function lastNotAbove(sorted: ArrayLike<number>, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function areAllWithin(timestampsMs: Float64Array, moment: AppendMoment): boolean {
  const { oldestMs, latestMs } = moment;
  const { length } = timestampsMs;
  for (let i = 0; i < length; i++)
    if (timestampsMs[i]! < oldestMs || timestampsMs[i]! > latestMs) return false;
  return true;
}

function hasWithin(
  timestampsMs: Float64Array,
  range: { readonly from: number; readonly to: number; readonly moment: AppendMoment },
): boolean {
  const { oldestMs, latestMs } = range.moment;
  for (let i = range.from; i < range.to; i++)
    if (timestampsMs[i]! >= oldestMs && timestampsMs[i]! <= latestMs) return true;
  return false;
}

function isSameMetadata(a: MetricMetadata | undefined, b: MetricMetadata): boolean {
  return a !== undefined && a.type === b.type && a.help === b.help && a.unit === b.unit;
}
