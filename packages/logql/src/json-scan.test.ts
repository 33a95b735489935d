import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseJsonPath } from "./json-path.ts";
import { createJsonScanner, findPath, JsonFault, scanObject } from "./json-scan.ts";

function scan(text: string): readonly string[] {
  const found: string[] = [];
  try {
    const scanner = createJsonScanner({
      field: (prefix, key) => ({
        name: prefix === "" ? key : `${prefix}.${key}`,
        wanted: true,
        inside: true,
      }),
      scalar: ({ name }, value) => {
        found.push(`${name}=${value}`);
        return true;
      },
    });
    // A text of the same shape first, so that keys are remembered; what it hands out does not count.
    try {
      scanObject(text.replaceAll(/\d/g, "0"), scanner);
    } catch (error) {
      assert.ok(error instanceof JsonFault, String(error));
    }
    found.length = 0;
    scanObject(text, scanner);
  } catch (error) {
    assert.ok(error instanceof JsonFault, String(error));
    found.push(`! ${error.message}`);
  }
  return found;
}

/** Text, and the scalars handed out; `!` when the scan failed. */
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["{}", []],
  [' { "a" : 1 , "b" : "x" } trailing', ["a=1", "b=x"]],
  ['{"a":{"b":{"c":true}},"d":null,"e":[1,{"f":2}],"g":-1.50e3}', ["a.b.c=true", "g=-1.50e3"]],
  ['{"a":"\\u00e9\\n\\"q\\"\\/","\\u0062":2}', ['a=é\n"q"/', "b=2"]],
  ['{"a":1,"a":2}', ["a=1", "a=2"]],
  ["", ["! Value looks like object, but can't find closing '}' symbol"]],
  ["[1]", ["! Value looks like object, but can't find closing '}' symbol"]],
  ['"x"', ["! Value looks like object, but can't find closing '}' symbol"]],
  ['{"a":1,', ["a=1", "! Value is array, but can't find closing ']' symbol"]],
  ['{"a":1 "b":2}', ["a=1", "! Value looks like object, but can't find closing '}' symbol"]],
  ['{"a":}', ["! Unknown value type"]],
  ['{"a":nope}', ["! Unknown value type"]],
  ['{"a":"open}', [`! Value is string, but can't find closing '"' symbol`]],
  [
    '{"a":"\\q","b":"\\ud83d","c":"\\udc00\\udc00","d":"\\ud83d\\ude00"}',
    ["a=", "b=", "c=", "d=😀"],
  ],
  ['{"\\q":1}', ["! Encountered an invalid escape sequence in a string"]],
  ['{"a":"\ufffd","b":1.2.3,"c":-,"d":12px,}', ["a= ", "b=1.2.3", "c=-", "d=12px"]],
  ['{"a":[{"b":1],"c":1}', ["c=1"]],
  ['{"a":[1', ["! Value is array, but can't find closing ']' symbol"]],
  ['{"a"', ["! Malformed JSON error"]],
  ['{"a', ["! Malformed JSON error"]],
  ["{", ["! Malformed JSON error"]],
  ['{"a":{"b":1', ["a.b=1", "! Value looks like object, but can't find closing '}' symbol"]],
  ['{"a":', ["! Malformed JSON error"]],
  ["{a:1}", ["! Value looks like object, but can't find closing '}' symbol"]],
  ['{"a":{"b":1}', ["a.b=1", "! Value is array, but can't find closing ']' symbol"]],
  [`${'{"a":'.repeat(200)}1${"}".repeat(200)}`, ["! objects nested deeper than 100"]],
];

describe("scanObject", () => {
  for (const [text, found] of CASES)
    test(text.slice(0, 60), () => assert.deepEqual(scan(text), found));

  test("hands out what JSON.parse finds", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 }),
        (object) => {
          const expected: string[] = [];
          const walk = (value: object, prefix: string) => {
            for (const [key, item] of Object.entries(value) as [string, unknown][]) {
              const name = prefix === "" ? key : `${prefix}.${key}`;
              if (Array.isArray(item) || item === null) continue;
              if (typeof item === "object") walk(item, name);
              else
                expected.push(`${name}=${typeof item === "string" ? item : JSON.stringify(item)}`);
            }
          };
          const text = JSON.stringify(object);
          walk(JSON.parse(text) as object, "");
          assert.deepEqual(scan(text), expected);
        },
      ),
    );
  });
});

test("paths lead to values, and to nothing", () => {
  const text = '{"a":{"b":[{"c d":"x"},[1,2]],"n":null},"o":{"k": 1}}';
  const find = (path: string) => findPath(text, parseJsonPath(path));
  assert.equal(find('a.b[0]["c d"]'), "x");
  assert.equal(find("a.b[1][1]"), "2");
  assert.equal(find("a.b[1]"), "[1,2]");
  assert.equal(find("o"), '{"k": 1}');
  assert.equal(find("a.n"), "");
  for (const missing of ["z", "a.z", "a.b[9]", "a.b.c", "o[0]"])
    assert.equal(find(missing), undefined, missing);
  for (const wrong of ["", "a[", "a..b", ".a", "a[x]", 'a["b]']) {
    assert.throws(() => parseJsonPath(wrong), /cannot parse expression/, wrong);
  }
});

test("paths take no offence at the text around", () => {
  const find = (text: string, path: string) => findPath(text, parseJsonPath(path));
  assert.equal(find('{"x":bad value,"a":{"b":1', "a.b"), "1");
  assert.equal(find('[1,{"k":"v"}]', "[1].k"), "v");
  assert.equal(find('"a"', "a"), undefined);
  assert.equal(find('{"a":"\\q"}', " a "), "");
  assert.throws(() => find('"a":1', "a"), JsonFault);
  assert.throws(() => find('{"a":{"b":1', "a"), /closing '}'/);
});

test("an object that is not looked into only has to end", () => {
  const found: string[] = [];
  const scanner = createJsonScanner({
    field: (_, key) => ({ name: key, wanted: true, inside: false }),
    scalar: ({ name }, value, quoted) => {
      found.push(`${name}=${value}${quoted ? "" : " plain"}`);
      return true;
    },
  });
  scanObject('{"a":{"b":oops},"c":"1","d":2}', scanner);
  assert.deepEqual(found, ["c=1", "d=2 plain"]);
  assert.throws(() => scanObject('{"a":{"b":1', scanner), /closing '}'/);
});

test("the outermost object without an end is named", () => {
  const text = '{"a":{"b":1},"c":{"d":{"e":"}"';
  const scanner = createJsonScanner({
    field: () => ({ name: "", wanted: true, inside: true }),
    scalar: () => true,
  });
  assert.throws(
    () => scanObject(text, scanner),
    (error) => error instanceof JsonFault && error.openAt === text.indexOf('{"d"'),
  );
});
