/** Aggregations series after series answer what the plain way does: a sum with nothing added goes that way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { setStaleAt, wordsOf } from "@finch/model";
import type { Series } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { createEngine } from "./engine.ts";
import { createMemorySource } from "./memory-source.ts";

/** Counters with resets, gaps, stale markers, a NaN, starts from zero; some targets share their column of times. */
function makeSeries(name: string): readonly Series[] {
  return Array.from({ length: 30 }, (_, n) => {
    const length = 200 - (n % 3) * 40;
    let value = n % 4 === 0 ? 0 : n * 1000.1;
    const values = Float64Array.from({ length }, (__, i) => {
      value = n % 5 === 0 && i % 70 === 69 ? 0.3 : value + ((i * 13 + n * 7) % 17) / 10;
      return n === 7 && i === 50 ? NaN : value;
    });
    if (n % 6 === 5) setStaleAt(wordsOf(values), 100);
    return {
      labels: Labels.fromObject({ __name__: name, mode: `m${n % 4}`, id: `${n}` }),
      timestampsMs: Float64Array.from({ length }, (__, i) => i * 15_000 + (n % 2) * 1000),
      values,
    };
  });
}

const source = createMemorySource([...makeSeries("x_total"), ...makeSeries("y_total")]);
const range = { source, startMs: 0, endMs: 3_000_000, stepMs: 45_000 };
const OPERATORS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"];
const ARGUMENTS = [
  "x_total",
  "rate(x_total[5m])",
  "increase(x_total[1m])",
  "delta(x_total[5m])",
  "max_over_time(x_total[2m])",
  "last_over_time(x_total[2m])",
  "quantile_over_time(0.5, x_total[2m])",
  'rate({__name__=~".+_total",id="3"}[5m])',
];

for (const delayedNameRemoval of [false, true]) {
  const engine = createEngine({ clock: systemClock, delayedNameRemoval });
  void test(`the same to the last digit, names removed ${delayedNameRemoval ? "late" : "at once"}`, async () => {
    for (const grouping of ["", "by (mode) ", "by (mode, __name__) ", "without (id) "]) {
      for (const operator of OPERATORS) {
        for (const argument of ARGUMENTS) {
          const query = `${operator} ${grouping}(${argument})`;
          const plain = `${operator} ${grouping}(${argument} or nothing)`;
          const [streamed, whole] = await Promise.all(
            [query, plain].map((one) =>
              engine.rangeQuery({ ...range, query: one }).then(
                ({ series }) =>
                  series.map(({ labels, timestampsMs, values }) => [
                    labels.key,
                    timestampsMs,
                    values,
                  ]),
                (error: Error) => error.message,
              ),
            ),
          );
          assert.deepEqual(streamed, whole, query);
        }
      }
    }
  });
}
