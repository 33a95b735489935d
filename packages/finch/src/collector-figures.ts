/**
 * What collectors do, read from the metrics they send of themselves: those of Alloy and of Finch's agent have the same names. A series belongs to the agent whose resource id it
 * has as the label `rid`, which configurations that Finch generates add to all that is sent; without one, to the agent whose host name it has as `host`, which a configuration
 * for many machines can write (`constants.hostname`).
 */
import type { CollectorFigures, ReadFigures } from "@finch/control/fleet";
import { createEngine } from "@finch/promql";
import type { SeriesSource } from "@finch/promql";
import type { Clock } from "@finch/runtime";

/** Rates over two minutes: scrapes come each 15 s to a minute. */
const rate = (name: string) => `sum by (rid, host) (rate(${name}[2m]))`;

const QUERIES = {
  samplesSent: rate("prometheus_remote_storage_samples_total"),
  samplesRefused: rate("prometheus_remote_storage_samples_failed_total"),
  samplesGivenUp: rate("prometheus_remote_storage_samples_dropped_total"),
  linesSent: rate("loki_write_sent_entries_total"),
  linesGivenUp: rate("loki_write_dropped_entries_total"),
  unhealthy:
    'sum by (rid, host) (alloy_component_controller_running_components{health_type="unhealthy"})',
} as const;

type Found = Partial<Record<keyof typeof QUERIES, number>>;

/** Reads from `source` as of now; `agentOfHost` finds the resource id of a host's agent. */
export function createReadFigures(
  source: SeriesSource,
  {
    clock,
    agentOfHost,
  }: { readonly clock: Clock; readonly agentOfHost: (host: string) => string | undefined },
): ReadFigures {
  const engine = createEngine({ clock });
  return async (signal) => {
    const found = new Map<string, Found>();
    for (const [name, query] of Object.entries(QUERIES)) {
      const result = await engine.instantQuery({ source, query, timeMs: clock.nowMs(), signal });
      if (result.type !== "vector") continue;
      for (const [at, labels] of result.labels.entries()) {
        const resourceId = labels.get("rid") || agentOfHost(labels.get("host"));
        if (resourceId === undefined) continue;
        const of = found.get(resourceId) ?? {};
        // Some of an agent's series may have the one label, and others the other.
        of[name as keyof Found] = (of[name as keyof Found] ?? 0) + result.values[at]!;
        found.set(resourceId, of);
      }
    }
    return new Map([...found].map(([resourceId, of]) => [resourceId, figuresOf(of)]));
  };
}

function figuresOf(found: Found): CollectorFigures {
  const { samplesSent, linesSent } = found;
  const lost =
    (found.samplesRefused ?? 0) + (found.samplesGivenUp ?? 0) + (found.linesGivenUp ?? 0);
  const all = (samplesSent ?? 0) + (linesSent ?? 0) + lost;
  const isTold = samplesSent !== undefined || linesSent !== undefined;
  return {
    samplesPerSecond: samplesSent,
    linesPerSecond: linesSent,
    errorShare: !isTold ? undefined : all === 0 ? 0 : lost / all,
    unhealthyComponents: found.unhealthy,
  };
}
