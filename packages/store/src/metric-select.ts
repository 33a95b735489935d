/**
 * Reads series for queries: plans over the indexes of blocks and heads, then reads batch by batch, each series merged from all its places.
 * Where two places have a sample of the same time, the older place wins, as it does within a head.
 */
import type { Labels, Matcher, Series } from "@finch/model";
import { selectSeries } from "./label-select.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { readSamples } from "./metric-batch.ts";
import type { BlockPlace, BlockSource, SamplePlace } from "./metric-batch.ts";
import { readPlace } from "./metric-block.ts";
import type { MetricHead, MetricHeadView } from "./metric-head.ts";
import type { Pacer } from "./pacer.ts";
import type { SampleColumns } from "./sample-columns.ts";
import type { StoreView } from "./store-core.ts";
import { TimeRows } from "./time-rows.ts";

export interface MetricRange {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
}

interface HeadPlace {
  readonly view: MetricHeadView;
  readonly at: number;
  /** What is older is hidden. */
  readonly fromMs: number;
}

/** Where one series' samples are, in order of precedence: blocks, then heads. */
interface Plan {
  readonly labels: Labels;
  readonly places: (BlockPlace | HeadPlace)[];
  samples: number;
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
  const sources = view.blocks.map((block) => ({ block, times: new TimeRows(block) }));
  let batch: Plan[] = [];
  let samples = 0;
  for (const plan of await planSeries(sources, { view, headViews }, range, pacer)) {
    batch.push(plan);
    samples += plan.samples;
    if (batch.length < SELECT_BATCH_SERIES && samples < SELECT_BATCH_SAMPLES) continue;
    yield* readBatch(batch, range, pacer);
    batch = [];
    samples = 0;
  }
  yield* readBatch(batch, range, pacer);
}

async function planSeries(
  sources: readonly BlockSource[],
  from: { readonly view: StoreView<MetricHead>; readonly headViews: readonly MetricHeadView[] },
  range: MetricRange,
  pacer: Pacer,
): Promise<Iterable<Plan>> {
  const plans = new Map<string, Plan>();
  for (const source of sources) {
    const { block, times } = source;
    const numbers = await block.index.select(range.matchers, pacer);
    const gaps = await from.view.hidden.inBlock(block, pacer);
    for await (const page of block.index.seriesOf(numbers)) {
      for (const { number, labels, payload } of page) {
        const place = readPlace(payload);
        const row = times.held(place.row) ?? (await times.row(place.row));
        if (row.minMs > range.endMs || row.maxMs < range.startMs) continue;
        const plan = planOf(plans, labels);
        plan.places.push({ source, place, gaps: gaps?.of(number) });
        plan.samples += Math.min(row.count - place.from, place.count);
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
  for (const view of from.headViews) {
    const gaps = await from.view.hidden.inHead(view.head, pacer);
    for (let at = 0; at < view.series.length; at++) {
      const plan = planOf(plans, view.head.labelsOf(view.series[at]!));
      const expired = gaps?.of(view.series[at]!)?.at(-1);
      const fromMs = expired === undefined ? -Infinity : expired.endMs + 1;
      plan.places.push({ view, at, fromMs });
      plan.samples += view.totals[at]!;
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
  plans: readonly Plan[],
  range: MetricRange,
  pacer: Pacer,
): AsyncGenerator<readonly Series[]> {
  const places: SamplePlace[][] = [];
  for (const plan of plans) {
    places.push(plan.places.map((place) => ("source" in place ? place : readHead(place, range))));
    if (pacer.isDue()) await pacer.rest();
  }
  const read = await readSamples(places, range, pacer);
  const result: Series[] = [];
  for (const [index, columns] of read.entries())
    if (columns.timestampsMs.length > 0) result.push(toSeries(plans[index]!.labels, columns));
  if (result.length > 0) yield result;
}

function readHead(
  { view, at, fromMs }: HeadPlace,
  range: MetricRange,
): { readonly columns: SampleColumns } {
  return { columns: view.head.read(view, at, Math.max(fromMs, range.startMs), range.endMs) };
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
