/**
 * Reads series for queries: plans over the indexes of blocks and heads, then reads batch by batch, each series merged from all its places.
 * Where two places have a sample of the same time, the older place wins, as it does within a head.
 */
import type { Labels, Matcher, Series } from "@finch/model";
import type { Block } from "./block.ts";
import { selectSeries } from "./label-select.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { readChunks, readPlace } from "./metric-block.ts";
import type { ChunkWish, MetricPlace } from "./metric-block.ts";
import type { MetricHead, MetricHeadView } from "./metric-head.ts";
import type { Pacer } from "./pacer.ts";
import { lowerBound, mergeSamples, NO_SAMPLES } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
import { SharedTimes } from "./shared-times.ts";
import type { StoreView } from "./store-core.ts";
import { chunkRows, TimeRows } from "./time-rows.ts";

export interface MetricRange {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
}

/** Where one series' samples are. */
interface Plan {
  readonly labels: Labels;
  /** In order of precedence: blocks, then heads. */
  readonly places: Place[];
  samples: number;
}

type Place =
  | { readonly block: number; readonly place: MetricPlace }
  | { readonly head: number; readonly at: number };

/** What a batch is read with. */
interface Selection {
  readonly view: StoreView<MetricHead>;
  readonly headViews: readonly MetricHeadView[];
  /** By number of the block in the view. */
  readonly times: readonly TimeRows[];
  readonly startMs: number;
  readonly endMs: number;
  readonly pacer: Pacer;
}

export async function* selectMetrics(
  view: StoreView<MetricHead>,
  range: MetricRange,
  pacer: Pacer,
): AsyncGenerator<readonly Series[]> {
  const { startMs, endMs, matchers } = range;
  // Heads first and at once: what is appended while blocks are planned is not part of the answer.
  const headViews: MetricHeadView[] = [];
  for (const head of view.heads)
    headViews.push(head.view(await selectSeries(head.index, matchers, pacer), startMs, endMs));
  const times = view.blocks.map((block) => new TimeRows(block));
  const selection: Selection = { view, headViews, times, startMs, endMs, pacer };
  let batch: Plan[] = [];
  let samples = 0;
  for (const plan of await planSeries(selection, matchers)) {
    batch.push(plan);
    samples += plan.samples;
    if (batch.length < SELECT_BATCH_SERIES && samples < SELECT_BATCH_SAMPLES) continue;
    yield* readBatch(selection, batch);
    batch = [];
    samples = 0;
  }
  yield* readBatch(selection, batch);
}

