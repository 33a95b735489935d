/** What queries over many series cost: whole-range evaluation over samples in memory. Figures exclude the making of the samples. */
import { createHash } from "node:crypto";
import { Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { createEngine, createMemorySource } from "../src/index.ts";

const isLarge = process.env["BENCH_SIZE"] === "large";
const SERIES = isLarge ? 1000 : 64;
const HOURS = isLarge ? 6 : 1;
const SCRAPE_MS = 15_000;
const ROUNDS = isLarge ? 5 : 3;
const BOUNDS = ["0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

const QUERIES: Readonly<Record<string, string>> = {
  rate: "sum by (mode) (rate(cpu_seconds_total[5m]))",
  quantile: "histogram_quantile(0.99, sum by (le, service) (rate(latency_bucket[5m])))",
  topk: "topk(10, cpu_seconds_total)",
  maxOverTime: "max_over_time(cpu_seconds_total[1h])",
  ratio: "cpu_seconds_total / on (cpu, mode) cpu_seconds_total",
};

function makeSeries(): readonly Series[] {
  const count = (HOURS * 3_600_000) / SCRAPE_MS + 240;
  const timestampsMs = Float64Array.from({ length: count }, (_, i) => i * SCRAPE_MS);
  const column = (seed: number) => {
    let value = seed;
    return Float64Array.from(
      { length: count },
      (_, i) => (value += ((i * 7 + seed * 13) % 11) / 10),
    );
  };
  const modes = ["idle", "user", "system", "iowait", "irq", "nice", "softirq", "steal"];
  const cpu = Array.from({ length: SERIES }, (_, i) => ({
    labels: Labels.fromObject({
      __name__: "cpu_seconds_total",
      job: "node",
      cpu: `${i >> 3}`,
      mode: modes[i % 8]!,
    }),
    timestampsMs,
    values: column(i),
  }));
  const buckets = Array.from({ length: SERIES }, (_, i) => ({
    labels: Labels.fromObject({
      __name__: "latency_bucket",
      service: `s${(i >> 3) % 10}`,
      instance: `${i >> 3}`,
      le: BOUNDS[i % 8]!,
    }),
    timestampsMs,
    values: column(i % 8).map((value) => value * ((i % 8) + 1)),
  }));
  return [...cpu, ...buckets];
}

const engine = createEngine({ clock: systemClock });
const source = createMemorySource(makeSeries());
const startMs = 3_600_000;
const endMs = startMs + HOURS * 3_600_000;
const figures: Record<string, number> = {};
const hash = createHash("sha256");
for (const [name, query] of Object.entries(QUERIES)) {
  let best = Infinity;
  let samples = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const beganMs = performance.now();
    const result = await engine.rangeQuery({ source, query, startMs, endMs, stepMs: 60_000 });
    best = Math.min(best, performance.now() - beganMs);
    samples = result.statistics.samples;
    if (round > 0) continue;
    for (const { labels, values } of result.series) hash.update(labels.key).update(values);
  }
  figures[`${name}Ms`] = Math.round(best * 100) / 100;
  figures[`${name}NsPerSample`] = Math.round((best * 1e6) / samples);
}
const params = { series: SERIES, hours: HOURS, scrapeMs: SCRAPE_MS, stepMs: 60_000 };
process.stdout.write(
  `${JSON.stringify({ bench: "promql/query", params, hash: hash.digest("hex").slice(0, 16), ...figures })}\n`,
);
