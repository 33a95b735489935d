/**
 * Mines the patterns of the lines of a page as it is closed, from the templates and columns it was split into. A line costs a hash of the words in which it may differ from
 * others; only one of each shape is decoded and compared.
 */
import type { LogColumns } from "@finch/model";
import { TEMPLATES_MAX } from "../log-page/line-templates.ts";
import type { KernelLines } from "./column-words.ts";
import { LineFrames, textAt, textBefore } from "./line-frames.ts";
import type { TemplateFrame, WordColumn } from "./line-frames.ts";
import { LineShapes } from "./line-shapes.ts";
import type { LineShape } from "./line-shapes.ts";
import { joinAlike } from "./shape-groups.ts";
import type { ShapeGroup } from "./shape-groups.ts";
import { BIN_SECONDS, StringNumbers } from "./page-patterns.ts";
import type { PagePattern, PagePatterns } from "./page-patterns.ts";
import { PatternClusters } from "./pattern-clusters.ts";
import { isValue, joinValues, splitTokens, WILDCARD } from "./pattern-tokens.ts";
import { hashWord, ShapeHasher } from "./shape-hasher.ts";

/** The name of structured metadata that says the level of a line. */
const LEVEL_LABEL = "detected_level";
const NO_LEVEL = "unknown";

/** Shapes that are compared with each other, the most frequent; lines of the others have no pattern. */
const CLUSTERED_MAX = 256;
/** Patterns kept with a page: one for so many lines, but at least and at most so many. */
const ROWS_PER_PATTERN = 16;
const PATTERNS_MIN = 8;
const PATTERNS_MAX = 128;
/** Bins of a page, and counts kept with it: one for so many lines, but at least so many; bins are made longer until that is enough. */
const ROWS_PER_BIN = 128;
const ROWS_PER_COUNT = 16;
const COUNTS_MIN = 16;
/** What is behind it in a line that is not taken apart is one value. */
const LINE_BYTES_MAX = 1024;
/** Characters of a pattern; a longer one ends in a value. */
const PATTERN_LENGTH_MAX = 1000;

/** What is needed for a page, used again for the next. */
const hasher = new ShapeHasher();
const shapes = new LineShapes();

/** Counts the lines of a page by pattern, level and bin. */
export function mineLines(
  entries: LogColumns,
  lines: KernelLines,
  bins: readonly Bin[],
): PatternClusters {
  return new LineMiner(entries, lines).mine(bins);
}

class LineMiner {
  readonly #lines: Uint8Array;
  readonly #entries: LogColumns;
  readonly #split: KernelLines;
  readonly #frames: LineFrames;
  readonly #clusters = new PatternClusters(CLUSTERED_MAX);
  readonly #levels = new StringNumbers();
  readonly #levelOf: Uint32Array;
  /** Next value of each column of messages, and next line of each template. */
  readonly #cursors: Uint32Array;
  readonly #ranks: Uint32Array;
  /** Shapes of lines with few messages, or none: by level, template and message. */
  readonly #known: (LineShape | undefined)[][][] = [];
  #pendingOthers = 0;

