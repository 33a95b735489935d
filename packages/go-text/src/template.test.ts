import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  NUMBER_FUNCTIONS,
  parseTemplate,
  runTemplate,
  SPRIG_FUNCTIONS,
  TemplateFault,
  TemplateRunFault,
  TEXT_FUNCTIONS,
  TIME_FUNCTIONS,
  VALUE_FUNCTIONS,
} from "./index.ts";
import type { TemplateValue } from "./index.ts";

const functions = {
  ...TEXT_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ...VALUE_FUNCTIONS,
  ...SPRIG_FUNCTIONS,
};
const NAMES = new Set(Object.keys(functions));
const VALUES: ReadonlyMap<string, TemplateValue> = new Map<string, TemplateValue>([
  ["text", "Ab cD"],
  ["n", 7n],
  ["f", 2.5],
  ["list", ["b", "a", "", "b"]],
  ["map", new Map([["k", "v"]])],
]);

function run(template: string): string {
  return runTemplate(parseTemplate(template, NAMES), {
    root: { get: (name) => VALUES.get(name) ?? null, toMap: () => VALUES },
    functions,
    scope: { nowNs: () => 86_400_000_000_000n },
  });
}

/** Template and output. Expected outputs are Go's. */
const CASES: readonly (readonly [string, string])[] = [
  ["{{ .none }}|{{ .n }}|{{ .f }}", "<no value>|7|2.5"],
  ['{{ if eq .none "x" }}a{{ else if .none }}b{{ else }}c{{ end }}', "c"],
  ["{{ .map.k }}{{ .map.none }}", "v<no value>"],
  ['{{ range $k, $v := . }}{{ if eq $k "map" }}{{ $v.k }}{{ end }}{{ end }}', "v"],
  ['{{ ternary "y" "n" (gt .n 3) }}{{ empty .none }}{{ coalesce .none "" .text }}', "ytrueAb cD"],
  [
    '{{ join "," .list }}|{{ first .list }}|{{ compact .list | uniq | sortAlpha | join "" }}',
    "b,a,,b|b|ab",
  ],
  ['{{ (split "-" "x-y")._1 }}{{ splitList "-" "x-y" | last }}', "yy"],
  ['{{ dict "a" 1 | toJson }} {{ list 1 "x" | toJson }}', '{"a":1} [1,"x"]'],
  ['{{ quote .text .none }} {{ squote .n }} {{ cat 1 "b" }}', "\"Ab cD\" '7' 1 b"],
  [
    '{{ regexMatch "^A" .text }} {{ regexFind "c." .text }} {{ regexFindAll "[a-z]" .text -1 }}',
    "true cD [b c]",
  ],
  ['{{ regexSplit "[, ]" "a,b c" -1 | join "|" }}', "a|b|c"],
  ['{{ add1 .n }} {{ int64 .f }} {{ atoi "12" }}', "8 2 12"],
  ['{{ now | date "2006-01-02" }} {{ dateInZone "15:04" now "Asia/Tokyo" }}', "1970-01-02 09:00"],
  ['{{ snakecase "HTTPRequestCount" }} {{ camelcase "a_b" }}', "http_request_count AB"],
  [
    '{{ printf "%.0f %.0f %.1f %.1f %.2f %.0f" 2.5 3.5 0.25 -0.75 1.005 1e21 }}',
    "2 4 0.2 -0.8 1.00 1000000000000000000000",
  ],
  [
    '{{ template "t" .n }}-{{ template "t" .text }}{{ define "t" }}<{{ . }}>{{ end }}',
    "<7>-<Ab cD>",
  ],
  [
    '{{ define "t" }}{{ .n }}{{ $.text }}{{ $x := 1 }}{{ $x }}{{ end }}{{ $x := 2 }}{{ template "t" . }}{{ $x }}',
    "7Ab cD12",
  ],
  ['{{ template "u" }}{{ define "u" }}{{ . }}{{ end }}', "<no value>"],
  ['{{ range .list }}{{ block "b" . }}[{{ . }}]{{ end }}{{ end }}', "[b][a][][b]"],
  ['{{ with .map }}{{ template "k" $ }}{{ end }}{{ define `k` }}{{ .n }}{{ end }}', "7"],
  [
    '{{ printf "%[2]s %[1]s %[2]q|% d|%T %T|%U" "a" "b" 5 5 "x" 233 }}',
    `b a "b"| 5|int string|U+00E9`,
  ],
  ['{{ printf "%[3]s" "a" }}', "%!s(BADINDEX)"],
  ['{{ printf "%c|%5d|%-3s|%+d|%08.3f" 233 .n "a" 1 -3.14159 }}', "é|    7|a  |+1|-003.142"],
];

