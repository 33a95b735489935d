/** Which series of two vectors belong together: a signature by series, computed once for all steps. */
import type { Labels } from "@finch/model";
import type { VectorMatching } from "./ast.ts";
import type { Breather } from "./pace.ts";
import { ABSENT } from "./values.ts";
import type { OutputSeries } from "./values.ts";

/** The labels two series must share to match. */
export function matchLabels(labels: Labels, matching: VectorMatching): Labels {
  return matching.on
    ? labels.keep(new Set(matching.labels))
    : labels.drop(new Set([...matching.labels, "__name__"]));
}

/** Gives each signature a number; series of both sides with the same number match. */
export class Signatures {
  readonly #numbers = new Map<string, number>();
  readonly #names: ReadonlySet<string>;
  readonly #on: boolean;

  constructor(matching: VectorMatching) {
    this.#on = matching.on;
    this.#names = new Set(matching.on ? matching.labels : [...matching.labels, "__name__"]);
  }

  get count(): number {
    return this.#numbers.size;
  }

  async numbersOf(breather: Breather, series: readonly OutputSeries[]): Promise<Int32Array> {
    const numbers = new Int32Array(series.length);
    for (const [index, { labels }] of series.entries()) {
      const { key } = this.#on ? labels.keep(this.#names) : labels.drop(this.#names);
      let number = this.#numbers.get(key);
      if (number === undefined) {
        number = this.#numbers.size;
        this.#numbers.set(key, number);
      }
      numbers[index] = number;
      if (breather.isBreathDue()) await breather.breathe();
    }
    return numbers;
  }
}

/** Indices of series by the number of their signature. */
export function groupByNumber(numbers: Int32Array, count: number): readonly (readonly number[])[] {
  const groups: number[][] = Array.from({ length: count }, () => []);
  for (let index = 0; index < numbers.length; index++) groups[numbers[index]!]!.push(index);
  return groups;
}

/** 1 at the steps at which any of the series has a sample. */
export function presenceOf(
  series: readonly OutputSeries[],
  indices: Iterable<number>,
  steps: number,
): Uint8Array {
  const any = new Uint8Array(steps);
  for (const index of indices) {
    const { present } = series[index]!;
    for (let step = 0; step < steps; step++) if (present[step] !== ABSENT) any[step] = 1;
  }
  return any;
}
