/**
 * Compensated summation (Neumaier's form of Kahan's), spelled out where a loop needs it: `t = sum + x`, then the rounding error of that
 * addition goes into a second number. This is the slow form for code that is not a hot loop; an infinite sum carries no error.
 */
export class KahanSum {
  sum = 0;
  compensation = 0;

  add(x: number): void {
    const t = this.sum + x;
    if (t === Infinity || t === -Infinity) this.compensation = 0;
    else
      this.compensation += Math.abs(this.sum) >= Math.abs(x) ? this.sum - t + x : x - t + this.sum;
    this.sum = t;
  }

  get total(): number {
    return this.sum + this.compensation;
  }
}

/** Mean of `values[first … last - 1]` with compensation; switches to an incremental mean when the sum would overflow. */
export function meanOf(values: Float64Array, first: number, last: number): number {
  let sum = values[first]!;
  let compensation = 0;
  for (let i = first + 1; i < last; i++) {
    const x = values[i]!;
    const t = sum + x;
    if (t === Infinity || t === -Infinity)
      return incrementalMean(values, first, {
        next: i,
        last,
        mean: sum / (i - first),
        compensation: compensation / (i - first),
      });
    compensation += Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum;
    sum = t;
  }
  const count = last - first;
  return sum / count + compensation / count;
}

function incrementalMean(
  values: Float64Array,
  first: number,
  state: { next: number; readonly last: number; mean: number; compensation: number },
): number {
  const total = new KahanSum();
  let { mean, compensation } = state;
  for (let i = state.next; i < state.last; i++) {
    const count = i - first + 1;
    const share = (count - 1) / count;
    total.sum = share * mean;
    total.compensation = share * compensation;
    total.add(values[i]! / count);
    mean = total.sum;
    compensation = total.compensation;
  }
  return mean + compensation;
}
