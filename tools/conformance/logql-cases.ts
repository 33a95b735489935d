/** One authored LogQL case: streams of entries, a query, and what it must answer. Times are seconds after an epoch. */
import { createEngine, createMemorySource, makeColumns, mergeEntryLabels } from "@finch/logql";
import type { InstantResult, MemoryEntry, MemoryLogSource, RangeResult } from "@finch/logql";
import { Labels } from "@finch/model";
import { describeError, systemClock } from "@finch/runtime";
import { withDetectedLevels, withServiceName } from "@finch/server";
import { compareNumbers, showLabels } from "./logql-compare.ts";

type LabelMap = Readonly<Record<string, string>>;

export interface LogqlCase {
  readonly id: string;
  readonly query: string;
  readonly streams: readonly {
    readonly labels: LabelMap;
    readonly entries: readonly (readonly [number, string, LabelMap?])[];
  }[];
  readonly start?: number;
  readonly end?: number;
  readonly step?: number;
  readonly instant?: number;
  readonly interval?: number;
  readonly limit?: number;
  readonly direction?: "forward" | "backward" | null;
  readonly through_push?: boolean;
  readonly expect: Expectation;
}

interface Expectation {
  readonly type: "streams" | "vector" | "matrix" | "scalar" | "error";
  readonly contains?: string;
  readonly ordered?: boolean;
  readonly value?: number | string;
  readonly streams?: readonly {
    readonly labels: LabelMap;
    readonly values: readonly (readonly [number, string])[];
  }[];
  readonly series?: readonly {
    readonly labels: LabelMap;
    readonly value?: number | string;
    readonly values?: readonly (readonly [number, number | string | null])[];
  }[];
}

const EPOCH_SECONDS = 1_699_999_200;

function toNs(seconds: number): bigint {
  return BigInt(EPOCH_SECONDS) * 1_000_000_000n + BigInt(Math.round(seconds * 1e9));
}

/** What is wrong with the answer, or undefined. */
export async function runLogqlCase(item: LogqlCase): Promise<string | undefined> {
  const { expect } = item;
  let result: RangeResult | InstantResult;
  try {
    result = await evaluate(item);
  } catch (error) {
    const message = describeError(error);
    if (expect.type !== "error") return `refused: ${message}`;
    return message.includes(expect.contains ?? "")
      ? undefined
      : `refused with ${JSON.stringify(message)}, expected ${JSON.stringify(expect.contains)}`;
  }
  if (expect.type === "error")
    return `answered, expected the refusal ${JSON.stringify(expect.contains)}`;
  if (result.type !== expect.type) return `answered ${result.type}, expected ${expect.type}`;
  switch (result.type) {
    case "streams":
      return compareStreams(flatten(result.streams), expect);
    case "scalar":
      return compareNumbers(result.value, expect.value)
        ? undefined
        : `answered ${result.value}, expected ${expect.value}`;
    case "vector": {
      const actual = result.samples.map(({ labels, value }) => `${showLabels(labels)} ${value}`);
      const wanted = (expect.series ?? []).map(({ labels, value }) => ({
        labels,
        numbers: [value],
      }));
      const found = result.samples.map(({ labels, value }) => ({ labels, numbers: [value] }));
      return compareSeries(found, wanted, expect.ordered === true)
        ? undefined
        : `answered ${actual.join("; ")}`;
    }
    case "matrix":
      return compareMatrix(result, item);
  }
}

function evaluate(item: LogqlCase): Promise<RangeResult | InstantResult> {
  const source = createMemorySource();
  for (const { labels, entries } of item.streams) {
    append(
      source,
      item.through_push === true,
      Labels.fromObject(labels),
      entries.map(([time, line, metadata]) => ({
        timestampNs: toNs(time),
        line: String(line),
        metadata: Labels.fromObject(metadata ?? {}),
      })),
    );
  }
  const engine = createEngine({ clock: systemClock });
  const options = {
    source,
    query: item.query,
    limit: item.limit ?? 100,
    direction: item.direction === undefined ? "forward" : (item.direction ?? "backward"),
    signal: new AbortController().signal,
  } as const;
  if (item.instant !== undefined) {
    return engine.instantQuery({ ...options, timeNs: toNs(item.instant) });
  }
  return engine.rangeQuery({
    ...options,
    startNs: toNs(item.start ?? 0),
    endNs: toNs(item.end ?? 3600),
    stepNs: BigInt(Math.round((item.step ?? 60) * 1e9)),
    intervalNs: BigInt(Math.round((item.interval ?? 0) * 1e9)),
  });
}

