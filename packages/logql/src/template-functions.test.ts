import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fieldsOfTemplate, parseTemplate, runTemplate, TemplateRunFault } from "@finch/go-text";
import { TEMPLATE_FUNCTIONS } from "./template-functions.ts";
import { TEMPLATE_FUNCTION_NAMES } from "./template-names.ts";

const LABELS = new Map([
  ["lvl", "Error"],
  ["n", "7"],
  ["ms", "3000"],
  ["url", "a b&c"],
  ["j", '[{"q":1},{"q":2.5}]'],
  ["o", '{"a":{"b":"c"},"x":[1,"y"]}'],
  ["d", "1m30s"],
  ["ts", "1679577215"],
  ["pad", "  x  "],
]);

function run(template: string): string {
  return runTemplate(parseTemplate(template, TEMPLATE_FUNCTION_NAMES), {
    root: { get: (name) => LABELS.get(name) ?? "", toMap: () => LABELS },
    functions: TEMPLATE_FUNCTIONS,
    scope: {
      line: "Line one",
      timestampNs: 1_700_000_000_123_456_789n,
      nowNs: () => 5_000_000_000n,
    },
  });
}

/** Template and output. Expected outputs are Go's. */
const CASES: readonly (readonly [string, string])[] = [
  ["plain", "plain"],
  ["[{{.nope}}]", "[]"],
  ["{{- .n -}}  x", "7x"],
  ["a  {{- /* gone */ -}}  b", "ab"],
  ["{{ .lvl | lower | upper }}", "ERROR"],
  ['{{ title "hello world" }}', "Hello World"],
  [
    "{{ trunc 3 .lvl }}|{{ trunc -2 .lvl }}|{{ substr 1 3 .lvl }}|{{ substr -1 2 .lvl }}",
    "Err|or|rr|Er",
  ],
  [
    "{{ alignLeft 7 .lvl }}|{{ alignRight 7 .lvl }}|{{ alignLeft 2 .lvl }}|{{ alignRight 2 .lvl }}",
    "Error  |  Error|Er|or",
  ],
  ['{{ Replace .lvl "r" "R" 2 }} {{ replace "r" "$&" .lvl }}', "ERRor E$&$&o$&"],
  [
    '{{ Trim .lvl "Er" }}|{{ TrimLeft .lvl "E" }}|{{ TrimRight .lvl "r" }}|{{ trimAll "Er" .lvl }}',
    "o|rror|Erro|o",
  ],
  ['{{ trim .pad }}|{{ trimPrefix "Err" .lvl }}|{{ TrimSuffix .lvl "or" }}', "x|or|Err"],
  ['{{ if contains "rro" .lvl }}yes{{ else }}no{{ end }}', "yes"],
  ['{{ if eq .n "8" }}a{{ else if eq .n "7" }}b{{ else }}c{{ end }}', "b"],
  ['{{ if and (hasPrefix "E" .lvl) (not (hasSuffix "x" .lvl)) }}ok{{ end }}', "ok"],
  ["{{ if or .nope .n }}{{ or .nope .n }}{{ end }}", "7"],
  ["{{ range $i, $e := fromJson .j }}{{ $i }}={{ $e.q }};{{ end }}", "0=1;1=2.5;"],
  ["{{ range fromJson .j }}{{ .q }},{{ else }}none{{ end }}", "1,2.5,"],
  ["{{ range fromJson .j }}{{ if eq .q 2.5 }}{{ break }}{{ end }}{{ .q }}{{ end }}", "1"],
  ["{{ with fromJson .o }}{{ .a.b }}{{ index .x 1 }}{{ len .x }}{{ end }}", "cy2"],
  ["{{ $x := .n }}{{ if true }}{{ $x = .lvl }}{{ end }}{{ $x }}", "Error"],
  ["{{ with .nope }}a{{ else }}{{ $.n }}{{ end }}", "7"],
  [
    "{{ add 1 2 .n }} {{ sub 10 .n }} {{ mul 2 .n }} {{ div .ms 1000 }} {{ mod .n 4 }}",
    "10 3 14 3 3",
  ],
  ["{{ addf 1.5 2 }} {{ divf 1 4 }} {{ max 1 .n 3 }} {{ minf 2.5 1 }}", "3.5 0.25 7 1"],
  [
    "{{ addf 0.1 0.2 }} {{ mulf 1.1 1.1 }} {{ subf 0.3 0.1 }} {{ divf 1 3 }} {{ addf }}",
    "0.3 1.21 0.2 0.3333333333333333 0",
  ],
  [
    '{{ divf 2 3 }} {{ divf -2 3 }} {{ mulf 1e200 1e-200 }} {{ addf 1e21 "1" }}',
    "0.6666666666666667 -0.6666666666666667 1 1e+21",
  ],
  [
    '{{ int "3.9" }} {{ int "-3.9" }} {{ int ".5" }} {{ int "0x1f" }} {{ int "010" }} {{ int "1_0" }} {{ int "08" }} {{ int " 5" }} {{ int "1e3" }}',
    "3 -3 0 31 8 10 0 0 0",
  ],
  [
    '{{ float64 "0x10" }} {{ float64 "inf" }} {{ float64 "1e3" }} {{ add }} {{ add "1.9" 1 }}',
    "0 +Inf 1000 0 2",
  ],
  [`{{ title "don't stop-now a_b" }}`, "Don'T Stop-Now A_b"],
  [
    '{{ toDate "2006" "x" }} {{ toDateInZone "2006-01-02" "No/Where" "2021-11-02" }}',
    "0001-01-01 00:00:00 +0000 UTC 2021-11-02 00:00:00 +0000 UTC",
  ],
  ['{{ date "15:04:05" "x" }} {{ date "15:04:05" 7 }}', "00:00:05 00:00:07"],
  [
    '{{ b64dec "aGk" }} {{ b64dec "aG!k" }} {{ b64dec "aGkaG" }}',
    "hi illegal base64 data at input byte 2 illegal base64 data at input byte 4",
  ],
  ['{{ urldecode "%C3%A9%20+" }}|', "é  |"],
  [
    `{{ html "<a & 'b'>" }} {{ js "a'<\\n" }} {{ 1_000 }}`,
    "&lt;a &amp; &#39;b&#39;&gt; a\\'\\u003C\\u000A 1000",
  ],
  ['{{ ceil 1.2 }} {{ floor -1.2 }} {{ round 3.14159 2 }} {{ int "x" }}', "2 -2 3.14 0"],
  [
    '{{ printf "%-6s|%4s|%05.1f|%d|%q|%v|%x" .lvl .n (float64 .n) (int .n) .n true 255 }}',
    'Error |   7|007.0|7|"7"|true|ff',
  ],
  ['{{ printf "%d" .n }}', "%!d(string=7)"],
  [
    '{{ bytes "1MB" }} {{ bytes "2KiB" }} {{ duration .d }} {{ duration_seconds "250ms" }}',
    "1e+06 2048 90 0.25",
  ],
  [
    '{{ urlencode .url }} {{ urldecode "a%2Fb+c" }} {{ b64enc "hi" }} {{ b64dec "aGk=" }}',
    "a+b%26c a/b c aGk= hi",
  ],
  [
    '{{ regexReplaceAll "(r+)o" .lvl "<${1}>" }} {{ regexReplaceAllLiteral "r" .lvl "$1" }} {{ count "r" .lvl }}',
    "E<rr>r E$1$1o$1 3",
  ],
  ['{{ indent 2 .n }}{{ nindent 2 .n }}{{ repeat 3 "ab" }}', "  7\n  7ababab"],
  ['{{ .nope | default "-" }}{{ .n | default "-" }}', "-7"],
  [
    "{{ __line__ }} {{ __timestamp__ | unixEpoch }} {{ unixEpochMillis __timestamp__ }} {{ unixEpochNanos now }}",
    "Line one 1700000000 1700000000123 5000000000",
  ],
  ['{{ date "2006-01-02T15:04:05.000Z07:00" __timestamp__ }}', "2023-11-14T22:13:20.123Z"],
  ['{{ unixToTime .ts | date "Mon Jan _2 03:04:05 PM 2006" }}', "Thu Mar 23 01:13:35 PM 2023"],
  ['{{ toDate "2006-01-02 15:04" "2021-11-02 13:05" | unixEpoch }}', "1635858300"],
  [
    '{{ toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2021-07-02 13:05" | date "15:04 -0700" }}',
    "13:05 +0200",
  ],
  ["{{ 1 }} {{ 1.0 }} {{ 1000000.0 }} {{ true }} {{ \"q\" }} {{ 'a' }}", "1 1 1e+06 true q 97"],
  [
    '{{ index .n 0 }} {{ len .lvl }} {{ lt 1 2 }} {{ ge "b" "a" }} {{ print 1 2 "x" }}',
    "55 5 true true 1 2x",
  ],
];

