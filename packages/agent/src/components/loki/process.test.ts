import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { buildPipeline, process, runPipeline } from "./process.ts";

const NOW_NS = 1_700_000_000_000_000_000n;

interface Seen {
  readonly labels: Record<string, string>;
  readonly line: string;
  readonly timestampNs: bigint;
  readonly metadata: Record<string, string>;
}

function run(
  stages: readonly { name: string; values: object }[],
  line: string,
  labels: Record<string, string> = { app: "x" },
) {
  const counts = new Map<string, number>();
  const metric =
    (name: string) =>
    (_n: string, _h: string, given: Readonly<Record<string, string>> = {}) => {
      const key = `${name}:${_n}${JSON.stringify(given)}`;
      const change = (amount: number) => counts.set(key, (counts.get(key) ?? 0) + amount);
      return { add: change, set: (value: number) => counts.set(key, value) };
    };
  const pipeline = buildPipeline(stages, {
    clock: { ...systemClock, nowMs: () => Number(NOW_NS / 1_000_000n), nowNs: () => NOW_NS },
    metrics: {
      counter: metric("counter"),
      gauge: metric("gauge"),
      histogram: (name) => ({ observe: (value) => counts.set(`histogram:${name}`, value) }),
    },
    dropped: (_at, reason, { count }) => counts.set(reason, count),
  });
  const entries = runPipeline(pipeline, [
    {
      labels: Labels.fromObject(labels),
      timestampNs: NOW_NS,
      line,
      structuredMetadata: Labels.EMPTY,
    },
  ]);
  const out: Seen[] = entries.map((entry) => ({
    labels: entry.labels.toObject(),
    line: entry.line,
    timestampNs: entry.timestampNs,
    metadata: entry.structuredMetadata.toObject(),
  }));
  return { out, counts };
}

const JSON_LEVEL = {
  name: "json",
  values: {
    expressions: { level: "", user: "a.b" },
    source: undefined,
    drop_malformed: false,
    regex: "",
  },
};
const DROP = {
  source: undefined,
  separator: ";",
  value: undefined,
  expression: undefined,
  older_than: undefined,
  longer_than: undefined,
  drop_counter_reason: "drop_stage",
};
const TIME = { source: "t", fallback_formats: [], location: undefined, action_on_failure: "fudge" };

const EXTRACT_ALL = {
  name: "json",
  values: {
    expressions: { out: "", n: "", obj: "" },
    source: undefined,
    drop_malformed: false,
    regex: "",
  },
};

const LEVELS =
  '{{ if eq .Value "10" }}trace{{ else if eq .Value "20" }}debug{{ else if eq .Value "30" }}info{{ else }}{{ .Value }}{{ end }}';

/** Template, line and what the label `out` becomes; it is absent when the value is. */
const TEMPLATES: readonly (readonly [
  rule: string,
  template: string,
  line: string,
  want: string | undefined,
])[] = [
  ["a chain of else if on a number, first", LEVELS, '{"out":10}', "trace"],
  ["a chain of else if on a number, third", LEVELS, '{"out":30}', "info"],
  ["a chain of else if on a number, none", LEVELS, '{"out":35}', "35"],
  [
    "other values by name, the line as .Entry",
    "{{ .n }}/{{ .app }}/{{ len .Entry }}",
    '{"n":1.5}',
    "1.5/x/9",
  ],
  ["a missing source makes a new value", "fixed", "{}", "fixed"],
  ["a missing value prints as in Go", "[{{ .none }}]", "{}", "[<no value>]"],
  ["a fault leaves the value", "{{ ToUpper .none }}", '{"out":"a"}', "a"],
  ["nothing removes the value", "{{ if false }}x{{ end }}", '{"out":"a"}', undefined],
  [
    "functions of both spellings",
    '{{ ToUpper .Value | trunc 2 }}{{ Replace .Value "b" "c" 1 }}',
    '{"out":"abb"}',
    "ABacb",
  ],
  [
    "patterns",
    '{{ regexReplaceAll "(a+)" .Value "<$1>" }}{{ regexReplaceAllLiteral "b" .Value "$1" }}',
    '{"out":"aab"}',
    "<aa>baa$1",
  ],
  ["default", '{{ .none | default "d" }}', "{}", "d"],
  [
    "Hash is SHA3-256 of salt and text",
    '{{ Hash "salt" .Value | trunc 8 }}',
    '{"out":"a"}',
    "fa7355ed",
  ],
  [
    "Sha2Hash is SHA-256 of salt and text",
    '{{ Sha2Hash "salt" .Value | trunc 8 }}',
    '{"out":"a"}',
    "c48e22d1",
  ],
  ["objects as JSON", "{{ .obj }}", '{"obj":{"a":[1]}}', '{"a":[1]}'],
];

