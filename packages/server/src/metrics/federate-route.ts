/**
 * `/federate`: the newest sample of each selected series, for another Prometheus to scrape. Stale series are left out; a series is found as
 * long as its newest sample lies within the lookback. Faults are plain text.
 */
import { isStaleAt, wordsOf } from "@finch/model";
import type { Matcher, Series } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { FEDERATION_CONTENT_TYPES, formatFederation, negotiateFederation } from "@finch/wire";
import type { FederatedSample } from "@finch/wire";
import { distinctSelectors } from "../label-lists.ts";
import { withTimeout } from "../query-gate.ts";
import type { ReadContext } from "./api-route.ts";

/** Keeps the scraper from adding its own `instance` where a series has none. */
const EXTERNAL_LABELS = [["instance", ""]] as const;

export function federateRoute(context: ReadContext): HttpRoute {
  return {
    kind: "http",
    methods: ["GET"],
    path: "/federate",
    faults: "text",
    handle: (request) => answerFederation(context, request),
  };
}

async function answerFederation(context: ReadContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const selectors = distinctSelectors(parameters.getAll("match[]")).map(parseMetricSelector);
  const samples = await readNewest(context, selectors, request.signal);
  const { format, allowUtf8 } = negotiateFederation(request.header("accept"));
  return {
    status: 200,
    headers: { "content-type": FEDERATION_CONTENT_TYPES[format] },
    body: formatFederation(samples, format, { externalLabels: EXTERNAL_LABELS, allowUtf8 }),
  };
}

/** The newest samples, ordered by metric name and then by labels. */
async function readNewest(
  { store, gate, limits, clock }: ReadContext,
  selectors: readonly (readonly Matcher[])[],
  requestSignal: AbortSignal,
): Promise<readonly FederatedSample[]> {
  using limited = withTimeout(requestSignal, limits.queryTimeoutMs, "query timed out");
  const { signal } = limited;
  using _place = await gate.enter(signal);
  const endMs = clock.nowMs();
  const startMs = endMs - limits.lookbackMs;
  const byKey = new Map<string, FederatedSample>();
  for (const matchers of selectors) {
    for await (const batch of store.select({ matchers, startMs, endMs, signal })) {
      for (const series of batch) {
        const sample = newestOf(series);
        if (sample !== undefined) byKey.set(series.labels.key, sample);
      }
    }
  }
  return [...byKey.values()]
    .map((sample) => ({ sample, order: orderOf(sample) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ sample }) => sample);
}

/** Text that sorts by metric name first. */
function orderOf({ labels }: FederatedSample): string {
  return `${labels.get("__name__")}\u0000${labels.key}`;
}

/** The last sample of a series; undefined when there is none or it says that the series has ended. */
function newestOf({
  labels,
  timestampsMs,
  values,
  histograms,
}: Series): FederatedSample | undefined {
  const last = timestampsMs.length - 1;
  if (last < 0) return undefined;
  const histogram = histograms?.[last];
  if (histogram === undefined && isStaleAt(wordsOf(values), last)) return undefined;
  return { labels, timestampMs: timestampsMs[last]!, value: values[last]!, histogram };
}
