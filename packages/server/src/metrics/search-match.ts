/**
 * How well a name or value fits what someone has typed: scores from 0 (not at all) to 1 (begins with it). Two ways, as in Prometheus' search:
 * `subsequence` takes characters in order with gaps between, `jarowinkler` takes the text as a whole or a similar one.
 */

export type FuzzyAlgorithm = "subsequence" | "jarowinkler";

export interface SearchTerms {
  /** One of them is enough; the best score counts. Empty ones are passed over; without any everything fits. */
  readonly terms: readonly string[];
  readonly algorithm: FuzzyAlgorithm;
  /** Least score, 0 to 1. */
  readonly threshold: number;
  readonly caseSensitive: boolean;
}

/** The score of a text, or undefined when it does not fit. */
export type Scorer = (text: string) => number | undefined;

/** Not quite a match that is exact, however well it fits. */
const INEXACT_SCALE = 0.999;

export function createScorer({ terms, algorithm, threshold, caseSensitive }: SearchTerms): Scorer {
  const fold = (text: string) => (caseSensitive ? text : text.toLowerCase());
  const scorers = terms
    .filter((term) => term !== "")
    .map((term) =>
      algorithm === "subsequence"
        ? subsequenceScorer(fold(term), threshold)
        : similarityScorer(fold(term), threshold),
    );
  if (scorers.length === 0) return () => 1;
  return (text) => {
    const folded = fold(text);
    let best: number | undefined;
    for (const scorer of scorers) {
      const score = scorer(folded);
      if (score !== undefined && (best === undefined || score > best)) best = score;
      if (best === 1) break;
    }
    return best;
  };
}

function subsequenceScorer(term: string, threshold: number): Scorer {
  const pattern = Array.from(term);
  return (text) => {
    if (text.startsWith(term)) return 1;
    const score = scoreSubsequence(pattern, Array.from(text));
    return score > 0 && score >= threshold ? score : undefined;
  };
}

/**
 * The best of the greedy matches from each place where the first character stands: squares of the lengths of runs, less the gaps before and
 * between by their share of the text, and half of that for what is left behind; as a share of one unbroken run.
 */
function scoreSubsequence(pattern: readonly string[], text: readonly string[]): number {
  let best = 0;
  for (let start = 0; start + pattern.length <= text.length; start++) {
    if (text[start] !== pattern[0]) continue;
    const score = scoreFrom(pattern, text, start);
    // What cannot be completed from here cannot be from further on.
    if (score === undefined) break;
    best = Math.max(best, score);
  }
  return (best / pattern.length ** 2) * INEXACT_SCALE;
}

function scoreFrom(
  pattern: readonly string[],
  text: readonly string[],
  start: number,
): number | undefined {
  let score = 0;
  let at = start;
  let runEnd = 0;
  for (let next = 0; next < pattern.length;) {
    while (at < text.length && text[at] !== pattern[next]) at++;
    if (at === text.length) return undefined;
    score -= (at - runEnd) / text.length;
    const runStart = at;
    while (next < pattern.length && at < text.length && text[at] === pattern[next]) {
      at++;
      next++;
    }
    score += (at - runStart) ** 2;
    runEnd = at;
  }
  return score - (text.length - runEnd) / text.length / 2;
}

/** Text that holds the term scores by where: from 1 at the start to 0.1 at the end. Any other by its similarity, when a threshold asks for it. */
function similarityScorer(term: string, threshold: number): Scorer {
  const characters = Array.from(term);
  return (text) => {
    const at = text.indexOf(term);
    if (at === 0) return 1;
    if (at > 0) {
      const rest = Array.from(text).length - characters.length;
      return 1 - (0.9 * Array.from(text.slice(0, at)).length) / rest;
    }
    if (threshold === 0) return undefined;
    const score = scoreSimilarity(characters, Array.from(text));
    return score >= threshold ? score : undefined;
  };
}

/** Jaro's similarity, raised for up to four characters that both begin with (Winkler). */
function scoreSimilarity(a: readonly string[], b: readonly string[]): number {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (short.length === 0) return 0;
  const { matches, transpositions } = matchCharacters(short, long);
  if (matches === 0) return 0;
  const jaro =
    (matches / short.length + matches / long.length + (matches - transpositions / 2) / matches) / 3;
  let prefix = 0;
  while (prefix < Math.min(4, short.length) && short[prefix] === long[prefix]) prefix++;
  return jaro + prefix * 0.1 * (1 - jaro);
}

/** Characters that both have at about the same place, and how many of them stand in another order. */
function matchCharacters(
  short: readonly string[],
  long: readonly string[],
): { readonly matches: number; readonly transpositions: number } {
  const reach = Math.max(0, Math.floor(long.length / 2) - 1);
  const taken = new Uint8Array(long.length);
  const matched: string[] = [];
  for (const [i, character] of short.entries()) {
    const end = Math.min(i + reach + 1, long.length);
    for (let j = Math.max(0, i - reach); j < end; j++) {
      if (taken[j] === 1 || long[j] !== character) continue;
      taken[j] = 1;
      matched.push(character);
      break;
    }
  }
  let transpositions = 0;
  let next = 0;
  for (const [j, character] of long.entries())
    if (taken[j] === 1 && matched[next++] !== character) transpositions++;
  return { matches: matched.length, transpositions };
}
