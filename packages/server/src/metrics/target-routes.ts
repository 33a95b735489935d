/**
 * `targets`, `targets/metadata` and `scrape_pools` of Prometheus' HTTP API: what the agent in this process scrapes. Targets of other agents are
 * theirs to tell. Nothing is ever dropped here: an agent's configuration relabels targets before they are scraped, and shows that itself.
 */
import { formatDuration } from "@finch/model";
import type { Labels, Matcher, MetricMetadata } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import { inParameter, readSignedLimit } from "./parameters.ts";

export interface ScrapedTarget {
  readonly discoveredLabels: Labels;
  readonly labels: Labels;
  readonly url: string;
  readonly health: "up" | "down" | "unknown";
  readonly lastError: string;
  readonly lastScrapeMs: number | undefined;
  readonly lastDurationMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly metadata: readonly MetricMetadata[];
}

export interface ScrapePool {
  readonly name: string;
  readonly targets: readonly ScrapedTarget[];
}

export interface TargetContext {
  /** The pools at this moment, sorted by name. */
  readonly scrapePools: () => readonly ScrapePool[];
  readonly status: { readonly hostname: string };
}

/** What Go writes for a time that is not set. */
const NEVER = "0001-01-01T00:00:00Z";

export function targetRoutes(context: TargetContext): readonly HttpRoute[] {
  return [
    apiRoute(GET, "/api/v1/targets", (request) => answerTargets(context, request)),
    apiRoute(GET, "/api/v1/targets/metadata", (request) => answerMetadata(context, request)),
    apiRoute(GET, "/api/v1/scrape_pools", async () =>
      dataReply({ scrapePools: context.scrapePools().map(({ name }) => name) }),
    ),
  ];
}

async function answerTargets(context: TargetContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const state = (parameters.get("state") ?? "").toLowerCase();
  const wanted = parameters.get("scrapePool") ?? "";
  const pools = context.scrapePools();
  const shown = pools.filter(({ name }) => wanted === "" || name === wanted);
  const showsActive = ["", "any", "active"].includes(state);
  const showsDropped = ["", "any", "dropped"].includes(state);
  return dataReply({
    activeTargets: showsActive
      ? shown.flatMap((pool) => pool.targets.map((target) => describe(target, pool.name, context)))
      : [],
    droppedTargets: [],
    droppedTargetCounts: showsDropped ? Object.fromEntries(pools.map(({ name }) => [name, 0])) : {},
  });
}

function describe(target: ScrapedTarget, scrapePool: string, { status }: TargetContext): object {
  const { lastScrapeMs } = target;
  return {
    discoveredLabels: target.discoveredLabels,
    labels: target.labels,
    scrapePool,
    scrapeUrl: target.url,
    globalUrl: reachableUrl(target.url, status.hostname),
    lastError: target.lastError,
    lastScrape: lastScrapeMs === undefined ? NEVER : new Date(lastScrapeMs).toISOString(),
    lastScrapeDuration: target.lastDurationMs / 1000,
    health: target.health,
    scrapeInterval: formatDuration(target.intervalMs),
    scrapeTimeout: formatDuration(target.timeoutMs),
  };
}

/** A URL that means the same from elsewhere: this machine by its name. */
function reachableUrl(url: string, hostname: string): string {
  return url.replace(
    /^(https?:\/\/)(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)/,
    (_, scheme: string) => scheme + hostname,
  );
}

async function answerMetadata(context: TargetContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readSignedLimit(parameters, "limit") ?? -1;
  const selector = parameters.get("match_target") ?? "";
  const matchers =
    selector === "" ? [] : inParameter("match_target", () => parseMetricSelector(selector));
  const metric = parameters.get("metric") ?? "";
  const found: object[] = [];
  const targets = context.scrapePools().flatMap((pool) => pool.targets);
  for (const target of targets.filter(({ labels }) => matchesAll(labels, matchers))) {
    // As in Prometheus, the limit is looked at between targets: the last one is told in full.
    if (limit >= 0 && found.length >= limit) break;
    for (const { family, type, help, unit } of target.metadata) {
      if (metric === "") found.push({ target: target.labels, metric: family, type, help, unit });
      else if (metric === family) found.push({ target: target.labels, type, help, unit });
    }
  }
  return dataReply(found);
}

function matchesAll(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every((matcher) => matcher.matches(labels.get(matcher.name)));
}
