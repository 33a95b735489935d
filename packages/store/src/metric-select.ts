/**
 * Reads series for queries: plans over the indexes of blocks and heads, then reads batch by batch, each series merged from all its places.
 * Where two places have a sample of the same time, the older place wins, as it does within a head.
 */
import type { Labels, Matcher, Series } from "@finch/model";
import { selectSeries } from "./label-select.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { BatchReader, placeInHead, placeOfRead } from "./metric-batch.ts";
import type { BlockSource, SamplePlace, SampleRange } from "./metric-batch.ts";
import { readPlace } from "./metric-block.ts";
import type { MetricHead, MetricHeadView } from "./metric-head.ts";
import type { Pacer } from "./pacer.ts";
import type { SampleColumns } from "./sample-columns.ts";
import type { SampleMemory } from "./sample-memory.ts";
import type { StoreView } from "./store-core.ts";
import { TimeRows } from "./time-rows.ts";
import type { TimeRow } from "./time-rows.ts";

export interface MetricRange {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
}

/** What is selected from. */
export type SelectionView = Pick<StoreView<MetricHead>, "blocks" | "heads" | "hidden"> & {
  /** Series that another thread read from its heads, each once: they come after everything else. */
  readonly others?: AsyncIterable<readonly Series[]>;
};

/** Where one series' samples are, in order of precedence: blocks, then heads. */
interface Plan {
  readonly labels: Labels;
  readonly places: SamplePlace[];
  /** About. */
  samples: number;
}

/** Samples of other series that wait for those in blocks; more are read in the order they came, which blocks may have in another. */
const OTHER_SAMPLES_MAX = 4_000_000;

export async function* selectMetrics(
  view: SelectionView,
  range: MetricRange & SampleRange & { readonly memory?: SampleMemory | undefined },
  pacer: Pacer,
): AsyncGenerator<readonly Series[]> {
  const { startMs, endMs, matchers, memory } = range;
  // Heads first and at once: what is appended while blocks are planned is not part of the answer.
  const headViews: MetricHeadView[] = [];
  for (const head of view.heads)
    headViews.push(head.view(await selectSeries(head.index, matchers, pacer), startMs, endMs));
  const sources = view.blocks.map((block) => ({ block, times: new TimeRows(block) }));
  const heads = view.heads[0]?.createReader();
  const reader = new BatchReader(range, pacer, { memory, heads });
  const plans = await planSeries(sources, { view, headViews }, range, pacer);
  if (view.others !== undefined) yield* joinOthers(view.others, plans, reader);
  yield* readPlans(plans.list, reader);
}

/** Hands on what stands nowhere else, and plans the rest. */
async function* joinOthers(
  others: AsyncIterable<readonly Series[]>,
  plans: Plans,
  reader: BatchReader,
): AsyncGenerator<readonly Series[]> {
  let samples = 0;
  for await (const batch of others) {
    const alone: Series[] = [];
    for (const series of batch)
      if (plans.join(series)) samples += series.timestampsMs.length;
      else alone.push(series);
    if (alone.length > 0) yield alone;
    if (samples <= OTHER_SAMPLES_MAX) continue;
    samples = 0;
    yield* readPlans(plans.takeJoined(), reader);
  }
}

async function* readPlans(
  plans: readonly Plan[],
  reader: BatchReader,
): AsyncGenerator<readonly Series[]> {
  let batch: Plan[] = [];
  let samples = 0;
  for (let at = 0; at < plans.length; at++) {
    const plan = plans[at]!;
    // Never more than the bound, but for a series that has more alone.
    if (batch.length >= SELECT_BATCH_SERIES || samples + plan.samples > SELECT_BATCH_SAMPLES) {
      if (batch.length > 0) yield* readBatch(batch, reader);
      batch = [];
      samples = 0;
    }
    batch.push(plan);
    samples += plan.samples;
  }
  yield* readBatch(batch, reader);
}