/** Templates that parse, and fail on the line. */
const RUN_FAULTS: readonly (readonly [string, RegExp])[] = [
  ['{{ regexReplaceAll "(" "a" "b" }}', /regexReplaceAll/],
  ["{{ div 1 0 }}", /divide by zero/],
  ["{{ if lt .n 8 }}{{ end }}", /incompatible types/],
  ["{{ .n.x }}", /can't evaluate field x/],
  ['{{ urldecode "a%zA" }}', /invalid URL escape "%zA"/],
  ['{{ unixToTime "x" }}', /unable to parse time 'x': strconv.ParseInt: parsing "x": invalid/],
  ["{{ divf 1 0 }}", /decimal division by 0/],
  ['{{ addf "inf" 1 }}', /Cannot create a Decimal from \+Inf/],
  ["{{ sub 3 2 1 }}", /wrong number of args/],
  ["{{ .n | now }}", /want 0 got 1/],
  ["{{ int 1 2 }}", /want 1 got 2/],
  ['{{ trunc 1 "a" "b" }}', /want 2 got 3/],
  ["{{ __line__ 1 }}", /want 0 got 1/],
  ["{{ substr 9 10 .n }}", /slice bounds out of range/],
  ["{{ substr 1 0 .n }}", /slice bounds out of range/],
  ["{{ slice .lvl 2 9 }}", /index out of range/],
  ["{{ upper 5 }}", /expected string/],
  ['{{ repeat 100000000 "x" }}', /repeat makes more than/],
  ['{{ duration "5" }}', /missing unit/],
];

describe("templates", () => {
  for (const [template, output] of CASES) {
    test(template, () => assert.equal(run(template), output));
  }
  for (const [template, message] of RUN_FAULTS) {
    test(`${template} fails on the line`, () => {
      assert.throws(
        () => run(template),
        (error) => error instanceof TemplateRunFault && message.test(error.message),
      );
    });
  }
  test("every name the parser lets through is implemented, and nothing else", () => {
    assert.deepEqual(
      [...TEMPLATE_FUNCTION_NAMES].toSorted(),
      Object.keys(TEMPLATE_FUNCTIONS).toSorted(),
    );
  });
  test("tell which labels they read", () => {
    assert.deepEqual(
      fieldsOfTemplate(
        parseTemplate("{{ .a }}{{ if $.b }}{{ lower .c }}{{ end }}", TEMPLATE_FUNCTION_NAMES),
      ),
      new Set(["a", "b", "c"]),
    );
    assert.equal(
      fieldsOfTemplate(parseTemplate('{{ printf "%v" . }}', TEMPLATE_FUNCTION_NAMES)),
      undefined,
    );
  });
});
