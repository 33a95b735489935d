/** Grammar, comparisons, contexts and error modes of OTTL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileCondition } from "./compile.ts";
import { logsWith, metricsWith, runStatements, tracesWith } from "./ottl-harness.ts";
import { compileList } from "./statements.ts";
import { createSubject } from "./walk.ts";

const RECORD = {
  body: { stringValue: "line" },
  traceId: "0102030405060708090a0b0c0d0e0f10",
  attributes: [
    { key: "a", value: { stringValue: "x" } },
    { key: "n", value: { intValue: "3" } },
    { key: "d", value: { doubleValue: 3 } },
    { key: "yes", value: { boolValue: true } },
    { key: "bytes", value: { bytesValue: "AQI=" } },
    { key: "list", value: { arrayValue: { values: [{ intValue: "1" }] } } },
    { key: "none", value: {} },
  ],
};

function holds(text: string): boolean {
  const subject = createSubject(() => 0n);
  subject.log = logsWith(RECORD).resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  return compileCondition(text, "log")(subject);
}

const CONDITIONS: Readonly<Record<string, boolean>> = {
  true: true,
  "not true": false,
  "not not true": true,
  'attributes["a"] == "x"': true,
  'attributes["a"] != "x"': false,
  'attributes["a"] < "y"': true,
  'attributes["a"] == nil': false,
  'attributes["missing"] == nil': true,
  'attributes["missing"] != nil': false,
  'attributes["missing"] == ""': false,
  'attributes["missing"] != ""': true,
  'attributes["none"] == nil': true,
  "nil <= nil": true,
  "nil < nil": false,
  'nil != attributes["a"]': true,
  'attributes["n"] == 3': true,
  'attributes["n"] == 3.0': true,
  'attributes["d"] == 3': true,
  'attributes["n"] < 3.5': true,
  'attributes["n"] == "3"': false,
  'attributes["n"] != "3"': true,
  'attributes["n"] < "4"': false,
  "9007199254740993 == 9007199254740992": false,
  'attributes["yes"] == true': true,
  "false < true": true,
  "true <= false": false,
  'attributes["bytes"] == 0x0102': true,
  'attributes["bytes"] < 0x0103': true,
  'attributes["list"] == [1]': true,
  'attributes["list"] == [1.0]': false,
  'attributes["list"] < [2]': false,
  '{"a": 1} == {"a": 1}': true,
  '{"a": 1} != {"a": 1, "b": 2}': true,
  'trace_id == TraceID("0102030405060708090a0b0c0d0e0f10")': true,
  "trace_id == TraceID(0x00000000000000000000000000000000)": false,
  "span_id == SpanID(0x0000000000000000)": true,
  'trace_id.string == "0102030405060708090a0b0c0d0e0f10"': true,
  'Duration("1s") < Duration("1m")': true,
  "Unix(1) == Unix(1, 0)": true,
  "Unix(1) == 1": false,
  "true or false and false": true,
  "(true or false) and false": false,
  "not true or true": true,
  "not (true or true)": false,
  '(attributes["n"] + 1) * 2 == 8': true,
  '(attributes["n"] == 1 or (attributes["n"]) == 3) and IsString(body)': true,
  'IsMatch(body, "^l") and not IsMatch(body, "^x")': true,
  "log.body == body": true,
};

test("conditions", async (t) => {
  for (const [text, expected] of Object.entries(CONDITIONS))
    await t.test(text, () => assert.equal(holds(text), expected));
});

test("what is no condition while it works", () => {
  assert.throws(() => holds('Concat(["a"], "")'), /Concat is no condition: it gives a string/);
});

/** Statements of logs with what is said of them. */
const FAULTS: Readonly<Record<string, string>> = {
  "": "1:1: expected an editor such as set(…), got the end, in ``",
  set: '1:4: expected "(" after set, got the end, in `set`',
  'sett(body, "x")': '1:1: unknown function sett (did you mean "set"?), in `sett(body, "x")`',
  'Set(body, "x")':
    '1:1: a statement begins with an editor, whose name begins with a small letter; Set is a converter, in `Set(body, "x")`',
  'set(bodi, "x")':
    '1:5: unknown path bodi in the context log (did you mean "body"?), in `set(bodi, "x")`',
  'set(span.name, "x")':
    '1:5: there is no span in the context log, only log, scope and resource, in `set(span.name, "x")`',
  "set(severity_number, SEVERITY_NUMBER_INF)":
    '1:22: unknown name SEVERITY_NUMBER_INF (did you mean "SEVERITY_NUMBER_INFO"?), in `set(severity_number, SEVERITY_NUMBER_INF)`',
  'set("body", "x")':
    '1:5: expected a path, such as attributes or name: this is what is changed, in `set("body", "x")`',
  "set(body)": "1:1: set needs value, in `set(body)`",
  "set(body, 1, 2)": "1:14: set takes 2 arguments at most, in `set(body, 1, 2)`",
  "set(body, valu=1)": '1:11: set has no valu (did you mean "value"?), in `set(body, valu=1)`',
  "set(target=body, 1)":
    "1:18: arguments without a name come before those with one, in `set(target=body, 1)`",
  "set(body, 1, value=2)": "1:14: value is given twice, in `set(body, 1, value=2)`",
  'set(body, "x") when true':
    '1:16: expected "where" or the end, got "when", in `set(body, "x") when true`',
  'set(body, "x") where body':
    '1:22: expected a comparison, a converter, true or false; this path must be compared with something, as in "!= nil", in `set(body, "x") where body`',
  'set(body, "x") where body = "y"':
    '1:27: values are compared with "==", in `set(body, "x") where body = "y"`',
  "set(body, 'x')": "1:11: strings stand in double quotes, in `set(body, 'x')`",
  'set(body, "x)': '1:11: this string has no closing quote, in `set(body, "x)`',
  'set(body, "\\w")':
    '1:11: wrong escape in a string; a backslash is written \\\\, in `set(body, "\\w")`',
  'set(body, "a\nb")': '1:11: a string may not span lines; write \\n, in `set(body, "a\nb")`',
  "set(body,\n  5 ! 6)": '2:5: unexpected "!", in `set(body,\n  5 ! 6)`',
  "set(body, [1, 2)": '1:16: expected "," or "]", got ")", in `set(body, [1, 2)`',
  "set(body, 99999999999999999999)":
    "1:11: 99999999999999999999 does not fit into 64 bits, in `set(body, 99999999999999999999)`",
  "set(body, 0x123)": "1:11: bytes have two digits each, in `set(body, 0x123)`",
  "set(body, lower(body))":
    "1:11: lower is no converter: their names begin with a capital letter, in `set(body, lower(body))`",
  "set(body, Len)": "1:11: Len needs its arguments in brackets, in `set(body, Len)`",
  "set(severity_text[0], 1)": "1:5: severity_text has no [key], in `set(severity_text[0], 1)`",
  'set(body, ParseXML("a"))': '1:11: not supported yet: ParseXML, in `set(body, ParseXML("a"))`',
  "convert_sum_to_gauge()":
    "1:1: convert_sum_to_gauge is for metric, not for log, in `convert_sum_to_gauge()`",
  'replace_pattern(body, "(", "x")':
    '1:23: bad regular expression "(": error parsing regexp: missing closing ): `(`, in `replace_pattern(body, "(", "x")`',
  'merge_maps(attributes, {}, "over")':
    '1:28: expected "insert", "update", "upsert", got "over", in `merge_maps(attributes, {}, "over")`',
  'limit(attributes, 1, ["a", "b"])':
    '1:1: limit: limit is below the number of priority_keys, in `limit(attributes, 1, ["a", "b"])`',
  "set(body, All(attributes, (k, v) => true))":
    "1:27: lambda expressions are not supported, in `set(body, All(attributes, (k, v) => true))`",
  'replace_pattern(body, "a", "b", Sha256)':
    '1:33: unknown function Sha256 (did you mean "SHA256"?), in `replace_pattern(body, "a", "b", Sha256)`',
  'replace_pattern(body, "a", "b", Split)':
    '1:33: Split is no converter of one string, in `replace_pattern(body, "a", "b", Split)`',
  'set(body, Split(body, ",")[0])[1]':
    '1:1: an editor has no [key], in `set(body, Split(body, ",")[0])[1]`',
};

