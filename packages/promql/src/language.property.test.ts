import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PromqlParseError } from "./errors.ts";
import { parseQuery } from "./parser.ts";
import { formatQuery } from "./printer.ts";

const label = fc.constantFrom("job", "instance", "le", "sum", "by", '"label-x"');
const metric = fc.constantFrom("up", "node:cpu:rate5m", "sum", "offset", "x");
const duration = fc.constantFrom("5m", "300", "1h30m", "1d");
const matchers = fc
  .array(
    fc.tuple(label, fc.constantFrom("=", "!=", "=~", "!~"), fc.constantFrom('"a"', "'b|c'", '""')),
    { maxLength: 3 },
  )
  .map((parts) => (parts.length === 0 ? "" : `{${parts.map((part) => part.join("")).join(",")}}`));
const modifier = fc.constantFrom(
  "",
  " offset 5m",
  " offset -1h",
  " @ 1700000000.5",
  " @ start()",
  " @ end() offset 30s",
);
const selector = fc.tuple(metric, matchers, modifier).map((parts) => parts.join(""));
const range = fc
  .tuple(metric, matchers, duration, modifier)
  .map(([m, s, d, o]) => `${m}${s}[${d}]${o}`);
const labels = fc.array(label, { maxLength: 3 }).map((names) => `(${names.join(", ")})`);

const { vector } = fc.letrec<{ vector: string }>((tie) => ({
  vector: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    selector,
    fc
      .tuple(fc.constantFrom("rate", "sum_over_time", "changes"), range)
      .map(([name, arg]) => `${name}(${arg})`),
    fc
      .tuple(
        fc.constantFrom("sum", "avg", "count"),
        fc.constantFrom(" by ", " without "),
        labels,
        tie("vector"),
      )
      .map(([op, how, by, v]) => `${op}${how}${by} (${v})`),
    fc
      .tuple(fc.constantFrom("topk(3, ", "quantile(0.5, ", 'count_values("v", '), tie("vector"))
      .map(([head, v]) => `${head}${v})`),
    fc
      .tuple(
        tie("vector"),
        fc.constantFrom(
          "+",
          "-",
          "*",
          "/",
          "^",
          "and",
          "or",
          "unless",
          "> bool",
          "== on (job)",
          "* ignoring (le) group_left (x)",
        ),
        tie("vector"),
      )
      .map((parts) => `(${parts[0]}) ${parts[1]} (${parts[2]})`),
    fc
      .tuple(fc.constantFrom("1 + ", "2 ^ ", "-", "- 3 * "), tie("vector"))
      .map((parts) => parts.join("")),
    fc
      .tuple(tie("vector"), duration, fc.constantFrom("", "1m"))
      .map(([v, d, s]) => `max_over_time((${v})[${d}:${s}])`),
  ),
}));

/** The tree without positions and functions, to compare by. */
function shapeOf(query: string): unknown {
  return JSON.parse(
    JSON.stringify(parseQuery(query), (key, value: unknown) =>
      key === "position" ? undefined : value,
    ),
  );
}

void test("the printed form of a query parses to the same tree", () => {
  fc.assert(
    fc.property(vector, (query) => {
      const text = formatQuery(parseQuery(query));
      assert.equal(formatQuery(parseQuery(text)), text);
      // Matchers are printed in order of their text, so trees are compared after one printing.
      assert.deepEqual(shapeOf(formatQuery(parseQuery(text))), shapeOf(text));
    }),
    { numRuns: 500 },
  );
});

void test("any text is a query or a parse error with a place in the text", () => {
  const piece = fc.constantFrom(
    "sum",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "5m",
    "up",
    "by",
    "offset",
    "@",
    '"a"',
    "'",
    "=~",
    "+",
    "^",
    ":",
    ",",
    "#",
    "\n",
    "é",
    "0x",
    "1e",
    "_",
    "\\",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.array(piece, { maxLength: 15 }).map((parts) => parts.join(" ")),
      ),
      (text) => {
        try {
          parseQuery(text);
        } catch (error) {
          assert.ok(error instanceof PromqlParseError, String(error));
          const { start, end } = error.position;
          assert.ok(
            start >= 0 && start <= end && end <= text.length + 1,
            `${start} to ${end} of ${text.length}`,
          );
        }
      },
    ),
    { numRuns: 2000 },
  );
});
