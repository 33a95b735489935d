/** Targets found by values of their labels, for components that lay labels of a target over those of a sample or a line. */
import { Labels } from "@finch/model";
import type { Target } from "./receivers.ts";

/** Names of labels that must have the same value: of the target, and of what is looked up. */
export interface LabelPair {
  readonly ofTarget: string;
  readonly ofLabels: string;
}

export class TargetIndex {
  readonly #pairs: readonly LabelPair[];
  readonly #copied: readonly string[];
  readonly #targets = new Map<string, Target>();
  /** Scrapers give the same labels again and again. */
  readonly #outcomes = new WeakMap<Labels, Labels>();

  /** `copied`: labels of targets that are laid over; all when none is named. Of targets with the same values the last counts. */
  constructor(
    targets: readonly Target[],
    options: { readonly pairs: readonly LabelPair[]; readonly copied: readonly string[] },
  ) {
    this.#pairs = options.pairs;
    this.#copied = options.copied;
    for (const target of targets) {
      const key = keyOf(
        target,
        options.pairs.map(({ ofTarget }) => ofTarget),
      );
      if (key !== undefined) this.#targets.set(key, target);
    }
  }

  get size(): number {
    return this.#targets.size;
  }

  /** The labels with those of their target; as they are where there is none. */
  enrich(labels: Labels): Labels {
    const known = this.#outcomes.get(labels);
    if (known !== undefined) return known;
    const outcome = this.#enrich(labels);
    this.#outcomes.set(labels, outcome);
    return outcome;
  }

  #enrich(labels: Labels): Labels {
    const key = keyOf(
      labels,
      this.#pairs.map(({ ofLabels }) => ofLabels),
    );
    const target = key === undefined ? undefined : this.#targets.get(key);
    if (target === undefined) return labels;
    const merged = new Map<string, string>(labels);
    const copied =
      this.#copied.length === 0
        ? [...target]
        : this.#copied.map((name) => [name, target.get(name)] as const);
    for (const [name, value] of copied) if (value !== "") merged.set(name, value);
    return Labels.fromPairs([...merged].flat());
  }
}

/** Undefined when one of the labels is missing. */
function keyOf(labels: Labels, names: readonly string[]): string | undefined {
  const values = names.map((name) => labels.get(name));
  return values.some((value) => value === "") ? undefined : values.join("\u0000");
}