  constructor(entries: LogColumns, split: KernelLines) {
    this.#entries = entries;
    this.#lines = entries.lines;
    this.#split = split;
    this.#frames = new LineFrames(entries.lines, split);
    this.#levelOf = Uint32Array.from(entries.metadataSets, (set) =>
      this.#levels.of(set.get(LEVEL_LABEL) || NO_LEVEL),
    );
    this.#cursors = new Uint32Array(split.columnNames.length);
    this.#ranks = new Uint32Array(split.templates.length);
  }

  mine(bins: readonly Bin[]): PatternClusters {
    shapes.clear();
    let row = 0;
    for (const { bin, end } of bins) {
      for (; row < end; row++) this.#take(row);
      shapes.flush(bin);
      if (this.#pendingOthers > 0) this.#clusters.countOthers(bin, this.#pendingOthers);
      this.#pendingOthers = 0;
    }
    this.#cluster();
    return this.#clusters;
  }

  #take(row: number): void {
    const number = this.#split.templateOf[row]!;
    const template = this.#frames.of(number);
    const level = this.#levelOf[this.#entries.metadataOf[row]!]!;
    const rank = this.#ranks[number]!++;
    switch (template.kind) {
      case "words":
        hasher.begin(level * TEMPLATES_MAX + number + 1);
        for (let i = 0; i < template.words.length; i++) this.#addWord(template.words[i]!, rank);
        this.#count(number, rank, level, 0, 0);
        break;
      case "template": {
        this.#passMessages(template.messages);
        const known = this.#knownOf(level, number);
        if (known[0] !== undefined) {
          known[0].pending++;
          break;
        }
        hasher.begin(level * TEMPLATES_MAX + number + 1);
        known[0] = this.#count(number, rank, level, 0, 0);
        break;
      }
      case "message":
        this.#takeMessage(number, template, level);
        this.#passMessages(template.messages);
        break;
      case "line": {
        const { lineBounds } = this.#entries;
        this.#countText(0, number, level, lineBounds[row]!, lineBounds[row + 1]!);
        break;
      }
    }
  }

  #passMessages(columns: readonly number[]): void {
    for (let i = 0; i < columns.length; i++) this.#cursors[columns[i]!]!++;
  }

  #takeMessage(
    number: number,
    { column, frame }: TemplateFrame & { readonly kind: "message" },
    level: number,
  ): void {
    const at = this.#cursors[column]!;
    const words = this.#split.wordsOf(column);
    const known =
      words?.kind === "few" || words?.kind === "same" ? this.#knownOf(level, number) : undefined;
    const id = words?.kind === "few" ? words.ids[at]! : 0;
    const before = known?.[id];
    if (before !== undefined) {
      before.pending++;
      return;
    }
    const { starts, ends } = this.#split.valuesOf(column);
    // Without text around them, messages are the same in all templates.
    const kind = frame.before.length > 1 ? number + 1 : 0;
    const shape = this.#countText(kind, number, level, starts[at]!, ends[at]!);
    if (known !== undefined) known[id] = shape;
  }

  #knownOf(level: number, template: number): (LineShape | undefined)[] {
    return ((this.#known[level] ??= [])[template] ??= []);
  }

  #addWord({ column, ids, hashes }: WordColumn, rank: number): void {
    if (ids === undefined) hasher.addWord(this.#hashWord(column, rank));
    else {
      const id = ids[rank]!;
      hasher.addWord((hashes[id] ||= this.#hashWord(column, rank)));
    }
  }

  #hashWord(column: number, rank: number): number {
    const { starts, ends } = this.#split.valuesOf(column);
    return hashWord(this.#lines, starts[rank]!, ends[rank]!);
  }

  /** Counts the text `from … to - 1` as of a line; those with another `kind` are other shapes. */
  #countText(
    kind: number,
    template: number,
    level: number,
    from: number,
    to: number,
  ): LineShape | undefined {
    hasher.begin(level * TEMPLATES_MAX + kind);
    hasher.addText(this.#lines, from, Math.min(to, from + LINE_BYTES_MAX));
    return this.#count(template, 0, level, from, to);
  }

  /** Counts a line of the shape that was hashed; an example is made of the first. */
  #count(
    template: number,
    rank: number,
    level: number,
    from: number,
    to: number,
  ): LineShape | undefined {
    const shape = shapes.find(hasher) ?? shapes.add(hasher, { template, rank, level, from, to });
    if (shape === undefined) this.#pendingOthers++;
    else shape.pending++;
    return shape;
  }

  /** Joins shapes that are alike. */
  #cluster(): void {
    const clusters = this.#clusters;
    const joined = joinAlike(shapes.all, (number) => {
      const template = this.#frames.of(number);
      return template.kind === "words" ? template.sameWords : undefined;
    });
    for (const [place, group] of joined.entries()) {
      const level = this.#levels.texts[group.shape.level]!;
      const cluster =
        place < CLUSTERED_MAX ? clusters.find(this.#tokensOf(group), level) : undefined;
      for (const { bins, counts } of group.members)
        for (let i = 0; i < bins.length; i++) {
          if (cluster === undefined) clusters.countOthers(bins[i]!, counts[i]!);
          else clusters.count(cluster, bins[i]!, counts[i]!);
        }
    }
  }

  #tokensOf({ shape, isValue: isVarying }: ShapeGroup): string[] {
    const template = this.#frames.of(shape.template);
    const { before, behind } = template.frame;
    if (template.kind === "template") return [...before];
    if (template.kind === "words") return this.#tokensOfWords(shape, template, isVarying);
    const tokens = this.#tokensOfText(shape.from, shape.to);
    for (let i = 0, word = 0; i < tokens.length; i++)
      if (tokens[i] !== WILDCARD && isValue(tokens[i]!) && isVarying[word++] !== 0)
        tokens[i] = WILDCARD;
    return before.length + behind.length === 0 ? tokens : [...before, ...tokens, ...behind];
  }

  /** Of the part of a line; what is too long ends in a value. */
  #tokensOfText(from: number, to: number): string[] {
    let end = Math.min(to, from + LINE_BYTES_MAX);
    if (end === to) return splitTokens(textAt(this.#lines, from, to));
    // No half of a character.
    while (end > from && (this.#lines[end]! & 0xc0) === 0x80) end--;
    const tokens = splitTokens(textAt(this.#lines, from, end));
    if (tokens.at(-1) !== WILDCARD) tokens.push(WILDCARD);
    return tokens;
  }

  #tokensOfWords(
    shape: LineShape,
    { words, values }: TemplateFrame & { readonly kind: "words" },
    isVarying: Uint8Array,
  ): string[] {
    const template = this.#split.templates[shape.template]!;
    const isWild = new Set(values);
    for (let place = 0; place < words.length; place++)
      if (isVarying[place] === 1) isWild.add(words[place]!.column);
    let text = "";
    for (let slot = 0; slot < template.columns.length; slot++) {
      const column = template.columns[slot]!;
      text += textBefore(template, slot);
      if (isWild.has(column)) text += WILDCARD;
      else {
        const { starts, ends } = this.#split.valuesOf(column);
        text += textAt(this.#lines, starts[shape.rank]!, ends[shape.rank]!);
      }
    }
    return joinValues(splitTokens(text + textBefore(template, template.columns.length)));
  }
}

/** The patterns of the lines of a page. */
export function minePage(entries: LogColumns, lines: KernelLines): PagePatterns {
  const { count } = entries;
  const countsMax = Math.max(COUNTS_MIN, Math.floor(count / ROWS_PER_COUNT));
  const binsMax = Math.max(COUNTS_MIN, Math.floor(count / ROWS_PER_BIN));
  const patternsMax = Math.max(
    PATTERNS_MIN,
    Math.min(PATTERNS_MAX, Math.floor(count / ROWS_PER_PATTERN)),
  );
  let length = 0;
  const spanSeconds = Number(entries.timestampsNs[count - 1]! - entries.timestampsNs[0]!) / 1e9;
  while (length + 1 < BIN_SECONDS.length && spanSeconds / BIN_SECONDS[length]! > binsMax) length++;
  const mined = mineLines(entries, lines, binRows(entries, BIN_SECONDS[length]!));
  const found = mined.patterns();
  const patterns: PagePattern[] = found
    .slice(0, patternsMax)
    .map(({ pattern, level, samples }) => ({
      pattern: shorten(pattern),
      level,
      bins: samples.map(([bin]) => bin),
      counts: samples.map(([, lines]) => lines),
    }));
  for (const { samples } of found.slice(patternsMax))
    for (const [bin, lines] of samples) mined.countOthers(bin, lines);
  const others = [...mined.others].toSorted(([a], [b]) => a - b);
  const page: PagePatterns = {
    binSeconds: BIN_SECONDS[length]!,
    patterns,
    others: { bins: others.map(([bin]) => bin), counts: others.map(([, lines]) => lines) },
  };
  return widenBins(page, length, countsMax);
}

export interface Bin {
  readonly bin: number;
  /** Its rows end before this one. */
  readonly end: number;
}

/** Rows by the bin they lie in; they ascend by time. */
export function binRows({ timestampsNs, count }: LogColumns, binSeconds: number): readonly Bin[] {
  const binNs = BigInt(binSeconds) * 1_000_000_000n;
  const bins: Bin[] = [];
  for (let row = 0; row < count;) {
    const bin = floorDivide(timestampsNs[row]!, binNs);
    const endNs = (bin + 1n) * binNs;
    // Steps that double, then halves: a bin has one row or all.
    let end = row + 1;
    for (let step = 1; end < count && timestampsNs[end]! < endNs; step *= 2)
      end = Math.min(count, end + step);
    let low = row + 1;
    while (low < end) {
      const middle = (low + end) >>> 1;
      if (timestampsNs[middle]! < endNs) low = middle + 1;
      else end = middle;
    }
    bins.push({ bin: Number(bin), end });
    row = end;
  }
  return bins;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** Makes bins longer until there are few enough counts. */
function widenBins(page: PagePatterns, length: number, countsMax: number): PagePatterns {
  const counts = page.patterns.reduce(
    (sum, { bins }) => sum + bins.length,
    page.others.bins.length,
  );
  if (counts <= countsMax || length + 1 === BIN_SECONDS.length) return page;
  const binSeconds = BIN_SECONDS[length + 1]!;
  const factor = binSeconds / page.binSeconds;
  const wider: PagePatterns = {
    binSeconds,
    patterns: page.patterns.map((pattern) => ({ ...pattern, ...join(pattern, factor) })),
    others: join(page.others, factor),
  };
  return widenBins(wider, length + 1, countsMax);
}

function join(
  { bins, counts }: Pick<PagePattern, "bins" | "counts">,
  factor: number,
): Pick<PagePattern, "bins" | "counts"> {
  const joined: number[] = [];
  const sums: number[] = [];
  for (const [i, bin] of bins.entries()) {
    const wide = Math.floor(bin / factor);
    if (joined.at(-1) === wide) sums[sums.length - 1]! += counts[i]!;
    else {
      joined.push(wide);
      sums.push(counts[i]!);
    }
  }
  return { bins: joined, counts: sums };
}

/** A pattern that is too long ends in a value. */
function shorten(pattern: string): string {
  if (pattern.length <= PATTERN_LENGTH_MAX) return pattern;
  const cut = pattern.slice(0, PATTERN_LENGTH_MAX).replace(/(?:<_?|<_>|[\ud800-\udbff])$/, "");
  return cut + WILDCARD;
}
