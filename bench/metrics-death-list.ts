/**
 * Queries that bring servers down, one after another, while traffic comes in and a dashboard of 40 panels refreshes: what is each answered, and do
 * the others notice? `node bench/metrics-death-list.ts --help` says more.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { askTogether, postForm, quantileOf } from "./dashboard-page.ts";
import { deadlyQueries } from "./deadly-queries.ts";
import type { DeadlyQuery } from "./deadly-queries.ts";
import { startFinch } from "./metric-servers.ts";
import type { MetricServer } from "./metric-servers.ts";
import { residentBytes } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";
import type { RecordedRequest } from "./traffic-recording.ts";
import { SCRAPE_INTERVAL_MS } from "./traffic-values.ts";

const HELP = `Usage: node bench/metrics-death-list.ts [options]

Loads Finch with a quarter of an hour of traffic, then keeps sending at the pace of a scrape in 15 s and refreshes a
dashboard of 40 panels. After a calm time come the deadly queries, one at a time. Prints what each was answered and
after how long, and the p99 of writes and panels, calm and meanwhile; target 200 ms.

Options:
  --series N        of the traffic (default 100000)
  --calm SECONDS    before the first query (default 20)
  --limit SECONDS   a query that has no answer by then is hung up on (default 130)
  --only TEXT       deadly queries whose name contains this
  --refresh SECONDS of the dashboard (default 5)
  --cache DIR       recordings, kept between runs (default TMPDIR/finch-bench)
  --flags FLAGS     further flags of \`finch up\`, separated by blanks
  --json            one line of JSON
  -h, --help        this text
`;

const LOADED_INTERVALS = 60;
/** Long enough for the whole list; sending stops with it. */
const LIVE_INTERVALS = 120;
const P99_MS_MAX = 200;
const DAY_MS = 86_400_000;

