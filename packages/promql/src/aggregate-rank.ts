/** Aggregations that pick series of a group, step by step: topk, bottomk, limitk, limit_ratio. Picked series keep all their labels. */
import type { Labels } from "@finch/model";
import type { Evaluation } from "./evaluation.ts";
import { labelHashShare } from "./label-hash.ts";
import { ABSENT, copyStep, emptySeries, FLOAT, withHistogramsOf } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** Series that share the grouping labels. */
export interface Group {
  readonly labels: Labels;
  readonly members: OutputSeries[];
}

type Picker = (
  members: readonly OutputSeries[],
  step: number,
  param: number,
  picked: number[],
) => void;

/** Ranks kept by insertion; more of them are sorted. */
const INSERTED_MAX = 64;

/** For a single step the result is in the order of the ranks, group by group. */
export async function rankWithinGroups(
  evaluation: Evaluation,
  operator: "topk" | "bottomk" | "limitk" | "limit_ratio",
  groups: readonly Group[],
  param: Float64Array,
): Promise<readonly OutputSeries[]> {
  const output: OutputSeries[] = [];
  const pick = PICKERS[operator];
  for (const { members } of groups) {
    const results: (OutputSeries | undefined)[] = members.map(() => undefined);
    const picked: number[] = [];
    for (let step = 0; step < param.length; step++) {
      picked.length = 0;
      pick(members, step, param[step]!, picked);
      for (const index of picked) {
        const member = members[index]!;
        let result = results[index];
        if (result === undefined) {
          evaluation.spend(param.length);
          const { labels, dropName } = member;
          result = withHistogramsOf(emptySeries(labels, dropName, param.length), member);
          results[index] = result;
          output.push(result);
        }
        copyStep(member, result, step);
      }
      if (evaluation.isBreathDue()) await evaluation.breathe();
    }
  }
  return output;
}

const PICKERS: Readonly<Record<"topk" | "bottomk" | "limitk" | "limit_ratio", Picker>> = {
  topk: (members, step, k, picked) => pickExtremes(members, step, { k, sign: 1 }, picked),
  bottomk: (members, step, k, picked) => pickExtremes(members, step, { k, sign: -1 }, picked),
  limitk: (members, step, k, picked) => {
    for (let index = 0; index < members.length && picked.length < Math.trunc(k); index++) {
      if (members[index]!.present[step] !== ABSENT) picked.push(index);
    }
  },
  limit_ratio: (members, step, ratio, picked) => {
    for (const [index, { labels, present }] of members.entries()) {
      if (present[step] !== ABSENT && isSampled(labels, ratio)) picked.push(index);
    }
  },
};

/** Keeps the best `k` seen so far in order; a NaN loses against any number, and of equals the first stays. */
function pickExtremes(
  members: readonly OutputSeries[],
  step: number,
  rank: { k: number; sign: 1 | -1 },
  picked: number[],
): void {
  const k = Math.trunc(rank.k);
  if (k < 1) return;
  const { sign } = rank;
  if (k > INSERTED_MAX) {
    pickSorted(members, step, { k, sign }, picked);
    return;
  }
  for (let index = 0; index < members.length; index++) {
    const { values, present } = members[index]!;
    if (present[step] !== FLOAT) continue;
    const value = sign * values[step]!;
    if (picked.length >= k && !isBetter(value, sign * members[picked[k - 1]!]!.values[step]!))
      continue;
    let at = Math.min(picked.length, k - 1);
    if (picked.length < k) picked.push(index);
    while (at > 0 && isBetter(value, sign * members[picked[at - 1]!]!.values[step]!)) {
      picked[at] = picked[at - 1]!;
      at--;
    }
    picked[at] = index;
  }
}

/** The same for a large `k`, where moving ranks along would take a time that grows with the square of it. */
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

function isBetter(a: number, b: number): boolean {
  return a > b || (Number.isNaN(b) && !Number.isNaN(a));
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
