/** Finch's logs at sizes that take long to reach: a week of them, and a label with a million values. `node bench/logs-scale.ts --help` says more. */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureLogStorm } from "./log-storm.ts";
import { measureLogWeek } from "./log-week.ts";
import { setUpFinch } from "./metric-servers.ts";
import { formatScale } from "./scale-result.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

const HELP = `Usage: node bench/logs-scale.ts [PART…] [options]

Parts (default: all, in this order):
  week      --days (7) of --gb-per-day (20) pushed over HTTP as fast as Finch takes them, its clock following:
            sustained ingest, memory (target 400 MB), disk; then a needle over the week (target 300 ms) and
            the newest 100 entries of a regular expression (target 1 s)
  storm     --values (1000000) values of one label, each on a line of its own: nothing refused, all found

Options:
  --lines N         entries of the corpus that the week repeats (default 7000000, as for logs-peers.ts; 1.88 GB)
  --cache DIR       the corpus, kept between runs, and Finch's data (default TMPDIR/finch-bench); the week needs
                    some 40 GB at its full size, and an hour or more: --gb-per-day 1 is a twentieth
  --data DIR        Finch's data is kept there; a week that is there already is only asked
  --memory-limit SIZE  of Finch, such as 1GiB (default: its own, by the machine)
  --heap-profile DIR   write heap profiles of Finch there
  --json            one line of JSON for each part
  -h, --help        this text
`;

const PARTS: Readonly<Record<string, (context: ScaleContext) => Promise<ScaleResult>>> = {
  week: (context) =>
    measureLogWeek(context, {
      days: Number(flags.days),
      bytesPerDay: Number(flags["gb-per-day"]) * 1e9,
      entries: Number(flags.lines),
    }),
  storm: (context) => measureLogStorm(context, Number(flags.values)),
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    days: { type: "string", default: "7" },
    "gb-per-day": { type: "string", default: "20" },
    values: { type: "string", default: "1000000" },
    lines: { type: "string", default: "7000000" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    data: { type: "string" },
    "memory-limit": { type: "string", default: "auto" },
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
  setUpFinch();
  const profile = flags["heap-profile"];
  for (const name of positionals.length > 0 ? positionals : Object.keys(PARTS)) {
    const directory = flags.data ?? join(flags.cache, `data-${process.pid}`);
    mkdirSync(directory, { recursive: true });
    const context: ScaleContext = {
      cache: flags.cache,
      directory: join(directory, "finch"),
      flags: [`--memory-limit=${flags["memory-limit"]}`],
      nodeFlags: profile === undefined ? [] : ["--heap-prof", `--heap-prof-dir=${profile}`],
      say: (text) =>
        process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${name}: ${text}\n`),
    };
    try {
      const result = await PARTS[name]!(context);
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ bench: `logs-scale ${name}`, ...result })}\n`
          : formatScale(name, result),
      );
    } finally {
      if (flags.data === undefined) rmSync(directory, { recursive: true, force: true });
    }
  }
}
