/**
 * `prometheus.exporter.unix` beside node_exporter on the same machine: the same families with the same types, helps and labels, and the same values within the
 * time between two scrapes. What differs on purpose is listed below and in docs/reference/exporter-unix.md.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { formatFamilies } from "../src/unix/family.ts";
import { DEFAULT_PATHS, openMachine } from "../src/unix/machine.ts";
import { DEFAULT_COLLECTOR_OPTIONS as DEFAULTS } from "../src/unix/collector-options.ts";
import { LINUX } from "../src/unix/platforms.ts";
import { chooseCollectors, makeScrape } from "../src/unix/registry.ts";

const NAMES = ["prometheus-node-exporter", "node_exporter"];
/** Rounds in which a value may be found to lie between two of node_exporter's. */
const ROUNDS_MAX = 8;

/** Families of node_exporter itself, of its own version, and of other systems. */
const THEIRS_ONLY =
  /^(go_|process_|promhttp_|node_exporter_build_info|node_filesystem_purgeable_bytes)/;
/** Younger than Debian's node_exporter 1.5, and lines of /proc/meminfo that 1.6 and later do not know. */
const OURS_ONLY =
  /^node_(filesystem_mount_info|kernel_hung_tasks_total|softnet_(backlog_len|cpu_collision_total|flow_limit_count_total|received_rps_total)|memory_\w+)$/;
/** Labels that node_exporter 1.5 has not; and `rotational`, which later ones report as 0 when they cannot read all else of the disk's queue. */
const NEWER_LABELS = /^(device_error|rotational|adminstate)$/;
/** Gauges that move with the comparison itself: it allocates memory, opens files and sockets, and keeps processes running. */
const MOVING =
  /^node_(memory_|procs_|processes_|sockstat_|filefd_allocated|filesystem_(avail|free|files_free)|load|disk_io_now|udp_queues|netstat_Tcp_CurrEstab|scrape_collector_duration_seconds|hwmon_|thermal_zone_temp|cpu_(scaling_)?frequency|softnet_backlog_len|entropy_)/;

/** node_exporter 1.11 reports read-only mounts as writable. */
const WRONG = /^node_filesystem_readonly/;

interface Parsed {
  readonly help: Map<string, string>;
  readonly type: Map<string, string>;
  readonly samples: Map<string, number>;
}

void test("exposes what node_exporter exposes on the same machine", async (context) => {
  const program = findProgram();
  if (program === undefined) {
    context.skip(`needs ${NAMES.join(" or ")} (or FINCH_TEST_NODE_EXPORTER=PATH)`);
    return;
  }
  const { names } = chooseCollectors(LINUX, { set: [], disable: [], enable: ["processes"] });
  await using theirs = await startNodeExporter(program, names);
  const known = names.filter((name) => theirs.collectors.has(name));
  await using machine = openMachine({ paths: DEFAULT_PATHS, nowMs: () => Date.now() });
  const scrape = await makeScrape(machine, {
    platform: LINUX,
    names: known,
    options: { ...DEFAULTS, cpu: { ...DEFAULTS.cpu, guest: true } },
    log: silentLogger,
    monotonicMs: () => performance.now(),
  });
  const unequal = new Map<string, string>();
  for (let round = 0; round < ROUNDS_MAX && (round === 0 || unequal.size > 0); round++) {
    const before = parse(await theirs.scrape());
    const ours = parse(formatFamilies(await scrape()));
    const after = parse(await theirs.scrape());
    if (round === 0) {
      assert.ok(before.samples.size > 200, `${before.samples.size} samples`);
      assert.deepEqual(familyDifferences(before, ours), []);
      assert.deepEqual(seriesDifferences(before, ours), []);
    }
    compareValues(unequal, { before, ours, after, isFirst: round === 0 });
  }
  assert.deepEqual([...unequal.values()], []);
});

function findProgram(): string | undefined {
  const named = process.env["FINCH_TEST_NODE_EXPORTER"];
  if (named !== undefined) return named;
  for (const name of NAMES) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      continue;
    }
  }
  return undefined;
}