async function planSeries(
  sources: readonly BlockSource[],
  from: { readonly view: SelectionView; readonly headViews: readonly MetricHeadView[] },
  range: MetricRange & SampleRange,
  pacer: Pacer,
): Promise<Plans> {
  const { startMs, endMs, newestOnly = false } = range;
  const wanted = { startMs, endMs, newestOnly, total: 0 };
  const heads = from.headViews.filter(({ series }) => series.length > 0);
  const others = from.view.others === undefined ? 0 : 1;
  const plans = new Plans(sources.length + heads.length + others > 1);
  for (const source of sources) {
    const { block, times } = source;
    const numbers = await block.index.select(range.matchers, pacer);
    const gaps = await from.view.hidden.inBlock(block, pacer);
    for await (const page of block.index.seriesOf(numbers)) {
      for (const { number, labels, payload } of page) {
        const place = readPlace(payload);
        const row = times.held(place.row) ?? (await times.row(place.row));
        if (row.minMs > endMs || row.maxMs < startMs) continue;
        const samples = Math.min(row.count - place.from, place.count);
        const gapsOf = gaps?.of(number);
        plans.add(
          labels,
          { source, place, gaps: gapsOf },
          Math.ceil(samples * shareOf(row, range)),
        );
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
  for (const view of heads) {
    const gaps = await from.view.hidden.inHead(view.head, pacer);
    for (let at = 0; at < view.series.length; at++) {
      const series = view.series[at]!;
      const expired = gaps?.of(series)?.at(-1);
      const fromMs = expired === undefined ? -Infinity : expired.endMs + 1;
      const samplesMax = view.head.samplesMax(view, at, wanted);
      plans.add(
        view.head.labelsOf(series),
        placeInHead(view, at, { fromMs, samplesMax }),
        samplesMax,
      );
      if (pacer.isDueAfterLittle()) await pacer.rest();
    }
  }
  return plans;
}

/** About which share of a row of times lies in the range. */
function shareOf({ minMs, maxMs, count }: TimeRow, range: SampleRange): number {
  if (range.newestOnly === true) return 1 / count;
  if (maxMs === minMs) return 1;
  const from = Math.max(minMs, range.startMs);
  return Math.max(0, Math.min(maxMs, range.endMs) - from) / (maxMs - minMs);
}

/** What is to be read, series by series. */
class Plans {
  list: Plan[] = [];
  /** Missing when there is but one source, where no series comes twice. */
  readonly #byKey: Map<string, Plan> | undefined;

  constructor(isMerged: boolean) {
    this.#byKey = isMerged ? new Map() : undefined;
  }

  add(labels: Labels, place: SamplePlace, samples: number): void {
    const known = this.#byKey?.get(labels.key);
    if (known !== undefined) {
      known.places.push(place);
      known.samples += samples;
      return;
    }
    const plan = { labels, places: [place], samples };
    this.list.push(plan);
    this.#byKey?.set(labels.key, plan);
  }

  /** Adds the samples of a series to what is planned for it, if there is anything. */
  join(series: Series): boolean {
    const known = this.#byKey?.get(series.labels.key);
    if (known === undefined) return false;
    known.places.push(placeOfRead(series));
    known.samples += series.timestampsMs.length;
    return true;
  }

  /** The plans that were joined, which are no longer in the list. */
  takeJoined(): readonly Plan[] {
    const isJoined = ({ places }: Plan) => "read" in places.at(-1)!;
    const joined = this.list.filter(isJoined);
    this.list = this.list.filter((plan) => !isJoined(plan));
    return joined;
  }
}

async function* readBatch(
  plans: readonly Plan[],
  reader: BatchReader,
): AsyncGenerator<readonly Series[]> {
  const result: Series[] = [];
  const read = await reader.read(plans);
  for (let at = 0; at < plans.length; at++)
    if (read[at]!.timestampsMs.length > 0) result.push(toSeries(plans[at]!.labels, read[at]!));
  if (result.length > 0) yield result;
}

function toSeries(labels: Labels, columns: SampleColumns): Series {
  const { timestampsMs, values, histograms, startTimestampsMs, isRising } = columns;
  if (histograms === undefined && startTimestampsMs === undefined)
    return { labels, timestampsMs, values, isRising };
  return {
    labels,
    timestampsMs,
    values,
    ...(histograms === undefined ? {} : { histograms }),
    ...(startTimestampsMs === undefined ? {} : { startTimestampsMs }),
  };
}
