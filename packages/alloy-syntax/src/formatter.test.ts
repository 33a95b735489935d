import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { File } from "./ast.ts";
import { formatFile } from "./formatter.ts";
import { parseFile } from "./parser.ts";
import { Source } from "./source.ts";

function format(text: string): string {
  const { file, diagnostics } = parseFile(new Source("t.alloy", text));
  assert.deepEqual(diagnostics, []);
  return formatFile(file);
}

const CASES: readonly [rule: string, text: string, formatted: string][] = [
  ["nothing", "", ""],
  ["only a comment", "  // x", "// x\n"],
  ["= is aligned in a run", "a=1\nbbb = 2\n\ncc= 3", "a   = 1\nbbb = 2\n\ncc = 3\n"],
  [
    "trailing comments are aligned in a run",
    "a=1 // x\nbbb = 22 // y",
    "a   = 1  // x\nbbb = 22 // y\n",
  ],
  ["blank lines are kept at most one", "a = 1\n\n\n\nb = 2", "a = 1\n\nb = 2\n"],
  ["blocks are set apart", 'a { b = 1 }\nc "d" {}\n', 'a {\n\tb = 1\n}\n\nc "d" { }\n'],
  ["a multi-line value ends a run", "a = [\n1,\n]\nlonger = 1", "a = [\n\t1,\n]\nlonger = 1\n"],
  [
    "a run may end with a multi-line value",
    "longer = 1\na = [\n1,\n]",
    "longer = 1\na      = [\n\t1,\n]\n",
  ],
  [
    "a comma is put behind the last line",
    "a = {\nb = 1,\ncc = [1,2],\n}",
    "a = {\n\tb  = 1,\n\tcc = [1, 2],\n}\n",
  ],
  ["one-line objects", "a = { b = 1,c = 2 }", "a = {b = 1, c = 2}\n"],
  ["operators", "a=1+2*-3^(4)", "a = 1 + 2 * -3 ^ (4)\n"],
  ["calls and access", "a = f( x.y [ 0 ] , `r` )", "a = f(x.y[0], `r`)\n"],
  [
    "comments keep their place in a block",
    "a {\n// x\nb = 1\n// y\n}",
    "a {\n\t// x\n\tb = 1\n\t// y\n}\n",
  ],
  ["a comment behind a closing brace", "a {\nb = 1\n} // x", "a {\n\tb = 1\n} // x\n"],
  ["an empty object over two lines stays one thing", "a = {\n}\nbbb = 1", "a   = {}\nbbb = 1\n"],
  ["a number and an access stay apart", "a = 1 .b", "a = 1 .b\n"],
];

for (const [rule, text, formatted] of CASES) {
  test(`format: ${rule}`, () => {
    assert.equal(format(text), formatted);
    assert.equal(format(formatted), formatted);
  });
}

const identifier = fc.constantFrom("a", "bb", "ccc", "_d1", "é");
const literal = fc.oneof(
  fc.nat(1000).map(String),
  fc.constantFrom("1.5", ".5", "1e3", "true", "false", "null", "`raw`", "`r\nw`"),
  fc.string({ maxLength: 8 }).map((text) => `"${text.replaceAll(/["\\]|[^ -~]/g, "")}"`),
  identifier,
);
const separator = fc.constantFrom(", ", ",\n", ",", ", // c\n", ", /* b */ ");
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    literal,
    fc
      .tuple(fc.array(tie("expression"), { maxLength: 3 }), separator)
      .map(([elements, between]) => `[${elements.map((element) => element + between).join("")}]`),
    fc
      .tuple(fc.array(fc.tuple(identifier, tie("expression")), { maxLength: 3 }), separator)
      .map(
        ([fields, between]) =>
          `{${fields.map(([name, value]) => `${name}=${value}${between}`).join("")}}`,
      ),
    fc
      .tuple(
        tie("expression"),
        fc.constantFrom("+", "-", "*", "^", "==", "||", "<"),
        tie("expression"),
      )
      .map(([left, operator, right]) => `${left}${operator}\n${right}`),
    tie("expression").map((inner) => `(${inner})`),
    fc
      .tuple(identifier, tie("expression"))
      .map(([name, argument]) => `${name}(${argument}).x[${argument}]`),
    tie("expression").map((operand) => `-${operand}`),
  ),
}));
const { body } = fc.letrec<{ body: string; statement: string }>((tie) => ({
  statement: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(identifier, expression).map(([name, value]) => `${name} = ${value}`),
    fc.tuple(identifier, tie("body")).map(([name, inner]) => `${name}.x "l" {\n${inner}\n}`),
  ),
  body: fc
    .array(fc.tuple(tie("statement"), fc.constantFrom("\n", "\n\n\n", " // t\n", "\n// own\n")), {
      maxLength: 4,
    })
    .map((parts) => parts.flat().join("")),
}));

test("formatting keeps the meaning and is its own fixed point", () => {
  fc.assert(
    fc.property(body, (text) => {
      const before = parseFile(new Source("t.alloy", text));
      fc.pre(before.diagnostics.length === 0);
      const formatted = formatFile(before.file);
      const after = parseFile(new Source("t.alloy", formatted));
      assert.deepEqual(
        after.diagnostics.map((diagnostic) => diagnostic.message),
        [],
      );
      assert.equal(shape(after.file), shape(before.file));
      assert.deepEqual(
        after.file.comments.map((comment) => comment.text),
        before.file.comments.map((comment) => comment.text),
      );
      assert.equal(formatFile(after.file), formatted);
    }),
    { numRuns: 1500 },
  );
});

const PLACES = new Set([
  "start",
  "end",
  "equals",
  "nameEnd",
  "nameStart",
  "labelSpan",
  "nameSpan",
  "openBrace",
  "closeBrace",
  "openBracket",
  "openParen",
  "operatorStart",
]);

function shape(file: File): string {
  return JSON.stringify(file.body, (key, value: unknown) => {
    if (PLACES.has(key)) return undefined;
    return typeof value === "bigint" ? `${value}n` : value;
  });
}
