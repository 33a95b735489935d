/**
 * A real Prometheus scrapes itself (and a node_exporter, when there is one) and remote-writes to Finch; then both are asked the same questions over
 * the same time and must answer the same. Skipped where Debian's `prometheus` is not installed. `PROMETHEUS_SECONDS` sets how long it runs.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { PROMETHEUS, spawnUntilReady, startPrometheus } from "./real-programs.ts";

const NODE_EXPORTER = "/usr/bin/prometheus-node-exporter";
const SECONDS = Number(process.env["PROMETHEUS_SECONDS"] ?? 35);
/**
 * The longest window of the queries. Comparison begins when it is full: Debian 12's Prometheus 2.42 extrapolates a series that begins within the
 * window by an older rule than Prometheus 3, which Finch follows.
 */
const WINDOW_SECONDS = 16;
/** Relative difference that counts as equal: both compute in doubles, in a different order of operations. */
const TOLERANCE = 1e-9;

const QUERIES = [
  "up",
  "prometheus_build_info",
  "rate(prometheus_http_requests_total[10s])",
  "increase(prometheus_tsdb_head_samples_appended_total[15s])",
  "irate(process_cpu_seconds_total[10s])",
  "sum by (handler) (prometheus_http_requests_total)",
  "sum without (code, handler) (rate(prometheus_http_requests_total[10s]))",
  // One: which of several equal ones come next is nobody's promise.
  "topk(1, prometheus_http_requests_total)",
  "histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[10s])))",
  "histogram_quantile(0.99, prometheus_http_response_size_bytes_bucket)",
  "go_memstats_alloc_bytes / on (instance, job) go_memstats_sys_bytes",
  "avg_over_time(go_goroutines[10s])",
  "max_over_time(go_memstats_heap_inuse_bytes[10s]) - min_over_time(go_memstats_heap_inuse_bytes[10s])",
  "quantile_over_time(0.5, go_goroutines[10s])",
  "stddev_over_time(go_memstats_alloc_bytes[10s])",
  "deriv(process_resident_memory_bytes[15s])",
  "predict_linear(process_resident_memory_bytes[15s], 60)",
  "changes(go_goroutines[15s])",
  "resets(prometheus_http_requests_total[15s])",
  "delta(go_goroutines[10s])",
  'count by (__name__) ({job="prometheus"})',
  'count_values("value", prometheus_http_requests_total)',
  'label_replace(up, "host", "$1", "instance", "(.*):.*")',
  'go_gc_duration_seconds{quantile=~"0.*"} > 0',
  "absent(nothing_of_the_kind)",
  "time() - process_start_time_seconds",
  "go_goroutines offset 5s",
  "sum(go_goroutines) or vector(0)",
  "clamp_max(go_goroutines, 10)",
  "sort_desc(prometheus_http_requests_total)",
  "prometheus_http_requests_total and on (handler) prometheus_http_request_duration_seconds_count",
  "rate(node_cpu_seconds_total[10s])",
  "sum by (mode) (rate(node_cpu_seconds_total[10s]))",
  "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
  'node_filesystem_avail_bytes{fstype!="tmpfs"}',
  "rate(node_network_receive_bytes_total[10s]) * 8",
];

/** Prometheus 3 leaves the left edge of a subquery open, as of every range; 2.x does not. */
const QUERIES_SINCE_3 = ["max_over_time(rate(prometheus_http_requests_total[5s])[15s:1s])"];

async function queriesFor(base: string): Promise<readonly string[]> {
  const reply = await fetch(`${base}/api/v1/status/buildinfo`);
  const { data } = (await reply.json()) as { data: { version: string } };
  return Number.parseInt(data.version, 10) >= 3 ? [...QUERIES, ...QUERIES_SINCE_3] : QUERIES;
}

interface RangeAnswer {
  readonly status: string;
  readonly data: {
    readonly result: readonly {
      readonly metric: Record<string, string>;
      readonly values: readonly [number, string][];
    }[];
  };
}

async function ask(base: string, query: string, start: number, end: number): Promise<RangeAnswer> {
  const parameters = new URLSearchParams({
    query,
    start: String(start),
    end: String(end),
    step: "1",
  });
  const reply = await fetch(`${base}/api/v1/query_range?${parameters.toString()}`);
  const answer = (await reply.json()) as RangeAnswer;
  assert.equal(answer.status, "success", `${base} ${query}: ${JSON.stringify(answer)}`);
  return answer;
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Number(a), Number(b)];
  return a === b || Math.abs(x - y) <= TOLERANCE * Math.max(Math.abs(x), Math.abs(y));
}

