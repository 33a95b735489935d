import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseFields, withoutKnown } from "../src/logs/log-fields.ts";
import { levelOf, mergeLines, toLogLine, type Level } from "../src/logs/log-line.ts";
import {
  logQuery,
  NO_FILTER,
  regexFault,
  searchPattern,
  toggleField,
  toggleLevel,
  volumeQuery,
  type FieldFilter,
} from "../src/logs/log-query.ts";
import { levelCounts, volumeChart } from "../src/logs/log-volume.tsx";

const line = (timeNs: string, text: string) =>
  toLogLine({ timeNs, line: text, labels: { service_name: "s" }, metadata: {} }, undefined);

describe("merging lines", () => {
  test("late lines find their place, doubles vanish", () => {
    const merged = mergeLines(
      [line("10", "a"), line("30", "c")],
      [line("30", "c"), line("20", "b")],
    );
    assert.deepEqual(
      merged.map((item) => item.line),
      ["a", "b", "c"],
    );
  });
  test("the oldest go at the limit", () => {
    const merged = mergeLines([line("10", "a"), line("20", "b")], [line("30", "c")], 2);
    assert.deepEqual(
      merged.map((item) => item.line),
      ["b", "c"],
    );
  });
  test("nothing new gives the same list, so that nothing is drawn anew", () => {
    const lines = [line("10", "a")];
    assert.equal(mergeLines(lines, []), lines);
  });
  test("any split and order of arrival gives the same list", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 100, max: 130 })), fc.nat(), (times, cut) => {
        const lines = times.map((time) => line(String(time), `at ${time}`));
        const at = lines.length === 0 ? 0 : cut % lines.length;
        const pieces = mergeLines(mergeLines([], lines.slice(at)), lines.slice(0, at));
        assert.deepEqual(pieces, mergeLines([], lines));
      }),
    );
  });
});

describe("lines", () => {
  test("the tail's merged labels are told apart by the stream's names", () => {
    const raw = {
      timeNs: "1700000000000000000",
      line: "x",
      labels: { service_name: "web", trace_id: "t", detected_level: "WARNING" },
      metadata: {},
    };
    const parsed = toLogLine(raw, new Set(["service_name"]));
    assert.deepEqual(parsed.labels, { service_name: "web" });
    assert.deepEqual(parsed.metadata, { trace_id: "t", detected_level: "WARNING" });
    assert.equal(parsed.level, "warn");
    assert.equal(parsed.timeMs, 1_700_000_000_000);
  });
  test("unknown levels are unknown", () =>
    assert.deepEqual(["fatal", "Info", "verbose", undefined].map(levelOf), [
      "critical",
      "info",
      "unknown",
      "unknown",
    ]));
});

describe("fields of a line", () => {
  const rows: [name: string, text: string, format: string, fields: [string, string][]][] = [
    [
      "JSON, nested",
      '{"a":{"b-c":1},"d":[1,2],"e":null}',
      "json",
      [
        ["a_b_c", "1"],
        ["d", "[1,2]"],
        ["e", "null"],
      ],
    ],
    [
      "logfmt with quotes",
      'level=info msg="all \\"well\\"" took=3ms',
      "logfmt",
      [
        ["level", "info"],
        ["msg", 'all "well"'],
        ["took", "3ms"],
      ],
    ],
    ["prose with one equals sign is prose", "a=1 is all", "none", []],
    ["broken JSON is prose", '{"a":', "none", []],
    ["nothing", "", "none", []],
  ];
  for (const [name, text, format, fields] of rows) {
    test(name, () => assert.deepEqual(parseFields(text), { format, fields }));
  }
  test("no line makes it throw", () =>
    fc.assert(fc.property(fc.string(), (text) => void parseFields(text))));
});

