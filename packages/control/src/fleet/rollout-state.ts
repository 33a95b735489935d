/**
 * The state machine of a roll-out, pure: a stage is applied, then observed, then the next begins; health that falls ends it and takes the configuration back.
 *
 * | state         | observed: unhealthy beyond what is allowed | all applied       | pause over                | pause    | resume     | roll back     |
 * | ------------- | ------------------------------------------- | ----------------- | ------------------------- | -------- | ---------- | ------------- |
 * | `applying`    | `rolled-back`                               | `observing`       | –                         | `paused` | –          | `rolled-back` |
 * | `observing`   | `rolled-back`                               | –                 | next stage or `completed` | `paused` | –          | `rolled-back` |
 * | `paused`      | `rolled-back`                               | –                 | –                         | –        | `applying` | `rolled-back` |
 * | `completed`   | –                                           | –                 | –                         | –        | –          | `rolled-back` |
 * | `rolled-back` | –                                           | –                 | –                         | –        | –          | –             |
 *
 * Nothing but this module decides; `rollout-runner.ts` observes and writes down.
 */

export interface RolloutStage {
  /** How many collectors have the version at the end of the stage: all of those before included. */
  readonly size: { readonly kind: "collectors" | "percent"; readonly value: number };
  /** How long they are observed after all of them have applied it. */
  readonly pauseMs: number;
}

/** When health has fallen. */
export interface HealthPolicy {
  /** Collectors that may be unhealthy at once. */
  readonly unhealthyMax: number;
  /** A collector that has not applied the version so long after the stage began is unhealthy. */
  readonly applyTimeoutMs: number;
  /** So is one that was there when the stage began and has not been heard of for so long. */
  readonly silentAfterMs: number;
  /** So is one that loses a larger share of what it should hand on, and more than twice what it lost before. */
  readonly errorShareMax: number;
}

export const DEFAULT_POLICY: HealthPolicy = {
  unhealthyMax: 0,
  applyTimeoutMs: 10 * 60_000,
  silentAfterMs: 5 * 60_000,
  errorShareMax: 0.05,
};

export const STATE_KINDS = ["applying", "observing", "paused", "completed", "rolled-back"] as const;

export interface RolloutState {
  readonly kind: (typeof STATE_KINDS)[number];
  /** Index of the stage. */
  readonly stage: number;
  readonly sinceMs: number;
  /** Why it is paused or was rolled back, for people; empty else. */
  readonly reason: string;
}

/** The collectors of the stages that have begun, as far as they count. */
export interface Observation {
  readonly unhealthy: readonly { readonly id: string; readonly why: string }[];
  /** Those that are well and have not applied the version. */
  readonly waiting: number;
}

export type RolloutEvent =
  | { readonly kind: "observed"; readonly observation: Observation }
  | { readonly kind: "pause" | "roll-back"; readonly reason: string }
  | { readonly kind: "resume" };

/** Collectors that a reason names; the others are counted. */
const NAMED_MAX = 5;

/** The state after `event`; the same object when nothing changes. */
export function nextState(
  state: RolloutState,
  event: RolloutEvent,
  plan: {
    readonly stages: readonly RolloutStage[];
    readonly policy: HealthPolicy;
    readonly nowMs: number;
  },
): RolloutState {
  const { nowMs } = plan;
  const move = (kind: RolloutState["kind"], reason = "", stage = state.stage): RolloutState => ({
    kind,
    stage,
    sinceMs: nowMs,
    reason,
  });
  switch (event.kind) {
    case "pause":
      return isUnderWay(state) ? move("paused", event.reason) : state;
    case "resume":
      return state.kind === "paused" ? move("applying") : state;
    case "roll-back":
      return state.kind === "rolled-back" ? state : move("rolled-back", event.reason);
    case "observed":
      break;
  }
  const { unhealthy, waiting } = event.observation;
  if (!isUnderWay(state) && state.kind !== "paused") return state;
  if (unhealthy.length > plan.policy.unhealthyMax)
    return move("rolled-back", describeUnhealthy(unhealthy));
  if (state.kind === "applying" && waiting === 0) return move("observing");
  if (state.kind !== "observing" || nowMs - state.sinceMs < plan.stages[state.stage]!.pauseMs)
    return state;
  if (state.stage + 1 === plan.stages.length) return move("completed");
  return move("applying", "", state.stage + 1);
}

export function isUnderWay({ kind }: Pick<RolloutState, "kind">): boolean {
  return kind === "applying" || kind === "observing";
}

/** Whether its members may still be given something else by it. */
export function isOpen(state: Pick<RolloutState, "kind">): boolean {
  return isUnderWay(state) || state.kind === "paused";
}

function describeUnhealthy(unhealthy: Observation["unhealthy"]): string {
  const named = unhealthy.slice(0, NAMED_MAX).map(({ id, why }) => `${id}: ${why}`);
  const more = unhealthy.length - named.length;
  return named.join("; ") + (more > 0 ? `; and ${more} more` : "");
}

/** The stage of each of `count` collectors, in their order. The last stage takes all that are left. */
export function assignStages(stages: readonly RolloutStage[], count: number): readonly number[] {
  const ends = stages.map(({ size }, index) => {
    if (index === stages.length - 1) return count;
    const wanted = size.kind === "collectors" ? size.value : Math.ceil((count * size.value) / 100);
    return Math.min(count, wanted);
  });
  return Array.from({ length: count }, (_, at) => ends.findIndex((end) => at < end));
}
