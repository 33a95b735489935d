/**
 * LogQL over the real store, with its columns and filters, answers as over a plain list of lines: line filters that cross whatever the store took apart,
 * field filters, counts by field. Lines, queries and how the lines came into the store are drawn at random; a failure prints the seed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine, createMemorySource, makeColumns } from "@finch/logql";
import type { LogSource, MemoryEntry } from "@finch/logql";
import { Labels } from "@finch/model";
import { FinchError, nodeFileSystem, silentLogger } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { createLogSource } from "../src/index.ts";
import { fixedClock, NOW_MS, temporaryDirectory } from "./serve.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 12);
const QUERIES = 25;
const MINUTE_NS = 60_000_000_000n;
const START_NS = BigInt(NOW_MS) * 1_000_000n - 60n * MINUTE_NS;
const END_NS = BigInt(NOW_MS) * 1_000_000n;

/** Draws from a seed: lines by the hundred would make fast-check slow. */
class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  of<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join("");
  }
}

type Value = (draw: Draw) => string;

/** What a field of a line may be like; one kind a field, now and then another. */
const VALUES: readonly Value[] = [
  (draw) => String(draw.below(700)),
  (draw) => String(draw.below(3) * 100 + 200),
  (draw) => `0${draw.below(100)}`,
  (draw) => `${draw.below(100)}.${draw.below(1000)}`,
  (draw) => `${draw.below(100)}.50`,
  (draw) => `-${draw.below(10)}`,
  (draw) => `${draw.below(2 ** 31)}${draw.below(2 ** 31)}`,
  (draw) => draw.hex(16),
  (draw) => draw.hex(16).toUpperCase(),
  (draw) => `${draw.hex(8)}-${draw.hex(4)}-${draw.hex(12)}`,
  (draw) => `10.0.${draw.below(3)}.${draw.below(256)}`,
  (draw) => `10.0.0.${draw.below(256)}:${8000 + draw.below(100)}`,
  (draw) => `${draw.below(900)}ms`,
  (draw) => draw.of(["GET", "POST", "get", "DELETE"]),
  (draw) => draw.of(["true", "false", "null"]),
  (draw) => draw.of(["", "a", "error", "näme", "日本", "x=y", "{}", "[1]"]),
  (draw) => `/api/v${draw.below(3)}/items/${draw.below(50)}`,
  (draw) => `u_${draw.below(40)}`,
  () => "always",
];
const NAMES = ["status", "took", "trace", "user", "method", "path", "a.b"] as const;

/** A kind of line: fields and how they are written. */
function createWriter(draw: Draw): (draw: Draw) => string {
  const fields = NAMES.slice(draw.below(3), 3 + draw.below(5)).map((name) => ({
    name,
    value: draw.of(VALUES),
  }));
  const valueOf = (by: Draw, value: Value) => (by.below(25) === 0 ? by.of(VALUES) : value)(by);
  const isPlain = (text: string) => /^(-?(0|[1-9]\d*)(\.\d+)?|true|false|null)$/.test(text);
  const kinds: ((by: Draw) => string)[] = [
    (by) =>
      `{${fields
        .filter(() => by.below(20) > 0)
        .map(({ name, value }) => {
          const text = valueOf(by, value);
          return `"${name}":${isPlain(text) ? text : JSON.stringify(text)}`;
        })
        .join(by.below(15) === 0 ? ", " : ",")}}`,
    (by) =>
      `{"deep":{${fields.map(({ name, value }) => `"${name}":${JSON.stringify(valueOf(by, value))}`).join(",")}},"level":"info"}`,
    (by) =>
      fields
        .map(({ name, value }) => {
          const text = valueOf(by, value);
          return `${name}=${/^[\w./:-]*$/.test(text) ? text : JSON.stringify(text)}`;
        })
        .join(" "),
    (by) =>
      `Nov ${10 + by.below(9)} node-${by.below(3)} app[${by.below(9999)}]: ${fields.map(({ value }) => valueOf(by, value)).join(" ")}`,
    (by) =>
      `${fields.map(({ value }) => valueOf(by, value)).join("")}\n\tat x.y(Z.java:${by.below(9)})`,
  ];
  return draw.of(kinds);
}

