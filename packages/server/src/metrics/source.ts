/** Fits the metric store to the PromQL engine. */
import type { SeriesSource } from "@finch/promql";
import type { MetricStore } from "@finch/store";

/** Reads straight from the store; what the store needs to know of a selection is what the engine asks for. */
export function createSeriesSource(store: MetricStore): SeriesSource {
  return { select: (request) => store.select(request) };
}
