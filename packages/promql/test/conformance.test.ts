/**
 * Runs our own scripts of `testdata`, and Prometheus' scripts from the folder of shared cases where there is one. Of the latter a number is
 * recorded that must not fall; what fails must be something that is not built yet.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import {
  memoryBackend,
  runPromqlScripts,
  SCRIPT_LANGUAGE,
} from "../../../tools/conformance/promql.ts";
import { createEngine } from "../src/engine.ts";
import { implementedFunctions } from "../src/call.ts";
import { FUNCTIONS } from "../src/functions.ts";
import { createMemorySource } from "../src/memory-source.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const SCRIPTS = join(SHARED, "conformance/prometheus/promqltest");
const QUERIES = join(SHARED, "conformance/compliance/promql/promql-test-queries.yml");
const RECORD = JSON.parse(
  readFileSync(join(import.meta.dirname, "conformance-record.json"), "utf8"),
) as { readonly promqltest: number };

void test("our own scripts hold", async () => {
  const outcomes = await runPromqlScripts([join(import.meta.dirname, "../testdata")]);
  assert.ok(outcomes.length >= 60, `only ${outcomes.length} cases found`);
  for (const { file, line, query, fault } of outcomes)
    assert.equal(fault, undefined, `${file}:${line}: ${query}`);
});

void test("scripts for names that are removed at once hold", async () => {
  const backend = memoryBackend({ ...SCRIPT_LANGUAGE, delayedNameRemoval: false });
  const outcomes = await runPromqlScripts([join(import.meta.dirname, "scripts")], backend);
  assert.ok(outcomes.length >= 20, `only ${outcomes.length} cases found`);
  for (const { line, query, fault } of outcomes)
    assert.equal(fault, undefined, `${line}: ${query}`);
});

void test(
  "Prometheus' scripts",
  { skip: existsSync(SCRIPTS) ? false : `no scripts at ${SCRIPTS}` },
  async () => {
    const outcomes = await runPromqlScripts([SCRIPTS]);
    const passed = outcomes.filter(({ fault }) => fault === undefined).length;
    const wrong = outcomes.filter(({ fault, unsupported }) => fault !== undefined && !unsupported);
    assert.deepEqual(
      wrong.map(({ file, line, query, fault }) => `${file}:${line}: ${query}: ${fault}`),
      [],
    );
    assert.ok(
      passed >= RECORD.promqltest,
      `${passed} cases passed, ${RECORD.promqltest} are recorded`,
    );
  },
);

/** Values the templates of the compliance queries run through. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  range: ["1s", "15s", "1m", "5m", "15m", "1h"],
  offset: ["1m", "5m", "10m"],
  simpleAggrOp: ["sum", "avg", "max", "min", "count", "stddev", "stdvar"],
  simpleTimeAggrOp: ["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last"],
  topBottomOp: ["topk", "bottomk"],
  quantile: ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"],
  arithBinOp: ["+", "-", "*", "/", "%", "^"],
  compBinOp: ["==", "!=", "<", ">", "<=", ">="],
  binOp: ["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="],
  simpleMathFunc: ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"],
  extrapolatedRateFunc: ["delta", "rate", "increase"],
  clampFunc: ["clamp_min", "clamp_max"],
  instantRateFunc: ["idelta", "irate"],
  dateFunc: ["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"],
  smoothingFactor: ["0.1", "0.5", "0.8"],
  trendFactor: ["0.1", "0.5", "0.8"],
};

function expand(query: string): readonly string[] {
  const match = /\{\{\.(\w+)\}\}/.exec(query);
  if (match === null) return [query];
  const values = VARIANTS[match[1]!];
  assert.ok(values !== undefined, `unknown template variable ${match[1]}`);
  return values.flatMap((value) => expand(query.replaceAll(match[0], value)));
}

void test(
  "the compliance queries run, or fail as they should",
  { skip: existsSync(QUERIES) ? false : `no queries at ${QUERIES}` },
  async () => {
    const engine = createEngine({ clock: systemClock });
    const timestampsMs = Float64Array.from({ length: 240 }, (_, i) => i * 15_000);
    const names = [
      "demo_memory_usage_bytes",
      "demo_num_cpus",
      "demo_cpu_usage_seconds_total",
      "demo_disk_usage_bytes",
      "demo_batch_last_success_timestamp_seconds",
    ];
    const source = createMemorySource(
      names.flatMap((__name__, n) =>
        (n === 1 ? [""] : ["free", "used"]).flatMap((type, t) =>
          ["localhost:1", "localhost:2"].map((instance) => ({
            labels: Labels.fromObject({ __name__, job: "demo", instance, type }),
            timestampsMs,
            values: timestampsMs.map((_, i) => (i + 1) * (n + 1 + t)),
          })),
        ),
      ),
    );
    let ran = 0;
    for (const entry of readFileSync(QUERIES, "utf8")
      .split(/^- query: /m)
      .slice(1)) {
      const [first = ""] = entry.split("\n");
      const text = first.startsWith("'") ? first.slice(1, -1).replaceAll("''", "'") : first;
      for (const query of expand(text)) {
        const run = engine.rangeQuery({
          source,
          query,
          startMs: 600_000,
          endMs: 3_000_000,
          stepMs: 60_000,
        });
        if (entry.includes("should_fail: true")) await assert.rejects(run, query);
        else await run;
        ran++;
      }
    }
    assert.ok(ran > 200, `only ${ran} queries ran`);
  },
);

void test("every function of the table is implemented, and no other", () => {
  assert.deepEqual(implementedFunctions().toSorted(), [...FUNCTIONS.keys()].toSorted());
});
