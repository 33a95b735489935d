/** Seeded random numbers for the traffic of the benches: the same seed makes the same bytes on every machine. Not for secrets. */

export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** A whole number in [0, `bound`). */
  below(bound: number): number;
  /** Mean 0, deviation 1; a sum of four uniform numbers, so it never strays further than 3.5. */
  gauss(): number;
  /** How many events happen when `mean` are expected. */
  poisson(mean: number): number;
  /** Lower-case hexadecimal digits. */
  hex(digits: number): string;
}

/** Above this mean, the normal distribution stands in for Poisson's. */
const POISSON_EXACT_MAX = 30;

/** A generator after Tommy Ettinger's mulberry32: 32 bits of state, period 2^32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
  // Variance of one uniform number is 1/12, of four 1/3.
  const gauss = () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
  return {
    uniform,
    below: (bound) => Math.floor(uniform() * bound),
    gauss,
    poisson(mean) {
      if (mean > POISSON_EXACT_MAX)
        return Math.max(0, Math.round(mean + Math.sqrt(mean) * gauss()));
      const least = Math.exp(-mean);
      let events = 0;
      for (let product = uniform(); product > least; product *= uniform()) events++;
      return events;
    },
    hex(digits) {
      let text = "";
      while (text.length < digits) text += Math.floor(uniform() * 16).toString(16);
      return text;
    },
  };
}
