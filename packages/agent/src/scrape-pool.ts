/** What components scrape and how that goes, for whoever runs the agent: the status pages of a server, say. */
import type { Labels, MetricMetadata } from "@finch/model";

export interface ScrapedTarget {
  /** As given to the component, with its defaults for what they leave open. */
  readonly discoveredLabels: Labels;
  /** Of every sample. */
  readonly labels: Labels;
  readonly url: string;
  /** `unknown` until the first scrape. */
  readonly health: "up" | "down" | "unknown";
  /** Why the last scrape failed; empty when it did not. */
  readonly lastError: string;
  /** Undefined until the first scrape. */
  readonly lastScrapeMs: number | undefined;
  readonly lastDurationMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Of the families that the last successful scrape showed. */
  readonly metadata: readonly MetricMetadata[];
}

/** The targets of one job, or of the jobs of several components with the same name. */
export interface ScrapePool {
  readonly name: string;
  readonly targets: readonly ScrapedTarget[];
  /** Metrics unless it says so; a pool of profiles is none of Prometheus'. */
  readonly scrapes?: "profiles";
}

/** Pools as one for each name, sorted by name. */
export function uniteScrapePools(pools: Iterable<ScrapePool>): readonly ScrapePool[] {
  const byName = new Map<string, ScrapedTarget[]>();
  for (const { name, targets } of pools) {
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [...targets]);
    else known.push(...targets);
  }
  return [...byName]
    .map(([name, targets]) => ({ name, targets }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
