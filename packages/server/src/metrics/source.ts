/** Fits the metric store to the PromQL engine. */
import type { Series } from "@finch/model";
import type { SelectRequest, SeriesSource } from "@finch/promql";
import type { MetricLoan, MetricStore, SampleMemory } from "@finch/store";

/** What the store needs to know of a selection is what the engine asks for, and where its values go. */
export type StoredRequest = SelectRequest & { readonly memory?: SampleMemory };

export interface SeriesLoan extends MetricLoan {
  /** Those whose series they are; missing when labels are shown as they are stored. */
  readonly tenants?: readonly string[];
}

/** A source that can be told where the values of a selection go, and that may let another thread read what is in blocks. */
export interface StoredSeries extends SeriesSource {
  select(request: StoredRequest): AsyncIterable<readonly Series[]>;
  /** Undefined when the selection is to be read by `select`. */
  lend?(request: StoredRequest): SeriesLoan | undefined;
}

/** Reads straight from the store. */
export function createSeriesSource(store: MetricStore): StoredSeries {
  return { select: (request) => store.select(request), lend: (request) => store.lend(request) };
}

/** The same series, with their values in `memory`. */
export function readInto(source: StoredSeries, memory: SampleMemory): SeriesSource {
  return { select: (request) => source.select({ ...request, memory }) };
}