interface Stream {
  readonly labels: Labels;
  readonly entries: readonly MemoryEntry[];
}

function createStreams(draw: Draw, rows: number): readonly Stream[] {
  return Array.from({ length: 1 + draw.below(3) }, (_, stream) => {
    const writers = Array.from({ length: 1 + draw.below(3) }, () => createWriter(draw));
    const entries = Array.from({ length: rows }, (_, row): MemoryEntry => {
      const timestampNs =
        START_NS + (BigInt(row) * 59n * MINUTE_NS) / BigInt(rows) + BigInt(stream);
      const line = draw.of(writers)(draw);
      return draw.below(6) === 0
        ? { timestampNs, line, metadata: Labels.fromObject({ pod: `p-${draw.below(4)}` }) }
        : { timestampNs, line };
    });
    return { labels: Labels.fromObject({ job: "any", stream: String(stream) }), entries };
  });
}

/** A piece of a line that is there, or was changed in one place. */
function pieceOf(draw: Draw, streams: readonly Stream[]): string {
  const { entries } = draw.of(streams);
  const characters = Array.from(draw.of(entries).line);
  const from = draw.below(Math.max(1, characters.length - 1));
  const piece = characters.slice(from, from + 1 + draw.below(24));
  if (draw.below(6) === 0) piece[draw.below(piece.length)] = draw.of(["x", "9", " ", '"']);
  return piece.join("");
}

const quote = (text: string): string => JSON.stringify(text);
const escape = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");

function regexpOf(draw: Draw, streams: readonly Stream[]): string {
  const text = escape(pieceOf(draw, streams));
  switch (draw.below(6)) {
    case 0:
      return text.replaceAll(/\d+/g, "[0-9]+");
    case 1:
      return `(${text}|${escape(pieceOf(draw, streams))})`;
    case 2:
      return `^${text}`;
    case 3:
      return `${text}$`;
    case 4:
      return `(?i)${text}`;
    default:
      return `${text}.*${escape(pieceOf(draw, streams).slice(0, 3))}`;
  }
}

function filterOf(draw: Draw, streams: readonly Stream[]): string {
  const piece = quote(pieceOf(draw, streams));
  switch (draw.below(7)) {
    case 0:
      return `!= ${piece}`;
    case 1:
      return `|~ ${quote(regexpOf(draw, streams))}`;
    case 2:
      return `!~ ${quote(regexpOf(draw, streams))}`;
    case 3:
      return `|= ${piece} or ${quote(pieceOf(draw, streams))}`;
    case 4:
      return `|> ${quote(`<_>${pieceOf(draw, streams).replaceAll(/[<>]/g, "")}<_>`)}`;
    default:
      return `|= ${piece}`;
  }
}

function parserOf(draw: Draw): string {
  return draw.of(["| json", "| logfmt", '| json status, s="deep.status"', "| logfmt status", ""]);
}

function fieldFilterOf(draw: Draw): string {
  const name = draw.of(["status", "took", "user", "method", "deep_status", "a_b", "pod", "stream"]);
  switch (draw.below(6)) {
    case 0:
      return `| ${name} >= ${draw.below(600)}`;
    case 1:
      return `| ${name} == ${draw.of([200, 300, 400])}`;
    case 2:
      return `| ${name} =~ ${quote(draw.of(["GET|POST", "2..", ".+", "u_1.*", ""]))}`;
    case 3:
      return `| ${name} != ${quote(draw.of(["", "200", "GET"]))}`;
    case 4:
      return `| ${name} > ${draw.of(["10ms", "1KB", "-5", "1.5"])}`;
    default:
      return `| ${name} = ${quote(draw.of(["200", "GET", "u_1", "0200", "1.50", "true", ""]))}`;
  }
}