test("what is said of wrong statements", async (t) => {
  for (const [text, expected] of Object.entries(FAULTS))
    await t.test(JSON.stringify(text), () => {
      const list = {
        context: "log",
        statements: [text],
        conditions: [],
        errorMode: "ignore",
      } as const;
      assert.throws(() => compileList("logs", list), { name: "OttlFault", message: expected });
    });
});

test("a long statement is shown around its fault, and brackets have a limit", () => {
  const long = `set(body, Concat([${'"0123456789", '.repeat(30)}bodi], ""))`;
  assert.throws(() => compileCondition(`${long} == 1`, "log"), /^OttlFault: 1:1: .* in `set.*…`$/);
  const deep = `${"(".repeat(100)}1${")".repeat(100)} == 1`;
  assert.throws(() => compileCondition(deep, "log"), /too many brackets/);
});

/** Statements of a signal with the context they mean. */
const MEANT: readonly (readonly ["traces" | "metrics" | "logs", readonly string[], string])[] = [
  ["traces", ['set(span.name, "x")'], "span"],
  ["traces", ['set(resource.attributes["a"], "x")'], "resource"],
  ["traces", ['set(resource.attributes["a"], scope.name)'], "scope"],
  ["traces", ['set(resource.attributes["a"], instrumentation_scope.name)'], "scope"],
  ["traces", ['set(span.name, resource.attributes["a"])', 'set(spanevent.name, "x")'], "spanevent"],
  ["traces", ['set(resource.attributes["root"], IsRootSpan())'], "span"],
  ["metrics", ['set(metric.description, "x") where datapoint.attributes["t"] == "p"'], "datapoint"],
  ["metrics", ['set(resource.attributes["t"], "p")', 'set(metric.description, "x")'], "metric"],
  ["metrics", ['set(metric.name, "x") where metric.type == METRIC_DATA_TYPE_SUM'], "metric"],
  ["metrics", ["convert_sum_to_gauge()"], "metric"],
  ["logs", ["set(log.severity_number, SEVERITY_NUMBER_INFO)"], "log"],
  ["logs", ['set(resource.attributes["n"], SEVERITY_NUMBER_INFO)'], "log"],
];