describe("LogQL from clicks", () => {
  const field = (where: FieldFilter["where"], exclude = false): FieldFilter => ({
    name: "k",
    value: 'v"1',
    where,
    exclude,
  });
  const rows: [name: string, query: string, expected: string][] = [
    ["no filter reaches every stream", logQuery(NO_FILTER), '{service_name=~".+"}'],
    [
      "text is taken literally, in any case",
      logQuery({ ...NO_FILTER, text: "a.b" }),
      String.raw`{service_name=~".+"} |~ "(?i)a\\.b"`,
    ],
    [
      "a regular expression is taken as it is",
      logQuery({ ...NO_FILTER, text: "a|b", isRegex: true }),
      '{service_name=~".+"} |~ "(?i)a|b"',
    ],
    [
      "levels in their order, with their other names",
      logQuery({ ...NO_FILTER, levels: new Set<Level>(["warn"]) }),
      '{service_name=~".+"} | detected_level=~"warn|warning"',
    ],
    [
      "a stream label goes into the selector",
      logQuery({ ...NO_FILTER, fields: [field("stream")] }),
      String.raw`{k="v\"1"}`,
    ],
    [
      "exclusion alone still needs a selector",
      logQuery({ ...NO_FILTER, fields: [field("stream", true)] }),
      String.raw`{service_name=~".+", k!="v\"1"}`,
    ],
    [
      "metadata is a label filter",
      logQuery({ ...NO_FILTER, fields: [field("metadata")] }),
      String.raw`{service_name=~".+"} | k="v\"1"`,
    ],
    [
      "parsed fields need their parser",
      logQuery({ ...NO_FILTER, fields: [field("json"), { ...field("logfmt", true), name: "z" }] }),
      String.raw`{service_name=~".+"} | json | k="v\"1" | logfmt | z!="v\"1"`,
    ],
    [
      "volume counts all levels",
      volumeQuery({ ...NO_FILTER, levels: new Set<Level>(["warn"]) }, 15),
      'sum by (detected_level) (count_over_time({service_name=~".+"} [15s]))',
    ],
  ];
  for (const [name, query, expected] of rows) test(name, () => assert.equal(query, expected));
  test("the same value again takes its filter away, its opposite replaces it", () => {
    const once = toggleField(NO_FILTER, field("json"));
    assert.deepEqual(toggleField(once, field("json", true)).fields, [field("json", true)]);
    assert.deepEqual(toggleField(once, field("json")).fields, []);
  });
  test("choosing every level is choosing none", () => {
    let filter = NO_FILTER;
    for (const level of ["critical", "error", "warn", "info", "debug", "trace", "unknown"] as const)
      filter = toggleLevel(filter, level);
    assert.equal(filter.levels.size, 0);
  });
  test("half a regular expression is a fault, not a query", () => {
    const filter = { ...NO_FILTER, text: "(a", isRegex: true };
    assert.match(regexFault(filter) ?? "", /Unterminated group/);
    assert.equal(searchPattern(filter), undefined);
  });
  test("any text finds itself", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) =>
        assert.match(text, searchPattern({ ...NO_FILTER, text })!),
      ),
    );
  });
});

test("volume adds up the names of a level", () => {
  const series = [
    ["warn", 1],
    ["warning", 2],
    ["error", 4],
  ].map(([level, value]) => ({
    key: String(level),
    labels: { detected_level: String(level) },
    values: [Number(value), null],
  }));
  const frame = { step: 5, times: [5, 10], series };
  assert.deepEqual(
    [...levelCounts(frame)],
    [
      ["warn", 3],
      ["error", 4],
    ],
  );
  assert.deepEqual(
    volumeChart(frame, new Set()).series.map((item) => [item.label, item.values[0]]),
    [
      ["warn", 3],
      ["error", 4],
    ],
  );
  assert.deepEqual(volumeChart(frame, new Set<Level>(["error"])).series.length, 1);
});

test("what a line's own fields say is not said again, what differs is", () => {
  const known: [string, string][] = [["level", "error"]];
  const fields: [string, string][] = [
    ["level", "error"],
    ["level", "warn"],
    ["user", "u1"],
  ];
  assert.deepEqual(withoutKnown(fields, known), fields.slice(1));
});
