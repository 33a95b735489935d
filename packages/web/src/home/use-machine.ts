/** This machine: what it is, which metrics are its own, and whether they still come in. */
import { useQuery } from "@tanstack/react-query";
import { ApiError } from "../api/http.ts";
import { fetchMachine, type Machine } from "../api/machine-api.ts";
import { queryMetricsInstant, seriesOf } from "../api/metrics-api.ts";
import type { ResultSeries } from "../api/query-result.ts";
import type { Frame } from "../series/frame.ts";

/** Data older than this counts as stopped, or older than three scrapes where these are further apart. */
const STALE_SECONDS = 30;
/** Taken until two scrapes are in; what most collectors do. */
const SCRAPE_SECONDS_DEFAULT = 15;
/** A longer distance is a hole in the data, not a scrape interval. */
const SCRAPE_SECONDS_MAX = 60;
/** How far back the machine's metrics are looked for when none are fresh. */
const SEARCH_BACK_SECONDS = 86_400;

/** `reachable` is false while the server gives no answer at all; `machine` is then what it said last. */
export function useMachine(): {
  readonly machine: Machine | undefined;
  readonly reachable: boolean;
} {
  const { data, error } = useQuery({
    queryKey: ["machine"],
    queryFn: ({ signal }) => fetchMachine(signal),
    retry: false,
    refetchInterval: (query) => (query.state.status === "error" ? 3000 : 10_000),
  });
  return { machine: data, reachable: !(error instanceof ApiError && error.status === 0) };
}

/** The `instance` label of this machine's metrics; undefined until the first scrape is in. */
export function useInstance(machine: Machine | undefined): string | undefined {
  const found = useQuery({
    queryKey: ["instance"],
    queryFn: ({ signal }) => findInstances(signal),
    refetchInterval: (query) => (query.state.data?.length ? false : 2000),
  }).data;
  return found === undefined ? undefined : chooseInstance(found, machine?.hostname);
}

async function findInstances(signal: AbortSignal): Promise<readonly ResultSeries[]> {
  const nowSeconds = Date.now() / 1000;
  const fresh = seriesOf(await queryMetricsInstant("node_uname_info", nowSeconds, signal));
  if (fresh.length > 0) return fresh;
  const loads = await queryMetricsInstant(
    `last_over_time(node_load1[${SEARCH_BACK_SECONDS}s])`,
    nowSeconds,
    signal,
  );
  return seriesOf(loads);
}

/** The instance whose node name is this host's, else the first. */
export function chooseInstance(
  series: readonly ResultSeries[],
  hostname: string | undefined,
): string | undefined {
  const own = series.find(
    (item) => item.labels["nodename"] === hostname || item.labels["instance"] === hostname,
  );
  return (own ?? series[0])?.labels["instance"];
}

/** The second of the last sample if that is too long ago, else undefined. Rare scrapes forgive more. */
export function staleSince(
  lastSampleSeconds: number | null,
  { nowMs, scrapeSeconds }: { readonly nowMs: number; readonly scrapeSeconds: number },
): number | undefined {
  if (lastSampleSeconds === null) return undefined;
  const age = nowMs / 1000 - lastSampleSeconds;
  return age > Math.max(STALE_SECONDS, 3.5 * scrapeSeconds) ? lastSampleSeconds : undefined;
}

/** The moment, in milliseconds, before the frame's first point where the frame reaches further back than its data; else undefined. */
export function beginningOf(frame: Frame | undefined): number | undefined {
  if (frame === undefined) return undefined;
  const first = frame.times.findIndex((_, index) =>
    frame.series.some((column) => column.values[index] !== null),
  );
  return first > 0 ? (frame.times[first]! - frame.step) * 1000 : undefined;
}

/** How far apart scrapes are, from a column that holds the time of the newest sample at each point. */
export function scrapeInterval(sampleTimes: readonly (number | null)[]): number {
  const distinct = [...new Set(sampleTimes.filter((time) => time !== null))];
  let shortest = Infinity;
  for (let index = 1; index < distinct.length; index++) {
    shortest = Math.min(shortest, distinct[index]! - distinct[index - 1]!);
  }
  if (!Number.isFinite(shortest)) return SCRAPE_SECONDS_DEFAULT;
  return Math.min(SCRAPE_SECONDS_MAX, Math.max(1, Math.round(shortest)));
}
