/**
 * Files of `finch agent test`: a configuration, what goes in, what must come out. YAML, read strictly; `docs/reference/agent-test.md` is the page
 * for readers. The keys `config`, `inputs.loki` and `assert` are those of the pipeline tests in Alloy's own sources, so that such files run.
 */
import { dirname, resolve } from "node:path";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { Labels, parseRfc3339 } from "@finch/model";
import type { ConfigSource } from "../runtime/config-source.ts";
import { parseYamlConfig } from "../yaml-config.ts";
import type { YamlNode } from "../yaml-config.ts";
import { readSampleLines } from "./sample-lines.ts";
import type { SampleLine } from "./sample-lines.ts";

/** 2000-01-01T00:00:00Z: where the clock stands when a test says nothing else. */
const DEFAULT_NOW_NS = 946_684_800_000_000_000n;

export interface PipelineTest {
  readonly path: string;
  readonly text: string;
  readonly config: ConfigSource;
  /** Where the clock stands at the beginning, Unix nanoseconds. */
  readonly nowNs: bigint;
  /** What `sys.env` answers. */
  readonly environment: Readonly<Record<string, string>>;
  /** What components export that do not run in a test, by id. */
  readonly exports: ReadonlyMap<string, ObjectValue>;
  readonly inputs: readonly TestInput[];
  /** Undefined when the file has none, as before the first `--update`. */
  readonly expected: TestResult | undefined;
  readonly assertions: readonly Assertion[];
}

/** Something that is sent. Of entries and samples, one is empty. */
export interface TestInput {
  /** Receivers, such as `loki.process.app.receiver`, or sources, such as `loki.source.file.logs`. */
  readonly components: readonly string[];
  /** Time that passes before. */
  readonly afterMs: number;
  readonly entries: readonly TestEntry[];
  readonly samples: readonly SampleLine[];
  /** `FILE:LINE:COLUMN`. */
  readonly place: string;
}

export interface TestEntry {
  readonly line: string;
  readonly labels: Labels;
  /** Undefined in what goes in: the time by the test's clock; in what is expected: a time that went in. */
  readonly timestampNs: bigint | undefined;
  readonly structuredMetadata: Labels;
}

