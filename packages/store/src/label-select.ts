/** Matchers → series, over any index that answers with postings: the head's and the blocks'. */
import type { Matcher } from "@finch/model";
import { ascending } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";

/** Series are numbered from 0; lists of them are sorted, without repetition, and not to be changed. */
export interface PostingSource {
  /** How many series there are: all of `0 … seriesCount - 1`. */
  readonly seriesCount: number;
  /** Series that have the label with just this value; not the empty one. */
  postingsOf(name: string, value: string): Promise<Uint32Array>;
  /** The values of a label, in no particular order. */
  valuesOf(name: string): Promise<readonly string[]>;
  /** Instead of `valuesOf` and `postingsOf` one by one, where the source has lists side by side: those of values that match, or do not. */
  listsOf?(matcher: Matcher, wanted: boolean, pacer: Pacer): Promise<Uint32Array[]>;
}

/** Lists of fewer series are joined by sorting, of more by a bit for each series. */
const SORTED_MAX = 4096;

/** The series all matchers agree on, ascending. Regular expressions are tried value by value, with rests in between. */
export async function selectSeries(
  source: PostingSource,
  matchers: readonly Matcher[],
  pacer: Pacer,
): Promise<Uint32Array> {
  const wanting = matchers.filter((matcher) => !matcher.matches(""));
  const refusing = matchers.filter((matcher) => matcher.matches(""));
  // Literals first: they are cheap and leave least.
  wanting.sort((a, b) => (a.literals === undefined ? 1 : 0) - (b.literals === undefined ? 1 : 0));
  let selected: Uint32Array | undefined;
  for (const matcher of wanting) {
    const found = await unionOf(source, await listsOf(source, matcher, true, pacer), pacer);
    selected = selected === undefined ? found : intersect(selected, found);
    if (selected.length === 0) return selected;
    if (pacer.isDue()) await pacer.rest();
  }
  selected ??= ascending(source.seriesCount);
  for (const matcher of refusing) {
    // A missing label satisfies the matcher, so it can only take away series whose value does not.
    const refused = await unionOf(source, await listsOf(source, matcher, false, pacer), pacer);
    selected = subtract(selected, refused);
    if (selected.length === 0) return selected;
    if (pacer.isDue()) await pacer.rest();
  }
  return selected;
}

/** The series of each value that satisfies the matcher, or (`wanted` false) does not. */
async function listsOf(
  source: PostingSource,
  matcher: Matcher,
  wanted: boolean,
  pacer: Pacer,
): Promise<Uint32Array[]> {
  let values = wanted ? matcher.literals : undefined;
  if (!wanted && matcher.operator === "!=") values = [matcher.value];
  if (values === undefined && source.listsOf !== undefined)
    return source.listsOf(matcher, wanted, pacer);
  const lists: Uint32Array[] = [];
  for (const value of values ?? (await source.valuesOf(matcher.name))) {
    if (value !== "" && matcher.matches(value) === wanted)
      lists.push(await source.postingsOf(matcher.name, value));
    if (pacer.isDue()) await pacer.rest();
  }
  return lists;
}

/** A series has one value of a label: the lists share nothing. */
async function unionOf(
  source: PostingSource,
  lists: readonly Uint32Array[],
  pacer: Pacer,
): Promise<Uint32Array> {
  if (lists.length === 1) return lists[0]!;
  let total = 0;
  for (const list of lists) total += list.length;
  const union = new Uint32Array(total);
  if (total <= SORTED_MAX) {
    let at = 0;
    for (const list of lists) {
      union.set(list, at);
      at += list.length;
    }
    return union.sort();
  }
  const marks = new Uint8Array(source.seriesCount);
  for (const list of lists) {
    for (const series of list) marks[series] = 1;
    if (pacer.isDue()) await pacer.rest();
  }
  let at = 0;
  for (let series = 0; series < marks.length; series++)
    if (marks[series] === 1) union[at++] = series;
  return union;
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
