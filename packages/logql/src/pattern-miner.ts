/**
 * Finds the patterns of lines, as Drain does: lines of equally many tokens that agree in most words are one cluster, and words in which they differ are
 * values. Lines of a shape that was seen before, by far the most, cost a hash; only others are decoded and compared. Bounded: beyond so many
 * clusters the rarest are given up. Takes lines, or patterns that somebody else counted.
 */
import type { LogColumns } from "@finch/model";
import {
  formatPattern,
  hashShape,
  isName,
  isValue,
  isWord,
  splitTokens,
  TOKENS_MAX,
  WILDCARD,
} from "./pattern-tokens.ts";

export interface MinedPattern {
  /** With `<_>` for values; `|>` with it finds its lines. */
  readonly pattern: string;
  readonly level: string;
  readonly total: number;
  /** Lines by step, in order of time. */
  readonly samples: readonly (readonly [step: number, count: number])[];
}

export interface PatternMiner {
  /** Takes the rows in `rows` of columns; `levelOf` and `stepOf` say what each counts for. */
  add(
    columns: LogColumns,
    rows: Uint32Array,
    of: { readonly levelOf: (row: number) => string; readonly stepOf: (row: number) => number },
  ): void;
  /** Takes lines that were counted already, under a line or pattern that stands for them. */
  addCounted(pattern: string, of: { level: string; step: number; count: number }): void;
  /** The most frequent first. */
  patterns(): readonly MinedPattern[];
}

interface Cluster {
  readonly level: string;
  /** Values are wildcards; words with digits stand as long as all lines have the same. */
  tokens: string[];
  /** How often it was made more general. */
  version: number;
  total: number;
  readonly counts: Map<number, number>;
}

/** A shape of lines of a cluster. */
interface Shape {
  readonly cluster: Cluster;
  /** Of the cluster when the rest was found out. */
  version: number;
  /** Words with digits in which the lines have all been the same: which of those of a line, and their hashes. A line that differs is news. */
  fixed: readonly number[];
  hashes: readonly number[];
}

export interface PatternLimits {
  /** Clusters held at once. */
  readonly clustersMax: number;
  /** Shapes known of them. */
  readonly shapesMax: number;
}

export const DEFAULT_PATTERN_LIMITS: PatternLimits = { clustersMax: 2000, shapesMax: 100_000 };

/** Share of the words, names and values left out, that must agree. */
const LIKENESS_MIN = 0.6;
/** Share of the clusters that are given up when there are too many. */
const GIVEN_UP = 0.25;

export function createPatternMiner(limits: PatternLimits = DEFAULT_PATTERN_LIMITS): PatternMiner {
  /** By level, then shape. */
  const shapes = new Map<string, Map<number, Shape>>();
  let shapeCount = 0;
  /** By level and count of tokens. */
  let groups = new Map<string, Cluster[]>();
  let clusterCount = 0;

  const forgetShapes = (): void => {
    for (const known of shapes.values()) known.clear();
    shapeCount = 0;
  };
  const giveUpRarest = (): void => {
    const all = [...groups.values()].flat().toSorted((a, b) => b.total - a.total);
    const kept = all.slice(0, Math.ceil(all.length * (1 - GIVEN_UP)));
    groups = new Map();
    for (const cluster of kept) groupOf(groups, cluster).push(cluster);
    clusterCount = kept.length;
    forgetShapes();
  };
  const find = (tokens: string[], level: string): Cluster => {
    const cluster: Cluster = { level, tokens, version: 0, total: 0, counts: new Map() };
    const alike = mostAlike(groupOf(groups, cluster), tokens);
    if (alike !== undefined) {
      generalize(alike, tokens);
      return alike;
    }
    if (clusterCount >= limits.clustersMax) giveUpRarest();
    groupOf(groups, cluster).push(cluster);
    clusterCount++;
    return cluster;
  };
  const shapesOf = (level: string): Map<number, Shape> => {
    let known = shapes.get(level);
    if (known === undefined) shapes.set(level, (known = new Map()));
    return known;
  };
  const learn = (tokens: string[], level: string): Shape => {
    if (++shapeCount > limits.shapesMax) forgetShapes();
    return { cluster: find(tokens, level), version: -1, fixed: [], hashes: [] };
  };
  const values = new Int32Array(TOKENS_MAX);
  return {
    add: (columns, rows, { levelOf, stepOf }) => {
      const { lines, lineBounds } = columns;
      const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
      for (const row of rows) {
        const from = lineBounds[row]!;
        const to = lineBounds[row + 1]!;
        const level = levelOf(row);
        const hash = hashShape(lines, from, to, values);
        let shape = shapesOf(level).get(hash);
        if (shape === undefined || !isKnown(shape, values)) {
          const tokens = splitTokens(text.toString("utf8", from, to));
          if (shape === undefined) {
            shape = learn(tokens, level);
            shapesOf(level).set(hash, shape);
          } else generalize(shape.cluster, tokens);
          fix(shape, tokens, values);
        }
        count(shape.cluster, stepOf(row), 1);
      }
    },
    addCounted: (pattern, { level, step, count: lines }) => {
      count(find(splitTokens(pattern), level), step, lines);
    },
    patterns: () => describe([...groups.values()].map(mergeAlike).flat()),
  };
}

function groupOf(groups: Map<string, Cluster[]>, { level, tokens }: Cluster): Cluster[] {
  const key = `${tokens.length} ${level}`;
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = []));
  return group;
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
function generalize(cluster: Cluster, tokens: readonly string[]): void {
  const { tokens: known } = cluster;
  for (let i = 0; i < known.length; i++) {
    if (known[i] === WILDCARD || known[i] === tokens[i]) continue;
    known[i] = WILDCARD;
    cluster.version++;
  }
}

/** Whether a line of the shape, whose words with digits have these hashes, is what the cluster says already. */
function isKnown({ cluster, version, fixed, hashes }: Shape, values: Int32Array): boolean {
  if (version !== cluster.version) return false;
  for (let i = 0; i < fixed.length; i++) if (values[fixed[i]!] !== hashes[i]) return false;
  return true;
}

/** Finds out in which words with digits lines of the shape are the same, from one of them. */
function fix(shape: Shape, tokens: readonly string[], values: Int32Array): void {
  const { tokens: known, version } = shape.cluster;
  const fixed: number[] = [];
  let value = 0;
  for (const [i, token] of tokens.entries()) {
    if (token === WILDCARD || !isValue(token)) continue;
    if (known[i] !== WILDCARD) fixed.push(value);
    value++;
  }
  shape.version = version;
  shape.fixed = fixed;
  shape.hashes = fixed.map((index) => values[index]!);
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
