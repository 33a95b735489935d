/**
 * Loki and VictoriaLogs, for whoever has one running on this machine: the corpus is pushed to it over HTTP with times of now, and it is asked over HTTP;
 * its processor time is the operating system's count of its process, in steps of 10 ms.
 */
import { encodeLokiPush } from "@finch/wire";
import { labelsOf, PUSH_ENTRIES, toBatch } from "./log-batches.ts";
import type { Measured } from "./log-child.ts";
import { readCorpus } from "./log-corpus.ts";
import type { Corpus } from "./log-corpus.ts";
import type { IngestResult, LogEngine } from "./log-engines.ts";
import { sendParts } from "./log-http.ts";
import type { AnswerRows, Variant } from "./log-questions.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";

export type LogServerName = "loki" | "victoria-logs";

export interface LogServer {
  readonly name: LogServerName;
  /** Such as `http://127.0.0.1:3100`. */
  readonly url: string;
  readonly pid: number;
  /** How much later than in the corpus its entries are: whole minutes, so that those of a minute stay together. */
  readonly shiftMs: number;
}

const MINUTE_MS = 60_000;
const PUSH_PATHS: Readonly<Record<LogServerName, string>> = {
  loki: "/loki/api/v1/push",
  // Lines stay as they are; it would else take JSON apart while it is pushed.
  "victoria-logs": "/insert/loki/api/v1/push?disable_message_parsing=1",
};

/** `URL@PID` → where the server is. */
export function parseLogServer(name: LogServerName, text: string, corpus: Corpus): LogServer {
  const match = /^(https?:\/\/[^@\s]+?)\/?@(\d+)$/.exec(text);
  if (match === null)
    throw new RangeError(`--${name}: write URL@PID, such as http://127.0.0.1:3100@1234`);
  const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  return { name, url: match[1]!, pid: Number(match[2]), shiftMs: nowMs - MINUTE_MS - corpus.endMs };
}

export async function ingestServer(corpus: Corpus, server: LogServer): Promise<IngestResult> {
  const { name, pid, url, shiftMs } = server;
  const before = cpuSeconds(pid);
  const start = performance.now();
  const shiftNs = BigInt(shiftMs) * 1_000_000n;
  const labels = labelsOf(corpus);
  await sendParts(readCorpus(corpus, PUSH_ENTRIES), url + PUSH_PATHS[name], (part) =>
    encodeLokiPush(toBatch(part, labels, { retime: (ns) => ns + shiftNs }).streams),
  );
  const wallSeconds = (performance.now() - start) / 1000;
  await untilIdle(pid, { quietMs: 5000, limitMs: 300_000 });
  return {
    cpuSeconds: cpuSeconds(pid) - before,
    wallSeconds,
    diskBytes: undefined,
    rssPeakBytes: residentBytes(pid).peak,
  };
}

export function openServer(corpus: Corpus, server: LogServer): LogEngine {
  const { name, pid } = server;
  const answer = name === "loki" ? askLoki : askVictoriaLogs;
  return {
    name,
    ask(variant) {
      if (name === "victoria-logs" && variant.logsql === undefined) return undefined;
      return measureServer(pid, () => answer(corpus, server, variant));
    },
    memory: () => residentBytes(pid),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function measureServer<T>(pid: number, body: () => Promise<T>): Promise<Measured<T>> {
  const cpu = cpuSeconds(pid);
  const start = performance.now();
  const value = await body();
  const wallMs = performance.now() - start;
  return { value, cpuMs: (cpuSeconds(pid) - cpu) * 1000, wallMs };
}

interface LokiAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric?: Readonly<Record<string, string>>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [number | string, string])[];
    }[];
  };
}

async function askLoki(
  corpus: Corpus,
  { url, shiftMs }: LogServer,
  { kind, logql }: Variant,
): Promise<AnswerRows> {
  const [startMs, endMs] = [corpus.startMs + shiftMs, corpus.endMs + shiftMs];
  const ns = (ms: number) => `${ms}000000`;
  const parameters = new URLSearchParams(
    kind === "instant"
      ? { query: logql, time: ns(endMs) }
      : {
          query: logql,
          start: ns(kind === "range" ? startMs + MINUTE_MS : startMs),
          end: ns(endMs),
          limit: "5000",
          ...(kind === "range" ? { step: "60" } : {}),
        },
  );
  const path = kind === "instant" ? "query" : "query_range";
  const text = await mustGet(`${url}/loki/api/v1/${path}?${parameters.toString()}`);
  const { result } = (JSON.parse(text) as LokiAnswer).data;
  if (kind === "entries")
    return [["", result.reduce((sum, { values = [] }) => sum + values.length, 0)]];
  return result.flatMap(({ metric = {}, value, values = [] }) => {
    const label = Object.values(metric).join(" ");
    if (value !== undefined) return [[label, Number(value[1])] as const];
    return values.map(
      ([seconds, count]) =>
        [`${Number(seconds) - shiftMs / 1000} ${label}`.trim(), Number(count)] as const,
    );
  });
}

/** Rows of JSON, one a line; `n` is the count, `_time` the beginning of a minute. */
async function askVictoriaLogs(
  corpus: Corpus,
  { url, shiftMs }: LogServer,
  { kind, logsql }: Variant,
): Promise<AnswerRows> {
  const parameters = new URLSearchParams({
    query: logsql!,
    start: `${corpus.startMs + shiftMs}000000`,
    end: `${corpus.endMs + shiftMs}000000`,
  });
  const text = await mustGet(`${url}/select/logsql/query?${parameters.toString()}`);
  const rows = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
  if (kind === "entries") return [["", rows.length]];
  return rows.map(({ n, _time, ...labels }) => {
    const minute =
      _time === undefined ? [] : [String((Date.parse(_time) - shiftMs + MINUTE_MS) / 1000)];
    return [[...minute, ...Object.values(labels)].join(" "), Number(n)] as const;
  });
}

async function mustGet(url: string): Promise<string> {
  const reply = await fetch(url);
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${url} is answered ${reply.status}: ${text.slice(0, 300)}`);
  return text;
}
