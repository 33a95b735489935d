/** Queries that pages may answer by counts count what is counted line by line: over any steps, late pages, repetitions and deletes. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compileLineSelection, createEngine } from "@finch/logql";
import type { LogSource } from "@finch/logql";
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import type { LogStore } from "@finch/store";
import { createLogSource } from "../src/index.ts";
import { columnsOfLines } from "../src/logs/entry-columns.ts";

const SECOND_NS = 1_000_000_000n;
const HOUR_NS = 3600n * SECOND_NS;
const BASE_NS = ((BigInt(Date.now() - 4 * 3_600_000) * 1_000_000n) / HOUR_NS) * HOUR_NS;

const QUERIES = [
  'sum by (detected_level) (count_over_time({job=~".+"} [R] O))',
  'sum by (app, detected_level) (rate({job="a"} [R] O))',
  'count_over_time({job="b"} [R] O)',
  'sum(count_over_time({job="a"} |= "u_7" [R] O))',
  'sum by (status) (count_over_time({job="a"} | json [R] O))',
  'sum by (status, detected_level, user) (count_over_time({job="a"} | json | status>=201 [R] O))',
  'sum by (detected_level) (count_over_time({job=~"a|b"} | detected_level!="warn" [R] O))',
  'sum(count_over_time({job="b"} | logfmt | took>3 [R] O))',
  'sum by (trace) (count_over_time({job="b"} [R] O))',
  'absent_over_time({job="b"} | detected_level="none" [R] O)',
  'sum by (detected_level) (bytes_over_time({job="b"} [R] O))',
];
/** Of seconds; those that are no multiples of others cut bins. */
const LENGTHS = [1, 5, 15, 45, 60, 61, 300, 420, 600, 3600];
const WHOLE_OFFSETS = ["", "offset 1m", "offset -5m"];
const OFFSETS = [...WHOLE_OFFSETS, "offset 7s"];

type Random = () => number;

