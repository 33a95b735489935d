/** Which group of an aggregation a series belongs to: a text by series, a label set only for each group. */
import type { Labels } from "@finch/model";
import type { Aggregate } from "./ast.ts";

export class Grouping {
  readonly #names: readonly string[];
  readonly #set: ReadonlySet<string>;
  readonly #without: boolean;

  /** `hidden` labels are taken as not there. */
  constructor(
    { grouping, without }: Pick<Aggregate, "grouping" | "without">,
    hidden: ReadonlySet<string> = new Set(),
  ) {
    const names = without
      ? [...grouping, ...hidden, "__name__"]
      : grouping.filter((name) => !hidden.has(name));
    this.#set = new Set(names);
    this.#names = [...this.#set];
    this.#without = without;
  }

  /** Equal for series of one group, and for no others. */
  keyOf(labels: Labels): string {
    return this.#without ? this.#keyWithout(labels) : this.#keyBy(labels);
  }

  #keyBy(labels: Labels): string {
    const names = this.#names;
    if (names.length === 1) return labels.get(names[0]!);
    let key = "";
    for (let i = 0; i < names.length; i++) key += `${labels.get(names[i]!)}\u0001`;
    return key;
  }

  #keyWithout({ pairs }: Labels): string {
    let key = "";
    for (let i = 0; i < pairs.length; i += 2)
      if (!this.#set.has(pairs[i]!)) key += `${pairs[i]!}\u0001${pairs[i + 1]!}\u0001`;
    return key;
  }

  /** The labels of the group. */
  labelsOf(labels: Labels): Labels {
    return this.#without ? labels.drop(this.#set) : labels.keep(this.#set);
  }
}