/** Templates that do not parse, the offset of the fault, and its message. */
const FAULTS: readonly (readonly [string, number, RegExp])[] = [
  ["abc {{ nope }}", 4, /:1: function "nope" not defined/],
  ["a\nb {{ if }}", 4, /:2: missing value for if/],
  ["{{ if .a }}", 0, /unexpected EOF/],
  ["{{ .a", 5, /unclosed action/],
  ['{{ "a', 3, /unterminated quoted string/],
  ["{{ $x }}", 0, /undefined variable "\$x"/],
  ['{{ $x := 1 }}{{ define "t" }}{{ $x }}{{ end }}', 29, /undefined variable "\$x"/],
  ['{{ if 1 }}{{ define "t" }}{{ end }}{{ end }}', 10, /unexpected \{\{define\}\}/],
  ['{{ define "t" }}', 0, /unexpected EOF/],
  ["{{ template x }}", 0, /unexpected x in template clause/],
  ['{{ block "b" }}{{ end }}', 0, /missing value for block clause/],
  ["x{{ constructor }}", 1, /not defined/],
  ["x{{ end }}", 1, /unexpected \{\{end\}\}/],
  [`x{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`, 1, /nested deeper than 100 levels/],
];

/** Templates that fail on their data, whatever is wrong with it. */
const RUN_FAULTS: readonly (readonly [string, RegExp])[] = [
  ["{{ lower .none }}", /expected string; got nil/],
  ["{{ sub 1 }}", /wrong number of args/],
  ["{{ join }}", /wrong number of args/],
  ["{{ nil }}", /nil is not a command/],
  ['{{ template "none" }}', /template "none" not defined/],
  ['{{ template "t" . }}{{ define "t" }}{{ template "t" . }}{{ end }}', /deeper than 100 levels/],
  ["{{ first .text }}", /expected list/],
  ["{{ .text.x }}", /can't evaluate field x/],
  ['{{ Replace (repeat 500000 "x") "x" "yyy" -1 }}', /replace makes more than 1048576 char/],
  ['{{ repeat 500000 "x" | replace "" "yyy" }}', /replace makes more than 1048576 characters/],
  ['{{ indent 2000 (repeat 1000 "\\n") }}', /indent makes more than 1048576 characters/],
  [
    '{{ $x := repeat 40000 "x" }}{{ regexReplaceAll "x" $x "${0}yyyyyyyyyyyyyyyyyyyyyyyyyyyyy" }}',
    /regexReplaceAll makes more than 1048576 characters/,
  ],
  [
    '{{ $x := repeat 900000 "x" }}{{ regexReplaceAll "(x+)" $x "$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1" }}',
    /regexReplaceAll makes more than 1048576 characters/,
  ],
  ["{{ range 1500 }}{{ range 1500 }}{{ end }}{{ end }}", /steps of work at most/],
  ["{{ range 3000000 }}{{ end }}", /steps of work at most/],
  [
    '{{ $x := repeat 1000000 "x" }}{{ range 100 }}{{ $y := upper $x }}{{ end }}',
    /steps of work at most/,
  ],
  ['{{ range .list }}{{ repeat 900000 "x" }}{{ end }}', /characters at most/],
];

describe("templates", () => {
  for (const [template, output] of CASES) {
    test(template, () => assert.equal(run(template), output));
  }
  for (const [template, at, message] of FAULTS) {
    test(`${template} does not parse`, () =>
      assert.throws(
        () => run(template),
        (error) => error instanceof TemplateFault && error.at === at && message.test(error.message),
      ));
  }
  for (const [template, message] of RUN_FAULTS) {
    test(`${template} fails on the data`, () =>
      assert.throws(
        () => run(template),
        (error) => error instanceof TemplateRunFault && message.test(error.message),
      ));
  }
  test("what is not built is named", () => {
    assert.throws(
      () => parseTemplate("{{ call .x }}", NAMES),
      (error) => error instanceof TemplateFault && error.unsupported === "template function call",
    );
  });
  test("no function fails otherwise than by a fault, whatever it is given", () => {
    const values: readonly TemplateValue[] = ["x", "", 1n, -1n, 0.5, true, null, ["a"], new Map()];
    for (const [name, call] of Object.entries(functions)) {
      for (const first of values) {
        for (const args of [
          [],
          [first],
          [first, "a"],
          [first, 2n, "a"],
          [first, "a", 1n, 1n, 1n],
        ]) {
          try {
            call(args, { nowNs: () => 0n });
          } catch (error) {
            assert.ok(error instanceof TemplateRunFault, `${name}: ${String(error)}`);
          }
        }
      }
    }
  });
});
