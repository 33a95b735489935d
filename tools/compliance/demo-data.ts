/**
 * Two hours of what a demo service on three instances exposes, scraped every 5 s: gauges, counters with resets, a histogram, a metric that comes
 * and goes with stale markers, special values. As remote-write requests; the same seed makes the same values.
 */
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import { createRandom } from "../../bench/traffic-random.ts";
import type { Random } from "../../bench/traffic-random.ts";

export const INTERVAL_MS = 5000;
const DURATION_MS = 2 * 3_600_000;
/** When each instance is scraped within the interval. The first stands on whole intervals, where windows of whole seconds begin and end. */
const PHASES_MS = [0, 1234, 3456];
const SCRAPES_PER_REQUEST = 20;
const BOUNDS = [
  "0.0001",
  "0.00015",
  "0.0005",
  "0.001",
  "0.005",
  "0.01",
  "0.05",
  "0.1",
  "0.5",
  "1",
  "+Inf",
];

interface DemoSeries {
  readonly labels: Labels;
  readonly phaseMs: number;
  readonly next: Next;
}

/** The value at a scrape, a stale marker, or undefined for nothing. */
type Next = (timeMs: number, scrape: number) => number | "stale" | undefined;

/** Requests oldest first; all samples lie in `[endMs - 2 h, endMs)`. `endMs` must be a multiple of the interval. */
export function* demoRequests(endMs: number, seed: number): Generator<Uint8Array> {
  const random = createRandom(seed);
  const series = PHASES_MS.flatMap((phaseMs, i) =>
    instanceSeries(`demo.example.com:${10_000 + i}`, phaseMs, random),
  );
  const scrapes = DURATION_MS / INTERVAL_MS;
  for (let first = 0; first < scrapes; first += SCRAPES_PER_REQUEST) {
    const labels: Labels[] = [];
    const timestampsMs: number[] = [];
    const values: (number | "stale")[] = [];
    for (const one of series) {
      for (let scrape = first; scrape < Math.min(scrapes, first + SCRAPES_PER_REQUEST); scrape++) {
        const timeMs = endMs - DURATION_MS + scrape * INTERVAL_MS + one.phaseMs;
        const value = one.next(timeMs, scrape);
        if (value === undefined) continue;
        labels.push(one.labels);
        timestampsMs.push(timeMs);
        values.push(value);
      }
    }
    const column = Float64Array.from(values, (value) => (value === "stale" ? 0 : value));
    const words = wordsOf(column);
    for (const [row, value] of values.entries()) if (value === "stale") setStaleAt(words, row);
    yield encodeRemoteWrite({
      labels,
      timestampsMs: Float64Array.from(timestampsMs),
      values: column,
    });
  }
}

function instanceSeries(instance: string, phaseMs: number, random: Random): readonly DemoSeries[] {
  const series: DemoSeries[] = [];
  const add = (name: string, extra: Readonly<Record<string, string>>, next: Next) => {
    const labels = Labels.fromObject({ __name__: name, instance, job: "demo", ...extra });
    series.push({ labels, phaseMs, next });
  };
  add("up", {}, () => 1);
  add("demo_num_cpus", {}, () => 4);
  for (const type of ["free", "used", "buffers", "cached"])
    add("demo_memory_usage_bytes", { type }, gauge(random, 3e9 * random.uniform() + 1e9, 5e7));
  for (const mode of ["idle", "system", "user"])
    add(
      "demo_cpu_usage_seconds_total",
      { mode },
      counter(random, { perScrape: 20 * random.uniform(), resetShare: 0.002 }),
    );
  add("demo_disk_usage_bytes", {}, gauge(random, 1.2e11, 1e8));
  add("demo_disk_total_bytes", {}, () => 2.62144e11);
  add("demo_items_shipped_total", {}, counter(random, { perScrape: 12.5, resetShare: 0.01 }));
  addBatch(add, random);
  addRequests(add, random);
  add("demo_intermittent_metric", {}, intermittent(random));
  for (const [kind, value] of Object.entries({
    nan: Number.NaN,
    inf: Infinity,
    negative: -Infinity,
    zero: 0,
    tiny: 5e-324,
    large: 1.7e308,
    minus: -2.5,
  }))
    add("demo_special", { kind }, () => value);
  add(
    "demo_special",
    { kind: "mixed" },
    (_, scrape) => [1, Number.NaN, -Infinity, 3, Infinity, 0, -1][scrape % 7],
  );
  return series;
}

type Add = (name: string, extra: Readonly<Record<string, string>>, next: Next) => void;

function gauge(random: Random, start: number, spread: number): Next {
  let value = start;
  return () => (value = Math.max(0, Math.round(value + spread * random.gauss())));
}

function counter(
  random: Random,
  { perScrape, resetShare }: { readonly perScrape: number; readonly resetShare: number },
): Next {
  let value = 1000 * random.uniform();
  return () =>
    (value =
      random.uniform() < resetShare
        ? perScrape * random.uniform()
        : value + perScrape * random.uniform());
}

function addBatch(add: Add, random: Random): void {
  let lastRun = 0;
  const everyMs = 60_000 + random.below(60_000);
  add(
    "demo_batch_last_run_timestamp_seconds",
    {},
    (timeMs) => (lastRun = Math.floor(timeMs / everyMs) * (everyMs / 1000)),
  );
  add(
    "demo_batch_last_success_timestamp_seconds",
    {},
    () => lastRun - (random.uniform() < 0.1 ? everyMs / 1000 : 0),
  );
  add("demo_batch_last_run_duration_seconds", {}, () => 2 + random.uniform());
}

function addRequests(add: Add, random: Random): void {
  for (const [method, path] of [
    ["GET", "/api/foo"],
    ["POST", "/api/bar"],
    ["GET", "/api/nonexistent"],
  ] as const) {
    for (const status of ["200", "500"]) {
      const counts = new Float64Array(BOUNDS.length);
      const labels = { method, path, status };
      let sum = 0;
      for (const [k, le] of BOUNDS.entries()) {
        add("demo_api_request_duration_seconds_bucket", { ...labels, le }, bucket(k));
      }
      add("demo_api_request_duration_seconds_count", labels, bucket(BOUNDS.length - 1));
      add("demo_api_request_duration_seconds_sum", labels, () => (sum += random.uniform()));
      // All buckets of a scrape come from the same draw, made with the first, kept for the request of several scrapes.
      const drawn = new Map<number, Float64Array>();
      function bucket(k: number): Next {
        return (_, scrape) => {
          let now = drawn.get(scrape);
          if (now === undefined) {
            let below = 0;
            for (let i = 0; i < counts.length; i++)
              counts[i]! += below += random.poisson(status === "200" ? 3 : 0.2);
            drawn.set(scrape, (now = counts.slice()));
          }
          return now[k];
        };
      }
    }
  }
}

/** There for a while, then a stale marker, then nothing for a while. */
function intermittent(random: Random): Next {
  let left = 10;
  let isThere = true;
  return () => {
    if (--left > 0) return isThere ? 1 + random.uniform() : undefined;
    left = 5 + random.below(100);
    isThere = !isThere;
    return isThere ? 1 : "stale";
  };
}
