/**
 * Finch beside Debian's Prometheus and VictoriaMetrics: the same recorded remote-write traffic into each, one after the other, then the same
 * queries; processor time and memory as the operating system counts them. `node bench/metrics-peers.ts --help` says more.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  compareAnswers,
  DASHBOARD_QUERIES,
  FULL_EFFORT,
  QUICK_EFFORT,
  timeQuery,
} from "./dashboard-queries.ts";
import type { Answer } from "./dashboard-queries.ts";
import { findPeer } from "./debian-peers.ts";
import { setUpFinch, startFinch, startPrometheus, startVictoriaMetrics } from "./metric-servers.ts";
import type { MetricServer, ServerName } from "./metric-servers.ts";
import { formatRun, judge } from "./peer-report.ts";
import type { QueryResult, RunResult, ServerResult } from "./peer-report.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";
import type { Traffic, TrafficOptions } from "./traffic-recording.ts";
import { SCRAPE_INTERVAL_MS } from "./traffic-values.ts";

const HELP = `Usage: node bench/metrics-peers.ts [options]

Replays the same recorded remote-write traffic at Finch (this checkout, durable), Debian's prometheus and
Debian's victoria-metrics, flushes, asks eleven queries, and prints what each took beside Finch's targets.
The peers are taken from PATH or, with apt, unpacked into the cache folder; without apt they are left out.

Options:
  --series N[,N…]           series of the traffic, in thousands; one run for each (default 10000)
  --hours H                 hours of traffic at one scrape in 15 s (default 6)
  --only NAME[,NAME…]       of finch, prometheus, victoria-metrics (default all three)
  --prometheus PATH         this program instead of Debian's
  --victoria-metrics PATH   likewise
  --cache DIR               recordings and unpacked peers, kept between runs (default TMPDIR/finch-bench)
  --seed N                  of the traffic (default 1)
  --no-new-series           leave out the cost of new series (100,000 once more)
  --no-queries              leave out the queries
  --cpu-profile DIR         write CPU profiles of Finch there (its figures are then not for quoting)
  --quick                   no set-up, each query once: to see that it works
  --json                    one line of JSON for each run instead of the table
  -h, --help                this text

10,000 series × 6 h make a recording of about 0.7 GB and take some 5 minutes; 100,000 × 6 h ten times that, most
of it for Prometheus. Figures of one run compare; figures of different runs or machines do not. Leave the
machine alone meanwhile.
`;

/** Series sent once at the end, to see what a new one costs. */
const NEW_SERIES = 100_000;
/** How often they are sent again, to see what their samples alone cost. */
const KNOWN_ROUNDS = 3;
const HOUR_MS = 3_600_000;
/** Every server is told to keep a year; Prometheus' remote write takes any age into an empty head. */
const RECORDING_AGE_MAX_MS = 30 * 24 * HOUR_MS;
const TOLERANCE = 1e-9;

