/** Both stores against naive models in memory: random appends with late, repeated and conflicting rows, seals and reopenings in between. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { compareLabels, createMatcher, Labels } from "@finch/model";
import type { Matcher } from "@finch/model";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { compileSelection } from "./line-selection.ts";
import {
  labelsOfSeries,
  labelsOfStream,
  logBatch,
  NOW_MS,
  readEntries,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";
import type { PlainEntry, PlainSample } from "./store-fixtures.ts";

const RUNS = 200;
const BASE_NS = BigInt(NOW_MS) * 1_000_000n;
const LOG_START_NS = BASE_NS - 2_000_000_000n;

type Step<T> =
  | { readonly kind: "append"; readonly rows: readonly T[] }
  | { readonly kind: "flush" | "compact" | "clean" }
  | {
      readonly kind: "delete";
      readonly matcher: number;
      readonly from: number;
      readonly to: number;
    }
  | { readonly kind: "reopen" };

function steps<T>(
  row: fc.Arbitrary<T>,
  further: readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step<T>> }[] = [],
): fc.Arbitrary<Step<T>[]> {
  return fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("append" as const),
          rows: fc.array(row, { minLength: 1, maxLength: 60 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constantFrom("flush" as const, "reopen" as const) }),
      },
      ...further,
    ),
    { maxLength: 18 },
  );
}

const series = fc.constantFrom("up", "cpu", "cpu_total", "x", "yy");
const sample: fc.Arbitrary<PlainSample> = fc.record({
  series,
  t: fc
    .oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 7_000_000 }))
    .map((t) => NOW_MS - 7_000_000 + t),
  v: fc.oneof(
    fc.constantFrom(1, 2.5, -0, 0, Infinity, -Infinity, NaN, 0.1 + 0.2, 1e300),
    fc.integer(),
    fc.double(),
  ),
});

/** What metrics can do besides. */
const METRIC_STEPS = [
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("flush" as const, "compact" as const, "clean" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      matcher: fc.nat(7),
      from: fc.integer({ min: 0, max: 7_000_000 }),
      to: fc.integer({ min: 0, max: 7_000_000 }),
    }),
  },
];

const MATCHERS: readonly (readonly Matcher[])[] = [
  [createMatcher("__name__", "=", "cpu")],
  [createMatcher("__name__", "=~", "cpu.*")],
  [createMatcher("__name__", "=~", "up|yy|none")],
  [createMatcher("__name__", "!=", ""), createMatcher("parity", "!=", "even")],
  [createMatcher("parity", "!~", "e.*")],
  [createMatcher("__name__", "=~", ".+"), createMatcher("nothing", "=", "")],
  [createMatcher("parity", "=", "")],
  [createMatcher("nothing", "=~", "a|")],
];

function bitsOf(value: number): bigint {
  return new BigUint64Array(Float64Array.of(value).buffer)[0]!;
}

