/** "Did you mean": the known name nearest to one that was not found. */

/** ` (did you mean "x"?)`, or nothing when no name is near enough. */
export function suggest(name: string, known: Iterable<string>): string {
  const nearest = findNearest(name, known);
  return nearest === undefined ? "" : ` (did you mean ${JSON.stringify(nearest)}?)`;
}

/** The name with the fewest edits, at most a third of the length (two for short names), or undefined. */
export function findNearest(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let distanceMin = Math.max(2, Math.floor(name.length / 3)) + 1;
  if (name.length > 128) return undefined;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= distanceMin) continue;
    const distance = editDistance(name, candidate);
    if (distance < distanceMin && distance < candidate.length) {
      nearest = candidate;
      distanceMin = distance;
    }
  }
  return nearest;
}

/** Insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
