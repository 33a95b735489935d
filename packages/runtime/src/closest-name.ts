/** "Did you mean": the known name that is closest to a mistyped one. */

/** The closest of `known`, or undefined when none is close enough to be what was meant. */
export function closestName(given: string, known: Iterable<string>): string | undefined {
  const wanted = given.toLowerCase();
  // A third of the letters may be wrong; more than that is another word.
  let best = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let closest: string | undefined;
  for (const name of known) {
    const distance = editDistance(wanted, name.toLowerCase(), best);
    if (distance < best) {
      best = distance;
      closest = name;
    }
  }
  return closest;
}

/** Insertions, deletions, replacements and swaps of neighbours from `a` to `b`; `limit` when it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