describe("metrics", () => {
  test("equal the model after any history", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps(sample, METRIC_STEPS),
        fc.nat(7_000_000),
        fc.nat(7_000_000),
        async (history, a, b) => {
          const options = storeOptions(new FaultyFileSystem(), {
            limits: { outOfOrderWindowMs: 8_000_000 },
          });
          const model = new Map<string, number>();
          /** Rows since the last seal: what the store compares new ones with. */
          let fresh = new Map<string, number>();
          let store = await openMetricStore(options);
          for (const step of history) {
            if (step.kind === "flush") {
              await store.flush();
              fresh = new Map();
            } else if (step.kind === "reopen") {
              await store[Symbol.asyncDispose]();
              store = await openMetricStore(options);
            } else if (step.kind === "compact") {
              await store.compact();
            } else if (step.kind === "clean") {
              await store.cleanTombstones();
            } else if (step.kind === "delete") {
              const startMs = NOW_MS - 7_000_000 + Math.min(step.from, step.to);
              const endMs = NOW_MS - 7_000_000 + Math.max(step.from, step.to);
              const matchers = MATCHERS[step.matcher]!;
              const isHit = (key: string) => {
                const [name, t] = key.split("@");
                const labels = labelsOfSeries(name!);
                return (
                  Number(t) >= startMs &&
                  Number(t) <= endMs &&
                  matchers.every((m) => m.matches(labels.get(m.name)))
                );
              };
              const before = store.blocks().length;
              await store.deleteSeries({ matchers, startMs, endMs });
              for (const key of model.keys()) if (isHit(key)) model.delete(key);
              // What was in memory was sealed first, if it could be hit.
              if (store.blocks().length > before) fresh = new Map();
            } else if (step.kind === "append") {
              let accepted = 0;
              let duplicates = 0;
              let conflicts = 0;
              const result = await store.append(sampleBatch(step.rows));
              for (const { series, t, v } of step.rows) {
                const key = `${series}@${t}`;
                const known = fresh.get(key);
                if (known === undefined) accepted++;
                else if (bitsOf(known) === bitsOf(v)) duplicates++;
                else conflicts++;
                if (known === undefined) fresh.set(key, v);
                if (!model.has(key)) model.set(key, v);
              }
              assert.deepEqual(
                [result.accepted, result.duplicates, result.rejections.length],
                [accepted, duplicates, conflicts],
              );
            }
          }
          await using held = store;
          assert.deepEqual(
            await readSamples(held),
            new Map([...model].sort((x, y) => (x < y ? -1 : 1)).map(([k, v]) => [k, v])),
          );
          const startMs = NOW_MS - 7_000_000 + Math.min(a, b);
          const endMs = NOW_MS - 7_000_000 + Math.max(a, b);
          for (const matchers of MATCHERS) {
            const wanted = [...model].filter(([key]) => {
              const [name, t] = key.split("@");
              return (
                Number(t) >= startMs &&
                Number(t) <= endMs &&
                matchers.every((m) => m.matches(labelsOfSeries(name!).get(m.name)))
              );
            });
            assert.deepEqual(
              await readSamples(held, matchers, { startMs, endMs }),
              new Map(wanted),
            );
          }
          const names = [...new Set([...model.keys()].map((key) => key.split("@")[0]!))].sort();
          const scope = { matchers: [], startMs: 0, endMs: 8e15 };
          const listed = await held.labelValues("__name__", scope);
          if (history.some(({ kind }) => kind === "delete")) {
            // Labels of deleted samples may be listed as long as they stand in a block.
            for (const name of names) assert.ok(listed.includes(name));
            return;
          }
          assert.deepEqual(listed, names);
          assert.deepEqual(
            await held.labelNames(scope),
            names.length > 0 ? ["__name__", "parity"] : [],
          );
          assert.deepEqual(
            (await held.series({ ...scope, matchers: [createMatcher("parity", "=", "odd")] })).map(
              String,
            ),
            names
              .map(labelsOfSeries)
              .filter((labels) => labels.get("parity") === "odd")
              .sort(compareLabels)
              .map(String),
          );
        },
      ),
      { numRuns: RUNS },
    );
  });
});

const entry: fc.Arbitrary<PlainEntry> = fc.record(
  {
    stream: fc.constantFrom("a", "b", "c"),
    ns: fc
      .oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1_000_000_000 }))
      .map((ns) => LOG_START_NS + BigInt(ns)),
    line: fc.oneof(
      fc.constantFrom(
        "",
        "same",
        "GET /index.html 200",
        "\u0000\u{1F600}",
        "trace=4bf92f3577b34da6a3ce929d0e0e4736 done",
      ),
      fc.string({ maxLength: 300, unit: "binary" }),
    ),
    metadata: fc.constantFrom({ pod: "p1" }, { pod: "p2", empty: "" }),
  },
  { requiredKeys: ["stream", "ns", "line"] },
);

function format({ stream, ns, line, metadata }: PlainEntry): string {
  const set = Labels.fromObject(metadata ?? {});
  return `${stream}@${ns} ${line}${set.size === 0 ? "" : ` ${JSON.stringify(set.toObject())}`}`;
}

/** What logs can do besides. */
const LOG_STEPS = [
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "flush" as const,
        "flush" as const,
        "compact" as const,
        "clean" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      matcher: fc.nat(3),
      from: fc.oneof(fc.nat(30), fc.nat(1_000_000_000)),
      to: fc.oneof(fc.nat(30), fc.nat(1_000_000_000)),
    }),
  },
];

