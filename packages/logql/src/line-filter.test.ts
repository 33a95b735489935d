import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import fc from "fast-check";
import type { LineFilterExpr, LogExpr } from "./ast.ts";
import {
  compilePageFilter,
  filterPage,
  lineFilterStage,
  needlesOf,
  selectAll,
} from "./line-filter.ts";
import { makeColumns } from "./memory-source.ts";
import { parseQuery } from "./parser.ts";
import { Row } from "./row.ts";

function filterOf(text: string): LineFilterExpr {
  const [stage] = (parseQuery(`{a="b"} ${text}`) as LogExpr).stages;
  assert.equal(stage!.kind, "line-filter");
  return stage as LineFilterExpr;
}

function columnsOf(lines: readonly string[]) {
  return makeColumns(lines.map((line, i) => ({ timestampNs: BigInt(i), line })));
}

/** The lines that pass, found over the bytes of the page. */
function byPage(text: string, lines: readonly string[]): readonly string[] {
  const entries = columnsOf(lines);
  const selection = selectAll(entries.count);
  filterPage(entries, selection, compilePageFilter(filterOf(text)));
  return [...selection.rows.subarray(0, selection.count)].map((row) => lines[row]!);
}

/** The lines that pass, one by one. */
function byLine(text: string, lines: readonly string[]): readonly string[] {
  const entries = columnsOf(lines);
  const stage = lineFilterStage(filterOf(text));
  const row = new Row(() => 0n);
  return lines.filter((_, i) => {
    row.begin(Labels.EMPTY, entries, i);
    return stage(row);
  });
}

const LINES = [
  "GET /api 200",
  "GET /api 500",
  "xx GET /api 200",
  "GET /api 200 slow",
  "",
  "from 192.168.4.7 to 8.8.8.8",
  "v6 2001:db8::5 up",
  "bad 999.1.1.1 end",
  "grüße",
  "ERROR Kelvin",
  "error \u212Aelvin",
];

/** Filter and the numbers of the lines that pass. */
const CASES: readonly (readonly [string, readonly number[]])[] = [
  ['|= "GET"', [0, 1, 2, 3]],
  ['|= ""', LINES.map((_, i) => i)],
  ['!= "a"', [4, 5, 6, 8, 9, 10]],
  ['|= "200" or "500"', [0, 1, 2, 3, 6]],
  ['!= "200" or "500" or "e"', [4, 5]],
  ['|~ "2.0$"', [0, 2]],
  ['|~ "^GET|slow"', [0, 1, 3]],
  ['!~ "[a-z]"', [4]],
  ['|~ "(?i)error"', [9, 10]],
  ['|~ "(?i)kelvin"', [9, 10]],
  ['|~ "(?i)KELVIN|slow"', [3, 9, 10]],
  ['|~ "ERROR|slow"', [3, 9]],
  ['|~ "api \\\\d+ slo?w"', [3]],
  ['|> "GET <_> 200"', [0, 2]],
  ['!> "<_> 200"', [1, 3, 4, 5, 6, 7, 8, 9, 10]],
  ['|> ""', [4]],
  ['|= ip("192.168.0.0/16")', [5]],
  ['|= ip("8.8.8.1-8.8.8.9")', [5]],
  ['|= ip("2001:db8::/32") or "grü"', [6, 8]],
  ['!= ip("8.8.8.8")', [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]],
];

describe("line filters", () => {
  for (const [text, rows] of CASES) {
    test(text, () => {
      const expected = rows.map((row) => LINES[row]!);
      assert.deepEqual(byPage(text, LINES), expected);
      assert.deepEqual(byLine(text, LINES), expected);
    });
  }

  test("a hit across two lines is none", () => {
    assert.deepEqual(byPage('|= "ab"', ["xa", "bx", "ab", "a", "b"]), ["ab"]);
  });

  test("over bytes and line by line mean the same", () => {
    const line = fc.string({
      unit: fc.constantFrom("a", "b", "A", "B", " ", "é", "\u212A", "k"),
      maxLength: 8,
    });
    const filter = fc.constantFrom(
      ..."|= != |~ !~"
        .split(" ")
        .flatMap((op) =>
          [
            "a",
            "ab",
            "k",
            "(?i)ab",
            "(?i)k|b",
            "a|b",
            "a.b",
            "ab?c*",
            "[ab]k",
            "a{0,2}b",
            "\\\\wb",
          ].map((text) => `${op} "${text}"`),
        ),
      '|= "a" or "b"',
      '!= "a" or "bb"',
      '|> "a<_>b"',
      '!> "<_>k"',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), filter, (lines, text) => {
        assert.deepEqual(byPage(text, lines), byLine(text, lines));
      }),
      { numRuns: 1500 },
    );
  });

  test("needles name what every line contains, and say whether that is all", () => {
    const needles = (text: string) => {
      const asked = needlesOf(filterOf(text));
      return [...asked.needles.map((needle) => Buffer.from(needle).toString()), asked.isAll];
    };
    assert.deepEqual(needles('|= "abc"'), ["abc", true]);
    assert.deepEqual(needles('|= ""'), [true]);
    assert.deepEqual(needles('|~ "a"'), ["a", true]);
    assert.deepEqual(needles('|~ "ab+cde"'), ["cde", false]);
    assert.deepEqual(needles('|> "a<_>bc"'), ["a", "bc", false]);
    for (const none of ['|= "a" or "b"', '!= "a"', '|~ "a|b"', '|~ "(?i)a"', '|= ip("1.2.3.4")'])
      assert.deepEqual(needles(none), [false], none);
  });
});