const REPLACES: readonly (readonly [
  rule: string,
  expression: string,
  replace: string,
  line: string,
  want: string,
])[] = [
  [
    "a template reads the captured text",
    "n=(\\w+)",
    "{{ .Value | ToUpper }}",
    "n=ab n=cd",
    "n=AB n=CD",
  ],
  [
    "other extracted values by name",
    '"out":"(\\w+)"',
    "{{ .app }}{{ .n }}",
    '{"out":"s","n":4}',
    '{"out":"x4","n":4}',
  ],
  ["a fault leaves the line", "(a)", "{{ ToUpper .none }}", "abc", "abc"],
  ["a pattern without groups changes nothing", "a", "{{ .Value }}!", "abc", "abc"],
];

const LUHNS: readonly (readonly [delimiters: string, line: string, want: string])[] = [
  ["", "card 4111111111111111 ok", "card # ok"],
  ["", "card 4111111111111112 ok", "card 4111111111111112 ok"],
  ["", "short 79927398713", "short 79927398713"],
  ["", "4111-1111-1111-1111", "4111-1111-1111-1111"],
  ["- ", "4111-1111 1111-1111-", "#-"],
];

/** Format, location, text, and the time as JavaScript reads it; undefined where it does not fit. */
const TIMES: readonly (readonly [string, string | undefined, string, string | undefined])[] = [
  ["2006-01-02 15:04:05.000", undefined, "2023-07-02 03:04:05.25", "2023-07-02T03:04:05.250Z"],
  ["2006-01-02 15:04:05", undefined, "2023-07-02 03:04:05.25", "2023-07-02T03:04:05.250Z"],
  ["2006-01-02 15:04:05", "America/New_York", "2023-07-02 03:04:05", "2023-07-02T07:04:05Z"],
  ["Jan _2 15:04:05", undefined, "Nov  4 01:02:03", "2023-11-04T01:02:03Z"],
  ["02/Jan/2006:15:04:05 -0700", undefined, "04/nov/2023:01:02:03 +0130", "2023-11-03T23:32:03Z"],
  ["01/02/06 03:04 PM", undefined, "11/04/23 12:02 AM", "2023-11-04T00:02:00Z"],
  ["RFC1123", undefined, "Sat, 04 Nov 2023 01:02:03 GMT", "2023-11-04T01:02:03Z"],
  ["RFC850", "Europe/Berlin", "Tuesday, 04-Jul-23 12:00:00 CEST", "2023-07-04T10:00:00Z"],
  ["RubyDate", undefined, "Sat Nov 04 01:02:03 -0800 2023", "2023-11-04T09:02:03Z"],
  ["ANSIC", undefined, "Sat Nov  4 01:02:03 2023", "2023-11-04T01:02:03Z"],
  ["RFC3339Nano", undefined, "2023-11-04T01:02:03.5+01:00", "2023-11-04T00:02:03.500Z"],
  ["UnixMs", undefined, "1699059723250", "2023-11-04T01:02:03.250Z"],
  ["UnixUs", undefined, "1699059723250000", "2023-11-04T01:02:03.250Z"],
  ["UnixNs", undefined, "1699059723250000000", "2023-11-04T01:02:03.250Z"],
  ["Unix", undefined, "soon", undefined],
  ["2006-01-02", undefined, "2023-02-29", undefined],
  ["2006-01-02 15:04", undefined, "2023-02-20 24:00", undefined],
];

