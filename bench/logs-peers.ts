/**
 * Finch's logs beside ClickHouse's engine (chDB), ripgrep and zstd: the same corpus into each, then the same questions; processor time as the
 * operating system counts it. `node bench/logs-peers.ts --help` says more.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findPeer } from "./debian-peers.ts";
import type { ChdbIndex, ChdbSetup } from "./log-child-chdb.ts";
import { prepareCorpus } from "./log-corpus.ts";
import type { Corpus } from "./log-corpus.ts";
import {
  compress,
  countColdReads,
  findChdb,
  ingestChdb,
  ingestFinch,
  openChdb,
  openFinch,
  searchFiles,
} from "./log-engines.ts";
import type { Compressed, EngineName, IngestResult, LogEngine } from "./log-engines.ts";
import { ingestOverHttp } from "./log-http.ts";
import { askEngines } from "./log-interview.ts";
import { createQuestions } from "./log-questions.ts";
import type { Question } from "./log-questions.ts";
import { formatLogs, judgeLogs } from "./log-report.ts";
import type { LogsResult } from "./log-report.ts";
import { ingestServer, openServer, parseLogServer } from "./log-servers.ts";
import { setUpFinch } from "./metric-servers.ts";

const ENGINES = [
  "finch",
  "finch-http",
  "chdb",
  "chdb-token",
  "chdb-text",
  "rg",
  "zstd-rg",
] as const;
const COLD_NEEDLES = 3;

/** Of what explains an option. */
const INDENT = " ".repeat(21);
const HELP = `Usage: node bench/logs-peers.ts [options]

Writes a day of logs (nginx as JSON, logfmt of 20 services, syslog, Java stack traces; 200 streams) into the
cache folder, once. Each engine takes it in a process of its own, then each answers the same questions, in
turns; answers are compared, and Finch's figures held against its targets.

  finch        the log store of this checkout and LogQL, durable: each append is fsynced, indexes and all; in a
               process with the options of finch up
  finch-http   finch up, pushed to over HTTP as Loki's agents do (ingest only)
  chdb         ClickHouse's engine from npm, no index; -token with a tokenbf_v1 filter, -text with a text index
  rg           ripgrep on the raw file;  zstd-rg   zstd -dc | rg
  loki  victoria-logs   servers that run on this machine, when --loki or --victoria-logs says where
  (zstd -1 and -3 of the raw file are measured whenever one of the two is)

Options:
  --lines N          entries of the corpus (default 7000000: 7.44 M lines of the file, 1.88 GB)
  --seed N           of the corpus (default 1)
  --only NAME,…      these (default all)
  --reuse NAME,…     engines whose store stands in the cache from an earlier run: its ingest figures are shown
                     again and not measured; "all" for all
  --query NAME,…     these questions (default all), or "none":
NAMES
  --quick            each question once: to see that it works
  --cache DIR        corpus, stores and programs, kept between runs (default TMPDIR/finch-bench); needs some 10 GB
  --loki URL@PID --victoria-logs URL@PID   a server and its process, empty; it must take lines that are a day old
  --rg PATH --zstd PATH   these programs instead of those on PATH or Debian's
  --cpu-profile DIR  write CPU profiles of Finch there: one of the ingest, one of the questions (its figures are
                     then not for quoting)
  --json             one line of JSON instead of the table
  -h, --help         this text

All engines at the full size take some 15 minutes, most of it chDB's ingest. When working on Finch:
  node bench/logs-peers.ts --reuse chdb,chdb-token,chdb-text --query substring,histogram
Figures of one run compare; figures of different runs or machines do not. Leave the machine alone meanwhile.
`;

