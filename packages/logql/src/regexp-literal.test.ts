import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readSimpleRegexp, requiredLiteral } from "./regexp-literal.ts";

/** Pattern and the literal every match has; "" when none is certain. */
const CASES: readonly (readonly [string, string])[] = [
  ["status=5..", "status=5"],
  ["status=(500|502) took", "status="],
  ["a(?:b|c)took=(?P<n>\\d+)ms", "took="],
  ["(error|warn)", ""],
  ["error|warn.*", ""],
  ["errors?", "error"],
  ["abc*de", "ab"],
  ["abc+de", "abc"],
  ["abc{0}de", "ab"],
  ["[abc]def[^]]x", "def"],
  ["[[:alpha:]]def", ""],
  ["[\\]]def", ""],
  ["(?i)error.", ""],
  ["a(?i:b)cdef", ""],
  ["\\bword\\b", "word"],
  ["\\x41bcd", ""],
  ["\\Qa.b\\Ecde", ""],
  ["\\pLabc", ""],
  ["took=\\d+ms", "took="],
  ["a\\.bcd", "bcd"],
  ["((x)yz)ab", "ab"],
  [".*", ""],
  ["^GET .* 200$", "GET "],
];

describe("requiredLiteral", () => {
  for (const [pattern, literal] of CASES) {
    test(pattern, () => assert.equal(requiredLiteral(pattern), literal));
  }
});

test("literals alone, plain or folded", () => {
  assert.deepEqual(readSimpleRegexp("a b|c"), { literals: ["a b", "c"], folded: false });
  assert.deepEqual(readSimpleRegexp("(?i)(?i)Error"), { literals: ["Error"], folded: true });
  for (const other of ["a.b", "a|", "(?s)a", "é", "(?i)", "a|(?i)b"])
    assert.equal(readSimpleRegexp(other), undefined, other);
});
