/** Every name the store gives to a file or directory. The layout of a store's directory is drawn in `docs/format/README.md`. */

/** Holds one line, `finch SIGNAL store VERSION`; see `store-version.ts`. */
export const VERSION_FILE = "version";
export const WAL_DIRECTORY = "wal";
export const BLOCKS_DIRECTORY = "blocks";
export const LOCK_FILE = "lock";

const SEGMENT_SUFFIX = ".wal";
/** A block under construction. Whatever carries it at open is removed. */
export const TEMPORARY_SUFFIX = ".tmp";
/** A block under removal. Whatever carries it at open is removed. */
export const REMOVED_SUFFIX = ".gone";
/** A block, or a file, that is damaged and left out. */
export const DAMAGED_SUFFIX = ".damaged";

/** What was deleted and still stands in blocks. */
export const DELETES_FILE = "deletes.json";

/** Inside a block. */
export const META_FILE = "meta.json";
export const PAGES_FILE = "pages.bin";
export const TIMES_FILE = "times.bin";
export const INDEX_FILE = "index.bin";
export const FILTERS_FILE = "filters.bin";
export const PATTERNS_FILE = "patterns.bin";
export const METADATA_FILE = "metadata.bin";
/** Only while a block is written. */
export const SCRATCH_FILE = "scratch.bin";

const DIGITS = 10;

export function segmentName(segment: number): string {
  return String(segment).padStart(DIGITS, "0") + SEGMENT_SUFFIX;
}

/** The number in a segment's name, or undefined when it is not one. */
export function segmentOf(name: string): number | undefined {
  const match = /^(\d{10})\.wal$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Empty: its name says which segments there are. See `wal-range.ts`. */
export function segmentRangeName(first: number, last: number): string {
  return `${String(first).padStart(DIGITS, "0")}-${String(last).padStart(DIGITS, "0")}.segments`;
}

/** First and last segment that such a name says, or undefined when it is not one. */
export function segmentRangeOf(
  name: string,
): { readonly first: number; readonly last: number } | undefined {
  const match = /^(\d{10})-(\d{10})\.segments$/.exec(name);
  return match === null ? undefined : { first: Number(match[1]), last: Number(match[2]) };
}

/** Blocks are numbered in the order they were written. */
export function blockName(block: number): string {
  return String(block).padStart(DIGITS, "0");
}

export function blockOf(name: string): number | undefined {
  return /^\d{10}$/.test(name) ? Number(name) : undefined;
}
