/** The eleven queries every server is timed with, and how their answers are compared. */
import { Agent, get } from "node:http";
import { cpuSeconds } from "./process-usage.ts";
import type { MetricServer } from "./metric-servers.ts";

export interface DashboardQuery {
  readonly promql: string;
  /** Length of the range in hours; 0 is an instant query. */
  readonly hours: number;
  readonly stepSeconds: number;
  /** A rate over at least 500 series, which has a target of its own. */
  readonly isLargeRate?: boolean;
  /** Several series have the same value, and which of them comes last is nobody's promise. */
  readonly hasTies?: boolean;
}

export const DASHBOARD_QUERIES: readonly DashboardQuery[] = [
  {
    promql: "sum by (mode) (rate(node_cpu_seconds_total[5m]))",
    hours: 6,
    stepSeconds: 60,
    isLargeRate: true,
  },
  {
    promql: "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))",
    hours: 6,
    stepSeconds: 60,
  },
  {
    promql: "sum by (service) (rate(http_requests_total[5m]))",
    hours: 6,
    stepSeconds: 60,
    isLargeRate: true,
  },
  {
    promql: "sum by (service) (rate(http_requests_total[5m]))",
    hours: 1,
    stepSeconds: 15,
    isLargeRate: true,
  },
  {
    promql:
      "histogram_quantile(0.99, sum by (le, service) (rate(http_request_duration_seconds_bucket[5m])))",
    hours: 1,
    stepSeconds: 15,
    isLargeRate: true,
  },
  {
    promql: "topk(10, sum by (pod) (container_memory_working_set_bytes))",
    hours: 1,
    stepSeconds: 15,
  },
  {
    promql: 'count by (__name__) ({__name__=~"container_.*", pod=~".+-[0-9a-f]+[0-4]"})',
    hours: 1,
    stepSeconds: 60,
  },
  { promql: 'node_load1{instance="10.0.0.0:9100"}', hours: 1, stepSeconds: 15 },
  { promql: "max_over_time(node_memory_MemAvailable_bytes[1h])", hours: 6, stepSeconds: 60 },
  { promql: "sum by (job) (up)", hours: 0, stepSeconds: 0 },
  {
    promql: 'topk(10, count by (__name__) ({__name__!=""}))',
    hours: 0,
    stepSeconds: 0,
    hasTies: true,
  },
];

/** The first windows of the longest range must be full: servers extrapolate a series that begins within one differently. */
const FIRST_WINDOW_MS = 6 * 60_000;
/** How long a query is asked: until its processor time can be read from counts of 10 ms. */
export const FULL_EFFORT = { warmUpRuns: 3, cpuSecondsEnough: 0.6, runsMin: 8, runsMax: 300 };
/** Enough to see that it works; no figure to quote. */
export const QUICK_EFFORT: Effort = { warmUpRuns: 1, cpuSecondsEnough: 0, runsMin: 1, runsMax: 1 };
export type Effort = typeof FULL_EFFORT;
const WALL_MS_MAX = 20_000;

export interface Answer {
  /** Label key → time → value. */
  readonly series: ReadonlyMap<string, ReadonlyMap<number, string>>;
  readonly points: number;
}

export interface QueryFigures {
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly runs: number;
  readonly answer: Answer;
}

export interface QueryTimes {
  readonly startMs: number;
  readonly endMs: number;
}

/** Asks one query until enough processor time has passed to be read. */
export async function timeQuery(
  server: MetricServer,
  query: DashboardQuery,
  { times, effort }: { readonly times: QueryTimes; readonly effort: Effort },
): Promise<QueryFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const path = `${server.url}${pathOf(query, times)}${server.queryExtra}`;
  try {
    const answer = parseAnswer(await fetchText(agent, path));
    for (let i = 1; i < effort.warmUpRuns; i++) await fetchText(agent, path);
    const latencies: number[] = [];
    const cpuBefore = cpuSeconds(server.pid);
    const started = performance.now();
    let cpu = 0;
    while (
      latencies.length < effort.runsMin ||
      (cpu < effort.cpuSecondsEnough && latencies.length < effort.runsMax)
    ) {
      const from = performance.now();
      await fetchText(agent, path);
      latencies.push(performance.now() - from);
      cpu = cpuSeconds(server.pid) - cpuBefore;
      if (performance.now() - started > WALL_MS_MAX) break;
    }
    const sorted = latencies.toSorted((a, b) => a - b);
    return {
      cpuMs: (cpu * 1000) / latencies.length,
      p50Ms: sorted[sorted.length >> 1]!,
      runs: latencies.length,
      answer,
    };
  } finally {
    agent.destroy();
  }
}