const CASES: readonly {
  rule: string;
  stages: readonly { name: string; values: object }[];
  line: string;
  labels?: Record<string, string>;
  want: Partial<Seen> | undefined;
}[] = [
  {
    rule: "json: an empty expression means the name itself, a path reaches inside; labels take both",
    stages: [
      JSON_LEVEL,
      { name: "labels", values: { values: { level: "", who: "user" }, source_type: "extracted" } },
    ],
    line: '{"level":"warn","a":{"b":7}}',
    want: { labels: { app: "x", level: "warn", who: "7" } },
  },
  {
    rule: "labels: a missing source leaves the label untouched, null means the same name",
    stages: [
      { name: "labels", values: { values: { app: null, gone: null }, source_type: "extracted" } },
    ],
    line: "text",
    want: { labels: { app: "x" } },
  },
  {
    rule: "json drop_malformed drops what is not JSON",
    stages: [
      {
        name: "json",
        values: { expressions: { a: "" }, source: undefined, drop_malformed: true, regex: "" },
      },
    ],
    line: "{",
    want: undefined,
  },
  {
    rule: "logfmt with quotes",
    stages: [
      {
        name: "logfmt",
        values: { mapping: { msg: "", lvl: "level" }, source: undefined, regex: "" },
      },
      { name: "labels", values: { values: { msg: "", lvl: "" }, source_type: "extracted" } },
    ],
    line: 'level=info msg="a \\"b\\" c" other=1',
    want: { labels: { app: "x", msg: 'a "b" c', lvl: "info" } },
  },
  {
    rule: "regex with named groups",
    stages: [
      {
        name: "regex",
        values: {
          expression: "^(?P<ip>\\S+) (?P<rest>.*)$",
          source: undefined,
          labels_from_groups: false,
        },
      },
      { name: "output", values: { source: "rest" } },
      { name: "labels", values: { values: { ip: "" }, source_type: "extracted" } },
    ],
    line: "10.0.0.1 GET /",
    want: { labels: { app: "x", ip: "10.0.0.1" }, line: "GET /" },
  },
  {
    rule: "replace changes the captured text only, even when it stands earlier in the match, too",
    stages: [
      {
        name: "replace",
        values: { expression: "password=(\\w+)", replace: "***", source: undefined },
      },
    ],
    line: "password=pass password=word",
    want: { line: "password=*** password=***" },
  },
  {
    rule: "drop by expression on the line; an empty source means the line",
    stages: [{ name: "drop", values: { ...DROP, source: "", expression: "GET /health" } }],
    line: "GET /healthz 200",
    want: undefined,
  },
  {
    rule: "drop: all conditions must hold",
    stages: [{ name: "drop", values: { ...DROP, expression: "GET", longer_than: 1000 } }],
    line: "GET /",
    want: { line: "GET /" },
  },
  {
    rule: "drop by value of a source",
    stages: [JSON_LEVEL, { name: "drop", values: { ...DROP, source: "level", value: "debug" } }],
    line: '{"level":"debug"}',
    want: undefined,
  },
  {
    rule: "match with a label selector and a line filter drops",
    stages: [
      {
        name: "match",
        values: {
          selector: '{app="x"} |~ "health|ready"',
          action: "drop",
          drop_counter_reason: "noise",
          pipeline_name: undefined,
          stage: [],
        },
      },
    ],
    line: "GET /ready",
    want: undefined,
  },
  {
    rule: "match passes others on unchanged",
    stages: [
      {
        name: "match",
        values: {
          selector: '{app="y"}',
          action: "keep",
          drop_counter_reason: "",
          pipeline_name: undefined,
          stage: [{ name: "static_labels", values: { values: { seen: "yes" } } }],
        },
      },
    ],
    line: "text",
    want: { labels: { app: "x" } },
  },
  {
    rule: "docker: line, stream and time",
    stages: [{ name: "docker", values: {} }],
    line: '{"log":"hello\\n","stream":"stderr","time":"2023-01-02T03:04:05.000000006Z"}',
    want: {
      line: "hello",
      labels: { app: "x", stream: "stderr" },
      timestampNs: 1_672_628_645_000_000_006n,
    },
  },
  {
    rule: "cri: line, stream and time",
    stages: [{ name: "cri", values: { max_partial_lines: 100 } }],
    line: "2023-01-02T03:04:05.000000006Z stdout F hello",
    want: {
      line: "hello",
      labels: { app: "x", stream: "stdout" },
      timestampNs: 1_672_628_645_000_000_006n,
    },
  },
  {
    rule: "timestamp by a Go layout with a zone name",
    stages: [
      {
        name: "regex",
        values: { expression: "^(?P<t>\\S+ \\S+)", source: undefined, labels_from_groups: false },
      },
      {
        name: "timestamp",
        values: { ...TIME, format: "2006-01-02 15:04:05.000", location: "Europe/Berlin" },
      },
    ],
    line: "2023-07-02 03:04:05.250 x",
    want: { timestampNs: 1_688_259_845_250_000_000n },
  },
  {
    rule: "timestamp: Unix seconds with a fraction",
    stages: [
      {
        name: "regex",
        values: { expression: "^(?P<t>\\S+)", source: undefined, labels_from_groups: false },
      },
      { name: "timestamp", values: { ...TIME, format: "Unix" } },
    ],
    line: "1672628645.5 x",
    want: { timestampNs: 1_672_628_645_500_000_000n },
  },
  {
    rule: "timestamp that does not parse, first of its stream: the time it was read",
    stages: [{ name: "timestamp", values: { ...TIME, format: "RFC3339" } }],
    line: "x",
    want: { timestampNs: NOW_NS },
  },
  ...TEMPLATES.map(([rule, template, line, want]) => ({
    rule: `template: ${rule}`,
    stages: [
      EXTRACT_ALL,
      { name: "template", values: { source: "out", template } },
      { name: "labels", values: { values: { out: "" }, source_type: "extracted" } },
    ],
    line,
    want: { labels: want === undefined ? { app: "x" } : { app: "x", out: want } },
  })),
  ...REPLACES.map(([rule, expression, replace, line, want]) => ({
    rule: `replace: ${rule}`,
    stages: [EXTRACT_ALL, { name: "replace", values: { expression, replace, source: undefined } }],
    line,
    want: { line: want },
  })),
  ...TIMES.map(([format, location, text, want]) => ({
    rule: `timestamp: ${format} ${location ?? ""} of ${text}`,
    stages: [
      {
        name: "regex",
        values: { expression: "^(?P<t>.*)$", source: undefined, labels_from_groups: false },
      },
      { name: "timestamp", values: { ...TIME, format, location, action_on_failure: "skip" } },
    ],
    line: text,
    want: { timestampNs: want === undefined ? NOW_NS : BigInt(Date.parse(want)) * 1_000_000n },
  })),
  {
    rule: "replace puts the replaced text of named groups into extracted, nested ones as well",
    stages: [
      {
        name: "replace",
        values: {
          expression: "(?P<whole>id=(?P<id>\\d+))",
          replace: "<{{ .Value }}>",
          source: undefined,
        },
      },
      {
        name: "labels",
        values: { values: { whole: "", id: "" }, source_type: "extracted" },
      },
    ],
    line: "a id=7 id=8",
    want: { line: "a <id=7> <id=8>", labels: { app: "x", whole: "<id=7>", id: "<7>" } },
  },
  {
    rule: "structured_metadata takes labels away",
    stages: [{ name: "structured_metadata", values: { values: { trace: "app" }, regex: "" } }],
    line: "x",
    labels: { app: "x", job: "j" },
    want: { labels: { job: "j" }, metadata: { trace: "x" } },
  },
  {
    rule: "static labels skip empty values, label_drop is silent about labels that are not there",
    stages: [
      { name: "static_labels", values: { values: { env: "prod", none: "", nil: null } } },
      { name: "label_drop", values: { values: ["app", "absent"] } },
    ],
    line: "x",
    want: { labels: { env: "prod" } },
  },
  {
    rule: "pack puts labels and extracted values into the line, in order, and takes the labels away",
    stages: [
      EXTRACT_ALL,
      { name: "pack", values: { labels: ["n", "app", "none"], ingest_timestamp: false } },
    ],
    line: '{"n":"<1>"}',
    labels: { app: "x", job: "j" },
    want: {
      line: '{"app":"x","n":"\\u003c1\\u003e","_entry":"{\\"n\\":\\"\\u003c1\\u003e\\"}"}',
      labels: { job: "j" },
    },
  },
  ...LUHNS.map(([delimiters, line, want]) => ({
    rule: `luhn with delimiters ${JSON.stringify(delimiters)}: ${line}`,
    stages: [
      {
        name: "luhn",
        values: { source: undefined, min_length: 13, replacement: "#", delimiters, skip_regex: "" },
      },
    ],
    line,
    want: { line: want },
  })),
  {
    rule: "truncate cuts whole characters, by rules, the suffix included",
    stages: [
      {
        name: "truncate",
        values: {
          rule: [
            { limit: 8, source_type: "line", sources: [], suffix: "..." },
            { limit: 2, source_type: "label", sources: ["app"], suffix: "" },
          ],
        },
      },
    ],
    line: "abcdéfghi",
    labels: { app: "long", job: "long" },
    want: { line: "abcd...", labels: { app: "lo", job: "long" } },
  },
  {
    rule: "structured_metadata_drop",
    stages: [
      { name: "structured_metadata", values: { values: { a: "app", b: "job" }, regex: "" } },
      { name: "structured_metadata_drop", values: { values: ["a", "absent"] } },
    ],
    line: "x",
    labels: { app: "x", job: "j" },
    want: { labels: {}, metadata: { b: "j" } },
  },
  {
    rule: "decolorize",
    stages: [{ name: "decolorize", values: {} }],
    line: "\u001b[31mred\u001b[0m",
    want: { line: "red" },
  },
  {
    rule: "tenant from a label",
    stages: [{ name: "tenant", values: { value: undefined, source: undefined, label: "app" } }],
    line: "x",
    want: { labels: { __tenant_id__: "x", app: "x" } },
  },
];

