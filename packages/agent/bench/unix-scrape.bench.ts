/** CPU time of a scrape of this machine by the default collectors, text included. */
import { createHash } from "node:crypto";
import { silentLogger, systemClock } from "@finch/runtime";
import { formatFamilies } from "../src/unix/family.ts";
import { DEFAULT_PATHS, openMachine } from "../src/unix/machine.ts";
import { DEFAULT_COLLECTOR_OPTIONS } from "../src/unix/collector-options.ts";
import { LINUX } from "../src/unix/platforms.ts";
import { chooseCollectors, makeScrape } from "../src/unix/registry.ts";

const isLarge = process.env["BENCH_SIZE"] === "large";
const rounds = isLarge ? 2000 : 60;
await using machine = openMachine({ paths: DEFAULT_PATHS, nowMs: () => systemClock.nowMs() });
const { names } = chooseCollectors(LINUX, { set: [], disable: [], enable: [] });
const scrape = await makeScrape(machine, {
  platform: LINUX,
  names,
  options: DEFAULT_COLLECTOR_OPTIONS,
  log: silentLogger,
  monotonicMs: () => performance.now(),
});

let text = "";
for (let i = 0; i < 20; i++) text = formatFamilies(await scrape());
const before = process.cpuUsage();
const startMs = performance.now();
for (let i = 0; i < rounds; i++) text = formatFamilies(await scrape());
const cpu = process.cpuUsage(before);
const wallMs = performance.now() - startMs;

const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
// Values differ from scrape to scrape; what is compared is which series there are.
const hash = createHash("sha256").update(
  series.map((line) => line.slice(0, line.lastIndexOf(" "))).join("\n"),
);
const slowest = series
  .filter((line) => line.startsWith("node_scrape_collector_duration_seconds"))
  .map((line) => ({
    collector: line.split('"')[1]!,
    ms: Number(line.slice(line.lastIndexOf(" "))) * 1000,
  }))
  .sort((a, b) => b.ms - a.ms)
  .slice(0, 3);
console.log(
  JSON.stringify({
    bench: "unix-scrape",
    params: { rounds, collectors: names.length, series: series.length },
    hash: hash.digest("hex").slice(0, 16),
    cpu_ms_per_scrape: round((cpu.user + cpu.system) / 1000 / rounds),
    wall_ms_per_scrape: round(wallMs / rounds),
    bytes_per_scrape: text.length,
    slowest_ms: Object.fromEntries(slowest.map(({ collector, ms }) => [collector, round(ms)])),
  }),
);

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
