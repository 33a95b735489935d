import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { FinchError, type MetricFamily } from "@finch/runtime";
import fc from "fast-check";
import { formatExposition, negotiateExposition } from "./exposition-formatter.ts";
import { parseExposition } from "./exposition-parser.ts";
import { DEFAULT_EXPOSITION_LIMITS } from "./limits.ts";

const OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const parse = (text: string | Uint8Array, contentType?: string, limits = {}) =>
  parseExposition(text, { contentType, limits: { ...DEFAULT_EXPOSITION_LIMITS, ...limits } });

const SAMPLES: readonly [
  name: string,
  text: string,
  labels: string,
  value: number,
  time: number,
][] = [
  ["bare name", "up 1\n", '{__name__="up"}', 1, Number.NaN],
  ["no newline at the end", "up 1", '{__name__="up"}', 1, Number.NaN],
  ["labels", 'a:b{c="d",e="f"} 1.5e3\n', '{__name__="a:b", c="d", e="f"}', 1500, Number.NaN],
  ["timestamp", "up 1 1700000000123\n", '{__name__="up"}', 1, 1_700_000_000_123],
  ["negative timestamp", "up 1 -5\n", '{__name__="up"}', 1, -5],
  ["spaces and tabs anywhere", ' \tup { a = "b" , } \t1\t 5 \n', '{__name__="up", a="b"}', 1, 5],
  ["empty label set", "up{} 1\n", '{__name__="up"}', 1, Number.NaN],
  [
    "escapes",
    'up{a="\\"\\\\\\n\\x"} 1\n',
    `{__name__="up", a=${JSON.stringify('"\\\n\\x')}}`,
    1,
    Number.NaN,
  ],
  ["brace in a value", 'up{a="}{"} 1\n', '{__name__="up", a="}{"}', 1, Number.NaN],
  ["an empty value is no label", 'up{a=""} 1\n', '{__name__="up"}', 1, Number.NaN],
  [
    "quoted name",
    '{"http.server.duration",a="b"} 1\n',
    '{__name__="http.server.duration", a="b"}',
    1,
    Number.NaN,
  ],
  ["quoted label name", '{"x y","a b"="c"} 1\n', '{__name__="x y", a b="c"}', 1, Number.NaN],
  ["name as a label", '{__name__="x",a="b"} 1\n', '{__name__="x", a="b"}', 1, Number.NaN],
  ["not a number", "up Nan\n", '{__name__="up"}', Number.NaN, Number.NaN],
  ["infinity", "up -Inf\n", '{__name__="up"}', -Infinity, Number.NaN],
  ["hexadecimal", "up 0x1p-2\n", '{__name__="up"}', 0.25, Number.NaN],
];

for (const [name, text, labels, value, time] of SAMPLES) {
  void test(`text: ${name}`, () => {
    const exposition = parse(text);
    assert.equal(exposition.count, 1);
    assert.equal(exposition.labels[0]!.toString(), labels);
    assert.equal(exposition.values[0], value);
    assert.equal(exposition.timestampsMs[0], time);
    const bytes = parse(new Uint8Array(Buffer.from(text)), "text/plain");
    assert.deepEqual(bytes.labels[0]!.pairs, exposition.labels[0]!.pairs);
  });
}

void test("text: metadata and comments", () => {
  const exposition = parse(
    '# HELP a first\\nsecond \\\\ "x"\n# TYPE a counter\n#no comment\n# anything goes\n\n# UNIT a s\na 1\n#\n# HELP b\n# TYPE c untyped\n',
  );
  assert.deepEqual(exposition.metadata, [
    { family: "a", type: "counter", help: 'first\nsecond \\ "x"', unit: "" },
    { family: "b", type: "unknown", help: "", unit: "" },
    { family: "c", type: "unknown", help: "", unit: "" },
  ]);
  assert.equal(exposition.count, 1);
  assert.equal(parse("").count, 0);
});

