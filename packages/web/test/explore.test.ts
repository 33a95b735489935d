import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addToQuery } from "../src/explore/log-result.tsx";
import { completionPlace } from "../src/explore/logql-completion.ts";
import { filterMetrics } from "../src/explore/metric-browser.tsx";
import { queryForMetric } from "../src/explore/metric-query.ts";
import { faultSpan, readFault } from "../src/explore/query-error.ts";
import { addToHistory, decodeHistory, type HistoryEntry } from "../src/explore/query-history.ts";
import { parseQueryState, writeQueryState } from "../src/explore/query-state.ts";
import { nextSort, tableColumns, tableRows } from "../src/explore/result-rows.ts";
import { factParts, unitOf } from "../src/explore/result-view.tsx";
import { countResult } from "../src/explore/run-query.ts";
import { formatLabels, seriesNames } from "../src/explore/series-name.ts";
import { rankCommands } from "../src/shell/palette-search.ts";

describe("errors of a query", () => {
  const rows: [name: string, message: string, expected: object][] = [
    [
      "Prometheus",
      'invalid parameter "query": 1:5: parse error: unexpected end of input',
      { reason: "Unexpected end of input.", line: 1, column: 5 },
    ],
    [
      "Loki",
      "parse error at line 1, col 8: syntax error: unexpected $end",
      { reason: "Syntax error: unexpected end of the query.", line: 1, column: 8 },
    ],
    [
      "Finch",
      "not supported yet: foo at 2:3",
      { reason: "Not supported yet: foo at 2:3.", line: 2, column: 3 },
    ],
    ["no place", "query timed out", { reason: "Query timed out." }],
  ];
  for (const [name, message, expected] of rows)
    test(name, () => assert.deepEqual(readFault(message), expected));
  test("a time of day is no place", () =>
    assert.equal(readFault("no data before 12:03:10").line, undefined));
  test("the word at the place is underlined, over lines too", () => {
    assert.deepEqual(faultSpan("sum(foo)", { reason: "", line: 1, column: 5 }), { from: 4, to: 7 });
    assert.deepEqual(faultSpan("a +\nbcd", { reason: "", line: 2, column: 1 }), { from: 4, to: 7 });
    assert.deepEqual(faultSpan("sum(", { reason: "", line: 1, column: 5 }), { from: 3, to: 4 });
    assert.deepEqual(faultSpan("abc", { reason: "" }), { from: 0, to: 3 });
  });
});

describe("completion in LogQL", () => {
  const rows: [name: string, before: string, expected: object | undefined][] = [
    ["an empty selector", "{", { kind: "label-name", from: 1 }],
    ["a second matcher", '{a="b", ser', { kind: "label-name", from: 8 }],
    ["a value", '{service_name=~"ngi', { kind: "label-value", label: "service_name", from: 16 }],
    ["a stage", '{a="b"} | js', { kind: "stage", from: 10 }],
    ["a grouping", "sum by (lev", { kind: "label-name", from: 8 }],
    ["a function", "cou", { kind: "start", from: 0 }],
    ["inside of a line filter", '{a="b"} |= "erro', undefined],
    ["a brace in a text opens nothing", '{a="b"} |= "{" | lo', { kind: "stage", from: 17 }],
    ["right after a selector", '{a="b"} ', undefined],
  ];
  for (const [name, before, expected] of rows)
    test(name, () => assert.deepEqual(completionPlace(before), expected));
});

describe("a metric's query", () => {
  const rows: [string, string, string][] = [
    ["up", "gauge", "up"],
    ["x_total", "counter", "rate(x_total[1m])"],
    ["x_total", "", "rate(x_total[1m])"],
    ["h_bucket", "histogram", "histogram_quantile(0.95, sum by (le) (rate(h_bucket[1m])))"],
    ["h_count", "histogram", "rate(h_count[1m])"],
    ["native", "histogram", "histogram_quantile(0.95, sum(rate(native[1m])))"],
  ];
  for (const [name, type, expected] of rows)
    test(`${name} ${type}`, () => assert.equal(queryForMetric({ name, type, help: "" }), expected));
});

test("the URL holds the query and keeps the range", () => {
  const state = { language: "logql", query: '{a="b"}', mode: "instant" } as const;
  const search = writeQueryState("range=1h", state);
  assert.deepEqual(parseQueryState(search), state);
  assert.equal(new URLSearchParams(search).get("range"), "1h");
  assert.deepEqual(parseQueryState(""), { language: "promql", query: "", mode: "range" });
});