/** The first difference in words, or undefined. */
function difference(theirs: RangeAnswer, ours: RangeAnswer): string | undefined {
  const byLabels = new Map(
    ours.data.result.map((series) => [labelKey(series.metric), series.values]),
  );
  if (byLabels.size !== theirs.data.result.length)
    return `${theirs.data.result.length} series, Finch has ${byLabels.size}`;
  for (const series of theirs.data.result) {
    const values = byLabels.get(labelKey(series.metric));
    if (values === undefined) return `${JSON.stringify(series.metric)} is missing`;
    if (values.length !== series.values.length)
      return `${JSON.stringify(series.metric)}: ${series.values.length} points, Finch has ${values.length}`;
    for (const [i, [time, value]] of series.values.entries()) {
      const [ourTime, ourValue] = values[i]!;
      if (time !== ourTime || !isEqual(value, ourValue))
        return `${JSON.stringify(series.metric)} at ${time}: ${value}, Finch ${ourValue} at ${ourTime}`;
    }
  }
  return undefined;
}

function labelKey(metric: Record<string, string>): string {
  return JSON.stringify(Object.entries(metric).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** When Prometheus has its first sample of every target. */
async function firstSampleSeconds(base: string): Promise<number> {
  const reply = await fetch(
    `${base}/api/v1/query?${new URLSearchParams({ query: "up[1h]" }).toString()}`,
  );
  const answer = (await reply.json()) as RangeAnswer;
  return Math.max(...answer.data.result.map((series) => series.values[0]![0]));
}

/** Waits until Finch has samples of every target up to a time: the sender may lag behind on a busy machine. */
async function untilStored(url: string, seconds: number): Promise<void> {
  const parameters = new URLSearchParams({ query: `min(timestamp(up)) > ${seconds}` });
  for (;;) {
    const reply = await fetch(`${url}/api/v1/query?${parameters.toString()}`);
    const { data } = (await reply.json()) as { data: { result: readonly unknown[] } };
    if (data.result.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const skip = existsSync(PROMETHEUS) ? false : `${PROMETHEUS} is not installed`;
const skipSecond = skip !== false || majorVersion() >= 3 ? skip : "it has no remote write 2.0";

function majorVersion(): number {
  const text = execFileSync(PROMETHEUS, ["--version"], { encoding: "utf8" });
  return Number(/version (\d+)/.exec(text)![1]);
}

for (const [version, message] of [
  ["1.0", "prometheus.WriteRequest"],
  ["2.0", "io.prometheus.write.v2.Request"],
] as const) {
  test(
    `a real Prometheus remote-writes (${version}) for ${SECONDS} s and both answer the same`,
    { skip: version === "1.0" ? skip : skipSecond, timeout: (SECONDS + 120) * 1000 },
    (t) => compareForAWhile(t, version === "1.0" ? "" : `protobuf_message: "${message}", `),
  );
}

/** `protocol` is put before the other settings of the remote write. */
async function compareForAWhile(t: TestContext, protocol: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-prometheus-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeIdleAgent(join(directory, "finch"));
  await using finch = await startFinch(join(directory, "finch"), await freePorts(), [
    "--log-level=warn",
  ]);
  const [port, nodePort] = [await freePort(), await freePort()];
  const targets = [`{job_name: prometheus, static_configs: [{targets: ["127.0.0.1:${port}"]}]}`];
  await using stack = new AsyncDisposableStack();
  if (existsSync(NODE_EXPORTER)) {
    stack.use(
      await spawnUntilReady(
        NODE_EXPORTER,
        [`--web.listen-address=127.0.0.1:${nodePort}`],
        `http://127.0.0.1:${nodePort}/metrics`,
      ),
    );
    targets.push(`{job_name: node, static_configs: [{targets: ["127.0.0.1:${nodePort}"]}]}`);
  }
  const config = `global: {scrape_interval: 1s}\nscrape_configs: [${targets.join(", ")}]\nremote_write: [{${protocol}url: "${finch.prometheusUrl}/api/v1/write", queue_config: {batch_send_deadline: 1s}}]\n`;
  const base = `http://127.0.0.1:${port}`;
  stack.use(await startPrometheus(directory, { config, port }));
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  // What both must have by now: nothing newer than what the sender's deadline lets wait.
  const end = Math.floor(Date.now() / 1000) - 5;
  await untilStored(finch.prometheusUrl, end);
  const start = Math.ceil(await firstSampleSeconds(base)) + WINDOW_SECONDS;
  const differences: string[] = [];
  let points = 0;
  const queries = await queriesFor(base);
  for (const query of queries) {
    const theirs = await ask(base, query, start, end);
    const found = difference(theirs, await ask(finch.prometheusUrl, query, start, end));
    if (found !== undefined) differences.push(`${query}: ${found}`);
    for (const series of theirs.data.result) points += series.values.length;
  }
  t.diagnostic(`${queries.length} queries, ${points} points compared`);
  assert.ok(points > 500, `only ${points} points`);
  assert.deepEqual(differences, []);
}
