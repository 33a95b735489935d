/** Collects log entries into the columns of a batch, stream by stream, and holds them to the limits of a push. */
import { Labels, type LogBatchStream } from "@finch/model";
import { FinchError, freeBytes } from "@finch/runtime";
import { FaultList, tooLarge } from "./errors.ts";
import { isLabelName } from "./label-string.ts";
import { FAULTS_MAX, type LokiPushLimits } from "./limits.ts";
import { labelNameOf } from "./otlp-names.ts";
import { bufferOver } from "./text-bytes.ts";

const FIRST_ENTRIES = 16;
const FIRST_LINE_BYTES = 1024;
/** Of streams whose entries have no structured metadata. */
const NO_SETS: Labels[] = [Labels.EMPTY];

/** Where the entries of a stream are in the columns of all. */
interface StreamPlace {
  readonly labels: Labels;
  readonly metadataSets: readonly Labels[];
  readonly row: number;
  readonly count: number;
  readonly byte: number;
  readonly lineBytes: number;
}

/**
 * The decoders call `beginStream`, `addEntry` for each entry, `endStream`, and `finish` at the end; streams without entries leave no trace. The columns of all
 * streams share one memory, which {@link free} gives back.
 */
export class LogBatchBuilder {
  readonly faults = new FaultList(FAULTS_MAX);
  rejectedEntries = 0;
  readonly #limits: LokiPushLimits;
  readonly #places: StreamPlace[] = [];
  #entries = 0;
  #streamsSeen = 0;
  #labels: Labels | undefined;
  /** Row, byte and bound at which the stream begins, and how many of each there are by now. */
  #firstRow = 0;
  #firstByte = 0;
  #rows = 0;
  #lineBytes = 0;
  #timestamps = new BigInt64Array(FIRST_ENTRIES);
  #timestampWords = new Int32Array(this.#timestamps.buffer);
  /** Of the stream with number `n`, those of its row `r` begin at `r + n`. */
  #lineBounds = new Uint32Array(2 * FIRST_ENTRIES);
  #metadataOf = new Uint32Array(FIRST_ENTRIES);
  #lines: Uint8Array;
  /** Over the same memory: copies without a view for each line. */
  #lineBuffer: Buffer;
  #metadataSets = NO_SETS;
  readonly #metadataIndex = new Map<string, number>();

  /** `lineBytes`: how much the lines will have, if that is known; more may come. */
  constructor(limits: LokiPushLimits, lineBytes = FIRST_LINE_BYTES) {
    this.#limits = limits;
    this.#lines = new Uint8Array(lineBytes);
    this.#lineBuffer = bufferOver(this.#lines);
  }

  /** Begins a stream with the labels that `pairsOf` has, and returns them; with a fault they have, the entries of the stream are counted as rejected. */
  beginStream(pairsOf: () => readonly string[]): Labels | undefined {
    this.beginKnownStream(undefined);
    try {
      this.#labels = checkedLabels(pairsOf(), this.#limits);
    } catch (error) {
      if (!(error instanceof FinchError) || error.code !== "wire/bad-labels") throw error;
      this.faults.add(error.message);
    }
    return this.#labels;
  }

  /** Begins a stream with labels that {@link beginStream} returned under the same limits. */
  beginKnownStream(labels: Labels | undefined): void {
    if (++this.#streamsSeen > this.#limits.streamsMax) {
      throw tooLarge(
        `the request has more than ${this.#limits.streamsMax} streams: send smaller batches`,
      );
    }
    this.#firstRow = this.#rows;
    this.#firstByte = this.#lineBytes;
    if (this.#metadataSets !== NO_SETS) {
      this.#metadataSets = NO_SETS;
      this.#metadataIndex.clear();
    }
    this.#labels = labels;
  }