test("the context that statements mean", async (t) => {
  for (const [signal, statements, expected] of MEANT)
    await t.test(statements.join("; "), () => {
      const list = { context: "", statements, conditions: [], errorMode: "ignore" } as const;
      assert.equal(compileList(signal, list).context, expected);
    });
});

test("statements that mean no context", () => {
  const fail =
    (signal: "traces" | "metrics" | "logs", ...statements: string[]) =>
    () =>
      compileList(signal, { context: "", statements, conditions: [], errorMode: "ignore" });
  assert.throws(
    fail("logs", 'set(attributes["a"], 1)'),
    /1:5: a path begins with its context here: one of log.attributes, scope.attributes, resource.attributes/,
  );
  assert.throws(
    fail("logs", "set(span.name, 1)"),
    /span is no context here: log, scope, resource are/,
  );
  assert.throws(
    fail("metrics", "convert_sum_to_gauge()", "limit(datapoint.attributes, 100, [])"),
    /no context has all that these statements use together/,
  );
});

test("statements run in order at one record after the other, with a cache of its own", () => {
  const tree = logsWith(RECORD);
  const { logRecords } = tree.resourceLogs[0]!.scopeLogs[0]!;
  logRecords.push(structuredClone(logRecords[0]!));
  logRecords[1]!.body = "other";
  const faults = runStatements({ signal: "logs", tree }, [
    'set(log.cache["before"], log.cache["body"])',
    'set(log.cache["body"], log.body)',
    'set(log.attributes["before"], log.cache["before"])',
    'set(log.attributes["body"], log.cache["body"])',
  ]);
  assert.deepEqual(faults, []);
  assert.deepEqual(
    logRecords.map(({ attributes }) => [attributes.get("before"), attributes.get("body")]),
    [
      [undefined, "line"],
      [undefined, "other"],
    ],
  );
});

test("a list runs where one of its conditions holds", () => {
  const statements = ['set(log.severity_text, "yes")'];
  const severity = (conditions: string[]) => {
    const tree = logsWith(RECORD);
    runStatements({ signal: "logs", tree }, statements, { conditions });
    return tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.severityText;
  };
  assert.equal(severity([]), "yes");
  assert.equal(severity(['log.body == "other"', 'log.body == "line"']), "yes");
  assert.equal(severity(['log.body == "other"']), "");
  assert.equal(severity(["Len(log.severity_number) == 1", 'log.body == "line"']), "yes");
});

test("error modes", () => {
  const run = (errorMode: "ignore" | "silent" | "propagate") => {
    const tree = logsWith(RECORD);
    const faults = runStatements(
      { signal: "logs", tree },
      ["set(log.severity_text, 5)", 'set(log.severity_text, "after")'],
      { errorMode },
    );
    return { faults, after: tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.severityText };
  };
  assert.deepEqual(run("ignore"), { faults: ["expected a string, got an int"], after: "after" });
  assert.deepEqual(run("silent"), { faults: [], after: "after" });
  assert.throws(() => run("propagate"), /expected a string, got an int/);
});

test("copies of copies end", () => {
  const tree = metricsWith({ name: "m", gauge: { dataPoints: [] } });
  assert.throws(
    () => runStatements({ signal: "metrics", tree }, ["copy_metric()"]),
    /statements added more than 10000 metrics/,
  );
});

test("events of spans are walked with their span", () => {
  const tree = tracesWith({ name: "s", events: [{ name: "a" }, { name: "b" }] });
  runStatements({ signal: "traces", tree }, [
    'set(spanevent.attributes["of"], Concat([span.name, spanevent.event_index], "/"))',
  ]);
  assert.deepEqual(
    tree.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.events.map(({ attributes }) =>
      attributes.get("of"),
    ),
    ["s/0", "s/1"],
  );
});