/** A linear congruential generator: the same entries in every run. */
function createRandom(seed: number): Random {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

/** Entries within a stretch of seconds, many at whole minutes, or a nanosecond before or behind. */
function makeEntries(random: Random, job: string, { from, to }: Record<"from" | "to", number>) {
  const rows = Array.from({ length: 500 }, (_, i) => {
    const second = from + Math.floor(random() * (to - from));
    const near =
      random() < 0.5 ? BigInt(Math.floor(random() * 1e9)) : BigInt(Math.floor(random() * 3) - 1);
    const atMinute = random() < 0.4 ? Math.floor(second / 60) * 60 : second;
    const n = Math.floor(random() * 4);
    const line =
      job === "a"
        ? `{"status":${200 + n},"user":"u_${i % 9}"}`
        : `status=${200 + n} took=${i % 7} id=${i % 50}`;
    return { timeNs: BASE_NS + BigInt(atMinute) * SECOND_NS + near, line };
  });
  // Sorted, so that pages are of some minutes each; a few come late.
  rows.sort((a, b) => (a.timeNs < b.timeNs ? -1 : 1));
  if (random() < 0.3) rows.push(...rows.splice(5, 5));
  const metadataSets = [Labels.EMPTY, ...["info", "warn", "error"].map(levelOf)];
  const traced = Array.from({ length: 40 }, (_, i) => levelOf("info").with("trace", `t${i}`));
  const columns = columnsOfLines(rows);
  const metadataOf = Uint32Array.from(rows, () => Math.floor(random() * (job === "a" ? 4 : 44)));
  return { ...columns, metadataSets: [...metadataSets, ...traced], metadataOf };
}

function levelOf(level: string): Labels {
  return Labels.fromPairs(["detected_level", level]);
}

/** The same store, asked for lines and nothing else. */
function naiveSource(store: LogStore): LogSource {
  return {
    select: ({ matchers, startNs, endNs, needles, signal }, statistics) =>
      store.select(
        { matchers, startNs, endNs, needles, signal, lines: "all", direction: "forward" },
        statistics,
      ),
  };
}

async function answer(source: LogSource, query: string, grid: Grid): Promise<unknown> {
  const { startNs, endNs, stepNs } = grid;
  const engine = createEngine({ clock: systemClock, limits: {} });
  const signal = new AbortController().signal;
  const how = { limit: 100, direction: "backward", intervalNs: 0n, signal } as const;
  const result = await engine.rangeQuery({ ...how, source, query, startNs, endNs, stepNs });
  assert.equal(result.type, "matrix");
  return result.series
    .map(({ labels, timestampsMs, values }) => [labels.toString(), [...timestampsMs], [...values]])
    .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

interface Grid {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
}

/** Steps from somewhere in the first hours; every other time they are of whole minutes, as bins are. */
function makeQuestion(random: Random, n: number): { readonly query: string; readonly grid: Grid } {
  const isWhole = random() < 0.5;
  const lengths = isWhole ? LENGTHS.filter((length) => length % 60 === 0) : LENGTHS;
  const offset = pick(random, isWhole ? WHOLE_OFFSETS : OFFSETS);
  const query = QUERIES[n % QUERIES.length]!.replace("R", `${pick(random, lengths)}s`);
  const stepNs = BigInt(pick(random, lengths)) * SECOND_NS;
  const start = Math.floor(random() * (isWhole ? 10 : 7200)) * (isWhole ? 60 : 1);
  const startNs = BASE_NS + BigInt(start) * SECOND_NS + (random() < 0.1 ? 7_000_000n : 0n);
  const endNs = startNs + stepNs * BigInt(Math.floor(random() * 90));
  return { query: query.replace("O", offset), grid: { startNs, endNs, stepNs } };
}

test("counts of pages are those of their lines", async () => {
  const random = createRandom(5);
  const directory = await mkdtemp(join(tmpdir(), "finch-log-tallies-"));
  const store = await openLogStore({
    directory,
    fileSystem: nodeFileSystem,
    clock: systemClock,
    log: silentLogger,
    limits: DEFAULT_LIMITS,
    retention: DEFAULT_RETENTION,
    compileSelection: compileLineSelection,
  });
  let tallied = 0;
  const source: LogSource = {
    async *select(request, statistics) {
      for await (const page of createLogSource(store).select(request, statistics)) {
        if ((page.tally?.bins ?? 0) > 1) tallied++;
        yield page;
      }
    },
  };
  const compare = async (when: string) => {
    for (let n = 0; n < 40; n++) {
      const { query, grid } = makeQuestion(random, n);
      assert.deepEqual(
        await answer(source, query, grid),
        await answer(naiveSource(store), query, grid),
        `${when}: ${query} from ${(grid.startNs - BASE_NS) / 1_000_000n} ms, step ${grid.stepNs / SECOND_NS} s`,
      );
    }
  };
  try {
    const sent: { readonly labels: Labels; readonly entries: LogColumns }[] = [];
    const push = async (job: string, app: string, span: Record<"from" | "to", number>) => {
      const labels = Labels.fromPairs(["job", job, "app", app]);
      const entries = makeEntries(random, job, span);
      sent.push({ labels, entries });
      await store.append({ streams: [{ labels, entries }] });
    };
    for (let round = 0; round < 3; round++) {
      const span = { from: round * 2400, to: (round + 1) * 2400 };
      for (const app of ["x", "y"]) for (const job of ["a", "b"]) await push(job, app, span);
      await store.flush();
    }
    await compare("in blocks");
    assert.ok(tallied > 20, `${tallied} pages were counted by bins`);
    await push("a", "x", { from: 1000, to: 6000 });
    await push("b", "y", { from: 0, to: 60 });
    await compare("with late lines in the head");
    await store.flush();
    for (const at of [0, 7]) await store.append({ streams: [sent[at]!] });
    await compare("with late blocks and repetitions");
    await store.deleteLines({
      query: '{job="a"} |= "u_3"',
      startNs: BASE_NS,
      endNs: BASE_NS + HOUR_NS,
    });
    await compare("with deletes");
    await store.carryOutDeletes();
    await store.compact();
    await compare("merged");
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  }
});