/** What came out, or must. */
export interface TestResult {
  /** Entries by the component they reached. */
  readonly loki: ReadonlyMap<string, readonly TestEntry[]>;
  readonly prometheus: ReadonlyMap<string, readonly SampleLine[]>;
  /** Exports by component and name. */
  readonly exports: ReadonlyMap<string, ObjectValue>;
  /** Dropped lines by component and reason. */
  readonly dropped: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** How many entries or samples match: exactly `count`, or at least one. */
export type Assertion = {
  readonly place: string;
  readonly count: number | undefined;
  readonly labels: LabelMatch | undefined;
  readonly timestampNs: bigint | undefined;
} & (
  | {
      readonly of: "loki";
      readonly line: string | undefined;
      readonly structuredMetadata: LabelMatch | undefined;
    }
  | { readonly of: "prometheus"; readonly value: number | undefined }
);

export interface LabelMatch {
  readonly values: Labels;
  /** Whether there may be others. */
  readonly isPartial: boolean;
}

/** Reads a file; faults name file, line and column. Paths in it are relative to its folder. */
export function parsePipelineTest(text: string, path: string): PipelineTest {
  const root = parseYamlConfig(text, path);
  const fields = root.fields(["config", "now", "env", "exports", "inputs", "expect", "assert"]);
  if (fields.config === undefined)
    throw root.fault(`config is missing: a text, or {path: FILE} with the path of a file`);
  if (fields.expect === undefined && fields.assert === undefined && fields.inputs === undefined)
    throw root.fault("inputs is missing: without any, nothing can come out");
  return {
    path,
    text,
    config: readConfigField(fields.config, path),
    nowNs: fields.now === undefined ? DEFAULT_NOW_NS : readTime(fields.now),
    environment: fields.env === undefined ? {} : readLabels(fields.env).toObject(),
    exports: readExports(fields.exports),
    inputs: readInputs(fields.inputs),
    expected: fields.expect === undefined ? undefined : readExpected(fields.expect),
    assertions: readAssertions(fields.assert),
  };
}

function readConfigField(node: YamlNode, path: string): ConfigSource {
  if (!node.isMap) return { text: node.text(), name: `${path} (config)` };
  const { path: file } = node.fields(["path"]);
  if (file === undefined) throw node.fault("path is missing");
  return { path: resolve(dirname(path), file.text()) };
}

function readTime(node: YamlNode): bigint {
  const time = parseRfc3339(node.text());
  if (time === undefined) throw node.fault("a time such as 2026-04-22T12:00:00Z is wanted");
  return time;
}

function readLabels(node: YamlNode | undefined): Labels {
  const pairs: string[] = [];
  for (const [name, value] of node?.entries() ?? []) pairs.push(name, value.text());
  return Labels.fromPairs(pairs);
}

function readExports(node: YamlNode | undefined): ReadonlyMap<string, ObjectValue> {
  const exports = new Map<string, ObjectValue>();
  for (const [id, fields] of node?.entries() ?? []) {
    const values = new Map<string, Value>();
    for (const [name, value] of fields.entries()) values.set(name, value.value());
    exports.set(id, values);
  }
  return exports;
}

function readInputs(node: YamlNode | undefined): readonly TestInput[] {
  if (node === undefined) return [];
  const { loki, prometheus } = node.fields(["loki", "prometheus"]);
  return [
    ...(loki?.list() ?? []).map(readLogInput),
    ...(prometheus?.list() ?? []).map(readSampleInput),
  ];
}

function readLogInput(node: YamlNode): TestInput {
  const fields = node.fields(["components", "after", "entries", "labels", "lines"]);
  if (fields.lines === undefined && fields.labels !== undefined)
    throw fields.labels.fault("labels here are those of lines, which are missing");
  const labels = readLabels(fields.labels);
  const lines = fields.lines?.text().replace(/\n$/, "").split("\n") ?? [];
  return {
    ...readInputHead(node, fields),
    entries: [
      ...lines.map((line) => ({
        line,
        labels,
        timestampNs: undefined,
        structuredMetadata: Labels.EMPTY,
      })),
      ...(fields.entries?.list() ?? []).map(readEntry),
    ],
    samples: [],
  };
}

function readSampleInput(node: YamlNode): TestInput {
  const fields = node.fields(["components", "after", "samples"]);
  const samples = fields.samples === undefined ? [] : readSamples(fields.samples);
  return { ...readInputHead(node, fields), entries: [], samples };
}

function readInputHead(
  node: YamlNode,
  fields: { readonly components?: YamlNode; readonly after?: YamlNode },
): Pick<TestInput, "components" | "afterMs" | "place"> {
  const components = (fields.components?.list() ?? []).map((one) => one.text());
  const afterMs = fields.after?.durationMs() ?? 0;
  if (afterMs < 0) throw fields.after!.fault("time does not go back");
  if (components.length === 0 && afterMs === 0)
    throw node.fault("components is missing: a list such as [loki.process.app.receiver]");
  return { components, afterMs, place: node.place };
}

function readEntry(node: YamlNode): TestEntry {
  const fields = node.fields(["line", "labels", "timestamp", "structured_metadata"]);
  return {
    line: fields.line?.text() ?? "",
    labels: readLabels(fields.labels),
    timestampNs: fields.timestamp === undefined ? undefined : readTime(fields.timestamp),
    structuredMetadata: readLabels(fields.structured_metadata),
  };
}

function readSamples(node: YamlNode): readonly SampleLine[] {
  return readSampleLines(node.text(), (message) => node.fault(message));
}

function readExpected(node: YamlNode): TestResult {
  const { loki, prometheus, exports, dropped } = node.fields([
    "loki",
    "prometheus",
    "exports",
    "dropped",
  ]);
  return {
    loki: mapValues(loki, (entries) => entries.list().map(readEntry)),
    prometheus: mapValues(prometheus, readSamples),
    exports: readExports(exports),
    dropped: mapValues(dropped, (reasons) =>
      mapValues(reasons, (count) => count.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    ),
  };
}

function mapValues<Value>(
  node: YamlNode | undefined,
  read: (value: YamlNode) => Value,
): ReadonlyMap<string, Value> {
  return new Map([...(node?.entries() ?? [])].map(([key, value]) => [key, read(value)]));
}

function readAssertions(node: YamlNode | undefined): readonly Assertion[] {
  if (node === undefined) return [];
  const { loki, prometheus } = node.fields(["loki", "prometheus"]);
  return [
    ...(loki?.list() ?? []).map((one) => readAssertion(one, "loki")),
    ...(prometheus?.list() ?? []).map((one) => readAssertion(one, "prometheus")),
  ];
}

function readAssertion(node: YamlNode, of: Assertion["of"]): Assertion {
  const { type, count, match } = node.fields(["type", "count", "match"]);
  if (type === undefined) throw node.fault("type is missing: count or contains");
  const isCount = type.oneOf(["count", "contains"]) === "count";
  if (isCount && count === undefined) throw node.fault("count is missing");
  if (!isCount && match === undefined) throw node.fault("match is missing");
  const counted = isCount ? count!.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) : undefined;
  const base = { place: node.place, count: counted };
  if (of === "loki") {
    const fields = match?.fields(["labels", "line", "timestamp", "structured_metadata"]) ?? {};
    return {
      ...base,
      of,
      labels: readLabelMatch(fields.labels),
      line: fields.line?.text(),
      timestampNs: fields.timestamp && readTime(fields.timestamp),
      structuredMetadata: readLabelMatch(fields.structured_metadata),
    };
  }
  const fields = match?.fields(["labels", "value", "timestamp"]) ?? {};
  return {
    ...base,
    of,
    labels: readLabelMatch(fields.labels),
    value: fields.value?.number(),
    timestampNs: fields.timestamp && readTime(fields.timestamp),
  };
}

function readLabelMatch(node: YamlNode | undefined): LabelMatch | undefined {
  if (node === undefined) return undefined;
  const { values, mode } = node.fields(["values", "mode"]);
  return {
    values: readLabels(values),
    isPartial: mode !== undefined && mode.oneOf(["exact", "partial"]) === "partial",
  };
}