async function planSeries(
  selection: Selection,
  matchers: readonly Matcher[],
): Promise<Iterable<Plan>> {
  const { view, headViews, pacer } = selection;
  const plans = new Map<string, Plan>();
  for (const [number, block] of view.blocks.entries()) {
    const numbers = await block.index.select(matchers, pacer);
    const rows = selection.times[number]!;
    for await (const page of block.index.seriesOf(numbers)) {
      for (const { labels, payload } of page) {
        const place = readPlace(payload);
        const { count, minMs, maxMs } = await rows.row(place.row);
        if (minMs > selection.endMs || maxMs < selection.startMs) continue;
        const plan = planOf(plans, labels);
        plan.places.push({ block: number, place });
        plan.samples += Math.min(count - place.from, place.count);
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
  for (const [number, { head, series }] of headViews.entries()) {
    for (let at = 0; at < series.length; at++) {
      planOf(plans, head.labelsOf(series[at]!)).places.push({ head: number, at });
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return plans.values();
}

function planOf(plans: Map<string, Plan>, labels: Labels): Plan {
  let plan = plans.get(labels.key);
  if (plan === undefined) plans.set(labels.key, (plan = { labels, places: [], samples: 0 }));
  return plan;
}

async function* readBatch(
  selection: Selection,
  plans: readonly Plan[],
): AsyncGenerator<readonly Series[]> {
  const { view, headViews, startMs, endMs, pacer } = selection;
  const shared = new SharedTimes();
  /** Of each plan, its runs in order of precedence. */
  const runs: SampleColumns[][] = plans.map(() => []);
  for (const number of view.blocks.keys())
    await readBlockRuns(selection, { plans, runs, shared }, number);
  const result: Series[] = [];
  for (const [index, { labels, places }] of plans.entries()) {
    for (const place of places) {
      if (!("head" in place)) continue;
      const headView = headViews[place.head]!;
      const columns = headView.head.read(headView, place.at, startMs, endMs);
      if (columns.timestampsMs.length > 0) runs[index]!.push(shared.share(columns));
    }
    const columns = joinRuns(runs[index]!, shared);
    if (columns.timestampsMs.length > 0) result.push(toSeries(labels, columns));
    if (pacer.isDue()) await pacer.rest();
  }
  if (result.length > 0) yield result;
}

function joinRuns(runs: readonly SampleColumns[], shared: SharedTimes): SampleColumns {
  if (runs.length < 2) return runs[0] ?? NO_SAMPLES;
  return shared.concatenate(runs) ?? shared.share(mergeSamples(runs));
}

function toSeries(labels: Labels, columns: SampleColumns): Series {
  const { timestampsMs, values, histograms, startTimestampsMs } = columns;
  return {
    labels,
    timestampsMs,
    values,
    ...(histograms === undefined ? {} : { histograms }),
    ...(startTimestampsMs === undefined ? {} : { startTimestampsMs }),
  };
}

/** The part of a series in a block that lies in the range. */
interface BlockRun {
  readonly plan: number;
  /** Rows of its time row that are wanted, and those that its chunks have. */
  readonly lo: number;
  readonly hi: number;
  readonly place: MetricPlace;
  readonly rowCount: number;
}

async function readBlockRuns(
  selection: Selection,
  batch: {
    readonly plans: readonly Plan[];
    readonly runs: SampleColumns[][];
    readonly shared: SharedTimes;
  },
  number: number,
): Promise<void> {
  const wanted: BlockRun[] = [];
  const windows = new Map<string, Float64Array>();
  for (const [plan, { places }] of batch.plans.entries()) {
    for (const at of places) {
      if (!("block" in at) || at.block !== number) continue;
      const { place } = at;
      const times = await selection.times[number]!.times(place.row);
      const end = Math.min(times.length, place.from + place.count);
      const lo = Math.max(place.from, lowerBound(times, times.length, selection.startMs));
      const hi = Math.min(end, lowerBound(times, times.length, selection.endMs + 1));
      if (lo >= hi) continue;
      wanted.push({ plan, lo, hi, place, rowCount: times.length });
      const key = windowKey(place.row, lo, hi);
      // A copy, so that a narrow look does not keep a long row alive.
      if (!windows.has(key)) windows.set(key, times.slice(lo, hi));
    }
    if (selection.pacer.isDue()) await selection.pacer.rest();
  }
  const read = await readValues(selection.view.blocks[number]!, wanted, selection.pacer);
  for (const [at, { plan, place, lo, hi }] of wanted.entries()) {
    const timestampsMs = windows.get(windowKey(place.row, lo, hi))!;
    const run = { timestampsMs, ...read[at]! };
    batch.runs[plan]!.push(batch.shared.share(run));
  }
}

function windowKey(row: number, lo: number, hi: number): string {
  return `${row}:${lo}:${hi}`;
}

/** Values, and what else the samples have, of each run; the wanted rows alone. */
async function readValues(
  block: Block,
  wanted: readonly BlockRun[],
  pacer: Pacer,
): Promise<Omit<SampleColumns, "timestampsMs">[]> {
  let total = 0;
  for (const run of wanted) total += decodedRows(run).count;
  // One piece of memory for all: the allocator gives it back warm, and nothing needs to be zero.
  const memory = Buffer.allocUnsafeSlow(8 * total);
  const pool = new Float64Array(memory.buffer, memory.byteOffset, total);
  const wishes: ChunkWish[] = [];
  const read: Omit<SampleColumns, "timestampsMs">[] = [];
  let at = 0;
  for (const run of wanted) {
    const { first, count } = decodedRows(run);
    const columns = {
      values: pool.subarray(at + run.lo - first, at + run.hi - first),
      histograms: undefined as SampleColumns["histograms"],
      startTimestampsMs: undefined as Float64Array | undefined,
    };
    read.push(columns);
    addWishes(wishes, run, { values: pool, at }, columns);
    at += count;
  }
  // Batches come in the order of the first place of each series, which in other blocks may differ.
  wishes.sort((a, b) => a.chunk - b.chunk);
  if (wishes.length > 0) await readChunks(block, wishes, pacer);
  return read;
}

/** Rows of the whole chunks that hold the wanted ones: the first, and how many. */
function decodedRows(run: BlockRun): { readonly first: number; readonly count: number } {
  const step = chunkRows(run.rowCount);
  const end = Math.min(run.rowCount, run.place.from + run.place.count);
  const first = Math.max(run.place.from, Math.floor(run.lo / step) * step);
  return { first, count: Math.min(end, Math.ceil(run.hi / step) * step) - first };
}

function addWishes(
  wishes: ChunkWish[],
  run: BlockRun,
  target: { readonly values: Float64Array; readonly at: number },
  columns: { histograms: SampleColumns["histograms"]; startTimestampsMs: Float64Array | undefined },
): void {
  const step = chunkRows(run.rowCount);
  const { first, count } = decodedRows(run);
  const firstOfSeries = Math.floor(run.place.from / step);
  for (let at = 0; at < count;) {
    const chunkOfRow = Math.floor((first + at) / step);
    const to = Math.min(count, (chunkOfRow + 1) * step - first);
    const from = at;
    wishes.push({
      chunk: run.place.chunk + chunkOfRow - firstOfSeries,
      values: target.values,
      at: target.at + from,
      count: to - from,
      accept({ histograms, startTimestampsMs }) {
        const { lo, hi } = run;
        if (histograms !== undefined) {
          const all = (columns.histograms ??= Array.from({ length: hi - lo })) as unknown[];
          for (let i = 0; i < histograms.length; i++) {
            const row = first + from + i;
            if (row >= lo && row < hi) all[row - lo] = histograms[i];
          }
        }
        if (startTimestampsMs !== undefined) {
          const all = (columns.startTimestampsMs ??= new Float64Array(hi - lo));
          for (let i = 0; i < startTimestampsMs.length; i++) {
            const row = first + from + i;
            if (row >= lo && row < hi) all[row - lo] = startTimestampsMs[i]!;
          }
        }
      },
    });
    at = to;
  }
}
