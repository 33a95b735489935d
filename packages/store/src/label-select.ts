/** Matchers → series, over any index that answers with postings: the head's and the blocks'. */
import type { Matcher } from "@finch/model";
import { ascending } from "./number-columns.ts";

/** Series are numbered from 0; lists of them are sorted, without repetition, and not to be changed. */
export interface PostingSource {
  /** How many series there are: all of `0 … seriesCount - 1`. */
  readonly seriesCount: number;
  /** Series that have the label with just this value; not the empty one. */
  postingsOf(name: string, value: string): Promise<Uint32Array>;
  /** The values of a label, in no particular order. */
  valuesOf(name: string): Promise<readonly string[]>;
}

/** The series all matchers agree on, ascending. */
export async function selectSeries(
  source: PostingSource,
  matchers: readonly Matcher[],
): Promise<Uint32Array> {
  const all = source.seriesCount;
  const wanting = matchers.filter((matcher) => !matcher.matches(""));
  const refusing = matchers.filter((matcher) => matcher.matches(""));
  // Literals first: they are cheap and leave least.
  wanting.sort((a, b) => (a.literals === undefined ? 1 : 0) - (b.literals === undefined ? 1 : 0));
  let selected: Uint32Array | undefined;
  for (const matcher of wanting) {
    const values = matcher.literals ?? (await source.valuesOf(matcher.name));
    const found = await unionOf(
      source,
      matcher.name,
      values.filter((value) => matcher.matches(value)),
    );
    selected = selected === undefined ? found : intersect(selected, found);
    if (selected.length === 0) return selected;
  }
  selected ??= ascending(all);
  for (const matcher of refusing) {
    // A missing label satisfies the matcher, so it can only take away series whose value does not.
    const values =
      matcher.operator === "!=" ? [matcher.value] : await source.valuesOf(matcher.name);
    const refused = await unionOf(
      source,
      matcher.name,
      values.filter((value) => !matcher.matches(value)),
    );
    selected = subtract(selected, refused);
    if (selected.length === 0) return selected;
  }
  return selected;
}

async function unionOf(
  source: PostingSource,
  name: string,
  values: readonly string[],
): Promise<Uint32Array> {
  const lists: Uint32Array[] = [];
  for (const value of values) if (value !== "") lists.push(await source.postingsOf(name, value));
  if (lists.length === 1) return lists[0]!;
  // A series has one value of a label: the lists share nothing.
  let total = 0;
  for (const list of lists) total += list.length;
  const union = new Uint32Array(total);
  let at = 0;
  for (const list of lists) {
    union.set(list, at);
    at += list.length;
  }
  return union.sort();
}

function intersect(a: Uint32Array, b: Uint32Array): Uint32Array {
  const shared = new Uint32Array(Math.min(a.length, b.length));
  let count = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const left = a[i]!;
    const right = b[j]!;
    if (left === right) shared[count++] = left;
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return shared.subarray(0, count);
}

function subtract(a: Uint32Array, b: Uint32Array): Uint32Array {
  const rest = new Uint32Array(a.length);
  let count = 0;
  for (let i = 0, j = 0; i < a.length; i++) {
    while (j < b.length && b[j]! < a[i]!) j++;
    if (j === b.length || b[j] !== a[i]) rest[count++] = a[i]!;
  }
  return rest.subarray(0, count);
}