function queryOf(draw: Draw, streams: readonly Stream[]): string {
  const filters = Array.from({ length: draw.of([0, 1, 1, 2]) }, () => filterOf(draw, streams)).join(
    " ",
  );
  const parser = parserOf(draw);
  const fields = Array.from({ length: draw.of([0, 0, 1, 1, 2]) }, () => fieldFilterOf(draw)).join(
    " ",
  );
  const errors = draw.below(2) === 0 ? '| __error__=""' : "";
  const pipeline = `{job="any"} ${filters} ${parser} ${fields} ${errors}`;
  const by = draw.of(["", "by (status)", "by (method, stream)", "by (pod)", "without (stream)"]);
  switch (draw.below(5)) {
    case 0:
      return `sum ${by} (count_over_time(${pipeline}[7m]))`;
    case 1:
      return `sum ${by} (bytes_over_time(${pipeline}[10m]))`;
    case 2:
      return `sum ${by} (sum_over_time(${pipeline} | unwrap ${draw.of(["status", "took"])} | __error__="" [9m]))`;
    default:
      return pipeline;
  }
}

const engine = createEngine({
  clock: fixedClock,
  limits: { seriesMax: 1e6, intermediateSeriesMax: 1e6 },
});

/** A fault that a query ends with. */
class Fault {
  readonly words: string;

  constructor({ code, message }: FinchError) {
    this.words = `${code}: ${message}`;
  }
}

/** What a query answers, as text, or its fault. */
async function answer(source: LogSource, query: string, isBackward: boolean): Promise<unknown> {
  try {
    const result = await engine.rangeQuery({
      source,
      query,
      startNs: START_NS,
      endNs: END_NS,
      stepNs: 5n * MINUTE_NS,
      limit: isBackward ? 50 : 5000,
      direction: isBackward ? "backward" : "forward",
      signal: new AbortController().signal,
    });
    if (result.type === "matrix")
      return result.series.map(({ labels, timestampsMs, values }) => [
        labels.toString(),
        [...timestampsMs],
        [...values].map((value) => value.toPrecision(12)),
      ]);
    return result.streams
      .flatMap(({ labels, entries }) =>
        entries.map((entry) => [labels.toString(), String(entry.timestampNs), entry.line]),
      )
      .toSorted((a, b) => (a.join() < b.join() ? -1 : 1));
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    return new Fault(error);
  }
}

async function check(seed: number, rows: number): Promise<void> {
  const draw = new Draw(seed);
  const streams = createStreams(draw, rows);
  const list = createMemorySource();
  const alone = streams.map(() => createMemorySource());
  for (const [i, { labels, entries }] of streams.entries()) {
    list.append(labels, entries);
    alone[i]!.append(labels, entries);
  }
  await using directory = await temporaryDirectory();
  await using store = await openLogStore({
    directory: join(directory.path, "logs"),
    fileSystem: nodeFileSystem,
    clock: fixedClock,
    log: silentLogger,
    limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
    retention: DEFAULT_RETENTION,
  });
  // Some in a block, some in another, some in memory.
  const cuts = [0, draw.below(rows), draw.below(rows), rows].toSorted((a, b) => a - b);
  for (const [part, from] of cuts.slice(0, -1).entries()) {
    const to = cuts[part + 1]!;
    if (to > from)
      await store.append({
        streams: streams.map(({ labels, entries }) => ({
          labels,
          entries: makeColumns(entries.slice(from, to)),
        })),
      });
    if (part < 2) await store.flush();
  }
  const real = createLogSource(store);
  for (let n = 0; n < QUERIES; n++) {
    const query = queryOf(draw, streams);
    const isBackward = draw.below(2) === 0;
    const expected = await answer(list, query, isBackward);
    const actual = await answer(real, query, isBackward);
    if (!(actual instanceof Fault) || !(expected instanceof Fault)) {
      assert.deepEqual(actual, expected, `seed ${seed}: ${query}`);
      continue;
    }
    // A fault names the first line that it is met at: which stream is read first is not said, within each it is the first line.
    const faults = await Promise.all(alone.map((source) => answer(source, query, isBackward)));
    const words = faults.flatMap((fault) => (fault instanceof Fault ? [fault.words] : []));
    assert.ok(
      words.includes(actual.words),
      `seed ${seed}: ${query}: ${actual.words}\n${words.join("\n")}`,
    );
  }
}

test("queries over the store answer as over a list of lines", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 1, max: 400 }), check),
    // A fault in columns tells metadata that nothing else reads.
    { numRuns: RUNS, examples: [[31, 274]] },
  );
});
