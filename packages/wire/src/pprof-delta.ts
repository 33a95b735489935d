/**
 * What a program did between two of its profiles. The memory, mutex and block profiles of Go count since the program began; the difference of two is
 * what flame graphs of a time range add up. Locations are numbered anew in each profile, so stacks are told apart by what they name.
 */
import { hash } from "node:crypto";
import { readPprof, type PprofProfile, type PprofSample } from "./pprof-reader.ts";
import { writePprof } from "./pprof-writer.ts";

/** A kind of value of a profile that counts up, such as `alloc_space` in `bytes`. */
export interface CountedType {
  readonly type: string;
  readonly unit: string;
}

/** The last profile of one target, by stack. */
interface Counts {
  readonly byStack: ReadonlyMap<string, readonly number[]>;
  /** Of all stacks, by kind of value. */
  readonly totals: readonly number[];
  readonly timeNs: bigint;
}

export class PprofDelta {
  readonly #counted: readonly CountedType[];
  #last: Counts | undefined;

  constructor(counted: readonly CountedType[]) {
    this.#counted = counted;
  }

  /**
   * The profile without what the one before had, not compressed; undefined for the first. Values that do not count up stay. Where a program counts less
   * than before it has started anew, and all of its profile is new. Throws a FinchError `invalid` for what is no pprof, and forgets nothing then.
   */
  next(bytes: Uint8Array): Uint8Array | undefined {
    const profile = readPprof(bytes);
    const counted = profile.sampleTypes.map(({ type, unit }) =>
      this.#counted.some((one) => one.type === type && one.unit === unit),
    );
    const keys = keysOf(profile);
    const counts = countUp(profile, keys);
    const last = this.#last;
    this.#last = counts;
    if (last === undefined) return undefined;
    const isNewStart = counted.some((counts_, at) => counts_ && isLess(counts, last, at));
    const base = isNewStart ? undefined : last.byStack;
    const samples = differences({ profile, keys, counts, base, counted });
    const elapsed = counts.timeNs - last.timeNs;
    return writePprof(profile, samples, {
      durationNs: last.timeNs > 0n && elapsed > 0n ? elapsed : undefined,
    });
  }
}

function isLess(counts: Counts, last: Counts, at: number): boolean {
  return counts.totals[at]! < (last.totals[at] ?? 0);
}

function countUp(profile: PprofProfile, keys: readonly string[]): Counts {
  const byStack = new Map<string, number[]>();
  const totals = profile.sampleTypes.map(() => 0);
  for (const [index, { values }] of profile.samples.entries()) {
    const key = keys[index]!;
    const known = byStack.get(key);
    if (known === undefined) byStack.set(key, [...values]);
    else for (const [at, value] of values.entries()) known[at] = (known[at] ?? 0) + value;
    for (const at of totals.keys()) totals[at]! += values[at] ?? 0;
  }
  return { byStack, totals, timeNs: profile.timeNs };
}

/** One sample for each stack that has something; what comes twice in a profile is added up. */
function differences(of: {
  readonly profile: PprofProfile;
  readonly keys: readonly string[];
  readonly counts: Counts;
  readonly base: Counts["byStack"] | undefined;
  readonly counted: readonly boolean[];
}): readonly PprofSample[] {
  const seen = new Set<string>();
  return of.profile.samples.flatMap((sample, index): readonly PprofSample[] => {
    const key = of.keys[index]!;
    if (seen.has(key)) return [];
    seen.add(key);
    const before = of.base?.get(key);
    const values = of.counts.byStack
      .get(key)!
      .map((value, at) =>
        of.counted[at] === true ? Math.max(0, value - (before?.[at] ?? 0)) : value,
      );
    return values.some((value) => value !== 0) ? [{ ...sample, values }] : [];
  });
}

/** What tells the stacks of a profile apart, the same for the same stack of another. */
function keysOf({ samples, locations, labelText }: PprofProfile): readonly string[] {
  const known = new Map<number, string>();
  const locationKey = (id: number): string => {
    let key = known.get(id);
    if (key === undefined) {
      key = hash("md5", locations.get(id)?.identity ?? `#${id}`, "base64");
      known.set(id, key);
    }
    return key;
  };
  return samples.map(({ locationIds, labels }) =>
    hash(
      "md5",
      `${locationIds.map(locationKey).join("")} ${labels.map(labelText).join("")}`,
      "base64",
    ),
  );
}
