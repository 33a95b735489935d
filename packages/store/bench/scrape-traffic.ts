/**
 * Scrapes shaped like those of node_exporter, cAdvisor and applications: targets with a time of their own that jitters, and series of the kinds
 * that such targets have. Deterministic.
 */
import { Labels } from "@finch/model";
import type { SampleBatch } from "@finch/model";

const INTERVAL_MS = 15_000;
const SERIES_PER_TARGET = 100;

/** Moves a value by one scrape; `random` gives 0 to 1. */
type Step = (value: number, random: () => number) => number;

/** Kinds of series and how many of a hundred are of each. */
const KINDS: readonly (readonly [share: number, name: string, step: Step])[] = [
  [33, "constant_bytes", (value) => value],
  [12, "events_total", (value, random) => value + Math.floor(random() * 6)],
  [13, "bytes_total", (value, random) => value + Math.floor(random() * 2e4)],
  [7, "cpu_seconds_total", (value, random) => Math.round((value + random() * 0.3) * 100) / 100],
  [2, "usage_seconds_total", (value, random) => Math.round((value + random()) * 1e9) / 1e9],
  [
    10,
    "memory_bytes",
    (value, random) => Math.max(4096, value + 4096 * Math.floor(random() * 80 - 40)),
  ],
  [3, "load", (value, random) => Math.abs(Math.round((value + random() - 0.5) * 100) / 100)],
  [6, "open_files", (value, random) => Math.max(0, value + Math.floor(random() * 5) - 2)],
  [12, "request_duration_seconds_bucket", (value, random) => value + Math.floor(random() * 40)],
  [1, "request_duration_seconds_sum", (value, random) => value + random() * 3],
  [1, "scrape_duration_seconds", (_value, random) => 0.003 + random() * 0.004],
];

/** A function that makes scrape `n` of all targets; to be called in order, and a batch is valid until the next call. */
export function createTraffic(
  targets: number,
  startMs: number,
): { readonly series: number; scrape(n: number): SampleBatch } {
  let state = 42;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const steps: Step[] = [];
  const labels: Labels[] = [];
  for (let target = 0; target < targets; target++) {
    for (const [share, name, step] of KINDS) {
      for (let i = 0; i < share; i++) {
        steps.push(step);
        labels.push(labelsOf(target, name, i));
      }
    }
  }
  const series = steps.length;
  const values = Float64Array.from({ length: series }, () => Math.floor(random() * 1e6) * 4096);
  const timestampsMs = new Float64Array(series);
  const offsets = Array.from({ length: targets }, () => Math.floor(random() * 14_000));
  const { keyBytes, keyBounds } = keysOf(series);
  const sampleStarts = Uint32Array.from({ length: series + 1 }, (_, s) => s);
  return {
    series,
    scrape(n) {
      for (let target = 0; target < targets; target++) {
        const jitter = random() < 0.05 ? Math.floor(random() * 9) - 4 : 0;
        const from = target * SERIES_PER_TARGET;
        const time = startMs + n * INTERVAL_MS + offsets[target]! + jitter;
        timestampsMs.fill(time, from, from + SERIES_PER_TARGET);
      }
      for (let s = 0; s < series; s++) values[s] = steps[s]!(values[s]!, random);
      const labelsOfSeries = (s: number) => labels[s]!;
      return {
        seriesCount: series,
        sampleStarts,
        timestampsMs,
        values,
        keyBytes,
        keyBounds,
        labelsOf: labelsOfSeries,
        metadata: [],
      };
    },
  };
}

function labelsOf(target: number, name: string, i: number): Labels {
  const hash = Math.imul(target + 1, 0x9e3779b1) >>> 0;
  return Labels.fromObject({
    __name__: name,
    cluster: "prod-eu-west-1",
    container: `service-${target % 10}`,
    device: String(i),
    env: "production",
    id: `/kubepods.slice/pod${hash.toString(16)}/cri-containerd-${(hash ^ 0x5bd1e995) >>> 0}.scope`,
    image: `registry.example.com/service-${target % 10}:v1.${target % 17}`,
    instance: `10.0.${target >> 8}.${target & 255}:9100`,
    job: "kubelet",
    namespace: `ns-${target % 8}`,
    node: `ip-10-0-0-${target % 37}.eu-west-1.compute.internal`,
    pod: `service-${target % 10}-${hash.toString(16)}`,
    region: "eu-west-1",
  });
}

function keysOf(series: number): {
  readonly keyBytes: Uint8Array;
  readonly keyBounds: Uint32Array;
} {
  const keyBytes = new TextEncoder().encode(
    Array.from({ length: series }, (_, s) => `series ${String(s).padStart(9, "0")} `).join(""),
  );
  const keyBounds = new Uint32Array(2 * series);
  for (let s = 0; s < series; s++) keyBounds.set([17 * s, 17 * s + 17], 2 * s);
  return { keyBytes, keyBounds };
}
