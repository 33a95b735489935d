/**
 * Label sets: what identifies a series or a stream, and what structured metadata is made of.
 * Immutable, sorted by name in UTF-16 code unit order, names unique, no empty values unless made by {@link Labels.raw}.
 */

/** A label set. Make one with the static functions; compare two by `key`. */
export class Labels {
  static readonly EMPTY = new Labels([]);
  /** `name, value, name, value …`, sorted by name. Never changed after construction. */
  readonly pairs: readonly string[];
  #key: string | undefined;

  private constructor(pairs: readonly string[]) {
    this.pairs = pairs;
  }

  /** Sorts, and drops empty values (an empty label is the same as a missing one). A repeated name throws a `RangeError`. */
  static fromPairs(pairs: readonly string[]): Labels {
    return new Labels(sortPairs(pairs, false));
  }

  static fromObject(object: Readonly<Record<string, string>>): Labels {
    const pairs: string[] = [];
    for (const [name, value] of Object.entries(object)) pairs.push(name, value);
    return Labels.fromPairs(pairs);
  }

  /** Sorts, and keeps empty values: LogQL parsers make them. */
  static raw(pairs: readonly string[]): Labels {
    return new Labels(sortPairs(pairs, true));
  }

  /** The same as {@link Labels.raw} without a copy where `pairs` are sorted already: nobody may change them from now on. */
  static adopt(pairs: readonly string[]): Labels {
    return new Labels(isSorted(pairs) ? pairs : sortPairs(pairs, true));
  }

  get size(): number {
    return this.pairs.length / 2;
  }

  /** The value of a label, or the empty string when it is missing. */
  get(name: string): string {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1]!;
    return "";
  }

  has(name: string): boolean {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return true;
    return false;
  }

  /** A string that two label sets share exactly when they are equal; sorts like the label sets do in Prometheus' answers. */
  get key(): string {
    return (this.#key ??= this.pairs.join("\u0001"));
  }

  /** This set with one label set, replaced or (empty value) removed. */
  with(name: string, value: string): Labels {
    const pairs: string[] = [];
    for (let i = 0; i < this.pairs.length; i += 2) {
      if (this.pairs[i] !== name) pairs.push(this.pairs[i]!, this.pairs[i + 1]!);
    }
    if (value !== "") pairs.push(name, value);
    return new Labels(sortPairs(pairs, true));
  }

  /** Only the named labels. */
  keep(names: ReadonlySet<string>): Labels {
    return this.#filter((name) => names.has(name));
  }

  /** All but the named labels. */
  drop(names: ReadonlySet<string>): Labels {
    return this.#filter((name) => !names.has(name));
  }

  #filter(wanted: (name: string) => boolean): Labels {
    const pairs: string[] = [];
    for (let i = 0; i < this.pairs.length; i += 2) {
      if (wanted(this.pairs[i]!)) pairs.push(this.pairs[i]!, this.pairs[i + 1]!);
    }
    return pairs.length === this.pairs.length ? this : new Labels(pairs);
  }

  toObject(): Record<string, string> {
    const object: Record<string, string> = {};
    for (let i = 0; i < this.pairs.length; i += 2) object[this.pairs[i]!] = this.pairs[i + 1]!;
    return object;
  }

  toJSON(): Record<string, string> {
    return this.toObject();
  }

  /** `{a="b", c="d"}`, the notation of Loki's push API and of Prometheus' messages. */
  toString(): string {
    const parts: string[] = [];
    for (let i = 0; i < this.pairs.length; i += 2) {
      parts.push(`${this.pairs[i]!}=${JSON.stringify(this.pairs[i + 1]!)}`);
    }
    return `{${parts.join(", ")}}`;
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let i = 0; i < this.pairs.length; i += 2) yield [this.pairs[i]!, this.pairs[i + 1]!];
  }
}

/** Orders label sets as Prometheus and Loki do: name by name, value by value, the shorter first. */
export function compareLabels(a: Labels, b: Labels): number {
  const shared = Math.min(a.pairs.length, b.pairs.length);
  for (let i = 0; i < shared; i++) {
    const x = a.pairs[i]!;
    const y = b.pairs[i]!;
    // Most names and values of neighbours are the same text, which is seen at once where it is the same string.
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.pairs.length - b.pairs.length;
}

/** Whether names ascend, each once. */
function isSorted(pairs: readonly string[]): boolean {
  for (let i = 2; i < pairs.length; i += 2) if (pairs[i - 2]! >= pairs[i]!) return false;
  return true;
}

function hasEmptyValue(pairs: readonly string[]): boolean {
  for (let i = 1; i < pairs.length; i += 2) if (pairs[i] === "") return true;
  return false;
}

function sortPairs(pairs: readonly string[], keepEmpty: boolean): readonly string[] {
  if (isSorted(pairs) && (keepEmpty || !hasEmptyValue(pairs))) return pairs.slice();
  const entries: [string, string][] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    if (keepEmpty || pairs[i + 1] !== "") entries.push([pairs[i]!, pairs[i + 1]!]);
  }
  entries.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const sorted: string[] = [];
  for (const [index, [name, value]] of entries.entries()) {
    if (index > 0 && entries[index - 1]![0] === name)
      throw new RangeError(`label ${JSON.stringify(name)} is given twice`);
    sorted.push(name, value);
  }
  return sorted;
}
