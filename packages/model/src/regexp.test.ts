import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { compileRegexp } from "./regexp.ts";

const ANCHORED: readonly [
  name: string,
  pattern: string,
  yes: readonly string[],
  no: readonly string[],
][] = [
  ["literal", "abc", ["abc"], ["", "ab", "abcd", "xabc"]],
  ["alternation", "a|bc|d", ["a", "bc", "d"], ["b", "abc", ""]],
  ["alternation in a group", "x(a|b)y", ["xay", "xby"], ["xy", "xaby"]],
  ["empty alternative", "a|", ["a", ""], ["b"]],
  ["many alternatives", "a|b|c|d|e|f", ["a", "f"], ["g", "ab"]],
  ["everything", ".*", ["", "a", "a\nb"], []],
  ["something", ".+", ["a", "\n"], [""]],
  ["prefix", "ab.*", ["ab", "abc"], ["a", "xab"]],
  ["suffix", ".*ab", ["ab", "cab"], ["abc"]],
  ["middle", ".*ab.*", ["ab", "xabx"], ["axb"]],
  ["suffix must not overlap prefix", "aba.*aba", ["abaaba", "aba-aba"], ["aba", "ababa"]],
  ["gap of one", "a.+b", ["axb"], ["ab"]],
  ["two gaps", "a.*b.*c", ["abc", "a1b2c"], ["acb"]],
  ["chains in alternation", "(a|b).*|c", ["a", "b1", "c"], ["c1"]],
  ["escaped dot", "a\\.b", ["a.b"], ["axb"]],
  ["longest alternative counts", "a|ab", ["a", "ab"], ["abb"]],
  ["single dot", "a.c", ["abc", "a😀c", "a\nc"], ["ac"]],
  ["class", "[0-9]+", ["123"], ["12a", ""]],
  ["case folding", "(?i)abc", ["ABC"], ["abd"]],
  ["quantified group", "(ab)+", ["abab"], ["aba", ""]],
  ["last letter optional", "https?", ["http", "https"], ["httpss"]],
  ["own anchors", "^ab$", ["ab"], ["xab"]],
  ["own anchors of two alternatives", "^a|b$", ["a", "b"], ["ab", "xa"]],
  ["an escaped dollar is none", "ab\\$", ["ab$"], ["ab"]],
  ["a dollar after an escaped backslash is one", "ab\\\\$", ["ab\\"], ["ab\\$"]],
  ["nothing but anchors", "^$", [""], ["^$", "a"]],
  ["unicode", "é.*", ["écu"], ["ecu"]],
];

for (const [name, pattern, yes, no] of ANCHORED) {
  void test(`anchored: ${name}`, () => {
    const regexp = compileRegexp(pattern, { anchored: true });
    for (const text of yes) assert.equal(regexp.test(text), true, JSON.stringify(text));
    for (const text of no) assert.equal(regexp.test(text), false, JSON.stringify(text));
  });
}

void test("a long list of texts is taken, anchors or not; another long pattern is refused", () => {
  const texts = Array.from({ length: 2000 }, (_, index) => `10\\.0\\.0\\.${index}`);
  const regexp = compileRegexp(`^(${texts.join("|")})$`, { anchored: true });
  assert.equal(regexp.literals?.length, 2000);
  for (const pattern of [".*".repeat(30_000) + "x?", "a?".repeat(3000)])
    assert.throws(() => compileRegexp(pattern, { anchored: true }), /longer than 2048 characters/);
});

const SEARCH: readonly [pattern: string, text: string, expected: boolean][] = [
  ["b", "abc", true],
  ["b.*d", "abcd", true],
  ["b.*d", "ab\ncd", false],
  ["(?s)b.*d", "ab\ncd", true],
  ["b.+", "ab", false],
  [".+b", "b", false],
  ["x|c", "abc", true],
  ["^b", "abc", false],
  ["", "", true],
];