describe("loki.process stages", () => {
  for (const { rule, stages, line, labels, want } of CASES) {
    test(rule, () => {
      const { out } = run(stages, line, labels);
      if (want === undefined) return assert.deepEqual(out, []);
      assert.equal(out.length, 1);
      for (const [key, value] of Object.entries(want))
        assert.deepEqual(out[0]![key as keyof Seen], value, key);
    });
  }
  test("metrics: a counter of everything, a histogram of a numeric text", () => {
    const shared = {
      description: "",
      source: "",
      prefix: "p_",
      max_idle_duration: 1000,
      value: undefined,
    };
    const { counts } = run(
      [
        {
          name: "json",
          values: { expressions: { rt: "" }, source: undefined, drop_malformed: false, regex: "" },
        },
        {
          name: "metrics",
          values: {
            metric: [
              {
                name: "counter",
                values: {
                  ...shared,
                  name: "lines",
                  action: "inc",
                  match_all: true,
                  count_entry_bytes: false,
                },
              },
              { name: "histogram", values: { ...shared, name: "rt", buckets: [1, 2] } },
            ],
          },
        },
      ],
      '{"rt":"0.25"}',
    );
    assert.equal(counts.get('counter:p_lines{"app":"x"}'), 1);
    assert.equal(counts.get("histogram:p_rt"), 0.25);
  });
  test("dropped lines are counted under the reason given", () => {
    const { counts } = run(
      [{ name: "drop", values: { ...DROP, expression: "x", drop_counter_reason: "noise" } }],
      "x",
    );
    assert.equal(counts.get("noise"), 1);
  });
});

