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
  [
    "[constants.hostname, constants.os, constants.arch, constants.version]",
    '["box", "linux", "amd64", "v1.2.3"]',
  ],
  ["file.path_join()", '""'],
  ["coalesce()", "null"],
  ['coalesce(target, 1)["__address__"]', '"h:1"'],
  ["encoding.to_json(12)", "1:18: encoding.to_json: argument 1: expected object, got number"],
  [
    "encoding.to_json({a = secret})",
    '1:18: encoding.to_json: argument 1: cannot encode capsule("secret") as JSON',
  ],
  [
    "encoding.from_base64(secret)",
    "1:22: encoding.from_base64: argument 1: secrets may not be converted into strings",
  ],
  ['secret == "s3cret"', "false"],
  ['secret == secret + ""', "true"],
  ["secret < secret", "1:1: should be one of [number string] for binop <, got capsule"],
  ["coalesce(secret, 1)", "(secret)"],
  ["array.concat([secret], [1])", "[(secret), 1]"],
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
  ['json_path(`{"a": "b"}`, ".a")[0]', '"b"'],
  ['json_path(`{"a": "b"}`, ".nonexists")', "[]"],
  [
    'json_path(`[{"name": "x", "value": "IT"}, {"name": "y"}]`, "[?(@.name == \\"x\\")].value")',
    '["IT"]',
  ],
  ['json_path(`{"a": [{"b": 3}, {}]}`, "$.a[?(@.b)]")', "[{b = 3}]"],
  ['json_path(`[0, 1, 2, 3, 4]`, "$[1:3]")', "[1, 2]"],
  ['json_path(`[0, 1, 2, 3, 4]`, "$[-2:]")', "[3, 4]"],
  ['json_path(`[0, 1, 2, 3, 4]`, "$[::2]")', "[0, 2, 4]"],
  ['json_path(`[0, 1, 2, 3, 4]`, "$[3:0:-1]")', "[3, 2, 1]"],
  ['json_path(`{"a": 1, "b": 2, "c": 3}`, "$[\'c\', \'a\']")', "[3, 1]"],
  ['json_path(`[5, 6, 7]`, "$[0, -1]")', "[5, 7]"],
  ['json_path(`{"b": 2, "a": {"b": 1}}`, "$..b")', "[1, 2]"],
  ['json_path(`{"a": {"b": 1}}`, "$..")', "[1, {b = 1}]"],
  ['json_path(`[{"n": 1}, {"n": 2.5}, {"n": 4}]`, "$[?(@.n > 1 && @.n * 2 <= 5)].n")', "[2.5]"],
  [
    'json_path(`[{"n": "ab"}, {"n": "b"}]`, "$[?(@.n =~ /^a/ || length(@.n) == 1)].n")',
    '["ab", "b"]',
  ],
  ['json_path(`[{"n": 1}, {"n": 2}, {}]`, "$[?(!(@.n in [1, 3]))].n")', "[2]"],
  ['json_path(`[{"n": []}, {"n": [1]}]`, "$[?(@.n empty false)].n[0]")', "[1]"],
  ['json_path(`{"max": 2, "all": [1, 2, 3]}`, "$.all[?(@ >= $.max)]")', "[2, 3]"],
  ['json_path(`[{"t": ["a", "b"]}, {"t": ["c"]}]`, "$[?(@.t[*] == \'b\')].t[0]")', '["a"]'],
  ['json_path(`[{"n": "abc"}, {}]`, "$[?(match(@.n, \'a.c\') && @.m == Nothing)].n")', '["abc"]'],
  [
    'json_path(`[1]`, "$[(@.length)]")',
    "1:18: not supported yet: script [(…)] in a JSON path at 1:18",
  ],
  [
    'json_path(`[1]`, "$[")',
    '1:18: json_path: JSON path "$[": expected an index, a slice, a quoted name or * at its end',
  ],
  [
    'json_path(`[1]`, "$.a-b")',
    '1:18: json_path: JSON path "$.a-b": unexpected text at character 4',
  ],
  [
    'json_path(`[1]`, "$[?(@.a = 1)]")',
    '1:18: json_path: JSON path "$[?(@.a = 1)]": expected ) at character 9',
  ],
  [
    'json_path(`[1`, "$")',
    "1:11: json_path: not valid JSON: Expected ',' or ']' after array element in JSON at position 2 (line 1 column 3)",
  ],
  ["encoding.from_yaml(`foo: bar`)", '{foo = "bar"}'],
  ["yaml_decode(`[0, 1.0, 0x10, null, ~, yes, true]`)", '[0, 1, 16, null, null, "yes", true]'],
  ["encoding.from_yaml(`a: &x {k: 1}\nb: {<<: *x, l: 2}`).b", "{k = 1, l = 2}"],
  [
    "encoding.from_yaml(`[2026-04-27, 2026-4-7 1:02:03.50]`)",
    '["2026-04-27T00:00:00Z", "2026-04-07T01:02:03.5Z"]',
  ],
  ["encoding.from_yaml(`a: 1\n---\nb: 2`)", "{a = 1}"],
  ["encoding.from_yaml(``)", "null"],
  [
    "encoding.from_yaml(`1: 2`)",
    "1:20: encoding.from_yaml: the key 1 is not a string; write it in quotes",
  ],
  [
    "encoding.from_yaml(`a: [`)",
    "1:20: encoding.from_yaml: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 5",
  ],
  [
    "encoding.from_yaml(secret)",
    "1:20: encoding.from_yaml: argument 1: secrets may not be converted into strings",
  ],
  [
    'array.combine_maps([{a = 1, b = 2.2}], [{a = 1, c = "x"}], ["a"])',
    '[{a = 1, b = 2.2, c = "x"}]',
  ],
  [
    'array.combine_maps([{l = "q", p = "a"}, {l = "q", p = "b"}], [{l = "q", p = "c"}, {l = "q", p = "d"}], ["l"])',
    '[{l = "q", p = "c"}, {l = "q", p = "d"}, {l = "q", p = "c"}, {l = "q", p = "d"}]',
  ],
  [
    'array.combine_maps([{a = 1}, {d = 2}, {a = 2, z = 1}], [{a = 2, b = 3}], ["a"], true)',
    "[{a = 1}, {d = 2}, {a = 2, z = 1, b = 3}]",
  ],
  ['array.combine_maps([{a = 1}], [{a = "1"}], ["a"])', "[]"],
  [
    'array.combine_maps([target], [{__address__ = "h:1", b = 1}], ["__address__"])',
    '[{__address__ = "h:1", b = 1}]',
  ],
  [
    'array.combine_maps([{a = 1}], "a", ["a"])',
    '1:31: array.combine_maps: argument 2: "a" should be array, got string',
  ],
  [
    'array.combine_maps([{a = 1}], ["a"], ["a"])',
    '1:31: array.combine_maps: argument 2: "a" should be object, got string',
  ],
  [
    "array.combine_maps([{a = 1}], [{a = 1}], [])",
    "1:42: array.combine_maps: merge conditions must not be empty",
  ],
  [
    'array.group_by([{t = "f", n = 1}, {t = "v"}, {t = "f"}], "t", false)',
    '[{t = "f", items = [{t = "f", n = 1}, {t = "f"}]}, {t = "v", items = [{t = "v"}]}]',
  ],
  [
    'array.group_by([{n = "a"}, {t = "x"}], "t", false)',
    '[{t = "", items = [{n = "a"}]}, {t = "x", items = [{t = "x"}]}]',
  ],
  ['array.group_by([{n = "a"}, {t = "x"}], "t", true)', '[{t = "x", items = [{t = "x"}]}]'],
  ['array.group_by([{n = "a"}], "t")', "1:1: array.group_by: expected 3 arguments, got 2"],
  [
    'array.group_by([{t = 20}], "t", false)',
    "1:16: array.group_by: argument 1: 20 should be string, got number",
  ],
  [
    'array.group_by([{t = "x"}], "t", "no")',
    '1:34: array.group_by: argument 3: "no" should be bool, got string',
  ],
  ['array.concat([1], "a")', '1:19: array.concat: argument 2: "a" should be array, got string'],
  ["array.concat()", "[]"],
  ['string.format("%*d|%[2]s|%#v", 4, 7, "x")', '"   7|%!s(int=7)|\\"x\\""'],
  ['string.format("%v %d %s", [1, "a"], [1, 2], {k = "v"})', '"[1 a] [1 2] map[k:v]"'],
  [
    'string.format("%s", secret)',
    "1:21: string.format: argument 2: secrets may not be converted into strings",
  ],
  [
    'string.format("%s", [secret])',
    "1:21: string.format: argument 2: secrets may not be converted into strings",
  ],
  ['string.trim_space("\\u0085 \\ufeffx")', '"\ufeffx"'],
  ["nonsensitive(secret)", '"s3cret"'],
  ["convert.nonsensitive(1)", "1:1: convert.nonsensitive: expected one secret"],
  ['concat(split("a b", " "), [to_upper("c")])', '["a", "b", "C"]'],
  ['replace(join(["a"], ""), "a", base64_decode("Yg=="))', '"b"'],
  [
    'trim(trim_prefix("xay", "x"), "y") + trim_suffix("ab", "b") + to_lower("Q") + format("%d", 1)',
    '"aaq1"',
  ],
  ["json_decode(`[1]`)", "[1]"],
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
