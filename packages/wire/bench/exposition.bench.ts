/** An exposition like that of a node exporter: parsing per sample, with and without the cache of labels that a scrape loop keeps. */
import { crc32c } from "@finch/codec";
import type { Labels } from "@finch/model";
import { DEFAULT_EXPOSITION_LIMITS, parseExposition } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = { families: 200, samplesPerFamily: 8, rounds: large ? 1000 : 50 };

let text = "";
for (let f = 0; f < params.families; f++) {
  text += `# HELP node_metric_${f}_total What the kernel counts under number ${f}.\n# TYPE node_metric_${f}_total counter\n`;
  for (let i = 0; i < params.samplesPerFamily; i++) {
    text += `node_metric_${f}_total{cpu="${i}",mode="system",device="/dev/mapper/volume-${f}"} ${(f * 7919 + i) / 100}\n`;
  }
}
const bytes = new Uint8Array(Buffer.from(text));
const count = params.families * params.samplesPerFamily;
const cache = new Map<string, Labels>();
const options = { contentType: "text/plain", limits: DEFAULT_EXPOSITION_LIMITS };

const coldNs = median(() => parseExposition(bytes, options)) / count;
const cachedNs = median(() => parseExposition(bytes, { ...options, cache })) / count;

console.log(
  JSON.stringify({
    bench: "wire/exposition",
    params,
    hash: crc32c(bytes),
    bytes: bytes.length / count,
    parseNs: Math.round(coldNs),
    parseCachedNs: Math.round(cachedNs),
  }),
);

function median(run: () => unknown): number {
  const times: number[] = [];
  for (let i = 0; i < params.rounds; i++) {
    const before = performance.now();
    run();
    times.push((performance.now() - before) * 1e6);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}
