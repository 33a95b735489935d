/** This machine: what it is, which metrics are its own, and whether they still come in. */
import { useQuery } from "@tanstack/react-query";
import { fetchMachine, type Machine } from "../api/machine-api.ts";
import { queryMetricsInstant, seriesOf } from "../api/metrics-api.ts";
import type { ResultSeries } from "../api/query-result.ts";

/** Data older than this many seconds counts as stopped: six scrapes were missed. */
const STALE_SECONDS = 30;
/** How far back the machine's metrics are looked for when none are fresh. */
const SEARCH_BACK_SECONDS = 86_400;

export function useMachine(): Machine | undefined {
  return useQuery({
    queryKey: ["machine"],
    queryFn: ({ signal }) => fetchMachine(signal),
    refetchInterval: 15_000,
  }).data;
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

/** The second of the last sample if that is too long ago, else undefined. Coarse steps forgive more. */
export function staleSince(
  lastSampleSeconds: number | null,
  { nowMs, stepSeconds }: { readonly nowMs: number; readonly stepSeconds: number },
): number | undefined {
  if (lastSampleSeconds === null) return undefined;
  const age = nowMs / 1000 - lastSampleSeconds;
  return age > STALE_SECONDS + stepSeconds ? lastSampleSeconds : undefined;
}
