import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDiagnostic, formatDiagnosticLine } from "./diagnostics.ts";
import { formatFile } from "./formatter.ts";
import { parseFile } from "./parser.ts";
import { decodeSource, Source } from "./source.ts";

const parse = (text: string) => parseFile(new Source("t.alloy", text));
const faults = (text: string) =>
  parse(text).diagnostics.map((diagnostic) =>
    formatDiagnosticLine(diagnostic).replace("Error: t.alloy:", ""),
  );

const VALID: readonly [rule: string, text: string, shape: string][] = [
  ["an empty file", "", ""],
  ["a byte-order mark", "\uFEFFa = 1", "a"],
  ["attributes and blocks", 'a = 1\nb.c "d" {\n\te = 2\n}', "a b.c:d{e}"],
  ["a block on one line", "a { b = 1 }", "a{b}"],
  ["an empty label is none", 'a "" { }', "a{}"],
  ["an operator may end a line", "a = 1 +\n 2", "a"],
  ["comments stand anywhere", "// x\na = /* y */ 1 // z\n/* w\n*/ b = 2", "a b"],
  ["a comma before a closing bracket on its own line", "a = [\n1,\n2,\n]", "a"],
  ["carriage returns are blanks", "a = 1\r\nb = 2\r\n", "a b"],
  ["a raw string may span lines", "a = `x\ny`\nb = 1", "a b"],
];

for (const [rule, text, shape] of VALID) {
  test(`parses ${rule}`, () => {
    const { file, diagnostics } = parse(text);
    assert.deepEqual(diagnostics, []);
    assert.equal(describe(file.body), shape);
  });
}

function describe(body: ReturnType<typeof parse>["file"]["body"]): string {
  return body
    .map((statement) => {
      if (statement.kind === "attribute") return statement.name;
      return `${statement.name}${statement.label === "" ? "" : `:${statement.label}`}{${describe(statement.body)}}`;
    })
    .join(" ");
}

const INVALID: readonly [rule: string, text: string, faults: readonly string[]][] = [
  ["a missing comma at a line end", "a = [\n1,\n2\n]", ["3:2: missing ',' in expression list"]],
  [
    "a missing comma before a comment",
    "a = {\nb = 1 // one\n}",
    ["2:6: missing ',' in field list"],
  ],
  ["a missing expression", "a =", ["1:4: expected expression, got end of file"]],
  [
    "a dotted attribute",
    "a.b = 1",
    ['1:1: attribute names may only consist of a single identifier with no "."'],
  ],
  [
    "a raw label",
    "a `b` { }",
    ['1:3: expected block label to be a double quoted string, but got "`b`"'],
  ],
  [
    "a label that is no identifier",
    'a "b-c" { }',
    ['1:3: expected block label to be a valid identifier, but got "b-c"'],
  ],
  ["single quotes", "a = 'x'", ["1:5: illegal single-quoted string; use double quotes"]],
  ["an unknown escape", String.raw`a = "\'"`, [String.raw`1:5: unknown escape sequence \'`]],
  [
    "an open string",
    'a = "x\nb = 1',
    ["1:5: string literal not terminated; close it with a double quote on the same line"],
  ],
  ["an open comment", "a = 1\n/* x", ["2:1: block comment not terminated"]],
  ["a block as a value", 'a = b.c "d" { }', ["1:5: cannot use a block as an expression"]],
  ["a labelled attribute", 'a "b" = 1', ["1:3: attribute names may not have labels"]],
  ["a bare label", "a b { }", ["1:3: expected block label, got IDENT b"]],
  [
    "a number as a field name",
    "a = {1 = 2}",
    ["1:6: expected field name (string or identifier), got NUMBER 1"],
  ],
  ["a keyword as a name", "a = b.true", ["1:7: expected IDENT, got BOOL true"]],
  ["a block as an expression", "a = [b { }]", ["1:6: cannot use a block as an expression"]],
  ["an open block", "a {\n b = 1\n", ['1:3: block "a" is not closed: expected }, got end of file']],
  ["two statements on a line", "a = 1 b = 2", ["1:7: expected end of line, got IDENT b"]],
  [
    "several faults, one for each statement",
    "a = \nb = 1\nc = ]\nd { e = ) }",
    ["3:5: expected expression, got ]", "4:9: expected expression, got )"],
  ],
  ["an illegal character", "a = 1 ~ 2", ['1:7: illegal character "~"']],
  ["a stray brace", "}\na = 1", ["1:1: expected identifier, got }"]],
];

for (const [rule, text, expected] of INVALID) {
  test(`refuses ${rule}`, () => {
    const actual = faults(text);
    if (rule.startsWith("several")) assert.equal(actual.length >= 2, true, actual.join("\n"));
    else assert.deepEqual(actual, expected);
  });
}

test("a fault ends its statement only", () => {
  const { file, diagnostics } = parse("a = 1\nb = [1,, 2]\nc { d = ! }\ne = 2");
  assert.equal(diagnostics.length, 2);
  assert.equal(describe(file.body), "a c{} e");
});

test("a diagnostic shows its place", () => {
  const [diagnostic] = parse('x = 1\n\ty = 1 + "a\nz = 2').diagnostics;
  assert.equal(
    formatDiagnostic(diagnostic!),
    'Error: t.alloy:2:10: string literal not terminated; close it with a double quote on the same line\n\n1 | x = 1\n2 |     y = 1 + "a\n  |             ^^\n3 | z = 2\n',
  );
});

test("bytes that are not UTF-8 are refused with their line", () => {
  assert.throws(
    () => decodeSource("t.alloy", Uint8Array.of(0x61, 0x0a, 0xff)),
    /t\.alloy:2:1: the file is not valid UTF-8/,
  );
});

for (const [what, text] of [
  ["brackets", `a = ${"[".repeat(100_000)}`],
  ["parentheses", `a = ${"(".repeat(5000)}1${")".repeat(5000)}`],
  ["minus signs", `a = ${"-".repeat(100_000)}1`],
  ["blocks", "a {".repeat(50_000)],
  ["operators", `a = 1${" + 1".repeat(100_000)}`],
  ["accesses", `a = b${".c".repeat(100_000)}`],
] as const) {
  test(`${what} nested too deeply are a fault, not a crash`, () =>
    assert.ok(parse(text).diagnostics.length > 0));
}

const SAMPLE = `// c
logging { level = "info" }
prometheus.scrape "a" {
	targets = [{__address__ = "h:1", "x-y" = \`raw\`}] // t
	forward_to = [
		a.b.c.receiver, /* d */
	]
	x = string.format("%s", (1 + 2 ^ 3) * -4.5e3, !true || false)["k"][0].f

	rule {
		modulus = 0x
	}
}
`;

test("truncated and damaged text never crashes", () => {
  for (let length = 0; length <= SAMPLE.length; length++) {
    const { file } = parse(SAMPLE.slice(0, length));
    formatFile(file);
  }
  fc.assert(
    fc.property(fc.nat(SAMPLE.length - 1), fc.nat(0x2ff), (at, code) => {
      formatFile(
        parse(SAMPLE.slice(0, at) + String.fromCharCode(code) + SAMPLE.slice(at + 1)).file,
      );
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      formatFile(parse(new TextDecoder().decode(bytes)).file);
    }),
  );
});
