/** What Finch's agent costs under the load of a busy machine. `node bench/agent-scale.ts --help` says more. */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureChaos } from "./agent-chaos.ts";
import { measureMachine } from "./agent-machine.ts";
import { measureScrape } from "./agent-scrape.ts";
import { measureTail } from "./agent-tail.ts";
import { setUpFinch } from "./metric-servers.ts";
import { formatScale } from "./scale-result.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

const HELP = `Usage: node bench/agent-scale.ts [PART…] [options]

The agent (finch agent run) and Finch (finch up) are processes of their own, and so is what makes the load; what is
told is the agent's cost. Everything is counted at the receiver: a line or a scrape too few or too many is an error.

Parts (default: all, in this order):
  tail      --files (50) written at --mb-per-second (20) in all, through loki.process with json, labels and drop
  chaos     the same at a tenth of the rate, with everything that goes wrong: the receiver away for half of the time,
            SIGKILLs, jumps of the clock, a full disk (as root), rotation by new names and by copies
  machine   --containers (30) of a real dockerd, a real journal, host metrics: at most 100 MB and 2 % of a core;
            as root, with dockerd, containerd, runc and busybox in PATH
  scrape    --targets (200) of --series (1000) each, every --interval (15) seconds, by remote write

Options:
  --minutes N       how long each part takes (default 2); 60 shows what an hour leaves behind
  --cache DIR       for the data, which is removed afterwards (default TMPDIR/finch-bench)
  --cpu-profile DIR   write a CPU profile of the agent there
  --json            one line of JSON for each part
  -h, --help        this text
`;

const PARTS: Readonly<Record<string, (context: ScaleContext) => Promise<ScaleResult>>> = {
  tail: (context) =>
    measureTail(context, {
      files: Number(flags.files),
      bytesPerSecond: Number(flags["mb-per-second"]) * 1e6,
      seconds: 60 * Number(flags.minutes),
    }),
  chaos: (context) =>
    measureChaos(context, {
      files: Number(flags.files),
      bytesPerSecond: Number(flags["mb-per-second"]) * 1e5,
      seconds: 60 * Number(flags.minutes),
    }),
  machine: (context) =>
    measureMachine(context, {
      containers: Number(flags.containers),
      seconds: 60 * Number(flags.minutes),
    }),
  scrape: (context) =>
    measureScrape(context, {
      targets: Number(flags.targets),
      series: Number(flags.series),
      intervalSeconds: Number(flags.interval),
      seconds: 60 * Number(flags.minutes),
    }),
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: "string", default: "50" },
    "mb-per-second": { type: "string", default: "20" },
    containers: { type: "string", default: "30" },
    targets: { type: "string", default: "200" },
    series: { type: "string", default: "1000" },
    interval: { type: "string", default: "15" },
    minutes: { type: "string", default: "2" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    "cpu-profile": { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const unknown = positionals.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new RangeError(`there is no part ${unknown.join(", ")}`);
  setUpFinch();
  const profile = flags["cpu-profile"];
  for (const name of positionals.length > 0 ? positionals : Object.keys(PARTS)) {
    const directory = join(flags.cache, `data-${process.pid}`);
    mkdirSync(directory, { recursive: true });
    const context: ScaleContext = {
      cache: flags.cache,
      directory,
      flags: [],
      nodeFlags: profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`],
      say: (text) =>
        process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${name}: ${text}\n`),
    };
    try {
      const result = await PARTS[name]!(context);
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ bench: `agent-scale ${name}`, ...result })}\n`
          : formatScale(name, result),
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