/** Adds entries as they are, or with what the push API adds to them. */
function append(
  source: MemoryLogSource,
  throughPush: boolean,
  labels: Labels,
  entries: readonly MemoryEntry[],
): void {
  if (!throughPush) {
    source.append(labels, entries);
    return;
  }
  const named = withServiceName(labels);
  const { metadataSets, metadataOf } = withDetectedLevels({
    labels: named,
    entries: makeColumns(entries),
  });
  source.append(
    named,
    entries.map((entry, i) => ({ ...entry, metadata: metadataSets[metadataOf[i]!]! })),
  );
}

interface FlatStream {
  readonly labels: Labels;
  readonly values: (readonly [bigint, string])[];
}

/** The encoding without the categorize-labels flag: one stream for each set of labels. */
function flatten(
  streams: Extract<RangeResult, { readonly type: "streams" }>["streams"],
): readonly FlatStream[] {
  const flat = new Map<string, FlatStream>();
  for (const { labels, entries } of streams) {
    for (const entry of entries) {
      const merged = mergeEntryLabels(labels, entry);
      const known = flat.get(merged.key) ?? { labels: merged, values: [] };
      known.values.push([entry.timestampNs, entry.line]);
      flat.set(merged.key, known);
    }
  }
  return [...flat.values()];
}

/** `*` stands for any text that is not empty. */
function sameLabels(actual: Labels, expected: LabelMap): boolean {
  const names = Object.keys(expected);
  if (actual.size !== names.length) return false;
  return names.every((name) => {
    const wanted = String(expected[name]);
    return (
      actual.has(name) && (wanted === "*" ? actual.get(name) !== "" : actual.get(name) === wanted)
    );
  });
}

function compareStreams(actual: readonly FlatStream[], expect: Expectation): string | undefined {
  const wanted = expect.streams ?? [];
  const show = () =>
    actual
      .map(
        ({ labels, values }) =>
          `${showLabels(labels)} ${JSON.stringify(values.map(([, line]) => line))}`,
      )
      .join("; ");
  if (actual.length !== wanted.length)
    return `answered ${actual.length} streams, expected ${wanted.length}: ${show()}`;
  const rest = [...actual];
  for (const { labels, values } of wanted) {
    const at = rest.findIndex(
      (stream) => sameLabels(stream.labels, labels) && sameValues(stream.values, values),
    );
    if (at < 0)
      return `no stream ${JSON.stringify(labels)} with the expected lines among ${show()}`;
    rest.splice(at, 1);
  }
  return undefined;
}

function sameValues(
  actual: readonly (readonly [bigint, string])[],
  expected: readonly (readonly [number, string])[],
): boolean {
  return (
    actual.length === expected.length &&
    expected.every(([time, line], i) => {
      const [timestampNs, text] = actual[i]!;
      const wanted = line === "@ns" ? String(timestampNs) : String(line);
      return timestampNs === toNs(time) && text === wanted;
    })
  );
}

interface Row {
  readonly numbers: readonly (number | string | null | undefined)[];
}

function compareSeries(
  actual: readonly (Row & { readonly labels: Labels })[],
  expected: readonly (Row & { readonly labels: LabelMap })[],
  ordered: boolean,
): boolean {
  if (actual.length !== expected.length) return false;
  const rest = [...actual];
  for (const { labels, numbers } of expected) {
    const at = ordered ? 0 : rest.findIndex((series) => sameLabels(series.labels, labels));
    const found = rest[at];
    if (found === undefined || !sameLabels(found.labels, labels)) return false;
    if (!numbers.every((number, i) => compareNumbers(found.numbers[i] as number, number)))
      return false;
    rest.splice(at, 1);
  }
  return true;
}

function compareMatrix(
  result: Extract<RangeResult, { readonly type: "matrix" }>,
  item: LogqlCase,
): string | undefined {
  const wanted = (item.expect.series ?? []).map(({ labels, values }) => ({
    labels,
    values: values ?? [],
  }));
  const show = () =>
    result.series
      .map(
        ({ labels, timestampsMs, values }) =>
          `${showLabels(labels)} ${Array.from(values, (value, i) => `${timestampsMs[i]! / 1000 - EPOCH_SECONDS}:${value}`).join(" ")}`,
      )
      .join("; ");
  const present = wanted.filter(({ values }) => values.some(([, value]) => value !== null));
  if (present.length !== result.series.length) return `answered ${show()}`;
  for (const { labels, values } of present) {
    const series = result.series.find((candidate) => sameLabels(candidate.labels, labels));
    if (series === undefined) return `no series ${JSON.stringify(labels)} in ${show()}`;
    for (const [time, value] of values) {
      const at = series.timestampsMs.indexOf((time + EPOCH_SECONDS) * 1000);
      const fits = value === null ? at < 0 : at >= 0 && compareNumbers(series.values[at]!, value);
      if (!fits) return `at ${time} s expected ${value}: ${show()}`;
    }
  }
  return undefined;
}
