/** Native histograms with custom bounds out of classic ones (`convert_classic_histograms_to_nhcb`). */
import { CUSTOM_BOUNDS_SCHEMA, parseFloatText, type Histogram, type Labels } from "@finch/model";
import { checkHistogram, type ExpositionExemplar } from "@finch/wire/exposition";
import type { Answer } from "./scrape-loop.ts";

type Exposition = Answer["exposition"];

const LE = new Set(["le"]);
/** What each suffix of a classic histogram's series stands for. */
const PARTS = { _bucket: "bucket", _sum: "sum", _count: "count" } as const;

interface Role {
  readonly part: (typeof PARTS)[keyof typeof PARTS];
  readonly family: string;
  /** Those of the whole histogram. */
  readonly labels: Labels;
  /** Of a bucket. */
  readonly bound: number;
}

/** By the labels of a series, which stay the same objects from scrape to scrape. */
const roles = new WeakMap<Labels, { readonly role: Role | undefined }>();

interface Classic {
  readonly labels: Labels;
  readonly timestampMs: number;
  readonly buckets: { readonly bound: number; readonly count: number }[];
  readonly exemplars: ExpositionExemplar[];
  sum: number;
  count: number | undefined;
}

/**
 * The exposition with a native histogram behind the other rows for each classic one; the classic rows are left out unless `keepsClassic`. A
 * histogram that is native already stays as it is, and one that contradicts itself stays classic.
 */
export function convertClassicHistograms(
  exposition: Exposition,
  options: { readonly keepsClassic: boolean },
): Exposition {
  const types = new Map(exposition.metadata.map(({ family, type }) => [family, type]));
  const natives = new Set<string>();
  for (const row of exposition.histograms?.keys() ?? []) natives.add(exposition.labels[row]!.key);
  const groups = new Map<string, Classic>();
  const groupOfRow = new Map<number, Classic>();
  for (let row = 0; row < exposition.count; row++) {
    const role = roleOf(exposition.labels[row]!);
    if (role === undefined || types.get(role.family) !== "histogram") continue;
    if (natives.has(role.labels.key)) continue;
    const timestampMs = exposition.timestampsMs[row]!;
    let group = groups.get(role.labels.key);
    if (group === undefined) {
      group = {
        labels: role.labels,
        timestampMs,
        buckets: [],
        exemplars: [],
        sum: 0,
        count: undefined,
      };
      groups.set(role.labels.key, group);
    }
    groupOfRow.set(row, group);
    const value = exposition.values[row]!;
    if (role.part === "bucket") group.buckets.push({ bound: role.bound, count: value });
    else group[role.part] = value;
  }
  return groups.size === 0 ? exposition : rebuild(exposition, { groups, groupOfRow, ...options });
}

function roleOf(labels: Labels): Role | undefined {
  let known = roles.get(labels);
  if (known === undefined) roles.set(labels, (known = { role: readRole(labels) }));
  return known.role;
}

function readRole(labels: Labels): Role | undefined {
  const name = labels.get("__name__");
  const suffix = /_(?:bucket|sum|count)$/.exec(name)?.[0] as keyof typeof PARTS | undefined;
  if (suffix === undefined) return undefined;
  const part = PARTS[suffix];
  const bound = part === "bucket" ? parseFloatText(labels.get("le")) : NaN;
  if (bound === undefined) return undefined;
  const family = name.slice(0, -suffix.length);
  return { part, family, labels: labels.drop(LE).with("__name__", family), bound };
}

function rebuild(
  exposition: Exposition,
  about: {
    readonly groups: ReadonlyMap<string, Classic>;
    readonly groupOfRow: ReadonlyMap<number, Classic>;
    readonly keepsClassic: boolean;
  },
): Exposition {
  const { groups, groupOfRow, keepsClassic } = about;
  const converted = new Map<Classic, Histogram>();
  for (const group of groups.values()) {
    const histogram = histogramOf(group);
    if (histogram !== undefined) converted.set(group, histogram);
  }
  const isLeftOut = (row: number) => {
    const group = groupOfRow.get(row);
    return !keepsClassic && group !== undefined && converted.has(group);
  };
  const kept: number[] = [];
  const newRow = new Map<number, number>();
  for (let row = 0; row < exposition.count; row++)
    if (!isLeftOut(row)) newRow.set(row, kept.push(row) - 1);
  const labels = kept.map((row) => exposition.labels[row]!);
  const values = new Float64Array(kept.length + converted.size);
  const timestampsMs = new Float64Array(kept.length + converted.size);
  const histograms = new Map<number, Histogram>();
  for (const [at, row] of kept.entries()) {
    values.set(exposition.values.subarray(row, row + 1), at);
    timestampsMs[at] = exposition.timestampsMs[row]!;
    const native = exposition.histograms?.get(row);
    if (native !== undefined) histograms.set(at, native);
  }
  const exemplars = exposition.exemplars.flatMap((exemplar) => {
    const group = groupOfRow.get(exemplar.row);
    if (group !== undefined && converted.has(group)) group.exemplars.push(exemplar);
    const row = newRow.get(exemplar.row);
    return row === undefined ? [] : [{ ...exemplar, row }];
  });
  for (const [group, histogram] of converted) {
    const at = labels.push(group.labels) - 1;
    values[at] = histogram.sum;
    timestampsMs[at] = group.timestampMs;
    histograms.set(at, histogram);
    for (const exemplar of group.exemplars) exemplars.push({ ...exemplar, row: at });
  }
  const { metadata } = exposition;
  return { count: labels.length, labels, values, timestampsMs, histograms, exemplars, metadata };
}

/** Undefined when the buckets make no sense, such as counts that fall. */
function histogramOf(group: Classic): Histogram | undefined {
  const buckets = group.buckets.toSorted((a, b) => a.bound - b.bound);
  const last = buckets.at(-1);
  const count = group.count ?? (last?.bound === Infinity ? last.count : undefined);
  if (last === undefined || count === undefined) return undefined;
  if (last.bound !== Infinity) buckets.push({ bound: Infinity, count });
  const counts = Float64Array.from(
    buckets,
    (bucket, i) => bucket.count - (buckets[i - 1]?.count ?? 0),
  );
  const isFloat = !counts.every((one) => Number.isInteger(one)) || !Number.isInteger(count);
  const none = { spans: [], spanCount: 0, counts: new Float64Array(0), bucketCount: 0 };
  const checked = checkHistogram({
    schema: CUSTOM_BOUNDS_SCHEMA,
    resetHint: "unknown",
    zeroThreshold: 0,
    zeroCount: 0,
    count,
    sum: group.sum,
    positive: { spans: [0, counts.length], spanCount: 1, counts, bucketCount: counts.length },
    negative: none,
    customBounds: Float64Array.from(buckets.slice(0, -1), ({ bound }) => bound),
    isFloat,
  });
  return typeof checked === "string" ? undefined : checked;
}
