import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { scanLogfmt } from "./logfmt-scan.ts";

function scan(
  line: string,
  strict = false,
): { readonly pairs: string; readonly fault: string | undefined } {
  const pairs: string[] = [];
  const fault = scanLogfmt(line, strict, (key, value) => {
    pairs.push(`${key}=${value}`);
    return true;
  });
  return { pairs: pairs.join("|"), fault };
}

/** Line, pairs found in lenient mode, and the fault of strict mode. */
const CASES: readonly (readonly [string, string, string?])[] = [
  ["", ""],
  ["a=1 b=two", "a=1|b=two"],
  ["  a=1\tb=2  ", "a=1|b=2"],
  ["flag a= b", "flag=|a=|b="],
  ['a="hi there" b=2', "a=hi there|b=2"],
  ['a="say \\"hi\\" \\t\\u00e9" b=2', 'a=say "hi" \té|b=2'],
  [`a="it\\'s" b="\\ud83d\\ude00"`, "a=it's|b=😀"],
  ['é="\\x41"b=1 c=2', "b=1|c=2", "logfmt syntax error at pos 10 : invalid quoted value"],
  ["\ufffd=1 b=2", "b=2", "logfmt syntax error at pos 4 : invalid key"],
  ["a=1 foo=bar=buzz b=2", "a=1|b=2", "logfmt syntax error at pos 12 : unexpected '='"],
  ["a=1 =x b=2", "a=1|b=2", "logfmt syntax error at pos 5 : unexpected '='"],
  ['a"b=1 c=2', "c=2", "logfmt syntax error at pos 2 : unexpected '\"'"],
  ['good=1 bad="open', "good=1", "logfmt syntax error at pos 17 : unterminated quoted value"],
];

describe("scanLogfmt", () => {
  for (const [line, pairs, fault] of CASES) {
    test(JSON.stringify(line), () => {
      assert.equal(scan(line).pairs, pairs);
      assert.equal(scan(line).fault, undefined);
      assert.equal(scan(line, true).fault, fault);
    });
  }
  test("stops when told to", () => {
    let seen = 0;
    scanLogfmt("a=1 b=2 c=3", false, () => ++seen < 2);
    assert.equal(seen, 2);
  });
});