const { values: flags } = parseArgs({
  options: {
    series: { type: "string", default: "100000" },
    calm: { type: "string", default: "20" },
    limit: { type: "string", default: "130" },
    only: { type: "string", default: "" },
    refresh: { type: "string", default: "5" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    flags: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** Ten panels for each of four instances. */
const PANELS = ["0.0", "37.11", "74.22", "111.33"].flatMap((place) => {
  const instance = `instance="10.0.${place}:9100"`;
  return [
    `sum by (mode) (rate(node_cpu_seconds_total{${instance}}[5m]))`,
    `node_load1{${instance}}`,
    `node_memory_MemAvailable_bytes{${instance}}`,
    `rate(node_network_receive_bytes_total{${instance}}[5m])`,
    `rate(node_network_transmit_bytes_total{${instance}}[5m])`,
    `rate(node_disk_read_bytes_total{${instance}}[5m])`,
    `rate(node_disk_written_bytes_total{${instance}}[5m])`,
    `node_filesystem_avail_bytes{${instance}}`,
    `max(node_hwmon_temp_celsius{${instance}})`,
    `rate(node_context_switches_total{${instance}}[5m])`,
  ];
});

interface Outcome {
  readonly name: string;
  /** 0: hung up on, or the connection broke. */
  readonly status: number;
  readonly seconds: number;
  /** The beginning of the error, or the size of the answer. */
  readonly answer: string;
}

interface Latencies {
  readonly writeMs: number[];
  readonly panelMs: number[];
}

if (flags.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  mkdirSync(flags.cache, { recursive: true });
  const directory = join(flags.cache, `data-${process.pid}`);
  try {
    const extra = flags.flags.split(" ").filter((flag) => flag !== "");
    await using server = await startFinch({ directory: join(directory, "finch"), flags: extra });
    await run(server);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function run(server: MetricServer): Promise<void> {
  const endMs = Date.now() + 10 * 60_000;
  const options = {
    series: Number(flags.series),
    intervals: LOADED_INTERVALS + LIVE_INTERVALS,
    intervalMs: SCRAPE_INTERVAL_MS,
    seed: 1,
  };
  say("recording, unless it is there");
  const traffic = prepareTraffic(join(flags.cache, `deadly-${flags.series}`), options, {
    endMs,
    notBeforeMs: endMs - DAY_MS,
  });
  const intervals = readTraffic(traffic.path);
  say(`loading ${(Number(flags.series) * LOADED_INTERVALS) / 1e6} M samples`);
  await sendTraffic(beginning(intervals, LOADED_INTERVALS), { url: server.url });
  const loadedMs = traffic.startMs + LOADED_INTERVALS * SCRAPE_INTERVAL_MS;
  const [calm, meanwhile]: Latencies[] = [
    { writeMs: [], panelMs: [] },
    { writeMs: [], panelMs: [] },
  ];
  let latencies = calm!;
  const stopping = new AbortController();
  const background = Promise.all([
    keepSending(intervals, server, {
      record: (ms) => latencies.writeMs.push(ms),
      signal: stopping.signal,
    }),
    keepRefreshing(server, loadedMs, {
      record: (list) => latencies.panelMs.push(...list),
      signal: stopping.signal,
    }),
  ]);
  await Promise.race([background, sleep(Number(flags.calm) * 1000)]);
  latencies = meanwhile!;
  const outcomes: Outcome[] = [];
  for (const deadly of deadlyQueries(Math.floor(loadedMs / 1000))) {
    if (!deadly.name.includes(flags.only)) continue;
    outcomes.push(
      await Promise.race([
        tryOut(server, deadly),
        background.then(() => Promise.reject(new Error("sending ended"))),
      ]),
    );
    const { name, status, seconds, answer } = outcomes.at(-1)!;
    say(`${name}: ${status} after ${seconds.toFixed(2)} s, ${answer}`);
  }
  stopping.abort();
  await background;
  report(server, outcomes, { calm: calm!, meanwhile: meanwhile! });
}

/** The first of them; unlike `take`, it leaves the rest to be read. */
function* beginning<T>(all: Iterator<T>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) {
    const { value, done } = all.next();
    if (done === true) return;
    yield value;
  }
}

/** At the pace of the scrapes: the requests of an interval one after another over 15 s, late ones at once. */
async function keepSending(
  intervals: Iterable<readonly RecordedRequest[]>,
  server: MetricServer,
  { record, signal }: { readonly record: (ms: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  const startMs = performance.now();
  let interval = 0;
  for (const requests of intervals) {
    for (const [i, request] of requests.entries()) {
      const dueMs = startMs + (interval + i / requests.length) * SCRAPE_INTERVAL_MS;
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const sentMs = performance.now();
      await sendTraffic([[request]], { url: server.url });
      record(performance.now() - sentMs);
    }
    interval++;
  }
}

async function keepRefreshing(
  server: MetricServer,
  endMs: number,
  {
    record,
    signal,
  }: { readonly record: (panelMs: readonly number[]) => void; readonly signal: AbortSignal },
): Promise<void> {
  const end = Math.floor(endMs / 15_000) * 15;
  while (!signal.aborted) {
    const startedMs = performance.now();
    const { panelMs } = await askTogether(server.url, {
      queries: PANELS,
      start: end - 900,
      end,
      stepSeconds: 15,
    });
    record(panelMs);
    const restMs = Number(flags.refresh) * 1000 - (performance.now() - startedMs);
    await sleep(Math.max(0, restMs), undefined, { signal }).catch(() => {});
  }
}

async function tryOut(
  server: MetricServer,
  { name, path, parameters }: DeadlyQuery,
): Promise<Outcome> {
  const startedMs = performance.now();
  const outcome = (status: number, answer: string): Outcome => ({
    name,
    status,
    seconds: (performance.now() - startedMs) / 1000,
    answer,
  });
  try {
    const { status, text } = await postForm(`${server.url}/api/v1/${path}`, parameters, {
      limitMs: Number(flags.limit) * 1000,
    });
    const error = /"error":"((?:[^"\\]|\\.){0,160})/.exec(text)?.[1];
    return outcome(status, error ?? `${text.length} bytes`);
  } catch (error) {
    return outcome(0, (error as Error).message);
  }
}

function report(
  server: MetricServer,
  outcomes: readonly Outcome[],
  times: { readonly calm: Latencies; readonly meanwhile: Latencies },
): void {
  const p99 = ({ writeMs, panelMs }: Latencies) => ({
    writes: writeMs.length,
    writeP99Ms: quantileOf(writeMs, 0.99),
    panels: panelMs.length,
    panelP50Ms: quantileOf(panelMs, 0.5),
    panelP99Ms: quantileOf(panelMs, 0.99),
  });
  const figures = { calm: p99(times.calm), meanwhile: p99(times.meanwhile) };
  const peakMB = residentBytes(server.pid).peak / 1e6;
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ bench: "metrics-death-list", series: Number(flags.series), ...figures, peakMB, outcomes })}\n`,
    );
    return;
  }
  const lines = outcomes.map(
    ({ name, status, seconds, answer }) =>
      `${String(status).padStart(3)} ${seconds.toFixed(2).padStart(7)} s  ${name}: ${answer}`,
  );
  for (const [when, { writes, writeP99Ms, panels, panelP50Ms, panelP99Ms }] of Object.entries(
    figures,
  )) {
    const isMet = Math.max(writeP99Ms, panelP99Ms) <= P99_MS_MAX;
    lines.push(
      `${when}: ${writes} writes p99 ${writeP99Ms.toFixed(0)} ms; ${panels} panels p50 ${panelP50Ms.toFixed(0)} ms p99 ${panelP99Ms.toFixed(0)} ms; at most ${P99_MS_MAX} ms ${isMet ? "met" : "NOT MET"}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\npeak RSS ${peakMB.toFixed(0)} MB\n`);
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
