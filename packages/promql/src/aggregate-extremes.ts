/**
 * The best few of a group at every step, for topk and bottomk: member after member, so that each column is read once and in order. A NaN loses
 * against any number, and of equals the first stays.
 */
import type { Columns } from "./aggregate-reduce.ts";
import { FLOAT } from "./values.ts";

/** Steps ranked together. Without it many steps with many ranks each take memory that no account knows of. */
export const RANKED_STEPS = 512;

/** The ranks at some steps. */
export class Extremes {
  readonly #sign: 1 | -1;
  /** Ranks by step. */
  readonly #limits: Int32Array;
  /** Of the largest of them. */
  readonly #width: number;
  readonly #counts: Int32Array;
  /** `#width` a step, the best first: which member, and its value with the sign. */
  readonly #members: Int32Array;
  readonly #values: Float64Array;
  /** By step: what does not beat this has no place; NaN where it may have one. */
  readonly #worst: Float64Array;
  readonly #from: number;

  /** Ranks at steps `from` and following, as many as `limits` has; `sign` is -1 where the least are the best. */
  constructor(limits: Int32Array, from: number, sign: 1 | -1) {
    const steps = limits.length;
    this.#sign = sign;
    this.#limits = limits;
    this.#from = from;
    this.#width = limits.reduce((a, b) => Math.max(a, b), 0);
    this.#counts = new Int32Array(steps);
    this.#members = new Int32Array(steps * this.#width);
    this.#values = new Float64Array(steps * this.#width);
    this.#worst = new Float64Array(steps);
    for (let at = 0; at < steps; at++) this.#worst[at] = limits[at]! > 0 ? NaN : Infinity;
  }

  /** Members come in the order of their numbers. */
  add(member: number, { values, present }: Columns): void {
    const worst = this.#worst;
    const from = this.#from;
    const sign = this.#sign;
    for (let at = 0; at < worst.length; at++) {
      if (present[from + at] !== FLOAT) continue;
      const value = sign * values[from + at]!;
      if (!(value <= worst[at]!)) this.#insert(member, at, value);
    }
  }

  /** The members ranked at a step, the best first. */
  pickedAt(step: number, picked: number[]): void {
    const at = step - this.#from;
    const first = at * this.#width;
    for (let rank = 0; rank < this.#counts[at]!; rank++) picked.push(this.#members[first + rank]!);
  }

  #insert(member: number, at: number, value: number): void {
    const limit = this.#limits[at]!;
    const count = this.#counts[at]!;
    const first = at * this.#width;
    const values = this.#values;
    const members = this.#members;
    if (count === limit && (limit === 0 || !isBetter(value, values[first + limit - 1]!))) return;
    let place = first + Math.min(count, limit - 1);
    for (; place > first && isBetter(value, values[place - 1]!); place--) {
      values[place] = values[place - 1]!;
      members[place] = members[place - 1]!;
    }
    values[place] = value;
    members[place] = member;
    if (count < limit) this.#counts[at] = count + 1;
    if (count + 1 >= limit) this.#worst[at] = values[first + limit - 1]!;
  }
}

export function isBetter(a: number, b: number): boolean {
  return a > b || (Number.isNaN(b) && !Number.isNaN(a));
}