test("history keeps one of each, newest first, and survives rubbish", () => {
  const entry = (query: string, atMs: number): HistoryEntry => ({
    language: "promql",
    query,
    atMs,
  });
  assert.deepEqual(addToHistory([entry("a", 1), entry("b", 2)], entry("b", 3)), [
    entry("b", 3),
    entry("a", 1),
  ]);
  let many: readonly HistoryEntry[] = [];
  for (let index = 0; index < 100; index++) many = addToHistory(many, entry(String(index), index));
  assert.equal(many.length, 60);
  assert.deepEqual(decodeHistory("{oops"), []);
  assert.deepEqual(decodeHistory('[{"query":1},{"language":"logql","query":"q","atMs":1}]'), [
    { language: "logql", query: "q", atMs: 1 },
  ]);
});

describe("results", () => {
  const item = (labels: Record<string, string>, ...values: number[]) => ({
    labels,
    times: values.map((_value, index) => index),
    values,
  });
  test("series are named by what differs", () => {
    assert.deepEqual(
      seriesNames([
        { __name__: "up", job: "a" },
        { __name__: "up", job: "b" },
      ]),
      ["a", "b"],
    );
    assert.deepEqual(
      seriesNames([
        { a: "1", b: "1" },
        { a: "1", b: "2" },
        { a: "2", b: "1" },
      ]),
      ['{a="1", b="1"}', '{a="1", b="2"}', '{a="2", b="1"}'],
    );
    assert.deepEqual(seriesNames([{ __name__: "up", job: "a" }]), ['up{job="a"}']);
    assert.equal(formatLabels({}), "{}");
  });
  test("tables sort numbers as numbers, and back to the given order", () => {
    const series = [item({ cpu: "10" }, 1), item({ cpu: "9" }, 5), item({ cpu: "1" }, 3)];
    const order = (sort: ReturnType<typeof nextSort>) =>
      tableRows(series, sort).map((row) => row.labels["cpu"]);
    assert.deepEqual(order({ column: "cpu", descending: false }), ["1", "9", "10"]);
    assert.deepEqual(order({ column: "value", descending: true }), ["9", "1", "10"]);
    assert.deepEqual(order(undefined), ["10", "9", "1"]);
    assert.equal(nextSort(nextSort(nextSort(undefined, "cpu"), "cpu"), "cpu"), undefined);
    assert.deepEqual(tableColumns([item({ b: "", __name__: "", a: "" })]), ["__name__", "a", "b"]);
  });
  test("facts read like a sentence", () => {
    const facts = countResult(
      {
        kind: "series",
        shape: "matrix",
        series: [item({}, 1, 2)],
        warnings: [],
        stats: { summary: { totalBytesProcessed: 2048 } },
      },
      1024,
      3.4,
    );
    assert.equal(
      factParts(facts).join(" · "),
      "1 series · 2 samples · 1 KiB received · 2 KiB read · 3 ms",
    );
  });
  test("units are guessed from names", () => {
    assert.equal(unitOf("node_memory_MemFree_bytes"), "bytes");
    assert.equal(unitOf("rate(node_network_receive_bytes_total[1m])"), "bytes-per-second");
    assert.equal(unitOf("up"), "number");
  });
  test("a clicked field brings its parser once", () => {
    const field = { name: "k", value: "v", where: "json", exclude: false } as const;
    assert.equal(addToQuery("{}", field), '{} | json | k="v"');
    assert.equal(addToQuery("{} | json", { ...field, exclude: true }), '{} | json | k!="v"');
  });
});

test("metrics are found by name first, then by meaning", () => {
  const info = (name: string, help: string) => ({ name, help, type: "" });
  const all = [info("a_cpu", ""), info("x", "about cpu"), info("cpu_x", "")];
  assert.deepEqual(
    filterMetrics(all, "cpu").map((metric) => metric.name),
    ["cpu_x", "a_cpu", "x"],
  );
  assert.deepEqual(
    filterMetrics(all, "cpu about").map((metric) => metric.name),
    ["x"],
  );
});

test("commands rank by where the words stand", () => {
  const command = (title: string, detail = "") => ({
    id: title,
    group: "Metric",
    title,
    detail,
    run: () => {},
  });
  const all = [command("node_cpu"), command("cpu"), command("x", "of the cpu"), command("memory")];
  assert.deepEqual(
    rankCommands(all, "cpu").map((item) => item.title),
    ["cpu", "node_cpu", "x"],
  );
  assert.equal(rankCommands(all, "").length, 4);
});
