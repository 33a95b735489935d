/** Aggregations that pick series of a group, step by step: topk, bottomk, limitk, limit_ratio. Picked series keep all their labels. */
import type { Labels } from "@finch/model";
import type { Evaluation } from "./evaluation.ts";
import { labelHashShare } from "./label-hash.ts";
import { Extremes, isBetter, RANKED_STEPS } from "./aggregate-extremes.ts";
import { ABSENT, copyStep, emptySeries, FLOAT, withHistogramsOf } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** Series that share the grouping labels. */
export interface Group {
  readonly labels: Labels;
  readonly members: OutputSeries[];
}

type RankOperator = "topk" | "bottomk" | "limitk" | "limit_ratio";

/** Ranks kept by insertion; more of them are sorted. */
const INSERTED_MAX = 64;
/** Members looked at between two looks at the clock. */
const MEMBERS_UNWATCHED = 16;

/** For a single step the result is in the order of the ranks, group by group. */
export async function rankWithinGroups(
  evaluation: Evaluation,
  operator: RankOperator,
  groups: readonly Group[],
  param: Float64Array,
): Promise<readonly OutputSeries[]> {
  const output: OutputSeries[] = [];
  for (const { members } of groups) {
    const picks = new Picks(evaluation, members, output);
    for (let from = 0; from < param.length; from += RANKED_STEPS) {
      const part = param.subarray(from, from + RANKED_STEPS);
      if (operator === "topk" || operator === "bottomk")
        await pickExtremes(evaluation, picks, { part, from, sign: operator === "topk" ? 1 : -1 });
      else
        for (let step = from; step < from + part.length; step++) {
          if (operator === "limitk") pickFirst(picks, step, Math.trunc(param[step]!));
          else pickRatio(picks, step, param[step]!);
          if (evaluation.isBreathDue()) await evaluation.breathe();
        }
    }
  }
  return output;
}

/** What of a group's members was picked. */
class Picks {
  readonly members: readonly OutputSeries[];
  readonly #evaluation: Evaluation;
  readonly #results: (OutputSeries | undefined)[];
  readonly #output: OutputSeries[];

  constructor(evaluation: Evaluation, members: readonly OutputSeries[], output: OutputSeries[]) {
    this.members = members;
    this.#evaluation = evaluation;
    this.#results = members.map(() => undefined);
    this.#output = output;
  }

  pick(index: number, step: number): void {
    const member = this.members[index]!;
    let result = this.#results[index];
    if (result === undefined) {
      const { labels, dropName, present } = member;
      this.#evaluation.spend(present.length);
      result = withHistogramsOf(emptySeries(labels, dropName, present.length), member);
      this.#results[index] = result;
      this.#output.push(result);
    }
    copyStep(member, result, step);
  }
}

function pickFirst(picks: Picks, step: number, k: number): void {
  const { members } = picks;
  let picked = 0;
  for (let index = 0; index < members.length && picked < k; index++) {
    if (members[index]!.present[step] === ABSENT) continue;
    picks.pick(index, step);
    picked++;
  }
}

function pickRatio(picks: Picks, step: number, ratio: number): void {
  for (const [index, { labels, present }] of picks.members.entries())
    if (present[step] !== ABSENT && isSampled(labels, ratio)) picks.pick(index, step);
}

interface Ranked {
  /** The parameter at steps `from` and following. */
  readonly part: Float64Array;
  readonly from: number;
  readonly sign: 1 | -1;
}

async function pickExtremes(
  evaluation: Evaluation,
  picks: Picks,
  { part, from, sign }: Ranked,
): Promise<void> {
  const { members } = picks;
  const limits = new Int32Array(part.length);
  for (let at = 0; at < limits.length; at++)
    limits[at] = Math.max(0, Math.min(Math.trunc(part[at]!), members.length));
  const inserted = limits.map((limit) => (limit > INSERTED_MAX ? 0 : limit));
  const extremes = new Extremes(inserted, from, sign);
  for (const [index, member] of members.entries()) {
    extremes.add(index, member);
    if (index % MEMBERS_UNWATCHED === 0 && evaluation.isBreathDue()) await evaluation.breathe();
  }
  const picked: number[] = [];
  for (let at = 0; at < limits.length; at++) {
    picked.length = 0;
    const step = from + at;
    if (inserted[at] === limits[at]) extremes.pickedAt(step, picked);
    else pickSorted(members, step, { k: limits[at]!, sign }, picked);
    for (let rank = 0; rank < picked.length; rank++) picks.pick(picked[rank]!, step);
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
}

/** {@link Extremes} for a large `k`, where moving ranks along would take a time that grows with the square of it. */
function pickSorted(
  members: readonly OutputSeries[],
  step: number,
  { k, sign }: { k: number; sign: 1 | -1 },
  picked: number[],
): void {
  for (let index = 0; index < members.length; index++)
    if (members[index]!.present[step] === FLOAT) picked.push(index);
  picked.sort((a, b) => {
    const left = sign * members[a]!.values[step]!;
    const right = sign * members[b]!.values[step]!;
    return isBetter(left, right) ? -1 : isBetter(right, left) ? 1 : 0;
  });
  if (picked.length > k) picked.length = k;
}

/** Shares of hashes, by label set: a series is asked for its own at every step. */
const shares = new WeakMap<Labels, number>();

/** A ratio r ≥ 0 takes the series whose hash is in the first r of the space; a negative one those that 1 + r leaves. */
function isSampled(labels: Labels, ratio: number): boolean {
  let share = shares.get(labels);
  if (share === undefined) {
    share = labelHashShare(labels);
    shares.set(labels, share);
  }
  const r = Math.max(-1, Math.min(1, ratio));
  return r >= 0 ? share < r : share >= 1 + r;
}
