/**
 * Finch at sizes that take long to reach: a million active series, a day of churn, a large directory at start, a week on a page of charts.
 * `node bench/metrics-scale.ts --help` says more.
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureActiveSeries } from "./scale-active.ts";
import { measureChurn } from "./scale-churn.ts";
import { measureOpen } from "./scale-open.ts";
import { formatScale } from "./scale-result.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";
import { measureWeek } from "./scale-week.ts";

const HELP = `Usage: node bench/metrics-scale.ts [PART…] [options]

Parts (default: all, in this order):
  active    series that all get samples: memory at --series (1,000,000), target 1.0 GB
  churn     --hours (24) simulated hours with --churn (100,000) new series each: the curve of the memory
  open      a directory of --gigabytes (10) of blocks of --block-series (50,000) each: time from start to ready,
            target 2 s
  week      a page of 12 charts over --days (7) of data, target 100 ms

Options:
  --cache DIR       recordings, kept between runs (default TMPDIR/finch-bench); needs up to 15 GB
  --heap-profile DIR   write heap profiles of Finch there
  --json            one line of JSON for each part
  -h, --help        this text
`;

const PARTS: Readonly<Record<string, (context: ScaleContext) => Promise<ScaleResult>>> = {
  active: (context) => measureActiveSeries(context, Number(flags.series)),
  churn: (context) =>
    measureChurn(context, { hours: Number(flags.hours), seriesPerHour: Number(flags.churn) }),
  open: (context) =>
    measureOpen(context, {
      bytes: Number(flags.gigabytes) * 1e9,
      series: Number(flags["block-series"]),
    }),
  week: (context) => measureWeek(context, Number(flags.days)),
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    series: { type: "string", default: "1000000" },
    hours: { type: "string", default: "24" },
    churn: { type: "string", default: "100000" },
    "block-series": { type: "string", default: "50000" },
    gigabytes: { type: "string", default: "10" },
    days: { type: "string", default: "7" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    "heap-profile": { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  mkdirSync(flags.cache, { recursive: true });
  const unknown = positionals.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new RangeError(`there is no part ${unknown.join(", ")}`);
  const profile = flags["heap-profile"];
  for (const name of positionals.length > 0 ? positionals : Object.keys(PARTS)) {
    const directory = join(flags.cache, `data-${process.pid}`);
    const context: ScaleContext = {
      cache: flags.cache,
      directory: join(directory, "finch"),
      flags: [],
      nodeFlags: profile === undefined ? [] : ["--heap-prof", `--heap-prof-dir=${profile}`],
      say: (text) =>
        process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${name}: ${text}\n`),
    };
    try {
      const result = await PARTS[name]!(context);
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ bench: `metrics-scale ${name}`, ...result })}\n`
          : formatScale(name, result),
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
