/**
 * Patterns of lines, found as Drain does: token lists of one length that agree in most words are one cluster, and words in which they differ are values. Bounded:
 * beyond so many clusters the rarest are given up, and their lines counted as others.
 */
import { formatPattern, isName, isValue, isWord, splitTokens, WILDCARD } from "./pattern-tokens.ts";

export interface MinedPattern {
  /** With `<_>` for values; `|>` with it finds its lines. */
  readonly pattern: string;
  readonly level: string;
  readonly total: number;
  /** Lines by step, in order of time. */
  readonly samples: readonly (readonly [step: number, count: number])[];
}

export interface Cluster {
  readonly level: string;
  /** Values are wildcards; words with digits stand as long as all lines have the same. */
  readonly tokens: string[];
  /** How often it was made more general. */
  version: number;
  total: number;
  readonly counts: Map<number, number>;
  /** Whether it was given up: its lines are others. */
  isGone: boolean;
}

/** Share of the words, names and values left out, that must agree. */
export const LIKENESS_MIN = 0.6;
/** Share of the clusters that are given up when there are too many. */
const GIVEN_UP = 0.25;

export class PatternClusters {
  /** Lines of clusters that were given up, by step. */
  readonly others = new Map<number, number>();
  readonly #max: number;
  /** By level and count of tokens. */
  #groups = new Map<string, Cluster[]>();
  #count = 0;
  /** Clusters of patterns that were counted, by level. */
  readonly #known = new Map<string, Map<string, Cluster>>();

  constructor(clustersMax: number) {
    this.#max = clustersMax;
  }

  /** The cluster of a line or pattern, made more general where that differs. */
  find(tokens: string[], level: string): Cluster {
    let group = this.#groupOf(tokens.length, level);
    const alike = mostAlike(group, tokens);
    if (alike !== undefined) {
      generalize(alike, tokens);
      return alike;
    }
    if (this.#count >= this.#max) {
      this.#giveUpRarest();
      group = this.#groupOf(tokens.length, level);
    }
    const cluster = { level, tokens, version: 0, total: 0, counts: new Map(), isGone: false };
    group.push(cluster);
    this.#count++;
    return cluster;
  }

  count(cluster: Cluster, step: number, lines: number): void {
    if (cluster.isGone) this.countOthers(step, lines);
    else count(cluster, step, lines);
  }

  countOthers(step: number, lines: number): void {
    this.others.set(step, (this.others.get(step) ?? 0) + lines);
  }

  /** Takes lines that were counted already, under a line or pattern that stands for them. */
  addCounted(pattern: string, of: { level: string; step: number; count: number }): void {
    let known = this.#known.get(of.level);
    if (known === undefined) this.#known.set(of.level, (known = new Map()));
    let cluster = known.get(pattern);
    if (cluster === undefined || cluster.isGone) {
      if (known.size >= 16 * this.#max) known.clear();
      cluster = this.find(splitTokens(pattern), of.level);
      known.set(pattern, cluster);
    }
    count(cluster, of.step, of.count);
  }

  /** The most frequent first; clusters that have become alike are one. */
  patterns(): readonly MinedPattern[] {
    return describe([...this.#groups.values()].map(mergeAlike).flat());
  }

  #groupOf(length: number, level: string): Cluster[] {
    const key = `${length} ${level}`;
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = []));
    return group;
  }

  #giveUpRarest(): void {
    const all = [...this.#groups.values()].flat().toSorted((a, b) => b.total - a.total);
    const kept = all.slice(0, Math.ceil(all.length * (1 - GIVEN_UP)));
    for (const cluster of all.slice(kept.length)) {
      cluster.isGone = true;
      for (const [step, lines] of cluster.counts) this.countOthers(step, lines);
    }
    this.#groups = new Map();
    for (const cluster of kept) this.#groupOf(cluster.tokens.length, cluster.level).push(cluster);
    this.#count = kept.length;
  }
}

function count(cluster: Cluster, step: number, lines: number): void {
  cluster.total += lines;
  cluster.counts.set(step, (cluster.counts.get(step) ?? 0) + lines);
}

function mostAlike(group: readonly Cluster[], tokens: readonly string[]): Cluster | undefined {
  let best: Cluster | undefined;
  let bestLikeness = LIKENESS_MIN;
  for (const cluster of group) {
    const likeness = likenessOf(cluster.tokens, tokens);
    if (likeness < bestLikeness || (likeness === bestLikeness && best !== undefined)) continue;
    best = cluster;
    bestLikeness = likeness;
  }
  return best;
}

/** Share of words that agree, 0 where marks or names differ: those are another kind of line. */
function likenessOf(known: readonly string[], tokens: readonly string[]): number {
  let words = 0;
  let equal = 0;
  for (let i = 0; i < known.length; i++) {
    const a = known[i]!;
    const b = tokens[i]!;
    if (a === WILDCARD || b === WILDCARD) continue;
    if (!isWord(a) || !isWord(b)) {
      // Runs of blanks may differ in length.
      if (a === b || (a.trim() === "" && b.trim() === "")) continue;
      return 0;
    }
    if (isName(known, i) || isName(tokens, i)) {
      if (a !== b) return 0;
      continue;
    }
    if (isValue(a) && isValue(b)) continue;
    words++;
    if (a === b) equal++;
  }
  return words === 0 ? 1 : equal / words;
}

/** Makes values of the tokens in which the line differs. */
export function generalize(cluster: Cluster, tokens: readonly string[]): void {
  const { tokens: known } = cluster;
  for (let i = 0; i < known.length; i++) {
    if (known[i] === WILDCARD || known[i] === tokens[i]) continue;
    known[i] = WILDCARD;
    cluster.version++;
  }
}

/** Clusters that have become alike since they were made are one; the largest takes the others in. */
function mergeAlike(group: readonly Cluster[]): Cluster[] {
  const kept: Cluster[] = [];
  for (const cluster of group.toSorted((a, b) => b.total - a.total)) {
    const alike = mostAlike(kept, cluster.tokens);
    if (alike === undefined) {
      // Asking for patterns must not change what is held.
      kept.push({ ...cluster, tokens: [...cluster.tokens], counts: new Map(cluster.counts) });
      continue;
    }
    generalize(alike, cluster.tokens);
    for (const [step, lines] of cluster.counts) count(alike, step, lines);
  }
  return kept;
}

/** Clusters of different lengths may have the same pattern: values that touch are one. */
function describe(clusters: readonly Cluster[]): readonly MinedPattern[] {
  const found = new Map<string, { pattern: string; cluster: Cluster }>();
  for (const cluster of clusters) {
    const pattern = formatPattern(cluster.tokens);
    const key = `${cluster.level} ${pattern}`;
    const same = found.get(key);
    if (same === undefined) found.set(key, { pattern, cluster });
    else for (const [step, lines] of cluster.counts) count(same.cluster, step, lines);
  }
  return [...found.values()]
    .map(({ pattern, cluster: { level, total, counts } }) => ({
      pattern,
      level,
      total,
      samples: [...counts].toSorted(([a], [b]) => a - b),
    }))
    .toSorted((a, b) => b.total - a.total || (a.pattern < b.pattern ? -1 : 1));
}
