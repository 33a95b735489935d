/** Why lines, samples, profiles, spans and targets did not get through: every place that drops counts here, by component, place in its block, and reason. */

/** What is dropped. */
export type DroppedKind = "lines" | "samples" | "profiles" | "spans" | "targets";

export interface DropPlace {
  readonly kind: DroppedKind;
  /** Such as `drop_stage`, or the action of a rule. */
  readonly reason: string;
  /** The block that drops, as in {@link ArgumentFault.at}: `stage[2].stage[0]`, `rule[1]`. The component itself when absent. */
  readonly at?: string;
}

/** One dropped line, series or target, for people. */
export interface DroppedSample {
  readonly labels: string;
  /** The line, or what a refusal says; empty for series and targets. */
  readonly text: string;
}

/** How components tell what they drop. */
export interface ComponentDrops {
  /** `samples` gives some of what was dropped; it is called at once, and only while somebody watches. */
  count(place: DropPlace, amount: number, samples?: () => readonly DroppedSample[]): void;
}

/** A place with what was dropped there since the component began. */
export interface DropCount extends DropPlace {
  readonly component: string;
  readonly amount: number;
  readonly lastMs: number;
}

/** Places of one component that are told apart; configurations have fewer by far, and reasons are not made of data. */
const PLACES_MAX = 1000;

export class DropCounters {
  readonly #counts = new Map<
    string,
    Map<string, { place: DropPlace; amount: number; lastMs: number }>
  >();

  add(component: string, place: DropPlace, amount: number, nowMs: number): void {
    let counts = this.#counts.get(component);
    if (counts === undefined) this.#counts.set(component, (counts = new Map()));
    const key = `${place.kind} ${place.at ?? ""} ${place.reason}`;
    const known = counts.get(key);
    if (known !== undefined) {
      known.amount += amount;
      known.lastMs = nowMs;
    } else if (counts.size < PLACES_MAX) counts.set(key, { place, amount, lastMs: nowMs });
  }

  all(): readonly DropCount[] {
    return [...this.#counts].flatMap(([component, counts]) =>
      [...counts.values()].map(({ place, amount, lastMs }) => ({
        ...place,
        component,
        amount,
        lastMs,
      })),
    );
  }

  forget(component: string): void {
    this.#counts.delete(component);
  }
}