const FAULTS: readonly [rule: string, stage: { name: string; values: object }, message: RegExp][] =
  [
    ["drop without a condition", { name: "drop", values: DROP }, /at least one/],
    [
      "an expression that is no JMESPath",
      {
        name: "json",
        values: {
          expressions: { a: "length(b" },
          source: undefined,
          drop_malformed: false,
          regex: "",
        },
      },
      /"length\(b" is not a JMESPath expression/,
    ],
    [
      "a label name that is none",
      { name: "static_labels", values: { values: { "a-b": "c" } } },
      /not a label name/,
    ],
    [
      "a template that is none, with its place",
      { name: "template", values: { source: "a", template: "x {{ nosuch .a }}" } },
      /function "nosuch" not defined, at character 3 of the template/,
    ],
    [
      "a template function that is not built",
      { name: "replace", values: { expression: "(a)", replace: "{{ call .Value }}", source: "" } },
      /not supported yet: template function call/,
    ],
    [
      "a time zone that does not exist",
      { name: "timestamp", values: { ...TIME, format: "2006", location: "Mars/Base" } },
      /"Mars\/Base" is not a time zone/,
    ],
    [
      "a selector that ends early",
      {
        name: "match",
        values: { selector: '{a="b"', action: "keep", drop_counter_reason: "", stage: [] },
      },
      /column 7/,
    ],
  ];

describe("loki.process refuses", () => {
  for (const [rule, stage, message] of FAULTS) {
    test(rule, () => {
      const fault = process.check!({ forward_to: [], stage: [stage] } as never);
      assert.equal(fault?.at, "stage[0]");
      assert.match(fault.message, message);
    });
  }
});