const { values: flags } = parseArgs({
  options: {
    lines: { type: "string", default: "7000000" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: ENGINES.join(",") },
    reuse: { type: "string", default: "" },
    query: { type: "string", default: "all" },
    quick: { type: "boolean", default: false },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    rg: { type: "string" },
    zstd: { type: "string" },
    loki: { type: "string" },
    "victoria-logs": { type: "string" },
    "cpu-profile": { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) {
  const names = createQuestions(emptyCorpus()).map(({ name }) => name);
  const lines = [names.slice(0, 6), names.slice(6)].map((some) => INDENT + some.join(" "));
  process.stdout.write(HELP.replace("NAMES", lines.join("\n")));
} else await main();

async function main(): Promise<void> {
  const wanted = listOf(flags.only, ENGINES, "--only");
  mkdirSync(flags.cache, { recursive: true });
  say("corpus: written, unless it is there");
  const corpus = prepareCorpus(flags.cache, {
    entries: Number(flags.lines),
    seed: Number(flags.seed),
  });
  const questions = chooseQuestions(corpus);
  const ingest: Partial<Record<EngineName | "finch-http", IngestResult>> = {};
  let http: Awaited<ReturnType<typeof ingestOverHttp>> | undefined;
  if (wanted.has("finch-http")) {
    setUpFinch();
    say("finch-http: ingest");
    http = await ingestOverHttp(corpus, join(corpus.directory, "finch-http"));
    ingest["finch-http"] = http.result;
  }
  await using opened = new AsyncDisposableStack();
  const engines: LogEngine[] = [];
  for (const name of ENGINES) {
    if (!wanted.has(name) || name === "finch-http" || name === "rg" || name === "zstd-rg") continue;
    const start = name === "finch" ? finchStore(corpus) : chdbStore(corpus, name);
    if (start === undefined) continue;
    ingest[name] = await ingestOnce(name, start);
    engines.push(opened.use(await start.open()));
  }
  for (const name of ["loki", "victoria-logs"] as const) {
    const place = flags[name];
    if (place === undefined) continue;
    const server = parseLogServer(name, place, corpus);
    say(`${name}: ingest`);
    ingest[name] = await ingestServer(corpus, server);
    engines.push(openServer(corpus, server));
  }
  const files = await fileEngines(corpus, wanted);
  engines.push(...files.engines);
  const idle = new Map(engines.map((engine) => [engine.name, engine.memory()?.current]));
  const cold = wanted.has("finch") ? await measureCold(corpus, questions) : undefined;
  const answered = await askEngines(engines, questions, { isQuick: flags.quick, say });
  const memory = Object.fromEntries(
    engines.flatMap((engine) => {
      const held = engine.memory();
      return held ? [[engine.name, { idle: idle.get(engine.name)!, peak: held.peak }]] : [];
    }),
  );
  const { entries, lines, bytes, streams } = corpus;
  const result: LogsResult = {
    bench: "logs-peers",
    corpus: { entries, lines, bytes, streams: streams.length },
    ingest,
    zstd: files.compressed,
    memory: { ...memory, ...(http && { "finch-http": { idle: http.idleBytes, peak: undefined } }) },
    coldReads: cold?.reads,
    coldBytes: cold?.bytes,
    questions: answered,
  };
  const targets = judgeLogs(result);
  process.stdout.write(
    flags.json ? `${JSON.stringify({ ...result, targets })}\n` : formatLogs(result, targets),
  );
  if (answered.some(({ differences }) => differences.length > 0)) process.exitCode = 1;
}

interface Store {
  readonly directory: string;
  ingest(): Promise<IngestResult>;
  open(): Promise<LogEngine>;
}

function finchStore(corpus: Corpus): Store {
  const directory = finchDirectory(corpus);
  const profile = flags["cpu-profile"];
  const nodeFlags = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  return {
    directory,
    ingest: () => ingestFinch(corpus, { directory, nodeFlags }),
    open: () => openFinch(corpus, { directory, nodeFlags }),
  };
}

function finchDirectory(corpus: Corpus): string {
  return join(corpus.directory, "finch");
}

function chdbStore(corpus: Corpus, name: "chdb" | "chdb-token" | "chdb-text"): Store | undefined {
  const modules = findChdb(flags.cache, say);
  if (modules === undefined) return undefined;
  const index: ChdbIndex = name === "chdb" ? "none" : name === "chdb-token" ? "token" : "text";
  const setup: ChdbSetup = { modules, directory: join(corpus.directory, name), index };
  return {
    directory: setup.directory,
    ingest: () => ingestChdb(corpus, setup),
    open: () => openChdb(setup),
  };
}

/** What an earlier run measured when that is asked for, else measured and noted. */
async function ingestOnce(name: EngineName, store: Store): Promise<IngestResult> {
  const note = `${store.directory}.json`;
  const isReused = flags.reuse === "all" || flags.reuse.split(",").includes(name);
  if (isReused && existsSync(note)) return JSON.parse(readFileSync(note, "utf8")) as IngestResult;
  rmSync(note, { force: true });
  say(`${name}: ingest`);
  const result = await store.ingest();
  writeFileSync(note, JSON.stringify(result));
  return result;
}

async function fileEngines(
  corpus: Corpus,
  wanted: ReadonlySet<string>,
): Promise<{ readonly engines: readonly LogEngine[]; readonly compressed: readonly Compressed[] }> {
  if (!wanted.has("rg") && !wanted.has("zstd-rg")) return { engines: [], compressed: [] };
  const find = (name: "ripgrep" | "zstd", path: string | undefined) =>
    findPeer(name, { path, cache: flags.cache, say });
  const [rg, zstd] = [find("ripgrep", flags.rg), find("zstd", flags.zstd)];
  const compressed: Compressed[] = [];
  if (zstd !== undefined) {
    for (const level of [1, 3]) {
      say(`zstd -${level}`);
      compressed.push(await compress(corpus, zstd, level));
    }
  }
  const engines: LogEngine[] = [];
  if (rg !== undefined && wanted.has("rg")) engines.push(searchFiles(corpus, { rg }));
  if (rg !== undefined && zstd !== undefined && wanted.has("zstd-rg"))
    engines.push(searchFiles(corpus, { rg, zstd, compressed: compressed[0]!.path }));
  return { engines, compressed };
}

/** The median of several needles, each with a store that was just opened. */
async function measureCold(
  corpus: Corpus,
  questions: readonly Question[],
): Promise<{ readonly reads: number; readonly bytes: number } | undefined> {
  const needle = questions.find(({ name }) => name === "needle-trace");
  if (needle === undefined) return undefined;
  say("finch: cold needles");
  const counts = [];
  for (const variant of needle.variants.slice(-COLD_NEEDLES))
    counts.push(await countColdReads(corpus, finchDirectory(corpus), variant));
  return counts.toSorted((a, b) => a.reads - b.reads)[Math.floor(counts.length / 2)];
}

function chooseQuestions(corpus: Corpus): readonly Question[] {
  const questions = createQuestions(corpus).filter(({ variants }) => variants.length > 0);
  if (flags.query === "all") return questions;
  if (flags.query === "none") return [];
  const names = questions.map(({ name }) => name);
  const wanted = listOf(flags.query, names, "--query");
  return questions.filter(({ name }) => wanted.has(name));
}

function listOf<T extends string>(text: string, known: readonly T[], flag: string): ReadonlySet<T> {
  const names = text.split(",").filter((name) => name !== "");
  const unknown = names.filter((name) => !known.includes(name as T));
  if (unknown.length > 0)
    throw new RangeError(
      `${flag}: there is no ${unknown.join(", ")}; there is ${known.join(", ")}`,
    );
  return new Set(names as T[]);
}

function emptyCorpus(): Corpus {
  return {
    generator: 0,
    entries: 0,
    seed: 0,
    directory: "",
    lines: 0,
    bytes: 0,
    startMs: 0,
    endMs: 0,
    streams: [],
    needles: [],
  };
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
