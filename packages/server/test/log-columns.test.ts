/** Queries over blocks, whose pages bring fields in columns, answer what they answer over lines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, createMemorySource, parseQuery } from "@finch/logql";
import type { LogSource, MemoryEntry } from "@finch/logql";
import { Labels } from "@finch/model";
import type { LogBatch } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogSource } from "../src/index.ts";
import { columnsOfLines } from "../src/logs/entry-columns.ts";

const START_NS = BigInt(Date.now() - 3_600_000) * 1_000_000n;
const MINUTE_NS = 60_000_000_000n;

/** Line `i` of a stream; every kind comes often enough to be a template. */
const LINES: Readonly<Record<string, (i: number) => string>> = {
  json: (i) =>
    [
      `{"level":"info","status":${200 + (i % 4)},"took":${(i % 7) / 2},"user":"u_${i % 90}","ok":${i % 2 === 0}}`,
      `{"level":"warn","status":"${i % 3 === 0 ? "" : 500 + (i % 3)}","http":{"status":${i % 5},"path":"/a\\n/${i % 4}"},"n":null}`,
      `{"a":{"b":"x${i % 3}"},"a_b":"y","list":[1,{"status":9}],"status":404,"status":405}`,
      `{"took":"1.5s","level":"info","bytes":"${i % 9}KB","weird key-1":"v${i % 2}","9":"d"}`,
      `{"status":200,"level":"error"`,
      `not json ${i}`,
      `{"status": 2${i % 10}0 , "level" : "debug" } `,
      `{"quote":"say \\"${i % 3}\\"","status":1e2,"env":"clash"}`,
    ][i % 8]!,
  logfmt: (i) =>
    [
      `level=info status=${200 + (i % 4)} took=${i % 7}ms msg="user \\"u${i % 4}\\" in" user=u_${i % 90}`,
      `level=warn status= flag msg="" took=1.5s`,
      `level=error level=warn status=500 trace=${(i * 2654435761).toString(16)}`,
      `status=200 a=b=c level=info`,
      `plain words ${i}`,
      `ts=2026-11-27T10:00:0${i % 10}.000Z level=info status=${i % 600} env=clash detected_level=fake`,
    ][i % 6]!,
  // Lines of one form, whose fields are all known: they can be counted by their values.
  access: (i) =>
    `{"level":"${i % 9 === 0 ? "warn" : "info"}","status":${200 + (i % 4)},"user":"u_${i % 90}","took":${(i % 7) / 2}}`,
  calls: (i) =>
    i % 3 === 0
      ? `level=info status="${i % 5 === 0 ? "" : 200 + (i % 4)}" user=u_${i % 90}`
      : `level=warn status="50${i % 3}" err="a \\"b\\" ${i % 4}"`,
};

const QUERIES = [
  "sum by (status) (count_over_time($ | json [2m]))",
  "sum by (status, level) (count_over_time($ | json | __error__=`` [2m]))",
  "sum by (level) (count_over_time($ | logfmt | status>=300 | __error__=`` [2m]))",
  "sum by (http_status, http_path) (rate($ | json | http_path!=`` | __error__=`` [5m]))",
  "sum by (a_b) (count_over_time($ | json | __error__=`` [5m]))",
  "sum by (weird_key_1, _9) (count_over_time($ | json | level=`info` | __error__=`` [5m]))",
  "sum by (quote) (count_over_time($ | json | __error__=`` [5m]))",
  "sum by (env, env_extracted, detected_level, detected_level_extracted) (count_over_time($ | json | __error__=`` [5m]))",
  "sum by (env, env_extracted, detected_level, detected_level_extracted) (count_over_time($ | logfmt [5m]))",
  "sum by (msg, flag) (count_over_time($ | logfmt [5m]))",
  "sum by (status) (count_over_time($ |= `info` | logfmt | user=~`u_1.` [5m]))",
  "sum by (level) (sum_over_time($ | json | unwrap took | __error__=`` [5m]))",
  "max_over_time($ | logfmt | unwrap duration(took) | __error__=`` [5m]) by (level)",
  "sum by (level) (sum_over_time($ | json | unwrap bytes(bytes) | __error__=`` [5m]))",
  "sum(count_over_time($ | json | status=`` [5m]))",
  "sum by (__error__) (count_over_time($ | json [5m]))",
  "sum by (trace) (count_over_time($ | logfmt | trace!=`` [10m]))",
  "sum by (detected_level) (count_over_time($ [1m]))",
  "sum by (detected_level) (bytes_over_time($ |= `status` [1m]))",
  "count_over_time($ |= `status` |= `00` [3m])",
  "$ | json | status>=500",
  "$ | json | level=`info` | user=~`u_1.` | line_format `{{.user}}`",
  "$ | logfmt | status=200 or level=`error`",
  "$ | logfmt | __error__!=``",
  "$ | json | http_status=3",
  "$ | logfmt --strict | status=200",
  "$ | json status=`http.status` | status=1",
];

