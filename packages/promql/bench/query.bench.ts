/**
 * What the queries of `docs/benchmarks.md` cost in the engine alone: whole-range evaluation over samples in memory, 10,000 series of a small
 * cluster over 6 h at 15 s. What a selector finds is prepared before the clock starts, in the shape the store answers in: batches, one column
 * of times for the series of a scrape, values cut from one column a batch, the same label sets as in the query before. So figures, medians of
 * the process's CPU time, have no matching and no decoding in them.
 */
import { createHash } from "node:crypto";
import { formatMatcher, Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { createEngine, createMemorySource } from "../src/index.ts";
import type { SelectRequest, SeriesSource } from "../src/index.ts";

const isLarge = process.env["BENCH_SIZE"] === "large";
const INSTANCES = isLarge ? 16 : 2;
const HOURS = isLarge ? 6 : 2;
const SCRAPE_MS = 15_000;
const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? (isLarge ? 60 : 2));
/** Of the rounds' times; a low one compares better where others load the machine. */
const QUANTILE = Number(process.env["BENCH_QUANTILE"] ?? 0.5);
/** Series in a batch of the source. */
const BATCH = 512;
const HOUR_MS = 3_600_000;
const SAMPLES = (HOURS * HOUR_MS) / SCRAPE_MS + 240;
const END_MS = (SAMPLES - 1) * SCRAPE_MS;

interface Query {
  readonly query: string;
  /** 0 for an instant query. */
  readonly hours: number;
  readonly stepMs: number;
}

const QUERIES: Readonly<Record<string, Query>> = {
  rateByMode: range("sum by (mode) (rate(node_cpu_seconds_total[5m]))", HOURS, 60_000),
  rateByNamespace: range(
    "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))",
    HOURS,
    60_000,
  ),
  rateByService: range("sum by (service) (rate(http_requests_total[5m]))", HOURS, 60_000),
  rateByServiceHour: range("sum by (service) (rate(http_requests_total[5m]))", 1, 15_000),
  quantile: range(
    "histogram_quantile(0.99, sum by (le, service) (rate(http_request_duration_seconds_bucket[5m])))",
    1,
    15_000,
  ),
  topPods: range("topk(10, sum by (pod) (container_memory_working_set_bytes))", 1, 15_000),
  countByName: range(
    'count by (__name__) ({__name__=~"container_.*", pod=~".+-[0-9a-f]+[0-4]"})',
    1,
    60_000,
  ),
  oneSeries: range('node_load1{instance="10.0.0.0:9100"}', 1, 15_000),
  maxOverTime: range("max_over_time(node_memory_MemAvailable_bytes[1h])", HOURS, 60_000),
  instantUp: range("sum by (job) (up)", 0, 0),
  instantTopNames: range('topk(10, count by (__name__) ({__name__!=""}))', 0, 0),
  ratio: range(
    "http_requests_total / on (instance, path, service) http_requests_total",
    HOURS,
    60_000,
  ),
  nativeQuantile: range(
    "histogram_quantile(0.9, sum by (service) (rate(rpc_duration_seconds[5m])))",
    1,
    60_000,
  ),
};

function range(query: string, hours: number, stepMs: number): Query {
  return { query, hours, stepMs };
}

