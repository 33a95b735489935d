/** The newest metrics, in memory: what the WAL holds and no block yet. Frozen once its sealing begins; then a new head takes over. */
import type { Labels, MetricMetadata } from "@finch/model";
import { LabelIndex } from "./label-index.ts";
import { LATE_SAMPLES_MAX } from "./limits.ts";
import { MetricChunks } from "./metric-chunks.ts";
import { LateSamples } from "./metric-late.ts";
import { readMetricRecord } from "./metric-record.ts";
import { growFloat64, growUint32 } from "./number-columns.ts";
import { clipSamples, mergeSamples } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
import { SeriesKeys } from "./series-keys.ts";

/** What became of the samples of one record. */
export interface ApplyOutcome {
  accepted: number;
  duplicates: number;
  readonly conflicts: { readonly run: number; readonly timestampMs: number }[];
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

export class MetricHead {
  readonly index = new LabelIndex();
  readonly keys = new SeriesKeys();
  readonly metadata = new Map<string, MetricMetadata>();
  samples = 0;
  minMs = Infinity;
  maxMs = -Infinity;
  /** A series has so many late samples that the head should be sealed. */
  isCrowded = false;
  /** By series: the WAL's count of refusals + 1 when its definition was last written. */
  #definedAt = new Uint32Array(16) as Uint32Array;
  readonly #chunks = new MetricChunks();
  readonly #late = new Map<number, LateSamples>();
  #minMs = new Float64Array(0) as Float64Array;
  #maxMs = new Float64Array(0) as Float64Array;
  #lateCount = 0;

  get bytes(): number {
    return this.index.bytes + this.keys.bytes + this.#chunks.slotBytes + this.rowBytes;
  }

  get rowBytes(): number {
    return this.#chunks.chunkBytes + 16 * this.#lateCount;
  }

  get rows(): number {
    return this.samples;
  }

  /** Whether the series must be defined in a record written now; says yes once per count of refusals. */
  needsDefinition(series: number, refusals: number): boolean {
    this.#definedAt = growUint32(this.#definedAt, series + 1);
    if (this.#definedAt[series] === refusals + 1) return false;
    this.#definedAt[series] = refusals + 1;
    return true;
  }

  /**
   * Takes a durable record in. `numbers` maps the record's series numbers to those of this head, and learns its definitions;
   * undefined when the record was made for this very head.
   */
  apply(payload: Uint8Array, numbers: Map<number, number> | undefined): ApplyOutcome {
    const outcome: ApplyOutcome = { accepted: 0, duplicates: 0, conflicts: [] };
    let series = 0;
    let run = 0;
    readMetricRecord(payload, {
      define: (number, labels) => numbers?.set(number, this.index.intern(labels)),
      metadata: (metadata) => this.metadata.set(metadata.family, metadata),
      run: (index, number) => {
        run = index;
        series = numbers === undefined ? number : mustFind(numbers, number);
      },
      sample: (timestampMs, low, high) => {
        const found = this.#append(series, timestampMs, low, high);
        if (found === "absent") outcome.accepted++;
        else if (found === "equal") outcome.duplicates++;
        else outcome.conflicts.push({ run, timestampMs });
      },
    });
    return outcome;
  }

  /** Labels and time range of each series with samples in the range. */
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
      totals: wanted.map((number) => this.#chunks.totals[number]!),
      late,
    };
  }

  /** The samples of one series of a view in a range. */
  read(view: MetricHeadView, at: number, startMs: number, endMs: number): SampleColumns {
    const series = view.series[at]!;
    const inOrder = this.#chunks.read(series, { startMs, endMs, total: view.totals[at]! });
    const late = view.late.get(series);
    return clipSamples(
      late === undefined ? inOrder : mergeSamples([inOrder, late]),
      startMs,
      endMs,
    );
  }

  /** All samples of a series of a frozen head. */
  readAll(series: number): SampleColumns {
    const inOrder = this.#chunks.read(series, {
      startMs: -Infinity,
      endMs: Infinity,
      total: Infinity,
    });
    const late = this.#late.get(series);
    return late === undefined ? inOrder : mergeSamples([inOrder, late.columns()]);
  }

  hasSamples(series: number): boolean {
    return series < this.#minMs.length && this.#minMs[series]! < Infinity;
  }

  labelsOf(series: number): Labels {
    return this.index.labelsOf(series);
  }

  #overlaps(series: number, startMs: number, endMs: number): boolean {
    if (series >= this.#minMs.length) return false;
    return this.#minMs[series]! <= endMs && this.#maxMs[series]! >= startMs;
  }

  #append(
    series: number,
    timestampMs: number,
    low: number,
    high: number,
  ): "absent" | "equal" | "different" {
    const chunks = this.#chunks;
    if (timestampMs > chunks.newestMs(series)) {
      chunks.push(series, timestampMs, low, high);
    } else {
      const found = chunks.look(series, timestampMs, low, high);
      if (found !== "absent") return found;
      const late = this.#lateOf(series);
      const foundLate = late.look(timestampMs, low, high);
      if (foundLate !== "absent") return foundLate;
      late.insert(timestampMs, low, high);
      this.#lateCount++;
      if (late.count >= LATE_SAMPLES_MAX) this.isCrowded = true;
    }
    this.samples++;
    this.#note(series, timestampMs);
    return "absent";
  }

  #lateOf(series: number): LateSamples {
    let late = this.#late.get(series);
    if (late === undefined) this.#late.set(series, (late = new LateSamples()));
    return late;
  }

  #note(series: number, timestampMs: number): void {
    if (series >= this.#minMs.length) {
      const known = this.#minMs.length;
      this.#minMs = growFloat64(this.#minMs, series + 1).fill(Infinity, known);
      this.#maxMs = growFloat64(this.#maxMs, series + 1).fill(-Infinity, known);
    }
    if (timestampMs < this.#minMs[series]!) this.#minMs[series] = timestampMs;
    if (timestampMs > this.#maxMs[series]!) this.#maxMs[series] = timestampMs;
    if (timestampMs < this.minMs) this.minMs = timestampMs;
    if (timestampMs > this.maxMs) this.maxMs = timestampMs;
  }
}

function mustFind(numbers: ReadonlyMap<number, number>, number: number): number {
  const series = numbers.get(number);
  if (series === undefined) throw new RangeError(`series ${number} is used before it is defined`);
  return series;
}
