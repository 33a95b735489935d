/** The patterns of the lines of one page, counted by time. Their form on disk is drawn in `docs/format/log-pages.md`. */
import { CodecError } from "@finch/codec";
import type { ByteReader, ByteWriter } from "@finch/codec";

/** Lines of one pattern and level. */
export interface PagePattern {
  readonly pattern: string;
  readonly level: string;
  /** Bins in which there are lines, ascending, and how many there are in each. */
  readonly bins: readonly number[];
  readonly counts: readonly number[];
}

export interface PagePatterns {
  /** Length of a bin; bin `n` begins `n · binSeconds` after 1970. */
  readonly binSeconds: number;
  /** The most frequent first. */
  readonly patterns: readonly PagePattern[];
  /** Lines of patterns that are not among them. */
  readonly others: Pick<PagePattern, "bins" | "counts">;
}

/** Lengths of bins; each is a multiple of the one before. */
export const BIN_SECONDS = [10, 60, 300, 3600, 21_600, 86_400] as const;

/** Numbers strings as they come. */
export class StringNumbers {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  of(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  clear(): void {
    this.texts.length = 0;
    this.#numbers.clear();
  }
}

export function writePagePatterns(
  writer: ByteWriter,
  { binSeconds, patterns, others }: PagePatterns,
  strings: StringNumbers,
): void {
  writer.writeVarint(BIN_SECONDS.indexOf(binSeconds as (typeof BIN_SECONDS)[number]));
  const first = Math.min(...patterns.map(({ bins }) => bins[0]!), others.bins[0] ?? Infinity);
  writer.writeZigzag(Number.isFinite(first) ? first : 0);
  writer.writeVarint(patterns.length);
  for (const { pattern, level, bins, counts } of patterns) {
    writer.writeVarint(strings.of(pattern));
    writer.writeVarint(strings.of(level));
    writeCounts(writer, bins, counts, first);
  }
  writeCounts(writer, others.bins, others.counts, first);
}

function writeCounts(
  writer: ByteWriter,
  bins: readonly number[],
  counts: readonly number[],
  first: number,
): void {
  writer.writeVarint(bins.length);
  let before = first;
  for (const [i, bin] of bins.entries()) {
    writer.writeVarint(bin - before);
    writer.writeVarint(counts[i]!);
    before = bin;
  }
}

export function readPagePatterns(reader: ByteReader, strings: readonly string[]): PagePatterns {
  const binSeconds = BIN_SECONDS[reader.readVarint()];
  if (binSeconds === undefined)
    throw new CodecError("malformed", reader.position, "patterns with bins of no known length");
  const first = reader.readZigzag();
  const text = (): string => {
    const string = strings[reader.readVarint()];
    if (string === undefined)
      throw new CodecError("malformed", reader.position, "a pattern without its text");
    return string;
  };
  const patterns: PagePattern[] = [];
  for (let left = reader.readVarint(); left > 0; left--)
    patterns.push({ pattern: text(), level: text(), ...readCounts(reader, first) });
  return { binSeconds, patterns, others: readCounts(reader, first) };
}

function readCounts(reader: ByteReader, first: number): Pick<PagePattern, "bins" | "counts"> {
  const bins: number[] = [];
  const counts: number[] = [];
  let bin = first;
  for (let left = reader.readVarint(); left > 0; left--) {
    bin += reader.readVarint();
    bins.push(bin);
    counts.push(reader.readVarint());
  }
  return { bins, counts };
}

/** Memory held: an estimate. */
export function sizeOfPatterns({ patterns, others }: PagePatterns): number {
  let bytes = 200 + 16 * others.bins.length;
  for (const { pattern, bins } of patterns) bytes += 150 + pattern.length + 16 * bins.length;
  return bytes;
}