const { values: flags } = parseArgs({
  options: {
    series: { type: "string", default: "10000" },
    hours: { type: "string", default: "6" },
    only: { type: "string", default: "finch,prometheus,victoria-metrics" },
    prometheus: { type: "string" },
    "victoria-metrics": { type: "string" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    seed: { type: "string", default: "1" },
    "no-new-series": { type: "boolean", default: false },
    "no-queries": { type: "boolean", default: false },
    "cpu-profile": { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  mkdirSync(flags.cache, { recursive: true });
  const starts = findServers();
  for (const count of flags.series.split(",")) {
    const run = await runOnce(Number(count), starts);
    process.stdout.write(flags.json ? `${JSON.stringify(run)}\n` : formatRun(run));
  }
}

type Start = (directory: string) => Promise<MetricServer>;

/** Prometheus first: the others are compared with its answers. */
function findServers(): ReadonlyMap<ServerName, Start> {
  const wanted = new Set(flags.only.split(","));
  const starts = new Map<ServerName, Start>();
  const peers = { prometheus: startPrometheus, "victoria-metrics": startVictoriaMetrics };
  for (const name of ["prometheus", "victoria-metrics"] as const) {
    if (!wanted.delete(name)) continue;
    const program = findPeer(name, { path: flags[name], cache: flags.cache, say });
    if (program !== undefined) starts.set(name, (directory) => peers[name]({ directory, program }));
  }
  if (wanted.delete("finch")) {
    if (!flags.quick) setUpFinch();
    const profile = flags["cpu-profile"];
    const nodeFlags = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
    starts.set("finch", (directory) => startFinch({ directory, nodeFlags }));
  }
  if (wanted.size > 0) throw new RangeError(`--only: there is no server ${[...wanted].join(", ")}`);
  return starts;
}

async function runOnce(series: number, starts: ReadonlyMap<ServerName, Start>): Promise<RunResult> {
  const traffic = record(`traffic-${series}-${flags.hours}h-${flags.seed}`, {
    series,
    intervals: Math.max(1, Math.round((Number(flags.hours) * HOUR_MS) / SCRAPE_INTERVAL_MS)),
    seed: Number(flags.seed),
  });
  const servers: ServerResult[] = [];
  let reference: readonly Answer[] = [];
  for (const [name, start] of starts) {
    const directory = join(flags.cache, `data-${process.pid}`, name);
    try {
      say(`${name}: starting`);
      await using server = await start(directory);
      const { result, answers } = await measure(server, traffic, reference);
      if (name === "prometheus") reference = answers;
      servers.push(result);
    } finally {
      rmSync(join(flags.cache, `data-${process.pid}`), { recursive: true, force: true });
    }
  }
  servers.reverse();
  const { path: _, ...described } = traffic;
  return { bench: "metrics-peers", traffic: described, servers, targets: judge(traffic, servers) };
}

function record(
  name: string,
  options: Omit<TrafficOptions, "intervalMs">,
  endMs = Date.now() - HOUR_MS,
): Traffic {
  say(`traffic ${name}: recording, unless it is there`);
  return prepareTraffic(
    join(flags.cache, name),
    { ...options, intervalMs: SCRAPE_INTERVAL_MS },
    {
      endMs,
      notBeforeMs: Date.now() - RECORDING_AGE_MAX_MS,
    },
  );
}

async function measure(
  server: MetricServer,
  traffic: Traffic,
  reference: readonly Answer[],
): Promise<{ readonly result: ServerResult; readonly answers: readonly Answer[] }> {
  const { pid, name } = server;
  const cpuAtStart = cpuSeconds(pid);
  say(`${name}: ${(traffic.samples / 1e6).toFixed(1)} M samples`);
  const sent = await sendTraffic(readTraffic(traffic.path), { url: server.url });
  await untilIdle(pid, { quietMs: 3000, limitMs: 60_000 });
  const cpuSent = cpuSeconds(pid);
  const rss = residentBytes(pid);
  const { answers, queries } = await askAll(server, traffic, reference);
  const cpuAsked = cpuSeconds(pid);
  say(`${name}: flush`);
  const diskBytes = await server.flush();
  await untilIdle(pid, { quietMs: 2000, limitMs: 60_000 });
  const cpuFlushed = cpuSeconds(pid);
  const flushed = await askAll(server, traffic, reference);
  const rssPeakQueriesBytes = residentBytes(pid).peak;
  const diskBytesCompacted = await server.compact();
  const newSeriesMicroseconds = flags["no-new-series"]
    ? undefined
    : await costOfNewSeries(server, traffic);
  const result: ServerResult = {
    server: name,
    version: server.version,
    ingestCpuSeconds: cpuSent - cpuAtStart,
    ingestWallSeconds: sent.wallSeconds,
    retries: sent.retries,
    flushCpuSeconds: cpuFlushed - cpuAsked,
    rssPeakBytes: rss.peak,
    rssAfterBytes: rss.current,
    diskBytes,
    diskBytesCompacted,
    newSeriesMicroseconds,
    queries,
    queriesFlushed: flushed.queries,
    rssPeakQueriesBytes,
  };
  say(`${name}: done, peak with queries ${(rssPeakQueriesBytes / 2 ** 20).toFixed(0)} MiB`);
  return { result, answers };
}

async function askAll(
  server: MetricServer,
  traffic: Traffic,
  reference: readonly Answer[],
): Promise<{ readonly answers: readonly Answer[]; readonly queries: readonly QueryResult[] }> {
  const answers: Answer[] = [];
  const queries: QueryResult[] = [];
  if (flags["no-queries"]) return { answers, queries };
  say(`${server.name}: ${DASHBOARD_QUERIES.length} queries`);
  for (const [i, query] of DASHBOARD_QUERIES.entries()) {
    const { cpuMs, p50Ms, answer } = await timeQuery(server, query, {
      times: traffic,
      effort: flags.quick ? QUICK_EFFORT : FULL_EFFORT,
    });
    answers.push(answer);
    const theirs = reference[i];
    const difference =
      theirs === undefined
        ? undefined
        : compareAnswers(theirs, answer, { tolerance: TOLERANCE, hasTies: query.hasTies === true });
    queries.push({
      query,
      cpuMs,
      p50Ms,
      series: answer.series.size,
      points: answer.points,
      difference,
    });
  }
  return { answers, queries };
}

/** CPU of {@link NEW_SERIES} series never seen before, with one sample each, less that of as many samples of series that are known by then. */
async function costOfNewSeries(server: MetricServer, traffic: Traffic): Promise<number> {
  const fresh = record(
    `new-series-${NEW_SERIES}-${traffic.endMs}`,
    { series: NEW_SERIES, intervals: 1 + KNOWN_ROUNDS, seed: traffic.seed + 1 },
    traffic.endMs + 60_000,
  );
  const [first, ...again] = readTraffic(fresh.path);
  const cost = async (requests: Parameters<typeof sendTraffic>[0]) => {
    const before = cpuSeconds(server.pid);
    await sendTraffic(requests, { url: server.url });
    await untilIdle(server.pid, { quietMs: 2000, limitMs: 30_000 });
    return cpuSeconds(server.pid) - before;
  };
  say(`${server.name}: ${NEW_SERIES} new series`);
  const withNew = await cost([first!]);
  const known = (await cost(again)) / KNOWN_ROUNDS;
  return ((withNew - known) * 1e6) / NEW_SERIES;
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
