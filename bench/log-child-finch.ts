/** Finch's log store and LogQL engine in a process of their own, as the server puts them together; started by `log-engines.ts`. */
import { createEngine } from "@finch/logql";
import type { RangeResult } from "@finch/logql";
import {
  createLogger,
  FinchError,
  formatLogfmt,
  nodeFileSystem,
  systemClock,
} from "@finch/runtime";
import type { Clock, FileHandle, FileSystem } from "@finch/runtime";
import { createLogSource } from "@finch/server";
import { DEFAULT_LIMITS, openLogStore } from "@finch/store";
import type { LogStore } from "@finch/store";
import { BatchMemory, detectLevels, labelsOf, PUSH_ENTRIES, toBatch } from "./log-batches.ts";
import { measure, serveParent, setupOfChild } from "./log-child.ts";
import { loadCorpus, readCorpus } from "./log-corpus.ts";
import type { AnswerRows, LogQlQuestion } from "./log-questions.ts";

export interface FinchSetup {
  /** Its directory. */
  readonly corpus: string;
  readonly directory: string;
}

export interface ReadCount {
  readonly reads: number;
  readonly bytes: number;
}

/** Appends at once. */
const APPENDS_AT_ONCE = 4;
const RETRY_MS = 50;

const { corpus: prepared, directory } = setupOfChild<FinchSetup>();
const corpus = loadCorpus(prepared);
let nowMs = corpus.endMs;
let store: LogStore | undefined;
const counted = { reads: 0, bytes: 0 };

/** The time of the newest entry: a day passes in minutes. */
const clock: Clock = {
  ...systemClock,
  nowMs: () => nowMs,
  nowNs: () => BigInt(nowMs) * 1_000_000n,
};

const engine = createEngine({ clock, limits: { bytesMax: Number.MAX_SAFE_INTEGER } });

serveParent({
  open: async () => {
    store = await open();
  },
  ingest,
  ask: (question: LogQlQuestion) => ask(question),
  reads: (): ReadCount => ({ ...counted }),
  close: async () => {
    await store?.[Symbol.asyncDispose]();
    store = undefined;
  },
});

function open(): Promise<LogStore> {
  return openLogStore({
    directory,
    fileSystem: countReads(nodeFileSystem),
    clock,
    log: createLogger({
      level: "warn",
      part: "bench",
      nowMs: () => nowMs,
      sink: (event) => process.stderr.write(`${formatLogfmt(event)}\n`),
    }),
    limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
    retention: { maxAgeMs: 365 * 86_400_000, maxDiskShare: 1 },
  });
}

/** Appends the corpus, until it is sealed and merged. What it cost to read it and to make the batches is not counted: senders do that. */
async function ingest(): Promise<{ readonly cpuSeconds: number; readonly wallSeconds: number }> {
  const opened = store!;
  const labels = labelsOf(corpus);
  let makingMs = 0;
  const { cpuMs, wallMs } = await measure(async () => {
    const pending = new Set<Promise<void>>();
    const parts = readCorpus(corpus, PUSH_ENTRIES);
    const free: BatchMemory[] = [];
    for (;;) {
      const before = process.threadCpuUsage();
      const { value: part } = parts.next();
      const memory = free.pop() ?? new BatchMemory();
      const batch = part && toBatch(part, labels, { memory });
      const { user, system } = process.threadCpuUsage(before);
      makingMs += (user + system) / 1000;
      if (batch === undefined) break;
      nowMs = Number(part!.timesNs[part!.count - 1]! / 1_000_000n);
      const appended = append(opened, batch).finally(() => {
        free.push(memory);
        pending.delete(appended);
      });
      pending.add(appended);
      if (pending.size >= APPENDS_AT_ONCE) await Promise.race(pending);
    }
    await Promise.all(pending);
    nowMs = corpus.endMs;
    await opened.flush();
    if ("compact" in opened) await (opened.compact as () => Promise<void>)();
  });
  return { cpuSeconds: (cpuMs - makingMs) / 1000, wallSeconds: wallMs / 1000 };
}

/** As a sender does: comes again when there is no room. */
async function append(opened: LogStore, batch: ReturnType<typeof toBatch>): Promise<void> {
  for (;;) {
    try {
      const { rejections } = await opened.append(detectLevels(batch));
      if (rejections.length > 0) throw new Error(`an entry was refused: ${rejections[0]!.reason}`);
      return;
    } catch (error) {
      if (!(error instanceof FinchError) || error.kind !== "limited") throw error;
      await systemClock.sleep(RETRY_MS);
    }
  }
}

async function ask(question: LogQlQuestion) {
  const opened = store!;
  const options = {
    source: createLogSource(opened),
    query: question.logql,
    limit: 5000,
    direction: "backward",
    signal: new AbortController().signal,
  } as const;
  const startNs = BigInt(corpus.startMs) * 1_000_000n;
  const endNs = BigInt(corpus.endMs) * 1_000_000n;
  if (question.kind === "instant") {
    const measured = await measure(() => engine.instantQuery({ ...options, timeNs: endNs }));
    const { value } = measured;
    if (value.type !== "vector") throw new Error(`a ${value.type} where a vector was expected`);
    const rows: AnswerRows = value.samples.map(({ labels, value: count }) => [
      labels.pairs.filter((_, i) => i % 2 === 1).join(" "),
      count,
    ]);
    return { ...measured, value: rows };
  }
  const stepNs = 60_000_000_000n;
  const range =
    question.kind === "range" ? { startNs: startNs + stepNs, endNs } : { startNs, endNs };
  const measured = await measure(() => engine.rangeQuery({ ...options, ...range, stepNs }));
  return { ...measured, value: rowsOf(measured.value) };
}

function rowsOf(result: RangeResult): AnswerRows {
  if (result.type === "streams")
    return [["", result.streams.reduce((sum, { entries }) => sum + entries.length, 0)]];
  return result.series.flatMap(({ labels, timestampsMs, values }) => {
    const label = labels.pairs.filter((_, i) => i % 2 === 1).join(" ");
    return [...timestampsMs].map(
      (timeMs, i) => [`${timeMs / 1000} ${label}`.trim(), values[i]!] as const,
    );
  });
}

/** The same files; every read of them is counted. */
function countReads(files: FileSystem): FileSystem {
  const count = (bytes: number) => {
    counted.reads++;
    counted.bytes += bytes;
  };
  return {
    ...files,
    async open(path, mode): Promise<FileHandle> {
      const handle = await files.open(path, mode);
      return {
        ...handle,
        async read(target, position) {
          const bytes = await handle.read(target, position);
          count(bytes);
          return bytes;
        },
      };
    },
    async readFile(path) {
      const bytes = await files.readFile(path);
      count(bytes.length);
      return bytes;
    },
  };
}
