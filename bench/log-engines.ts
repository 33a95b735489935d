/** The engines of `logs-peers.ts`: each takes the corpus and answers questions, and says what that cost in processor time. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { labelsOf, toNativeBlock } from "./log-batches.ts";
import type { ChdbIndex, ChdbQuestion, ChdbSetup } from "./log-child-chdb.ts";
import type { FinchSetup, ReadCount } from "./log-child-finch.ts";
import { startChild } from "./log-child.ts";
import type { Child, Measured, ProcessOptions } from "./log-child.ts";
import { rawPath, readCorpus } from "./log-corpus.ts";
import type { Corpus } from "./log-corpus.ts";
import type { AnswerRows, Variant } from "./log-questions.ts";
import { bytesBelow } from "./metric-servers.ts";
import { residentBytes } from "./process-usage.ts";

export type EngineName =
  | "finch"
  | "chdb"
  | "chdb-token"
  | "chdb-text"
  | "rg"
  | "zstd-rg"
  | "loki"
  | "victoria-logs";

/** What taking the corpus cost, until it is sealed and merged. */
export interface IngestResult {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Undefined where some of it is still in memory. */
  readonly diskBytes: number | undefined;
  readonly rssPeakBytes: number;
}

/** An engine that holds the corpus. */
export interface LogEngine extends AsyncDisposable {
  readonly name: EngineName;
  /** Undefined when it has no answer to this kind of question. */
  ask(variant: Variant): Promise<Measured<AnswerRows>> | undefined;
  /** Of the process, now and at most since it was started to answer; undefined when it starts one for each question. */
  memory(): { readonly current: number; readonly peak: number } | undefined;
}

const CHDB_VERSION = "3.4.0";
/** Rows of one insert into ClickHouse, which wants them large. */
const INSERT_ROWS = 50_000;

export interface FinchPlace {
  readonly directory: string;
  /** Options of Node, such as `--cpu-prof`. */
  readonly nodeFlags: readonly string[];
}

/** Stores the corpus with Finch, in a fresh directory. */
export async function ingestFinch(
  corpus: Corpus,
  { directory, nodeFlags }: FinchPlace,
): Promise<IngestResult> {
  rmSync(directory, { recursive: true, force: true });
  await using child = startFinchChild(corpus, directory, nodeFlags);
  await child.call("open");
  const cost = (await child.call("ingest")) as { cpuSeconds: number; wallSeconds: number };
  const { peak } = residentBytes(child.pid);
  await child.call("close");
  return { ...cost, rssPeakBytes: peak, diskBytes: bytesBelow(directory) };
}

export async function openFinch(
  corpus: Corpus,
  { directory, nodeFlags }: FinchPlace,
): Promise<LogEngine> {
  const child = startFinchChild(corpus, directory, nodeFlags);
  await child.call("open");
  return engineOf("finch", child, ({ kind, logql }) => child.call("ask", { kind, logql }));
}

function startFinchChild(
  corpus: Corpus,
  directory: string,
  nodeFlags: readonly string[] = [],
): Child {
  const setup: FinchSetup = { corpus: corpus.directory, directory };
  const { environment, nodeFlags: own } = optionsOfFinchUp();
  const options = { environment, nodeFlags: [...own, ...nodeFlags] };
  return startChild("log-child-finch.ts", setup, options);
}

/** How `finch up` has its memory managed, as its command says. */
function optionsOfFinchUp(): ProcessOptions {
  const command = readFileSync(join(import.meta.dirname, "../packages/finch/bin/finch"), "utf8");
  const flags = /set -- (--.*) "\$main" up /.exec(command)?.[1];
  if (flags === undefined) throw new Error("bin/finch does not say how `finch up` is started");
  const variables = command.matchAll(/^export (MALLOC_\w+)="\$\{\1:-(\d+)\}"$/gm);
  return {
    nodeFlags: flags.split(" "),
    environment: Object.fromEntries(Array.from(variables, ([, name, value]) => [name!, value!])),
  };
}

/** How many reads of files a question takes right after the store was opened. */
export async function countColdReads(
  corpus: Corpus,
  directory: string,
  variant: Variant,
): Promise<ReadCount & { readonly wallMs: number }> {
  await using child = startFinchChild(corpus, directory);
  await child.call("open");
  const before = (await child.call("reads")) as ReadCount;
  const { kind, logql } = variant;
  const { wallMs } = (await child.call("ask", { kind, logql })) as Measured<AnswerRows>;
  const after = (await child.call("reads")) as ReadCount;
  return { reads: after.reads - before.reads, bytes: after.bytes - before.bytes, wallMs };
}