void test("OpenMetrics: everything", () => {
  const exposition = parse(
    [
      '# HELP d_seconds help \\"q\\"',
      "# TYPE d_seconds histogram",
      "# UNIT d_seconds seconds",
      'd_seconds_bucket{le="+Inf"} 2 1700000000.5 # {trace_id="x"} 0.5 1700000000.25',
      "d_seconds_count 2 # {} 1",
      "d_seconds_created 1.7e9",
      "# TYPE s stateset",
      's{s="a"} 1 5',
      "# EOF",
      "",
    ].join("\n"),
    OPENMETRICS,
  );
  assert.deepEqual(exposition.metadata, [
    { family: "d_seconds", type: "histogram", help: 'help "q"', unit: "seconds" },
    { family: "s", type: "stateset", help: "", unit: "" },
  ]);
  assert.deepEqual(Array.from(exposition.timestampsMs), [
    1_700_000_000_500,
    Number.NaN,
    Number.NaN,
    5000,
  ]);
  assert.deepEqual(
    exposition.exemplars.map((e) => ({ ...e, labels: e.labels.toString() })),
    [
      { row: 0, labels: '{trace_id="x"}', value: 0.5, timestampMs: 1_700_000_000_250 },
      { row: 1, labels: "{}", value: 1, timestampMs: undefined },
    ],
  );
});

