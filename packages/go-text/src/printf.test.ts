import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPrintf } from "./printf.ts";
import type { TemplateValue } from "./template-value.ts";

const MAP = new Map<string, TemplateValue>([
  ["b", 1n],
  ["a", "x"],
]);

/** What Go 1.22 prints. */
const CASES: readonly [format: string, values: readonly TemplateValue[], text: string][] = [
  ["%s|%v|%q|%x|%X", ["é", "a", 'a"', "hi", "hi"], 'é|a|"a\\""|6869|6869'],
  ["%5s|%-5s|%.2s|%05d", ["é", "é", "éàü", 42n], "    é|é    |éà|00042"],
  [
    "%d|%+d|% d|%x|%#x|%X|%o|%#o|%O|%b",
    [1n, 1n, 1n, 255n, 255n, 255n, 8n, 8n, 8n, 5n],
    "1|+1| 1|ff|0xff|FF|10|010|0o10|101",
  ],
  ["%.3d|%05.3d|%-5d|", [5n, 5n, 5n], "005|  005|5    |"],
  ["%c|%q|%U|%#U", [233n, 39n, 233n, 233n], "é|'\\''|U+00E9|U+00E9 'é'"],
  ["%t|%v|%5t", [true, false, true], "true|false| true"],
  [
    "%f|%.1f|%e|%g|%G|%v",
    [1.5, 0.25, 1500, 1e21, 1e21, 2.5],
    "1.500000|0.2|1.500000e+03|1e+21|1E+21|2.5",
  ],
  ["%.3g|%08.2f|%+.1f|%v", [1234.5, -3.14159, 2, Infinity], "1.23e+03|-0003.14|+2.0|+Inf"],
  ["%*d|%-*d|%.*f", [4n, 7n, 4n, 7n, 1n, 2.25], "   7|7   |2.2"],
  ["%*d|%.*d", ["x", 1n, -1n, 2n], "%!(BADWIDTH)1|%!(BADPREC)2"],
  ["%[2]d %[1]d", [1n, 2n], "2 1"],
  ["%[3]d", [1n], "%!d(BADINDEX)"],
  ["%[2]*[1]d", [12n, 4n], "  12"],
  ["%d %s", [1n], "1 %!s(MISSING)"],
  ["%d", [1n, "a", null], "1%!(EXTRA string=a, <nil>)"],
  ["%d%", [1n], "1%!(NOVERB)"],
  ["100%%", [], "100%"],
  ["%d|%s|%t", ["x", 1n, 1n], "%!d(string=x)|%!s(int=1)|%!t(int=1)"],
  ["%z", [1.5], "%!z(float64=1.5)"],
  ["%v|%d|%T", [null, null, null], "<nil>|%!d(<nil>)|<nil>"],
  ["%v|%d|%s|%q", [[1n, "a"], [1n, 2n], ["a", "b"], ["a"]], '[1 a]|[1 2]|[a b]|["a"]'],
  ["%v|%s", [MAP, MAP], "map[a:x b:1]|map[a:x b:%!s(int=1)]"],
  [
    "%#v|%#v|%#v|%#v",
    ["a", 1n, ["a", null], MAP],
    '"a"|1|[]interface {}{"a", interface {}(nil)}|map[string]interface {}{"a":"x", "b":1}',
  ],
  [
    "%T|%T|%T|%T|%T",
    ["", 1n, 1, [], MAP],
    "string|int|float64|[]interface {}|map[string]interface {}",
  ],
  ["%#q|%#q|%+q", ["a", "a`", "é😀"], '`a`|"a`"|"\\u00e9\\U0001f600"'],
  ["% x|%# x|%#x", ["abc", "abc", "abc"], "61 62 63|0x61 0x62 0x63|0x616263"],
];

for (const [format, values, text] of CASES) {
  test(`prints ${format}`, () =>
    assert.equal(
      formatPrintf(format, values, () => "time"),
      text,
    ));
}

test("widths are bounded", () => {
  assert.ok(formatPrintf("%999999d", [1n], () => "").length <= 10_000);
});
