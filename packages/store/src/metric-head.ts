/** The newest metrics, in memory: what the WAL holds and no block yet. Frozen once its sealing begins; then a new head takes over. */
import {
  FATE_ACCEPTED,
  FATE_REPEATED,
  SampleRangeReader,
  SampleStore,
  STORE_SERIES_MAX,
} from "@finch/codec/kernels";
import type { RangeWish, SampleArena } from "@finch/codec/kernels";
import type { Labels, MetricMetadata } from "@finch/model";
import { wordsOf } from "@finch/model";
import type { ExemplarRing } from "./exemplar-ring.ts";
import { HeadHistograms } from "./head-histograms.ts";
import { HeadStartTimes } from "./head-start-times.ts";
import { LabelIndex } from "./label-index.ts";
import { LATE_SAMPLES_MAX, OPEN_CHUNK_SAMPLES } from "./limits.ts";
import { LateSamples } from "./metric-late.ts";
import { MetricRecordReader } from "./metric-record.ts";
import { growUint32 } from "./number-columns.ts";
import { clipSamples, mergeSamples } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
import { SeriesKeys } from "./series-keys.ts";
import type { ReplayNumbers } from "./store-replay.ts";

/** Memory of a series besides its chunks: its state, and open values. */
const SERIES_BYTES = 40 + 8 * OPEN_CHUNK_SAMPLES;

/** What became of one record. Rows and exemplars are numbered as in it. */
export interface ApplyOutcome {
  /** Histograms included. */
  accepted: number;
  acceptedHistograms: number;
  duplicates: number;
  /** Rows whose time another value has already. */
  readonly conflicts: { readonly row: number; readonly timestampMs: number }[];
  acceptedExemplars: number;
  /** Exemplars that are older than the newest of their series. */
  readonly lateExemplars: number[];
}

/** Which samples of a series. One object for many series: the head fills `total` in. */
export interface HeadRange extends RangeWish {
  total: number;
}

/** The same, and where the values go. */
export interface HeadWish extends HeadRange {
  readonly target: Float64Array;
  readonly at: number;
}

/** What a reader sees of a head, whatever is appended later. */
export interface MetricHeadView {
  readonly head: MetricHead;
  /** Matching series with a sample in the range, as numbers of the head. */
  readonly series: Uint32Array;
  /** In-order samples of each at the time of the view. */
  readonly totals: Uint32Array;
  /** Late samples by series, copied. */
  readonly late: ReadonlyMap<number, SampleColumns>;
}

/** Reads what a block is made of; what it gives is shared or used again, and not to be kept but for the times. */
export interface SealReader {
  read(series: number): SampleColumns;
}

const EVERYTHING = { startMs: -Infinity, endMs: Infinity, total: Infinity, newestOnly: false };

export class MetricHead {
  readonly index = new LabelIndex();
  readonly keys = new SeriesKeys();
  readonly metadata = new Map<string, MetricMetadata>();
  samples = 0;
  minMs = Infinity;
  maxMs = -Infinity;
  /** A series has so many late samples that the head should be sealed. */
  isCrowded = false;
  readonly #arena: SampleArena;
  readonly #store: SampleStore;
  readonly #exemplars: ExemplarRing;
  readonly #histograms = new HeadHistograms();
  readonly #starts = new HeadStartTimes();
  readonly #late = new Map<number, LateSamples>();
  #lateCount = 0;
  /** By series: the WAL's count of refusals + 1 when its definition was last written. */
  #definedAt = new Uint32Array(16) as Uint32Array;
  /** How many series were defined at this count of refusals, the newest that was asked for. */
  #defined = { refusals: -1, count: 0 };

  /** Samples lie in `arena` until `close`; exemplars outlive the head. */
  constructor(arena: SampleArena, exemplars: ExemplarRing) {
    this.#arena = arena;
    this.#store = new SampleStore(arena, OPEN_CHUNK_SAMPLES);
    this.#exemplars = exemplars;
  }

  get bytes(): number {
    return this.index.bytes + this.keys.bytes + this.#store.bytes + this.#sideBytes;
  }

  get rowBytes(): number {
    const seriesBytes = SERIES_BYTES * this.index.seriesCount;
    return Math.max(0, this.#store.bytes - seriesBytes) + this.#sideBytes;
  }

  get #sideBytes(): number {
    return 16 * this.#lateCount + this.#histograms.bytes + this.#starts.bytes;
  }

  get rows(): number {
    return this.samples;
  }

