/** What a run of `logs-peers.ts` measured, held against the targets, as a table for people and as JSON. */
import type { EngineName, IngestResult } from "./log-engines.ts";
import { formatColumns } from "./peer-report.ts";

export interface Answered {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Of a repeated question: the first time. */
  readonly firstCpuMs: number | undefined;
  readonly times: number;
}

export interface QuestionResult {
  readonly name: string;
  readonly title: string;
  readonly answers: Readonly<Partial<Record<EngineName, Answered>>>;
  /** Where engines do not agree, in words. */
  readonly differences: readonly string[];
}

export interface LogsResult {
  readonly bench: "logs-peers";
  readonly corpus: {
    readonly entries: number;
    readonly lines: number;
    readonly bytes: number;
    readonly streams: number;
  };
  readonly ingest: Readonly<Partial<Record<EngineName | "finch-http", IngestResult>>>;
  readonly zstd: readonly {
    readonly level: number;
    readonly cpuSeconds: number;
    readonly bytes: number;
  }[];
  readonly memory: Readonly<
    Partial<
      Record<
        EngineName | "finch-http",
        { readonly idle: number; readonly peak: number | undefined }
      >
    >
  >;
  readonly coldReads: number | undefined;
  readonly coldBytes: number | undefined;
  readonly questions: readonly QuestionResult[];
}

export interface LogTarget {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

/** Finch's processor time over a peer's, at most. */
const QUESTION_LIMITS: Readonly<Record<string, Readonly<Partial<Record<EngineName, number>>>>> = {
  "needle-trace": { rg: 1 / 25, "chdb-text": 1 },
  "needle-user": { rg: 1 / 25, "chdb-text": 1 },
  "needle-address": { rg: 1 / 25, "chdb-text": 1 },
  "part-of-id": { "zstd-rg": 0.6, chdb: 1 },
  substring: { "zstd-rg": 0.6, chdb: 1 },
  "substring-fields": { "zstd-rg": 0.6, chdb: 1 },
  "substring-json": { "zstd-rg": 0.6, chdb: 1 },
  "json-count": { chdb: 1 / 30 },
  "json-by-status": { chdb: 1 / 30 },
  histogram: { chdb: 1 / 2 },
};
const INGEST_TIMES_TOKEN = 2;
const INGEST_TIMES_TEXT = 4;
const DISK_OVER_CHDB_MAX = 0.8;
const COLD_READS_MAX = 50;

/** The targets that the engines at hand allow to judge. */
export function judgeLogs(result: LogsResult): readonly LogTarget[] {
  const targets: LogTarget[] = [];
  const add = (target: Omit<LogTarget, "isMet">) =>
    targets.push({ ...target, isMet: target.value <= target.limit });
  const { finch, chdb, "chdb-token": token, "chdb-text": text } = result.ingest;
  const times = (peer: IngestResult | undefined, what: string, factor: number) => {
    if (finch && peer) add({ what, value: finch.cpuSeconds / peer.cpuSeconds, limit: 1 / factor });
  };
  times(token, "ingest CPU over chDB's with token filter", INGEST_TIMES_TOKEN);
  times(text, "ingest CPU over chDB's with text index", INGEST_TIMES_TEXT);
  const disk = (what: string, peerBytes: number | undefined, limit: number) => {
    if (finch?.diskBytes !== undefined && peerBytes !== undefined)
      add({ what, value: finch.diskBytes / peerBytes, limit });
  };
  disk("disk with all indexes over chDB's without any", chdb?.diskBytes, DISK_OVER_CHDB_MAX);
  disk("disk over zstd -1 of the file", result.zstd.find(({ level }) => level === 1)?.bytes, 1);
  if (result.coldReads !== undefined)
    add({ what: "reads of a cold needle", value: result.coldReads, limit: COLD_READS_MAX });
  for (const { name, title, answers } of result.questions) {
    const ours = answers.finch;
    for (const [peer, limit] of Object.entries(QUESTION_LIMITS[name] ?? {})) {
      const theirs = answers[peer as EngineName];
      if (ours && theirs)
        add({ what: `${title}, CPU over ${peer}'s`, value: ours.cpuMs / theirs.cpuMs, limit });
    }
  }
  return targets;
}

export function formatLogs(result: LogsResult, targets: readonly LogTarget[]): string {
  const { corpus } = result;
  const lines = [
    `${(corpus.bytes / 1e9).toFixed(2)} GB, ${(corpus.lines / 1e6).toFixed(2)} M lines, ${(corpus.entries / 1e6).toFixed(2)} M entries of ${corpus.streams} streams`,
    "",
    ...formatIngest(result),
    "",
    ...formatQuestions(result),
    "",
    ...formatColumns(
      ["target", "measured", "at most", ""],
      targets.map(({ what, value, limit, isMet }) => [
        what,
        value.toPrecision(3),
        limit.toPrecision(3),
        isMet ? "met" : "NOT MET",
      ]),
    ),
  ];
  const met = targets.filter(({ isMet }) => isMet).length;
  lines.push("", `${met} of ${targets.length} targets met`);
  const differences = result.questions.flatMap((question) => question.differences);
  lines.push(...differences.map((difference) => `ERROR: ${difference}`));
  return `${lines.join("\n")}\n`;
}

function formatIngest({ corpus, ingest, zstd, memory, ...rest }: LogsResult): string[] {
  const cell = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "–";
  const rows = Object.entries(ingest).map(([name, one]) => {
    const held = memory[name as EngineName | "finch-http"];
    return [
      name,
      cell(corpus.bytes / 1e6 / one.cpuSeconds, 1),
      cell(one.cpuSeconds, 1),
      cell(one.wallSeconds, 1),
      cell(one.diskBytes === undefined ? undefined : one.diskBytes / corpus.lines, 1),
      cell(one.rssPeakBytes / 2 ** 20, 0),
      cell(held && held.idle / 2 ** 20, 0),
      cell(held?.peak && held.peak / 2 ** 20, 0),
    ];
  });
  for (const { level, cpuSeconds, bytes } of zstd) {
    const rate = cell(corpus.bytes / 1e6 / cpuSeconds, 1);
    const disk = cell(bytes / corpus.lines, 1);
    rows.push([`zstd -${level}`, rate, cell(cpuSeconds, 1), "–", disk, "–", "–", "–"]);
  }
  const head = "ingest|MB per CPU s|CPU s|wall s|B a line|peak MiB|idle MiB|peak asked MiB";
  const cold =
    rest.coldReads === undefined
      ? []
      : [
          `a cold needle: ${rest.coldReads} reads, ${((rest.coldBytes ?? 0) / 1e6).toFixed(2)} MB (median of several)`,
        ];
  return [...formatColumns(head.split("|"), rows), ...cold];
}

function formatQuestions({ questions }: LogsResult): string[] {
  const names = [...new Set(questions.flatMap(({ answers }) => Object.keys(answers)))];
  const rows = questions.map(({ title, answers, differences }) => [
    `${title}${differences.length > 0 ? " ≠" : ""}`,
    ...names.map((name) => {
      const one = answers[name as EngineName];
      if (one === undefined) return "–";
      const first = one.firstCpuMs === undefined ? "" : `${formatMs(one.firstCpuMs)}, then `;
      return `${first}${formatMs(one.cpuMs)} (${formatMs(one.wallMs)})`;
    }),
  ]);
  return formatColumns(["CPU ms (wall ms), medians", ...names], rows);
}

const formatMs = (ms: number): string => (ms < 100 ? ms.toFixed(1) : ms.toFixed(0));