const ASKED = [
  ["minutes", `{kind="json"}`],
  ["minutes", `{kind="logfmt"}`],
  ["minutes", `{env="test"}`],
  ["hour", `{kind="access"}`],
  ["hour", `{kind="calls"}`],
  ["hour", `{env="test"}`],
] as const;

function entriesOf(kind: string): MemoryEntry[] {
  return Array.from({ length: 900 }, (_, i) => ({
    // Some share a time, over the ends of pages too.
    timestampNs: START_NS + BigInt(Math.floor(i / 3)) * 5_000_000_000n,
    line: LINES[kind]!(i),
    metadata: Labels.fromPairs(["detected_level", i % 5 === 0 ? "warn" : "info"]),
  }));
}

function batchOf(kind: string): LogBatch {
  const entries = entriesOf(kind);
  const rows = entries.map(({ timestampNs, line }) => ({ timeNs: timestampNs, line }));
  const columns = columnsOfLines(rows);
  const metadataSets = [Labels.EMPTY, ...entries.map(({ metadata }) => metadata!)];
  const metadataOf = Uint32Array.from(entries, (_, i) => i + 1);
  return {
    streams: [{ labels: labelsOf(kind), entries: { ...columns, metadataSets, metadataOf } }],
  };
}

function labelsOf(kind: string): Labels {
  return Labels.fromPairs(["kind", kind, "env", "test"]);
}

/** Windows of some minutes, or one in which all lies. */
type Grid = "minutes" | "hour";

async function answer(source: LogSource, query: string, grid: Grid): Promise<unknown> {
  const isHour = grid === "hour";
  const text = isHour ? query.replaceAll(/\[\d+m\]/g, "[60m]") : query;
  const engine = createEngine({ clock: systemClock, limits: {} });
  try {
    return await engine.rangeQuery({
      source,
      query: parseQuery(text),
      startNs: START_NS - 1n,
      endNs: START_NS + (isHour ? 60n : 40n) * MINUTE_NS,
      stepNs: isHour ? 60n * MINUTE_NS : MINUTE_NS,
      intervalNs: 0n,
      limit: 700,
      direction: "backward",
      signal: new AbortController().signal,
    });
  } catch (error) {
    // Which of several rows that fail is met first is nobody's business.
    return String(error).replace(/for series: '.*'/, "");
  }
}

/** Without statistics, which differ; series in the order of their labels. */
function plain(result: unknown): unknown {
  if (typeof result === "string") return result;
  const { type, series, streams } = result as Record<string, unknown>;
  const list = (series ?? streams) as { labels: Labels }[];
  return [
    type,
    list
      .map((item) => ({ ...item, labels: item.labels.toString() }))
      .toSorted((a, b) => (a.labels < b.labels ? -1 : 1)),
  ];
}

test("queries over columns answer what queries over lines answer", async () => {
  const directory = await mkdtemp(join(tmpdir(), "finch-log-columns-"));
  const memory = createMemorySource();
  const store = await openLogStore({
    directory,
    fileSystem: nodeFileSystem,
    clock: systemClock,
    log: silentLogger,
    limits: DEFAULT_LIMITS,
    retention: DEFAULT_RETENTION,
  });
  try {
    for (const kind of Object.keys(LINES)) {
      memory.append(labelsOf(kind), entriesOf(kind));
      await store.append(batchOf(kind));
    }
    const source = createLogSource(store);
    const compare = async (when: string) => {
      for (const query of QUERIES)
        for (const [grid, selector] of ASKED) {
          const text = query.replace("$", selector);
          assert.deepEqual(
            plain(await answer(source, text, grid)),
            plain(await answer(memory, text, grid)),
            `${when}, ${grid}: ${text}`,
          );
        }
    };
    await compare("in memory");
    await store.flush();
    await compare("in a block");
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  }
});