  /** Share of the series whose newest sample is older than the newest of all by more than `ageMs`: what a new head would not have. */
  idleShare(ageMs: number): number {
    const { seriesCount } = this.index;
    let idle = 0;
    for (let series = 0; series < seriesCount; series++)
      if (this.#store.newestMs(series) < this.maxMs - ageMs) idle++;
    return seriesCount === 0 ? 0 : idle / seriesCount;
  }

  /** Gives the memory of the samples back: nobody reads this head any more. */
  close(): void {
    this.#store.close();
  }

  /** Whether no series must be defined in a record written now. */
  areAllDefined(refusals: number): boolean {
    return this.#defined.refusals === refusals && this.#defined.count === this.index.seriesCount;
  }

  /** Whether the series must be defined in a record written now; says yes once per count of refusals. */
  needsDefinition(series: number, refusals: number): boolean {
    if (this.#definedAt[series] === refusals + 1) return false;
    if (this.#defined.refusals !== refusals) this.#defined = { refusals, count: 0 };
    this.#defined.count++;
    this.#definedAt = growUint32(this.#definedAt, series + 1);
    this.#definedAt[series] = refusals + 1;
    return true;
  }

  /**
   * Takes a durable record in. `numbers` maps the record's series numbers to those of this head, and learns its definitions;
   * undefined when the record was made for this very head.
   */
  apply(payload: Uint8Array, numbers: ReplayNumbers | undefined): ApplyOutcome {
    const outcome: ApplyOutcome = {
      accepted: 0,
      acceptedHistograms: 0,
      duplicates: 0,
      conflicts: [],
      acceptedExemplars: 0,
      lateExemplars: [],
    };
    const record = new MetricRecordReader(payload);
    if (numbers !== undefined)
      record.readDefinitions((series, labels) =>
        numbers.set(series, this.index.internRecord(labels)),
      );
    for (const metadata of record.metadata) this.metadata.set(metadata.family, metadata);
    const isPlain = record.histograms.length === 0 && record.starts.length === 0;
    for (let first = 0; first < record.rowCount;) {
      const { runs, rows } = record.fill(this.#arena.columns, numbers);
      // After `fill`, which numbers the rows of series whose definition is lost too.
      this.#store.reserve(Math.min(this.index.seriesCount, STORE_SERIES_MAX));
      const accepted = this.#store.append(runs);
      if (accepted < rows || !isPlain || this.#starts.count > 0)
        this.#settle(record, { runs, first }, outcome);
      else outcome.accepted += accepted;
      first += rows;
    }
    this.samples += outcome.accepted;
    this.minMs = Math.min(this.minMs, record.minMs);
    this.maxMs = Math.max(this.maxMs, record.maxMs);
    this.#applyExemplars(record, numbers, outcome);
    return outcome;
  }

  /** Those of `series` with a sample in the range, or at least samples on both sides of it. */
  seriesInRange(series: Uint32Array, startMs: number, endMs: number): Uint32Array {
    return series.filter((number) => this.#overlaps(number, startMs, endMs));
  }

  view(series: Uint32Array, startMs: number, endMs: number): MetricHeadView {
    const wanted = this.seriesInRange(series, startMs, endMs);
    const late = new Map<number, SampleColumns>();
    if (this.#late.size > 0) {
      for (const number of wanted) {
        const samples = this.#late.get(number);
        if (samples !== undefined) late.set(number, samples.columns());
      }
    }
    return {
      head: this,
      series: wanted,
      totals: wanted.map((number) => this.#store.total(number)),
      late,
    };
  }

  /** The samples of one series of a view in a range. */
  read(view: MetricHeadView, at: number, startMs: number, endMs: number): SampleColumns {
    const series = view.series[at]!;
    const want = { startMs, endMs, total: view.totals[at]! };
    const late = view.late.get(series);
    const inOrder = this.#store.read(series, want);
    const columns = late === undefined ? inOrder : mergeSamples([inOrder, late]);
    return this.#enrich(series, clipSamples(columns, startMs, endMs));
  }

  /** More samples than this one series of a view does not have in the range. */
  samplesMax(view: MetricHeadView, at: number, wish: HeadRange): number {
    if (wish.newestOnly) return 1;
    const series = view.series[at]!;
    wish.total = view.totals[at]!;
    if (this.#isPlain(series, view.late)) return this.#store.countRange(series, wish);
    return wish.total + (view.late.get(series)?.timestampsMs.length ?? 0);
  }

  /** For reading many series of heads with the same arena. */
  createReader(): SampleRangeReader {
    return new SampleRangeReader(this.#arena);
  }

  /**
   * The samples of one series of a view in a range, by a reader as {@link createReader} makes it; returns how many. -1 when there is more to them
   * than values in order: then it takes {@link read}.
   */
  readPlain(view: MetricHeadView, at: number, reader: SampleRangeReader, wish: HeadWish): number {
    const series = view.series[at]!;
    if (!this.#isPlain(series, view.late)) return -1;
    wish.total = view.totals[at]!;
    return reader.read(this.#store, series, wish);
  }

  /** Whether there is no more to a series than values in order. */
  #isPlain(series: number, late: ReadonlyMap<number, unknown>): boolean {
    return !late.has(series) && !this.#histograms.has(series) && !this.#starts.has(series);
  }

  /** For reading series after series of a frozen head, each with all samples: columns of {@link SealReader.read} hold until its next call. */
  createSealReader(): SealReader {
    const reader = this.createReader();
    let target = new Float64Array(1024);
    return {
      read: (series) => {
        const total = this.#store.total(series);
        if (total > target.length) target = new Float64Array(2 * total);
        const rows = this.#isPlain(series, this.#late)
          ? reader.read(this.#store, series, { ...EVERYTHING, target, at: 0 })
          : -1;
        if (rows < 0) return this.#readAll(series);
        reader.flush();
        return { timestampsMs: reader.timestampsMs, values: target.subarray(0, rows) };
      },
    };
  }

  #readAll(series: number): SampleColumns {
    const inOrder = this.#store.read(series, EVERYTHING);
    const late = this.#late.get(series);
    return this.#enrich(
      series,
      late === undefined ? inOrder : mergeSamples([inOrder, late.columns()]),
    );
  }

  hasSamples(series: number): boolean {
    return this.#store.total(series) > 0;
  }

  labelsOf(series: number): Labels {
    return this.index.labelsOf(series);
  }

  #enrich(series: number, columns: SampleColumns): SampleColumns {
    const { timestampsMs, values } = columns;
    const histograms = this.#histograms.among(series, timestampsMs, values);
    const startTimestampsMs = this.#starts.among(series, timestampsMs);
    if (histograms === undefined && startTimestampsMs === undefined) return columns;
    return { timestampsMs, values, histograms, startTimestampsMs };
  }

  #overlaps(series: number, startMs: number, endMs: number): boolean {
    if (this.#store.newestMs(series) < startMs) return false;
    if (this.#store.oldestMs(series) <= endMs) return true;
    const late = this.#late.get(series);
    return late !== undefined && late.oldestMs <= endMs;
  }

  /** Decides row by row what the kernel left open or does not know of: late samples, repetitions, histograms, start times. */
  #settle(
    record: MetricRecordReader,
    part: { readonly runs: number; readonly first: number },
    outcome: ApplyOutcome,
  ): void {
    const { series, counts, timestampsMs, valueBytes, fates } = this.#arena.columns;
    const words = new Uint32Array(valueBytes.buffer, valueBytes.byteOffset, valueBytes.length / 4);
    const { histograms, starts } = record;
    let next = histograms.findIndex(({ row }) => row >= part.first);
    if (next < 0) next = histograms.length;
    for (let run = 0, at = 0; run < part.runs; run++) {
      const number = series[run]!;
      for (const end = at + counts[run]!; at < end; at++) {
        const row = part.first + at;
        const histogram = histograms[next]?.row === row ? histograms[next++]!.bytes : undefined;
        const sample = {
          timestampMs: timestampsMs[at]!,
          low: words[2 * at]!,
          high: words[2 * at + 1]!,
          histogram,
        };
        const found =
          fates[at] === FATE_ACCEPTED ? "absent" : this.#look(number, sample, fates[at]!);
        if (found === "different") outcome.conflicts.push({ row, timestampMs: sample.timestampMs });
        else if (found === "equal") outcome.duplicates++;
        else {
          if (fates[at] !== FATE_ACCEPTED) this.#insertLate(number, sample);
          outcome.accepted++;
          if (histogram !== undefined) {
            outcome.acceptedHistograms++;
            this.#histograms.add(number, sample.timestampMs, histogram);
            this.#store.markRich(number);
          }
          const startMs = starts.length === 0 ? 0 : starts[row]!;
          if (startMs !== 0 || this.#starts.has(number))
            this.#starts.set(number, {
              timestampMs: sample.timestampMs,
              startMs,
              isLate: fates[at] !== FATE_ACCEPTED,
            });
        }
      }
    }
  }

  #look(
    series: number,
    sample: {
      readonly timestampMs: number;
      readonly low: number;
      readonly high: number;
      readonly histogram: Uint8Array | undefined;
    },
    fate: number,
  ): "absent" | "equal" | "different" {
    const { timestampMs, low, high, histogram } = sample;
    let found: "absent" | "equal" | "different" = "equal";
    if (fate !== FATE_REPEATED) {
      const known = this.#store.read(series, {
        startMs: timestampMs,
        endMs: timestampMs,
        total: Infinity,
      });
      const at = known.timestampsMs.indexOf(timestampMs);
      if (at >= 0) {
        const words = wordsOf(known.values);
        found = words[2 * at] === low && words[2 * at + 1] === high ? "equal" : "different";
      } else found = this.#late.get(series)?.look(timestampMs, low, high) ?? "absent";
    }
    if (found !== "equal") return found;
    return areSameBytes(this.#histograms.find(series, timestampMs), histogram)
      ? "equal"
      : "different";
  }

  #insertLate(
    series: number,
    sample: { readonly timestampMs: number; readonly low: number; readonly high: number },
  ): void {
    let late = this.#late.get(series);
    if (late === undefined) this.#late.set(series, (late = new LateSamples()));
    late.insert(sample.timestampMs, sample.low, sample.high);
    this.#lateCount++;
    if (late.count >= LATE_SAMPLES_MAX) this.isCrowded = true;
  }

  #applyExemplars(
    record: MetricRecordReader,
    numbers: ReplayNumbers | undefined,
    outcome: ApplyOutcome,
  ): void {
    for (const [index, { series, exemplar }] of record.exemplars.entries()) {
      const number = numbers === undefined ? series : numbers.get(series);
      if (this.#exemplars.add(this.labelsOf(number), exemplar)) outcome.acceptedExemplars++;
      else outcome.lateExemplars.push(index);
    }
  }
}

function areSameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
