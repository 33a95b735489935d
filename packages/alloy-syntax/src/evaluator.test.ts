import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDiagnosticLine } from "./diagnostics.ts";
import { evaluate } from "./evaluator.ts";
import { parseExpression } from "./parser.ts";
import { Source } from "./source.ts";
import { createStandardLibrary } from "./standard-library.ts";
import { Capsule, formatValue, Secret } from "./values.ts";
import type { Value } from "./values.ts";

const LIBRARY = createStandardLibrary({
  env: (name) => (name === "HOME" ? "/root" : undefined),
  hostname: "box",
  os: "linux",
  arch: "amd64",
  version: "v1.2.3",
});

const NAMES: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...LIBRARY,
  ["secret", new Secret("s3cret")],
  ["capsule", new Capsule("MetricsReceiver", {})],
  ["target", new Capsule("Target", {}, () => new Map([["__address__", "h:1"]]))],
]);

/** The value as it is written, or the fault with its place. */
function run(text: string): string {
  const source = new Source("t", text);
  const { expression, diagnostics } = parseExpression(source);
  assert.deepEqual(diagnostics, []);
  const result = evaluate(expression!, source, {
    resolve: (path) =>
      NAMES.has(path[0]!) ? { value: NAMES.get(path[0]!)!, length: 1 } : undefined,
    names: () => NAMES.keys(),
  });
  return result.ok
    ? formatValue(result.value)
    : formatDiagnosticLine(result.diagnostic).replace("Error: t:", "");
}

const CASES: readonly [expression: string, result: string][] = [
  ["1 + 2 * 3", "7"],
  ["-2 ^ 2", "4"],
  ["2 ^ 3 ^ 2", "512"],
  ["7 / 2", "3"],
  ["-7 / 2", "-3"],
  ["7 / 2.0", "3.5"],
  ["7 % 4", "3"],
  ["1 / 0", "1:5: divide by zero error"],
  ["010", "8"],
  ["09", "9"],
  ["3 == 3.0", "true"],
  ['"1" == 1', "false"],
  ["[1, {a = 2}] == [1, {a = 2}]", "true"],
  ['"a" < "b"', "true"],
  ["true && 1 == 1", "true"],
  ["true || 1", "1:9: should be bool for binop ||, got number"],
  ["true + 1", "1:1: should be one of [number string capsule] for binop +, got bool"],
  ['"a" + "b"', '"ab"'],
  ['secret + "x"', "(secret)"],
  ['"x" + secret', "(secret)"],
  ["convert.nonsensitive(secret)", '"s3cret"'],
  [
    "string.to_upper(secret)",
    "1:17: string.to_upper: argument 1: secrets may not be converted into strings",
  ],
  ["{a = 1}.a", "1"],
  ["{abc = 1}.abd", '1:1: field "abd" does not exist (did you mean "abc"?)'],
  ['{a = 1}["b"]', "null"],
  ["[1, 2][1]", "2"],
  ["[1, 2][2]", "1:8: index 2 is out of range of array with length 2"],
  ["[1][0.5]", "1:5: expected a whole number as the index of an array"],
  ['target["__address__"]', '"h:1"'],
  ["sys.evn", '1:1: field "evn" does not exist (did you mean "env"?)'],
  ["sis.env", '1:1: identifier "sis" does not exist (did you mean "sys"?)'],
  ["1(2)", "1:1: expected function, got number"],
  ["!1", "1:2: expected bool for unary !, got number"],
  ['sys.env("HOME") + env("NONE")', '"/root"'],
  ["constants.hostname", '"box"'],
  ['coalesce("", [], null, 0, "x", "y")', '"x"'],
  ['coalesce("", 0)', "0"],
  ['array.concat([1], [], ["a"])', '[1, "a"]'],
  [
    'string.format("%s-%d %5.2f|%-4s|%04d %q %v %x", "a", 7, 1.005, "b", 42, "q\\"", [1, "x"], 255)',
    '"a-7  1.00|b   |0042 \\"q\\\\\\"\\" [1 x] ff"',
  ],
  ['string.format("%d", "x")', '"%!d(string=x)"'],
  ['string.format("%s")', '"%!s(MISSING)"'],
  ['string.format("x", 1)', '"x%!(EXTRA int=1)"'],
  ['string.join(["a", 1], ",")', '"a,1"'],
  ['string.split("a,b,", ",")', '["a", "b", ""]'],
  ['string.replace("aXbX", "X", "$1")', '"a$1b$1"'],
  ['string.trim("xxaxx", "x")', '"a"'],
  ['string.trim_prefix("foobar", "foo") + string.trim_suffix("foobar", "bar")', '"barfoo"'],
  ['string.to_lower("ÄB") + trim_space(" x\\n")', '"äbx"'],
  ['file.path_join("/a/", "../b", "", "c/")', '"/b/c"'],
  ['encoding.from_json(`{"a": [1, 1.5, null]}`).a', "[1, 1.5, null]"],
  ['encoding.to_json({b = "<", a = [1]})', '"{\\"a\\":[1],\\"b\\":\\"\\\\u003c\\"}"'],
  ['encoding.from_base64(encoding.to_base64("ü"))', '"ü"'],
  ['encoding.to_URLbase64("??>")', '"Pz8-"'],
  ['encoding.from_base64("x")', "1:22: encoding.from_base64: argument 1: illegal base64 data"],
  ['encoding.url_encode("a b&c!") + encoding.url_decode("%2F+")', '"a+b%26c%21/ "'],
  ['json_path(`{"a": [{"b": 1}, {"b": 2}]}`, "$.a[*].b")', "[1, 2]"],
  ['json_path(`{"a": {"b": 1}}`, "$..b")', "[1]"],
  [
    'json_path(`{}`, "$.a[?(@.b)]")',
    '1:17: not supported yet: JSON path "[?(@.b)]" in json_path at 1:17',
  ],
  ['encoding.from_yaml("a: 1")', "1:1: not supported yet: encoding.from_yaml at 1:1"],
  ["string.join([])", "1:1: string.join: expected 2 arguments, got 1"],
  ["capsule", 'capsule("MetricsReceiver")'],
  [String.raw`"\x41é\101\n\U0001F600"`, '"AéA\\n😀"'],
  [String.raw`"\xc3\xa9"`, '"é"'],
];

for (const [expression, result] of CASES) {
  test(`evaluates ${expression}`, () => assert.equal(run(expression), result));
}

test("a secret never prints", () => {
  const secret = new Secret("hidden");
  assert.equal(
    `${secret.toString()} ${JSON.stringify({ secret })} ${formatValue([secret])}`,
    '(secret) {"secret":"(secret)"} [(secret)]',
  );
});
