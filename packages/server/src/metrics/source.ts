/** Fits the metric store to the PromQL engine. */
import type { Series } from "@finch/model";
import type { SelectRequest, SeriesSource } from "@finch/promql";
import type { MetricStore, SampleMemory } from "@finch/store";

/** A source that can be told where the values of a selection go. */
export interface StoredSeries extends SeriesSource {
  select(
    request: SelectRequest & { readonly memory?: SampleMemory },
  ): AsyncIterable<readonly Series[]>;
}

/** Reads straight from the store; what the store needs to know of a selection is what the engine asks for. */
export function createSeriesSource(store: MetricStore): StoredSeries {
  return { select: (request) => store.select(request) };
}

/** The same series, with their values in `memory`. */
export function readInto(source: StoredSeries, memory: SampleMemory): SeriesSource {
  return { select: (request) => source.select({ ...request, memory }) };
}
