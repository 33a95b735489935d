/** Tells which relabelling rule dropped what. */
import type { Labels } from "@finch/model";
import type { ComponentDrops, DroppedKind, DroppedSample } from "./live/drop-counters.ts";
import { droppingRule } from "./relabel.ts";
import type { RelabelRule } from "./relabel.ts";

/** Of one batch and one rule, kept to be shown. */
const SAMPLES_MAX = 20;
/** In place of a rule: all kept it, and no label is left. */
export const NO_LABELS_LEFT = -1;

/** What a label set becomes, or the index of the rule that drops it: what is remembered of label sets that come again. */
export type RelabelOutcome = Labels | number;

/** The index is looked for only when there is one. */
export function relabelOutcome(
  labels: Labels,
  relabelled: Labels | undefined,
  rules: readonly RelabelRule[],
): RelabelOutcome {
  return relabelled ?? droppingRule(labels, rules);
}

/** Counts the drops of one batch and hands them over at its end. */
export class RuleDrops {
  readonly #kind: DroppedKind;
  readonly #rules: readonly RelabelRule[];
  #byRule: Map<number, { amount: number; readonly samples: DroppedSource[] }> | undefined;

  constructor(kind: DroppedKind, rules: readonly RelabelRule[]) {
    this.#kind = kind;
    this.#rules = rules;
  }

  add(rule: number, dropped: DroppedSource): void {
    const byRule = (this.#byRule ??= new Map());
    let known = byRule.get(rule);
    if (known === undefined) byRule.set(rule, (known = { amount: 0, samples: [] }));
    known.amount++;
    if (known.samples.length < SAMPLES_MAX) known.samples.push(dropped);
  }

  finish(drops: ComponentDrops): void {
    for (const [rule, { amount, samples }] of this.#byRule ?? []) {
      const place =
        rule === NO_LABELS_LEFT
          ? { kind: this.#kind, reason: "no labels left" }
          : { kind: this.#kind, reason: this.#rules[rule]!.action, at: `rule[${rule}]` };
      drops.count(place, amount, () => samples.map(sampleOf));
    }
  }
}

/** A series or target, or an entry. */
type DroppedSource = Labels | { readonly labels: Labels; readonly line: string };

function sampleOf(dropped: DroppedSource): DroppedSample {
  return "line" in dropped
    ? { labels: String(dropped.labels), text: dropped.line }
    : { labels: String(dropped), text: "" };
}