for (const [pattern, text, expected] of SEARCH) {
  void test(`search: ${pattern} in ${JSON.stringify(text)}`, () => {
    assert.equal(compileRegexp(pattern, { anchored: false }).test(text), expected);
  });
}

void test("literals are told for alternations only", () => {
  const literals = (pattern: string) => compileRegexp(pattern, { anchored: true }).literals;
  assert.deepEqual(literals("a|b|a"), ["a", "b"]);
  assert.deepEqual(literals("x(a|b)(1|2)"), ["xa1", "xa2", "xb1", "xb2"]);
  assert.deepEqual(literals(""), [""]);
  assert.equal(literals("a.*"), undefined);
  assert.equal(literals("(?i)a"), undefined);
  assert.equal(compileRegexp("a", { anchored: false }).literals, undefined);
});

for (const pattern of [
  "(",
  "a)(b",
  "[",
  "a**",
  "(?=a)",
  "\\1",
  "a{1001}",
  "x".repeat(200_000),
  "(?P<n>a)(?P<n>b)",
  "\\",
]) {
  void test(`refused: ${pattern.slice(0, 20)}`, () => {
    assert.throws(() => compileRegexp(pattern, { anchored: true }), {
      name: "FinchError",
      code: "model/bad-regexp",
      kind: "invalid",
    });
  });
}

void test("groups", () => {
  const regexp = compileRegexp("(?P<x>a)(b)?(?P<y>c)", { anchored: false });
  assert.deepEqual(regexp.groupNames, ["", "x", "", "y"]);
  assert.deepEqual(regexp.exec("zac"), ["ac", "a", undefined, "c"]);
  assert.equal(regexp.exec("zab"), undefined);
  assert.deepEqual(compileRegexp("(a|b)c", { anchored: true }).exec("bc"), ["bc", "b"]);
});

// Expected values follow Go's regexp package.
const REPLACEMENTS: readonly [pattern: string, text: string, template: string, expected: string][] =
  [
    ["a*", "baaac", "x", "xbxcx"],
    ["x*", "abc", "-", "-a-b-c-"],
    ["(?P<n>a)", "bab", "${n}!", "ba!b"],
    ["(a)", "bab", "$1-", "ba-b"],
    ["(a)", "bab", "$1x", "bb"],
    ["(a)", "bab", "${1}x", "baxb"],
    ["a", "bab", "$$", "b$b"],
    ["a", "bab", "$", "b$b"],
    ["(a)", "bab", "$9", "bb"],
    ["b", "abc", "\\1", "a\\1c"],
    ["", "😀", "-", "-😀-"],
    ["\\b", "ab cd", "|", "|ab| |cd|"],
    ["^a", "aaa", "b", "baa"],
  ];

for (const [pattern, text, template, expected] of REPLACEMENTS) {
  void test(`replace ${pattern} in ${text} by ${template}`, () => {
    assert.equal(compileRegexp(pattern, { anchored: false }).replaceAll(text, template), expected);
  });
}

void test("every path agrees with the engine", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "ab",
    ".*",
    ".+",
    "(a|b)",
    "(?:ab|)",
    "|",
    "\\.",
    ".",
    "a+",
    "[ab]",
    "(a|.*b)",
  );
  const patterns = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
  const texts = fc
    .array(fc.constantFrom("a", "b", ".", "\n", "😀"), { maxLength: 8 })
    .map((t) => t.join(""));
  fc.assert(
    fc.property(patterns, texts, fc.boolean(), fc.boolean(), (pattern, text, anchored, dotAll) => {
      const flags = dotAll ? RE2JS.DOTALL : 0;
      let expected: boolean;
      try {
        expected = RE2JS.compile(anchored ? `^(?:${pattern})$` : pattern, flags).test(text);
      } catch {
        assert.throws(() => compileRegexp(pattern, { anchored, dotAll }));
        return;
      }
      assert.equal(compileRegexp(pattern, { anchored, dotAll }).test(text), expected);
    }),
    { numRuns: 3000 },
  );
});