function pathOf(
  { promql, hours, stepSeconds }: DashboardQuery,
  { startMs, endMs }: QueryTimes,
): string {
  // On a whole step, since a server may align the range by itself; away from the newest samples, which some hide for a while.
  const end = Math.floor(endMs / 60_000) * 60 - 60;
  if (hours === 0)
    return `/api/v1/query?${new URLSearchParams({ query: promql, time: String(end) }).toString()}`;
  const earliest = Math.ceil((startMs + FIRST_WINDOW_MS) / 60_000) * 60;
  const start = Math.min(Math.max(end - hours * 3600, earliest), end);
  return `/api/v1/query_range?${new URLSearchParams({ query: promql, start: String(start), end: String(end), step: String(stepSeconds) }).toString()}`;
}

function fetchText(agent: Agent, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.on("error", reject);
      reply.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (reply.statusCode === 200) resolve(text);
        else reject(new Error(`${url} answered ${reply.statusCode}: ${text.slice(0, 300)}`));
      });
    }).on("error", reject);
  });
}

function parseAnswer(text: string): Answer {
  type Point = readonly [number, string];
  const { data } = JSON.parse(text) as {
    data: {
      result: readonly {
        metric: Record<string, string>;
        values?: readonly Point[];
        value?: Point;
      }[];
    };
  };
  let points = 0;
  const series = new Map<string, Map<number, string>>();
  for (const { metric, values, value } of data.result) {
    const list = values ?? [value!];
    points += list.length;
    const key = JSON.stringify(Object.entries(metric).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    series.set(key, new Map(list));
  }
  return { series, points };
}

export interface AnswerDifference {
  readonly points: number;
  /** Points that only one of the two has. */
  readonly unpaired: number;
  readonly different: number;
  readonly relativeMax: number;
}

/** Values within `tolerance` of each other, relatively, are equal. */
export function compareAnswers(
  theirs: Answer,
  ours: Answer,
  options: { readonly tolerance: number; readonly hasTies: boolean },
): AnswerDifference {
  const [left, right] = options.hasTies
    ? [valuesAlone(theirs), valuesAlone(ours)]
    : [theirs.series, ours.series];
  let [paired, different, relativeMax] = [0, 0, 0];
  for (const [key, points] of left) {
    for (const [time, value] of points) {
      const other = right.get(key)?.get(time);
      if (other === undefined) continue;
      paired++;
      const [x, y] = [Number(value), Number(other)];
      if (value === other || Object.is(x, y)) continue;
      const relative = Math.abs(x - y) / Math.max(Math.abs(x), Math.abs(y));
      if (relative <= options.tolerance) continue;
      different++;
      relativeMax = Math.max(relativeMax, Number.isNaN(relative) ? Infinity : relative);
    }
  }
  return {
    points: theirs.points,
    unpaired: theirs.points + ours.points - 2 * paired,
    different,
    relativeMax,
  };
}

/** The values of each time in ascending order, whoever has them. */
function valuesAlone(answer: Answer): ReadonlyMap<string, ReadonlyMap<number, string>> {
  const byTime = new Map<number, string[]>();
  for (const points of answer.series.values()) {
    for (const [time, value] of points) byTime.set(time, [...(byTime.get(time) ?? []), value]);
  }
  const ranks = new Map<string, Map<number, string>>();
  for (const [time, values] of byTime) {
    for (const [rank, value] of values.toSorted((a, b) => Number(a) - Number(b)).entries()) {
      const key = String(rank);
      ranks.set(key, (ranks.get(key) ?? new Map<number, string>()).set(time, value));
    }
  }
  return ranks;
}
