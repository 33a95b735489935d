/** Which group of an aggregation a series belongs to: found by the values it shares with others, a label set only for each group. */
import type { Labels } from "@finch/model";
import type { Aggregate } from "./ast.ts";

export class Grouping {
  readonly names: readonly string[];
  readonly without: boolean;
  readonly #set: ReadonlySet<string>;

  /** `hidden` labels are taken as not there. */
  constructor(
    { grouping, without }: Pick<Aggregate, "grouping" | "without">,
    hidden: ReadonlySet<string> = new Set(),
  ) {
    const names = without
      ? [...grouping, ...hidden, "__name__"]
      : grouping.filter((name) => !hidden.has(name));
    this.#set = new Set(names);
    this.names = [...this.#set];
    this.without = without;
  }

  has(name: string): boolean {
    return this.#set.has(name);
  }

  /** The labels of the group. */
  labelsOf(labels: Labels): Labels {
    return this.without ? labels.drop(this.#set) : labels.keep(this.#set);
  }
}

/** A map from text to either the next map or, after the last text, a group. */
type Branch = Map<string, unknown>;

/** The groups of an aggregation, in the order of their first series. */
export class Groups<Group> {
  readonly #grouping: Grouping;
  readonly #make: (labels: Labels) => Group;
  readonly #root: Branch = new Map();
  readonly #made: Group[] = [];
  /** Where each name stood in the label set before: mostly it stands there again. */
  readonly #places: number[];

  /** `make` gets the labels of a new group. */
  constructor(grouping: Grouping, make: (labels: Labels) => Group) {
    this.#grouping = grouping;
    this.#make = make;
    this.#places = grouping.names.map(() => 0);
  }

  get all(): readonly Group[] {
    return this.#made;
  }

  /** The group of a series with these labels; made if there is none. */
  of(labels: Labels): Group {
    if (this.#grouping.without) return this.#leaf(this.#root, this.#textWithout(labels), labels);
    const { pairs } = labels;
    const last = this.#places.length - 1;
    let branch = this.#root;
    for (let i = 0; i < last; i++) branch = branchAt(branch, this.#valueAt(i, pairs));
    return this.#leaf(branch, last < 0 ? "" : this.#valueAt(last, pairs), labels);
  }

  /** The pairs that are left: most groups have labels of their own, for which branches would be many and thin. */
  #textWithout({ pairs }: Labels): string {
    let text = "";
    for (let i = 0; i < pairs.length; i += 2)
      if (!this.#grouping.has(pairs[i]!)) text += `${pairs[i]!}\u0001${pairs[i + 1]!}\u0001`;
    return text;
  }

  #leaf(branch: Branch, text: string, labels: Labels): Group {
    const known = branch.get(text) as Group | undefined;
    if (known !== undefined) return known;
    const group = this.#make(this.#grouping.labelsOf(labels));
    branch.set(text, group);
    this.#made.push(group);
    return group;
  }

  /** The value of the name with this number; empty where there is none. */
  #valueAt(number: number, pairs: readonly string[]): string {
    const name = this.#grouping.names[number]!;
    const place = this.#places[number]!;
    if (place < pairs.length && pairs[place] === name) return pairs[place + 1]!;
    for (let i = 0; i < pairs.length; i += 2) {
      if (pairs[i] !== name) continue;
      this.#places[number] = i;
      return pairs[i + 1]!;
    }
    return "";
  }
}

function branchAt(branch: Branch, text: string): Branch {
  let next = branch.get(text) as Branch | undefined;
  if (next === undefined) branch.set(text, (next = new Map()));
  return next;
}
