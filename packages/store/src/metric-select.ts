/**
 * Reads series for queries: plans over the indexes of blocks and heads, then reads batch by batch, each series merged from all its places.
 * Where two places have a sample of the same time, the older place wins, as it does within a head.
 */
import type { Labels, Matcher, Series } from "@finch/model";
import type { Block } from "./block.ts";
import { selectSeries } from "./label-select.ts";
import { SELECT_BATCH_SAMPLES, SELECT_BATCH_SERIES } from "./limits.ts";
import { readMetricPages, readPageList } from "./metric-block.ts";
import type { MetricPageRef } from "./metric-block.ts";
import type { MetricHead, MetricHeadView } from "./metric-head.ts";
import { clipSamples, mergeSamples, NO_SAMPLES } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";
import type { Pacer } from "./pacer.ts";
import type { StoreView } from "./store-core.ts";

export interface MetricRange {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
}

/** Where one series' samples are. */
interface Plan {
  readonly labels: Labels;
  /** By number of the block in the view. */
  readonly pages: (readonly MetricPageRef[] | undefined)[];
  /** By number of the head in the view: place in its view. */
  readonly heads: (number | undefined)[];
}

export async function* selectMetrics(
  view: StoreView<MetricHead>,
  range: MetricRange,
  pacer: Pacer,
): AsyncGenerator<readonly Series[]> {
  const { startMs, endMs } = range;
  // Heads first and at once: what is appended while blocks are planned is not part of the answer.
  const plans = new Map<string, Plan>();
  const headViews: MetricHeadView[] = [];
  for (const head of view.heads)
    headViews.push(head.view(await selectSeries(head.index, range.matchers), startMs, endMs));
  for (const [number, block] of view.blocks.entries())
    await planBlock(plans, { block, number, range }, pacer);
  for (const [number, headView] of headViews.entries()) {
    for (let at = 0; at < headView.series.length; at++) {
      planOf(plans, headView.head.labelsOf(headView.series[at]!)).heads[number] = at;
      if (pacer.isDue()) await pacer.rest();
    }
  }
  let batch: Plan[] = [];
  let samples = 0;
  for (const plan of plans.values()) {
    batch.push(plan);
    for (const pages of plan.pages) for (const page of pages ?? []) samples += page.count;
    if (batch.length < SELECT_BATCH_SERIES && samples < SELECT_BATCH_SAMPLES) continue;
    yield* readBatch(view, headViews, { plans: batch, startMs, endMs }, pacer);
    batch = [];
    samples = 0;
  }
  yield* readBatch(view, headViews, { plans: batch, startMs, endMs }, pacer);
}

function planOf(plans: Map<string, Plan>, labels: Labels): Plan {
  let plan = plans.get(labels.key);
  if (plan === undefined) plans.set(labels.key, (plan = { labels, pages: [], heads: [] }));
  return plan;
}

async function planBlock(
  plans: Map<string, Plan>,
  source: { readonly block: Block; readonly number: number; readonly range: MetricRange },
  pacer: Pacer,
): Promise<void> {
  const { block, number, range } = source;
  const numbers = await selectSeries(block, range.matchers);
  for await (const series of block.seriesOf(numbers)) {
    for (const { labels, payload } of series) {
      const pages = readPageList(payload).filter(
        (page) => page.minMs <= range.endMs && page.maxMs >= range.startMs,
      );
      if (pages.length > 0) planOf(plans, labels).pages[number] = pages;
    }
    if (pacer.isDue()) await pacer.rest();
  }
}

async function* readBatch(
  view: StoreView<MetricHead>,
  headViews: readonly MetricHeadView[],
  batch: { readonly plans: readonly Plan[]; readonly startMs: number; readonly endMs: number },
  pacer: Pacer,
): AsyncGenerator<readonly Series[]> {
  const { plans, startMs, endMs } = batch;
  /** Of each plan, its runs in order of precedence. */
  const runs: SampleColumns[][] = plans.map(() => []);
  for (const [number, block] of view.blocks.entries())
    await readBlockRuns(runs, plans, { number, block }, pacer);
  const result: Series[] = [];
  for (const [index, plan] of plans.entries()) {
    for (const [number, headView] of headViews.entries()) {
      const at = plan.heads[number];
      if (at !== undefined) runs[index]!.push(headView.head.read(headView, at, startMs, endMs));
    }
    const columns = clipSamples(mergeSamples(runs[index]!), startMs, endMs);
    if (columns.timestampsMs.length > 0) result.push(toSeries(plan.labels, columns));
    if (pacer.isDue()) await pacer.rest();
  }
  if (result.length > 0) yield result;
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

async function readBlockRuns(
  runs: SampleColumns[][],
  plans: readonly Plan[],
  source: { readonly number: number; readonly block: Block },
  pacer: Pacer,
): Promise<void> {
  const wanted: { readonly page: MetricPageRef; readonly plan: number }[] = [];
  for (const [plan, { pages }] of plans.entries()) {
    for (const page of pages[source.number] ?? []) wanted.push({ page, plan });
  }
  wanted.sort((a, b) => a.page.offset - b.page.offset);
  const parts = new Map<number, SampleColumns[]>();
  let at = 0;
  for await (const columns of readMetricPages(
    source.block,
    wanted.map(({ page }) => page),
  )) {
    const { plan } = wanted[at++]!;
    const list = parts.get(plan);
    if (list === undefined) parts.set(plan, [columns]);
    else list.push(columns);
    if (pacer.isDue()) await pacer.rest();
  }
  for (const [plan, list] of parts) runs[plan]!.push(joinParts(list));
}

/** Pages of one series are in order of time and share nothing. */
function joinParts(parts: readonly SampleColumns[]): SampleColumns {
  if (parts.length === 1) return parts[0]!;
  if (parts.length === 0) return NO_SAMPLES;
  let total = 0;
  for (const part of parts) total += part.timestampsMs.length;
  const timestampsMs = new Float64Array(total);
  const values = new Float64Array(total);
  let at = 0;
  for (const part of parts) {
    timestampsMs.set(part.timestampsMs, at);
    values.set(part.values, at);
    at += part.timestampsMs.length;
  }
  return { timestampsMs, values };
}