async function startNodeExporter(program: string, names: readonly string[]) {
  const help = execFileSync(program, ["--help"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const collectors = new Set(
    [...help.matchAll(/--(?:\[no-\])?collector\.([a-z_]+)(?=\s|$)/gm)].map((match) => match[1]!),
  );
  const port = await freePort();
  // Distributions change defaults; these are Alloy's.
  const flags = {
    "collector.filesystem.mount-points-exclude": DEFAULTS.filesystem.mountPointsExclude,
    "collector.filesystem.fs-types-exclude": DEFAULTS.filesystem.fsTypesExclude,
    "collector.diskstats.device-exclude": DEFAULTS.diskstats.deviceExclude,
    "collector.netclass.ignored-devices": DEFAULTS.netclass.ignoredDevices,
    "collector.netdev.device-exclude": "",
    "collector.netstat.fields": DEFAULTS.netstat.fields,
    "collector.vmstat.fields": DEFAULTS.vmstat.fields,
    "collector.textfile.directory": "",
  };
  const child = spawn(
    program,
    [
      `--web.listen-address=127.0.0.1:${port}`,
      "--collector.disable-defaults",
      ...names.filter((name) => collectors.has(name)).map((name) => `--collector.${name}`),
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    ],
    { stdio: "ignore" },
  );
  const scrape = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.kill()) await ended;
  };
  try {
    await answers(scrape);
  } catch (error) {
    await stop();
    throw error;
  }
  return { collectors, scrape, [Symbol.asyncDispose]: stop };
}

async function answers(scrape: () => Promise<string>): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  for (;;) {
    try {
      await scrape();
      return;
    } catch (error) {
      if (limit.aborted) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function parse(text: string): Parsed {
  const parsed: Parsed = { help: new Map(), type: new Map(), samples: new Map() };
  for (const line of text.split("\n")) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword !== undefined) parsed[keyword === "HELP" ? "help" : "type"].set(name!, rest!);
    else if (line !== "") {
      const space = line.lastIndexOf(" ");
      const value = line.slice(space + 1).replace("Inf", "Infinity");
      parsed.samples.set(withoutNewer(line.slice(0, space)), Number(value));
    }
  }
  return parsed;
}

function withoutNewer(series: string): string {
  return series
    .replaceAll(/(\w+)="(?:[^"\\]|\\.)*",?/g, (pair, label: string) =>
      NEWER_LABELS.test(label) ? "" : pair,
    )
    .replace(",}", "}");
}

function familyDifferences(theirs: Parsed, ours: Parsed): string[] {
  const differences: string[] = [];
  for (const [name, help] of theirs.help) {
    if (THEIRS_ONLY.test(name)) continue;
    if (!ours.help.has(name)) differences.push(`${name} is missing`);
    else if (ours.help.get(name) !== help)
      differences.push(`${name} has the help ${ours.help.get(name)}, not ${help}`);
    else if (ours.type.get(name) !== theirs.type.get(name))
      differences.push(`${name} is a ${ours.type.get(name)}, not a ${theirs.type.get(name)}`);
  }
  for (const name of ours.help.keys())
    if (!theirs.help.has(name) && !OURS_ONLY.test(name)) differences.push(`${name} is too much`);
  return differences;
}

function seriesDifferences(theirs: Parsed, ours: Parsed): string[] {
  const isCompared = (series: string) => {
    const name = series.split("{")[0]!;
    // States of processes come and go.
    return theirs.help.has(name) && ours.help.has(name) && !name.startsWith("node_processes_");
  };
  const missing = [...theirs.samples.keys()].filter(
    (series) => isCompared(series) && !ours.samples.has(series),
  );
  const extra = [...ours.samples.keys()].filter(
    (series) => isCompared(series) && !theirs.samples.has(series),
  );
  return [...missing.map((one) => `missing: ${one}`), ...extra.map((one) => `too much: ${one}`)];
}

/** Keeps in `unequal` the series that were in no round between node_exporter's values before and after. */
function compareValues(
  unequal: Map<string, string>,
  about: {
    readonly before: Parsed;
    readonly ours: Parsed;
    readonly after: Parsed;
    readonly isFirst: boolean;
  },
): void {
  const { before, ours, after, isFirst } = about;
  for (const [series, first] of before.samples) {
    const own = ours.samples.get(series);
    const last = after.samples.get(series);
    if (own === undefined || last === undefined) continue;
    if (MOVING.test(series) || WRONG.test(series)) continue;
    if (own >= Math.min(first, last) && own <= Math.max(first, last)) unequal.delete(series);
    else if (isFirst && !(Number.isNaN(own) && Number.isNaN(first)))
      unequal.set(series, `${series}: ${own}, not between ${first} and ${last}`);
  }
}
