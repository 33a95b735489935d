import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileJsonQuery } from "./json-query.ts";

const VALUE = {
  a: { b: [10, { "c d": 1 }], e: "text" },
  items: [
    { id: 1, ok: true },
    { id: 2, ok: false },
  ],
  'q"': 3,
};

const CASES: readonly (readonly [expression: string, found: unknown])[] = [
  ["a.e", "text"],
  [" a.e ", "text"],
  ["a.b[0]", 10],
  ["a.b[-1]", { "c d": 1 }],
  ['a.b[1]."c d"', 1],
  [String.raw`"q\""`, 3],
  ["a.none.more", null],
  ["a.e.more", null],
  ["a.b[7]", null],
  ["items[0][0]", null],
  ["items[*].id", [1, 2]],
  ["items[?ok].id | [0]", 1],
  ["length(items)", 2],
  ["length(none)", null],
  ["join('-', ['x', a.e])", "x-text"],
  ["{n: a.e, k: keys(a)}", { n: "text", k: ["b", "e"] }],
  ["[a.e, items[1].ok]", ["text", false]],
];

describe("JMESPath", () => {
  for (const [expression, found] of CASES)
    test(expression, () => assert.deepEqual(compileJsonQuery(expression)(VALUE), found));

  for (const expression of ["", "a.", "a[", "length(b", "a..b", "a b"])
    test(`refuses ${JSON.stringify(expression)}`, () =>
      assert.throws(() => compileJsonQuery(expression), {
        code: "agent/bad-jmespath",
        message: /is not a JMESPath expression: ./,
      }));
});