const REFUSED: readonly [
  name: string,
  text: string,
  type: string | undefined,
  place: string,
  expected: RegExp,
][] = [
  ["no value", "up\n", undefined, "1:3", /expected a value/],
  ["no number", "a 1\nup x\n", undefined, "2:4", /expected a value, found "x/],
  ["too large a number", "up 1e999\n", undefined, "1:4", /expected a value/],
  ["float timestamp", "up 1 1.5\n", undefined, "1:6", /timestamp in whole milliseconds/],
  ["more behind the timestamp", "up 1 2 3\n", undefined, "1:8", /end of the line/],
  ["bad name", "1up 1\n", undefined, "1:1", /a metric name/],
  ["no name", '{a="b"} 1\n', undefined, "1:1", /a metric name/],
  ["open label set", 'up{a="b" 1\n', undefined, "1:3", /ends with }/],
  ["open string", 'up{a="b} 1\n', undefined, "1:3", /ends with }/],
  ["value without quotes", "up{a=b} 1\n", undefined, "1:6", /double quotes/],
  ["no comma", 'up{a="b"c="d"} 1\n', undefined, "1:9", /, or }/],
  ["label twice", 'up{a="b",a="c"} 1\n', undefined, "1:1", /each label once/],
  ["bad type", "# TYPE up speed\n", undefined, "1:11", /a metric type, found "speed/],
  ["exemplar in the text format", 'up 1 # {a="b"} 1\n', undefined, "1:6", /end of the line/],
  ["carriage return", "up 1\r\n", undefined, "1:4", /a value/],
  ["HTML", "<html>\n", undefined, "1:1", /a metric name/],
  ["no EOF", "up 1\n", OPENMETRICS, "2:1", /# EOF at the end/],
  ["text after EOF", "up 1\n# EOF\nup 2\n", OPENMETRICS, "3:1", /nothing after # EOF/],
  ["blank line", "up 1\n\n# EOF\n", OPENMETRICS, "2:1", /a metric name/],
  ["free comment", "# hello\n# EOF\n", OPENMETRICS, "1:1", /# HELP, # TYPE/],
  [
    "unit that does not fit",
    "# UNIT up seconds\n# EOF\n",
    OPENMETRICS,
    "1:11",
    /a unit that up ends with/,
  ],
  ["untyped", "# TYPE up untyped\n# EOF\n", OPENMETRICS, "1:11", /a metric type/],
  ["bad exemplar", "up_total 1 # x\n# EOF\n", OPENMETRICS, "1:14", /an exemplar/],
  ["infinite timestamp", "up 1 Inf\n# EOF\n", OPENMETRICS, "1:6", /a timestamp in seconds/],
];

for (const [name, text, type, place, expected] of REFUSED) {
  void test(`refused: ${name}`, () => {
    assert.throws(
      () => parse(text, type),
      (error: unknown) => {
        assert.ok(error instanceof FinchError, String(error));
        assert.equal(error.kind, "invalid");
        assert.match(error.message, new RegExp(`^parse error at ${place}: `));
        assert.match(error.message, expected);
        return true;
      },
    );
  });
}

void test("limits", () => {
  assert.throws(() => parse("a 1\nb 1\n", undefined, { samplesMax: 1 }), { kind: "too-large" });
  assert.throws(() => parse("a 1\nb 1\n", undefined, { textBytesMax: 4 }), { kind: "too-large" });
  assert.throws(
    () => parse('a{b="c",d="e"} 1\n', undefined, { labelsPerSeriesMax: 1 }),
    /at most 1 labels/,
  );
  assert.throws(
    () => parse('a{b="cccc"} 1\n', undefined, { labelValueBytesMax: 3 }),
    /at most 3 bytes/,
  );
  assert.throws(() => parse(Uint8Array.of(0x61, 0xff)), /not valid UTF-8/);
  assert.throws(
    () => parse("", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"),
    { kind: "unsupported-media" },
  );
});

void test("a cache gives back the same labels", () => {
  const cache = new Map<string, Labels>();
  const options = { contentType: undefined, limits: DEFAULT_EXPOSITION_LIMITS, cache };
  const first = parseExposition('a{b="c"} 1\nb 2\n', options);
  const second = parseExposition('a{b="c"} 3\nb 4\n', options);
  assert.equal(first.labels[0], second.labels[0]);
  assert.equal(first.labels[1], second.labels[1]);
  assert.deepEqual(Array.from(second.values), [3, 4]);
});

const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/);
const labels = fc.dictionary(name, fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }), {
  maxKeys: 4,
  noNullPrototype: true,
});
const family: fc.Arbitrary<MetricFamily> = fc.record({
  name: name.filter((n) => !n.endsWith("_total")),
  type: fc.constantFrom("counter" as const, "gauge" as const),
  help: fc.string({ unit: "grapheme", maxLength: 30 }).map((help) => help.trim()),
  samples: fc.array(fc.record({ labels, value: fc.double() }), { minLength: 1, maxLength: 5 }),
});

void test("what is written reads back", () => {
  fc.assert(
    fc.property(fc.uniqueArray(family, { maxLength: 5, selector: (f) => f.name }), (families) => {
      for (const format of ["text", "openmetrics"] as const) {
        const exposition = parse(
          formatExposition(families, format),
          format === "text" ? "text/plain" : OPENMETRICS,
        );
        const sorted = families.toSorted((a, b) => (a.name < b.name ? -1 : 1));
        const expected = sorted.flatMap((f) =>
          f.samples.map((s) => ({
            labels: Labels.fromObject({
              ...s.labels,
              __name__: f.name + (format === "openmetrics" && f.type === "counter" ? "_total" : ""),
            }).key,
            value: s.value,
          })),
        );
        assert.deepEqual(
          exposition.labels.map((l, i) => ({ labels: l.key, value: exposition.values[i] })),
          expected,
        );
        assert.deepEqual(
          exposition.metadata,
          sorted.map((f) => ({ family: f.name, type: f.type, help: f.help, unit: "" })),
        );
      }
    }),
  );
});

void test("damaged text is read or refused, nothing else", () => {
  const text =
    '# HELP a b\n# TYPE a counter\na_total{b="c",d="e\\"f"} 1.5 1700000000.5 # {x="y"} 2 3\n{"q r",s="t"} NaN\n# EOF\n';
  fc.assert(
    fc.property(
      fc.nat(text.length - 1),
      fc.constantFrom("", "{", "}", '"', "\\", "\n", " ", "#", "1", "é"),
      fc.boolean(),
      (at, character, cut) => {
        const damaged = text.slice(0, at) + character + (cut ? "" : text.slice(at + 1));
        for (const type of ["text/plain", OPENMETRICS]) {
          try {
            parse(damaged, type);
          } catch (error) {
            assert.ok(error instanceof FinchError, String(error));
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

const ACCEPTS: readonly [accept: string | undefined, format: string][] = [
  [undefined, "text"],
  ["*/*", "text"],
  [
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
    "openmetrics",
  ],
  ["text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5", "text"],
  ["application/openmetrics-text;q=0", "text"],
];

for (const [accept, format] of ACCEPTS) {
  void test(`accept ${accept}`, () => assert.equal(negotiateExposition(accept), format));
}
