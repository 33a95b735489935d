import assert from "node:assert/strict";
import { test } from "node:test";
import { formatQueryLines } from "./line-printer.ts";
import { parseQuery } from "./parser.ts";
import { formatQuery } from "./printer.ts";

const LONG = `http_requests_total{environment="production",handler="/api/v1/query_range",instance="10.0.0.1:9090"}`;

const CASES: readonly (readonly [query: string, lines: readonly string[]])[] = [
  ["sum(rate(x[5m]))", ["sum(rate(x[5m]))"]],
  [
    `sum by (job) (rate(${LONG}[5m])) / 2`,
    ["  sum by (job) (", "    rate(", `      ${LONG}[5m]`, "    )", "  )", "/", "  2"],
  ],
  [`topk(3, ${LONG})`, ["topk(", "  3,", `  ${LONG}`, ")"]],
  [`-(${LONG})`, ["-(", `  ${LONG}`, ")"]],
  [
    `max_over_time((${LONG})[1h:1m] offset 5m)`,
    ["max_over_time(", "  (", `    ${LONG}`, "  )[1h:1m] offset 5m", ")"],
  ],
];

for (const [query, lines] of CASES) {
  void test(`lines of ${query.slice(0, 40)}`, () => {
    const text = formatQueryLines(parseQuery(query));
    assert.deepEqual(text.split("\n"), lines);
    assert.equal(formatQuery(parseQuery(text)), formatQuery(parseQuery(query)));
  });
}