/** Installs ClickHouse's engine below the cache folder, unless it is there; undefined, with the reason told, when that fails. */
export function findChdb(cache: string, say: (text: string) => void): string | undefined {
  const modules = join(cache, "chdb");
  if (existsSync(join(modules, "node_modules", "chdb"))) return modules;
  mkdirSync(modules, { recursive: true });
  say(`installing chdb ${CHDB_VERSION} into ${modules}`);
  const args = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
  try {
    execFileSync("npm", [...args, "--prefix", modules, `chdb@${CHDB_VERSION}`], { stdio: "pipe" });
    return modules;
  } catch (error) {
    say(`chdb is left out: npm cannot install it (${(error as Error).message.split("\n")[0]})`);
    return undefined;
  }
}

export async function ingestChdb(corpus: Corpus, setup: ChdbSetup): Promise<IngestResult> {
  rmSync(setup.directory, { recursive: true, force: true });
  await using child = startChild("log-child-chdb.ts", setup);
  await child.call("open");
  await child.call("create");
  const file = `${setup.directory}.native`;
  const labels = labelsOf(corpus);
  const start = performance.now();
  const before = (await child.call("cpuSeconds")) as number;
  let inserted: Promise<unknown> = Promise.resolve();
  for (const part of readCorpus(corpus, INSERT_ROWS)) {
    const block = toNativeBlock(part, labels);
    await inserted;
    writeFileSync(file, block);
    inserted = child.call("insert", file);
  }
  await inserted;
  await child.call("untilMerged");
  rmSync(file);
  return {
    cpuSeconds: ((await child.call("cpuSeconds")) as number) - before,
    wallSeconds: (performance.now() - start) / 1000,
    diskBytes: (await child.call("bytesOnDisk")) as number,
    rssPeakBytes: residentBytes(child.pid).peak,
  };
}

export async function openChdb(setup: ChdbSetup): Promise<LogEngine> {
  const child = startChild("log-child-chdb.ts", setup);
  await child.call("open");
  return engineOf(nameOf(setup.index), child, ({ kind, sql: { [setup.index]: sql } }) =>
    sql === undefined ? undefined : child.call("ask", { sql, kind } satisfies ChdbQuestion),
  );
}

const nameOf = (index: ChdbIndex): EngineName => (index === "none" ? "chdb" : `chdb-${index}`);

function engineOf(
  name: EngineName,
  child: Child,
  ask: (variant: Variant) => Promise<unknown> | undefined,
): LogEngine {
  return {
    name,
    ask: (variant) => ask(variant) as Promise<Measured<AnswerRows>> | undefined,
    memory: () => residentBytes(child.pid),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

export interface Compressed {
  readonly level: number;
  readonly path: string;
  readonly cpuSeconds: number;
  readonly bytes: number;
}

/** The raw file, compressed with one thread. */
export async function compress(corpus: Corpus, zstd: string, level: number): Promise<Compressed> {
  const path = join(corpus.directory, `raw.${level}.zst`);
  const { cpuMs } = await timeShell(
    `${quote(zstd)} -q -f -T1 -${level} -o ${quote(path)} ${quote(rawPath(corpus))}`,
  );
  return { level, path, cpuSeconds: cpuMs / 1000, bytes: statSync(path).size };
}

/** `rg` on the raw file, or behind `zstd -dc` of the compressed one. */
export function searchFiles(
  corpus: Corpus,
  programs: { readonly rg: string; readonly zstd?: string; readonly compressed?: string },
): LogEngine {
  const { rg, zstd, compressed } = programs;
  const isPiped = zstd !== undefined && compressed !== undefined;
  return {
    name: isPiped ? "zstd-rg" : "rg",
    ask(variant) {
      if (variant.rg === undefined) return undefined;
      const search = [rg, "--no-config", "-a", "-c", "--include-zero", ...variant.rg]
        .map(quote)
        .join(" ");
      const command = isPiped
        ? `${quote(zstd)} -dc ${quote(compressed)} | ${search}`
        : `${search} ${quote(rawPath(corpus))}`;
      return timeShell(`{ ${command}; } || [ $? = 1 ]`).then((measured) => ({
        ...measured,
        value: [["", Number(measured.value)]],
      }));
    },
    memory: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Runs a command of bash, whose `time` adds up all its processes. */
async function timeShell(command: string): Promise<Measured<string>> {
  const start = performance.now();
  const { stdout, stderr } = await promisify(execFile)("bash", [
    "-c",
    `TIMEFORMAT='%U %S'; time { ${command}; }`,
  ]);
  const wallMs = performance.now() - start;
  const [user, system] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { value: stdout, cpuMs: (user! + system!) * 1000, wallMs };
}