  /** An entry at `low` and `high` words of its Unix nanoseconds; the line is copied. `metadata` are pairs. */
  addEntry(low: number, high: number, line: ByteSpan, metadata: readonly string[]): void {
    const { source, start, end } = line;
    const limits = this.#limits;
    if (++this.#entries > limits.entriesMax) {
      throw tooLarge(
        `the request has more than ${limits.entriesMax} entries: send smaller batches`,
      );
    }
    const labels = this.#labels;
    const length = end - start;
    const fault = labels === undefined ? undefined : entryFault(labels, length, metadata, limits);
    if (fault !== undefined) this.faults.add(fault);
    if (labels === undefined || fault !== undefined) {
      this.rejectedEntries++;
      return;
    }
    const row = this.#rows++;
    const bound = row + this.#places.length;
    if (row >= this.#metadataOf.length || bound + 2 > this.#lineBounds.length) this.#growRows();
    this.#timestampWords[2 * row] = low;
    this.#timestampWords[2 * row + 1] = high;
    this.#metadataOf[row] = metadata.length === 0 ? 0 : this.#metadataSet(metadata);
    const at = this.#lineBytes;
    if (at + length > this.#lines.length) this.#growLines(at + length);
    source.copy(this.#lineBuffer, at, start, end);
    this.#lineBytes = at + length;
    this.#lineBounds[bound + 1] = this.#lineBytes - this.#firstByte;
  }

  endStream(): void {
    const count = this.#rows - this.#firstRow;
    if (this.#labels === undefined || count === 0) return;
    this.#places.push({
      labels: this.#labels,
      metadataSets: this.#metadataSets,
      row: this.#firstRow,
      count,
      byte: this.#firstByte,
      lineBytes: this.#lineBytes - this.#firstByte,
    });
  }

  /** The streams so far. */
  finish(): LogBatchStream[] {
    return this.#places.map(
      ({ labels, metadataSets, row, count, byte, lineBytes }, stream): LogBatchStream => ({
        labels,
        entries: {
          count,
          timestampsNs: this.#timestamps.subarray(row, row + count),
          lines: this.#lines.subarray(byte, byte + lineBytes),
          lineBounds: this.#lineBounds.subarray(row + stream, row + stream + count + 1),
          metadataSets,
          metadataOf: this.#metadataOf.subarray(row, row + count),
        },
      }),
    );
  }

  /** Gives the memory of all streams back without waiting for the collector. */
  free(): void {
    freeBytes(this.#timestamps);
    freeBytes(this.#lineBounds);
    freeBytes(this.#metadataOf);
    freeBytes(this.#lines);
  }

  #metadataSet(pairs: readonly string[]): number {
    const key = pairs.join("\u0001");
    const known = this.#metadataIndex.get(key);
    if (known !== undefined) return known;
    if (this.#metadataSets === NO_SETS) this.#metadataSets = [...NO_SETS];
    const index = this.#metadataSets.length;
    this.#metadataIndex.set(key, index);
    this.#metadataSets.push(Labels.fromPairs(lastOfEach(cleanMetadata(pairs))));
    return index;
  }

  #growRows(): void {
    const rows = this.#metadataOf.length * 2;
    const timestamps = new BigInt64Array(rows);
    timestamps.set(this.#timestamps);
    this.#timestamps = timestamps;
    this.#timestampWords = new Int32Array(timestamps.buffer);
    const bounds = new Uint32Array(2 * rows);
    bounds.set(this.#lineBounds);
    this.#lineBounds = bounds;
    const metadataOf = new Uint32Array(rows);
    metadataOf.set(this.#metadataOf);
    this.#metadataOf = metadataOf;
  }

  #growLines(needed: number): void {
    const lines = new Uint8Array(Math.max(needed, this.#lines.length * 2));
    lines.set(this.#lines.subarray(0, this.#lineBytes));
    this.#lines = lines;
    this.#lineBuffer = bufferOver(lines);
  }
}

/** `source[start … end)`. */
export interface ByteSpan {
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
}

export function spanOf(bytes: Uint8Array): ByteSpan {
  return { source: bufferOver(bytes), start: 0, end: bytes.length };
}

/** What a query can name: other names are cleaned below. */
const PLAIN_NAME = /^[a-zA-Z](?:_?[a-zA-Z0-9])*$/;

/** Structured metadata under names that queries can have, as Loki makes them: runs of other characters become `_`. Pairs whose name has nothing else go. */
function cleanMetadata(pairs: readonly string[]): readonly string[] {
  const cleaned: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const given = pairs[i]!;
    const name = PLAIN_NAME.test(given)
      ? given
      : labelNameOf(given, "UnderscoreEscapingWithSuffixes");
    if (name !== undefined) cleaned.push(name, pairs[i + 1]!.replaceAll("\ufffd", " "));
  }
  return cleaned;
}

/** Of a name that structured metadata repeats, the last value counts. */
function lastOfEach(pairs: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (let i = 0; i < pairs.length; i += 2) byName.set(pairs[i]!, pairs[i + 1]!);
  return byName.size * 2 === pairs.length ? pairs : [...byName].flat();
}

function checkedLabels(pairs: readonly string[], limits: LokiPushLimits): Labels {
  const shown = () => formatPairs(pairs);
  if (pairs.length === 0)
    throw badLabels("a stream has no labels: at least one label pair is required per stream");
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!;
    if (!isLabelName(name))
      throw badLabels(
        `error parsing labels ${shown()}: ${JSON.stringify(name)} is not a label name`,
      );
    if (Buffer.byteLength(name) > limits.labelNameBytesMax) {
      throw badLabels(
        `stream ${shown()} has a label name longer than ${limits.labelNameBytesMax} bytes`,
      );
    }
    if (Buffer.byteLength(pairs[i + 1]!) > limits.labelValueBytesMax) {
      throw badLabels(
        `stream ${shown()} has a value longer than ${limits.labelValueBytesMax} bytes in label ${name}`,
      );
    }
    for (let j = 0; j < i; j += 2) {
      if (pairs[j] === name) throw badLabels(`stream ${shown()} has label ${name} twice`);
    }
    if (i / 2 >= limits.labelsPerStreamMax) {
      throw badLabels(`stream ${shown()} has more than ${limits.labelsPerStreamMax} labels`);
    }
  }
  const labels = Labels.fromPairs(pairs);
  if (labels.size === 0)
    throw badLabels(
      `stream ${shown()} has only empty labels: at least one label pair is required per stream`,
    );
  return labels;
}

function formatPairs(pairs: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i < pairs.length && i < 20; i += 2) {
    parts.push(`${pairs[i]!.slice(0, 100)}=${JSON.stringify(pairs[i + 1]!.slice(0, 100))}`);
  }
  return `{${parts.join(", ")}}`;
}

function badLabels(message: string): FinchError {
  return new FinchError("invalid", "wire/bad-labels", message);
}

function entryFault(
  labels: Labels,
  lineBytes: number,
  metadata: readonly string[],
  limits: LokiPushLimits,
): string | undefined {
  if (lineBytes > limits.lineBytesMax) {
    return `max entry size '${limits.lineBytesMax}' bytes exceeded for stream '${labels.toString()}' while adding an entry with length '${lineBytes}' bytes`;
  }
  if (metadata.length === 0) return undefined;
  if (metadata.length / 2 > limits.metadataPairsMax) {
    return `stream '${labels.toString()}' has an entry with ${metadata.length / 2} pairs of structured metadata, ${limits.metadataPairsMax} are allowed`;
  }
  let bytes = 0;
  for (const text of metadata) bytes += Buffer.byteLength(text);
  if (bytes <= limits.metadataBytesMax) return undefined;
  return `stream '${labels.toString()}' has an entry with ${bytes} bytes of structured metadata, ${limits.metadataBytesMax} are allowed`;
}