/** All series of one target, on one column of times. */
function seriesOfInstance(number: number): readonly Series[] {
  const instance = `10.0.0.${number}:9100`;
  const timestampsMs = Float64Array.from({ length: SAMPLES }, (_, i) => i * SCRAPE_MS + number * 7);
  const series: Series[] = [];
  const add = (name: string, labels: Readonly<Record<string, string>>, step: number) => {
    let value = step * 1000;
    const values = Float64Array.from(
      { length: SAMPLES },
      (_, i) => (value += step * ((i * 7 + number) % 11)),
    );
    const all = { __name__: name, instance, job: name.split("_")[0]!, ...labels };
    series.push({ labels: Labels.fromObject(all), timestampsMs, values });
  };
  const each = (count: number, make: (i: number) => void) => {
    for (let i = 0; i < count; i++) make(i);
  };
  const modes = ["idle", "user", "system", "iowait", "irq", "nice", "softirq", "steal"];
  each(64, (i) => add("node_cpu_seconds_total", { cpu: `${i >> 3}`, mode: modes[i & 7]! }, 0.01));
  each(64, (i) =>
    add("http_requests_total", { service: `s${i & 7}`, path: `/${i >> 3}`, code: "200" }, 3),
  );
  const bounds = ["0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
  each(64, (i) =>
    add(
      "http_request_duration_seconds_bucket",
      { service: `s${i >> 3}`, le: bounds[i & 7]! },
      1 + (i & 7),
    ),
  );
  const metrics = [
    "cpu_usage_seconds_total",
    "memory_working_set_bytes",
    "network_bytes_total",
    "fs_usage_bytes",
  ];
  each(80, (i) => {
    const pod = `pod-${number.toString(16)}${(i >> 2).toString(16)}`;
    add(`container_${metrics[i & 3]!}`, { namespace: `n${i % 5}`, pod }, 0.5 + i);
  });
  each(352, (i) => add(`node_other_${i}`, {}, i));
  for (const name of ["node_load1", "node_memory_MemAvailable_bytes", "up"]) add(name, {}, 1);
  return series;
}

/** Native histograms of a few services. */
function nativeSeries(): readonly Series[] {
  return Array.from({ length: isLarge ? 64 : 4 }, (_, number) => {
    const spans = Int32Array.of(0, 20);
    const timestampsMs = Float64Array.from({ length: SAMPLES }, (__, i) => i * SCRAPE_MS);
    return {
      labels: Labels.fromObject({
        __name__: "rpc_duration_seconds",
        service: `s${number % 8}`,
        id: `${number}`,
      }),
      timestampsMs,
      values: new Float64Array(SAMPLES),
      histograms: Array.from({ length: SAMPLES }, (__, i) => ({
        schema: 2,
        resetHint: "unknown" as const,
        zeroThreshold: 0.001,
        zeroCount: i,
        count: i * 211,
        sum: i * 17,
        positive: { spans, counts: Float64Array.from({ length: 20 }, (___, b) => i * (b + 1)) },
        negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
        customBounds: new Float64Array(0),
      })),
    };
  });
}

/** A source that looks for each selection once and has it ready from then on. */
function preparedSource(source: SeriesSource): SeriesSource {
  const known = new Map<string, readonly (readonly Series[])[]>();
  return {
    async *select(request: SelectRequest) {
      const { matchers, startMs, endMs } = request;
      const key = `${startMs} ${endMs} ${matchers.map(formatMatcher).join(",")}`;
      let batches = known.get(key);
      if (batches === undefined) {
        const found: Series[] = [];
        for await (const batch of source.select(request)) found.push(...batch);
        batches = inBatches(found);
        known.set(key, batches);
      }
      yield* batches;
    },
  };
}

function inBatches(found: readonly Series[]): readonly (readonly Series[])[] {
  const columns = new Map<string, Float64Array>();
  const batches: Series[][] = [];
  for (let from = 0; from < found.length; from += BATCH) {
    const part = found.slice(from, from + BATCH);
    const values = new Float64Array(part.reduce((sum, one) => sum + one.values.length, 0));
    let at = 0;
    const batch = part.map((one) => {
      const { timestampsMs: times } = one;
      const column = `${times[0]} ${times.length}`;
      const timestampsMs = columns.get(column) ?? times;
      columns.set(column, timestampsMs);
      values.set(one.values, at);
      return { ...one, timestampsMs, values: values.subarray(at, (at += times.length)) };
    });
    batches.push(batch);
  }
  return batches;
}

const engine = createEngine({ clock: systemClock });
const source = preparedSource(
  createMemorySource([
    ...Array.from({ length: INSTANCES }, (_, number) => seriesOfInstance(number)).flat(),
    ...nativeSeries(),
  ]),
);
const only = process.env["BENCH_QUERY"];
const figures: Record<string, number> = {};
const hash = createHash("sha256");
for (const [name, { query, hours, stepMs }] of Object.entries(QUERIES)) {
  if (only !== undefined && only !== name) continue;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.cpuUsage();
    const result =
      hours === 0
        ? await engine.instantQuery({ source, query, timeMs: END_MS })
        : await engine.rangeQuery({
            source,
            query,
            startMs: END_MS - hours * HOUR_MS,
            endMs: END_MS,
            stepMs,
          });
    const { user, system } = process.cpuUsage(began);
    if (round > 0) {
      times.push((user + system) / 1000);
      continue;
    }
    if (result.type === "matrix")
      for (const { labels, values } of result.series) hash.update(labels.key).update(values);
    else if (result.type === "vector") hash.update(result.values);
  }
  times.sort((a, b) => a - b);
  figures[`${name}CpuMs`] = Math.round(times[Math.floor(times.length * QUANTILE)]! * 100) / 100;
}
const params = { series: INSTANCES * 627, hours: HOURS, scrapeMs: SCRAPE_MS, rounds: ROUNDS };
process.stdout.write(
  `${JSON.stringify({ bench: "promql/query", params, hash: hash.digest("hex").slice(0, 16), ...figures })}\n`,
);
