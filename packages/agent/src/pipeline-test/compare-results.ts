/** Holds what came out against what must: the difference as lines of the file, and assertions one by one. */
import { Capsule } from "@finch/alloy-syntax";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { formatRfc3339, Labels } from "@finch/model";
import { Document, isCollection, isMap, isScalar, Scalar } from "yaml";
import { diffLines } from "./diff-lines.ts";
import type { DiffLine } from "./diff-lines.ts";
import type { TestRun } from "./run-pipeline-test.ts";
import type { LabelMatch, Assertion, PipelineTest, TestEntry, TestResult } from "./test-file.ts";
import { formatSampleLine } from "./sample-lines.ts";
import type { SampleLine } from "./sample-lines.ts";

export interface Comparison {
  /** The whole of both as lines; empty when they are the same, or nothing is expected. */
  readonly diff: readonly DiffLine[];
  /** Assertions that do not hold, each with its place. */
  readonly failures: readonly string[];
}

export function compareResults(test: PipelineTest, run: TestRun): Comparison {
  const { expected } = test;
  const failures = test.assertions.flatMap((assertion) => faultOf(assertion, run.result) ?? []);
  if (expected === undefined) return { diff: [], failures };
  const want = formatExpected(expected);
  const got = formatExpected(asExpected(run, expected));
  const diff = want === got ? [] : diffLines(linesOf(want), linesOf(got));
  return { diff, failures };
}

function linesOf(text: string): readonly string[] {
  return text.trimEnd().split("\n");
}

/**
 * What came out as a test would expect it: without times that went in, unless they are asked for, and with the exports that are asked for. Without
 * `expected`, what a new test is to expect.
 */
export function asExpected(
  { result, given }: TestRun,
  expected: TestResult | undefined,
): TestResult {
  const loki = mapLists(result.loki, (entry, id, index) => {
    const asked = expected?.loki.get(id)?.[index]?.timestampNs;
    const isKept = asked !== undefined || !given.ns.has(entry.timestampNs!);
    return isKept ? entry : { ...entry, timestampNs: undefined };
  });
  const prometheus = mapLists(result.prometheus, (sample, id, index) => {
    const asked = expected?.prometheus.get(id)?.[index]?.timestampMs;
    const isKept = asked !== undefined || !given.ms.has(sample.timestampMs!);
    return isKept ? sample : { ...sample, timestampMs: undefined };
  });
  return { ...result, loki, prometheus, exports: askedExports(result, expected) };
}

function mapLists<Item>(
  lists: ReadonlyMap<string, readonly Item[]>,
  change: (item: Item, id: string, index: number) => Item,
): ReadonlyMap<string, readonly Item[]> {
  return new Map(
    [...lists].map(([id, list]) => [id, list.map((item, index) => change(item, id, index))]),
  );
}

function askedExports(result: TestResult, expected: TestResult | undefined): TestResult["exports"] {
  const exports = new Map<string, ObjectValue>();
  for (const [id, values] of result.exports) {
    const isNew = expected === undefined && id.includes("discovery.relabel.");
    const asked = isNew ? ["output"] : [...(expected?.exports.get(id)?.keys() ?? [])];
    const chosen = asked
      .map((name) => [name, values.get(name)] as const)
      .filter((pair): pair is readonly [string, Value] => pair[1] !== undefined)
      .filter(([, value]) => !isNew || (Array.isArray(value) && value.length > 0));
    if (chosen.length > 0) exports.set(id, new Map(chosen));
  }
  return exports;
}

/** The section `expect` as it stands in a file. */
export function formatExpected({ loki, prometheus, exports, dropped }: TestResult): string {
  const expect = {
    ...section("loki", loki, (entries) => entries.map(plainEntry)),
    ...section("prometheus", prometheus, (samples) =>
      samples.map((sample) => `${formatSampleLine(sample)}\n`).join(""),
    ),
    ...section("exports", exports, plainValue),
    ...section("dropped", dropped, (reasons) => Object.fromEntries(sorted(reasons))),
  };
  const document = new Document({ expect });
  shorten(document.contents, 0);
  return document.toString({ lineWidth: 0 });
}

function section<Content>(
  name: string,
  contents: ReadonlyMap<string, Content>,
  toPlain: (content: Content) => unknown,
): Readonly<Record<string, unknown>> {
  if (contents.size === 0) return {};
  return {
    [name]: Object.fromEntries(sorted(contents).map(([id, one]) => [id, toPlain(one)])),
  };
}

function sorted<Content>(contents: ReadonlyMap<string, Content>): [string, Content][] {
  return [...contents].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function plainEntry({ line, labels, timestampNs, structuredMetadata }: TestEntry): object {
  return {
    line,
    ...(labels.size === 0 ? {} : { labels: labels.toObject() }),
    ...(timestampNs === undefined ? {} : { timestamp: formatRfc3339(timestampNs) }),
    ...(structuredMetadata.size === 0
      ? {}
      : { structured_metadata: structuredMetadata.toObject() }),
  };
}

function plainValue(value: Value): unknown {
  if (value instanceof Capsule)
    return value.content instanceof Labels ? value.content.toObject() : `capsule(${value.type})`;
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, field]) => [key, plainValue(field as Value)]));
  if (Array.isArray(value)) return value.map((element) => plainValue(element as Value));
  return value;
}

/** Labels and the like stand on one line each; texts of several lines as blocks. */
function shorten(node: unknown, depth: number): void {
  if (isScalar(node) && typeof node.value === "string" && node.value.includes("\n"))
    node.type = Scalar.BLOCK_LITERAL;
  if (!isCollection(node)) return;
  const isFlat = isMap(node)
    ? node.items.every(({ value }) => isScalar(value))
    : node.items.every((item) => isScalar(item));
  if (isFlat && depth >= 5) node.flow = true;
  for (const item of node.items)
    shorten(isMap(node) ? (item as { value: unknown }).value : item, depth + 1);
}

function faultOf(assertion: Assertion, result: TestResult): string | undefined {
  const count =
    assertion.of === "loki"
      ? [...result.loki.values()].flat().filter((entry) => matchesEntry(assertion, entry)).length
      : [...result.prometheus.values()].flat().filter((one) => matchesSample(assertion, one))
          .length;
  const what = assertion.of === "loki" ? "entries" : "samples";
  if (assertion.count === undefined)
    return count > 0 ? undefined : `${assertion.place}: no ${what} match`;
  if (count === assertion.count) return undefined;
  return `${assertion.place}: ${assertion.count} ${what} wanted, ${count} match`;
}

function matchesEntry(assertion: Assertion & { of: "loki" }, entry: TestEntry): boolean {
  return (
    (assertion.line === undefined || assertion.line === entry.line) &&
    (assertion.timestampNs === undefined || assertion.timestampNs === entry.timestampNs) &&
    matchesLabels(assertion.labels, entry.labels) &&
    matchesLabels(assertion.structuredMetadata, entry.structuredMetadata)
  );
}

function matchesSample(assertion: Assertion & { of: "prometheus" }, sample: SampleLine): boolean {
  const { timestampNs } = assertion;
  return (
    (assertion.value === undefined || Object.is(assertion.value, sample.value)) &&
    (timestampNs === undefined || Number(timestampNs / 1_000_000n) === sample.timestampMs) &&
    matchesLabels(assertion.labels, sample.labels)
  );
}

function matchesLabels(match: LabelMatch | undefined, labels: Labels): boolean {
  if (match === undefined) return true;
  if (!match.isPartial) return match.values.key === labels.key;
  return [...match.values].every(([name, value]) => labels.get(name) === value);
}