/** Queries of `line-selection.ts`. */
const LOG_DELETES = ["a", "b same", "c GET", "a e"];

describe("logs", () => {
  test("equal the model after any history", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps(entry, LOG_STEPS),
        fc.nat(1_000_000_000),
        fc.nat(1_000_000_000),
        async (history, a, b) => {
          const options = { ...storeOptions(new FaultyFileSystem()), compileSelection };
          /** First entry of each stream, time and line. */
          const model = new Map<string, PlainEntry>();
          let fresh = new Set<string>();
          let store = await openLogStore(options);
          for (const step of history) {
            if (step.kind === "flush") {
              await store.flush();
              fresh = new Set();
            } else if (step.kind === "reopen") {
              await store[Symbol.asyncDispose]();
              store = await openLogStore(options);
            } else if (step.kind === "compact") {
              await store.compact();
            } else if (step.kind === "clean") {
              await store.carryOutDeletes();
            } else if (step.kind === "delete") {
              const query = LOG_DELETES[step.matcher % LOG_DELETES.length]!;
              const [stream, text = ""] = query.split(" ");
              const from = LOG_START_NS + BigInt(Math.min(step.from, step.to));
              const to = LOG_START_NS + BigInt(Math.max(step.from, step.to));
              const before = store.statistics().blocks;
              await store.deleteLines({ query, startNs: from, endNs: to });
              for (const [key, row] of model)
                if (row.stream === stream && row.ns >= from && row.ns <= to)
                  if (Buffer.from(row.line).includes(text)) model.delete(key);
              // What was in memory was sealed first, if it could be hit.
              if (store.statistics().blocks > before) fresh = new Set();
            } else if (step.kind === "append") {
              const told: string[] = [];
              const stop = store.tail((labels, entries) => {
                for (let row = 0; row < entries.count; row++)
                  told.push(`${labels.get("app")}@${entries.timestampsNs[row]}`);
              });
              const result = await store.append(logBatch(step.rows));
              stop();
              let accepted = 0;
              // The batch groups rows by stream; among equal entries of a stream the first counts either way.
              for (const row of step.rows) {
                const key = `${row.stream}@${row.ns} ${new TextDecoder().decode(new TextEncoder().encode(row.line))}`;
                if (!fresh.has(key)) accepted++;
                fresh.add(key);
                if (!model.has(key))
                  model.set(key, { ...row, line: key.slice(key.indexOf(" ") + 1) });
              }
              assert.deepEqual(
                [result.accepted, result.duplicates, told.length],
                [accepted, step.rows.length - accepted, accepted],
              );
            }
          }
          await using held = store;
          const all = [...model.values()];
          for (const direction of ["forward", "backward"] as const) {
            assert.deepEqual(
              (await readEntries(held, { direction })).sort(),
              all.map(format).sort(),
            );
          }
          const startNs = LOG_START_NS + BigInt(Math.min(a, b));
          const endNs = LOG_START_NS + BigInt(Math.max(a, b));
          const inRange = all.filter(
            ({ ns, stream }) => ns >= startNs && ns < endNs && stream !== "b",
          );
          const found = await readEntries(held, {
            startNs,
            endNs,
            direction: "backward",
            matchers: [createMatcher("app", "!=", "b"), createMatcher("kind", "=", "test")],
          });
          assert.deepEqual(found.sort(), inRange.map(format).sort());
          // A needle may skip pages, never a line that contains it.
          for (const needle of [
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "index.html",
            ...all.slice(0, 3).map(({ line }) => Array.from(line).slice(1).join("")),
          ]) {
            const rows = await readEntries(held, { needles: [new TextEncoder().encode(needle)] });
            for (const row of all)
              if (row.line.includes(needle))
                assert.ok(rows.includes(format(row)), `lost ${format(row)} for ${needle}`);
          }
          // Labels of deleted lines may be listed as long as they stand in a block.
          if (history.some(({ kind }) => kind === "delete")) return;
          assert.deepEqual(
            (await held.series({ matchers: [], startMs: 0, endMs: 8e12 })).map(String),
            [...new Set(all.map(({ stream }) => stream))]
              .sort()
              .map((name) => String(labelsOfStream(name))),
          );
        },
      ),
      { numRuns: RUNS },
    );
  });
});
