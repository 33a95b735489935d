/** Collects log entries into the columns of a batch, stream by stream, and holds them to the limits of a push. */
import { Labels, type LogBatchStream } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { FaultList, tooLarge } from "./errors.ts";
import { isLabelName } from "./label-string.ts";
import { FAULTS_MAX, type LokiPushLimits } from "./limits.ts";
import { labelNameOf } from "./otlp-names.ts";

const FIRST_ENTRIES = 16;
const FIRST_LINE_BYTES = 1024;

/** The decoders call `beginStream`, `addEntry` for each entry, `endStream`; streams without entries leave no trace. */
export class LogBatchBuilder {
  readonly streams: LogBatchStream[] = [];
  readonly faults = new FaultList(FAULTS_MAX);
  rejectedEntries = 0;
  readonly #limits: LokiPushLimits;
  #entries = 0;
  #streamsSeen = 0;
  #labels: Labels | undefined;
  #count = 0;
  #lineBytes = 0;
  #timestamps = new BigInt64Array(FIRST_ENTRIES);
  #timestampWords = new Int32Array(this.#timestamps.buffer);
  #lineBounds = new Uint32Array(FIRST_ENTRIES + 1);
  #metadataOf = new Uint32Array(FIRST_ENTRIES);
  #lines = new Uint8Array(FIRST_LINE_BYTES);
  #metadataSets: Labels[] = [Labels.EMPTY];
  #metadataIndex = new Map<string, number>();

  constructor(limits: LokiPushLimits) {
    this.#limits = limits;
  }

  /** Labels as pairs, or the fault they have; with a fault the entries of the stream are counted as rejected. */
  beginStream(pairsOf: () => readonly string[]): void {
    if (++this.#streamsSeen > this.#limits.streamsMax) {
      throw tooLarge(
        `the request has more than ${this.#limits.streamsMax} streams: send smaller batches`,
      );
    }
    this.#count = 0;
    this.#lineBytes = 0;
    this.#metadataSets = [Labels.EMPTY];
    this.#metadataIndex.clear();
    try {
      this.#labels = checkedLabels(pairsOf(), this.#limits);
    } catch (error) {
      if (!(error instanceof FinchError) || error.code !== "wire/bad-labels") throw error;
      this.#labels = undefined;
      this.faults.add(error.message);
    }
  }

  /** An entry at `low` and `high` words of its Unix nanoseconds; `line` is copied. `metadata` are pairs. */
  addEntry(low: number, high: number, line: Uint8Array, metadata: readonly string[]): void {
    const limits = this.#limits;
    if (++this.#entries > limits.entriesMax) {
      throw tooLarge(
        `the request has more than ${limits.entriesMax} entries: send smaller batches`,
      );
    }
    const labels = this.#labels;
    const fault = labels === undefined ? undefined : entryFault(labels, line, metadata, limits);
    if (fault !== undefined) this.faults.add(fault);
    if (labels === undefined || fault !== undefined) {
      this.rejectedEntries++;
      return;
    }
    const row = this.#count++;
    if (row >= this.#metadataOf.length) this.#growRows();
    this.#timestampWords[2 * row] = low;
    this.#timestampWords[2 * row + 1] = high;
    this.#metadataOf[row] = metadata.length === 0 ? 0 : this.#metadataSet(metadata);
    const end = this.#lineBytes + line.length;
    if (end > this.#lines.length) this.#growLines(end);
    this.#lines.set(line, this.#lineBytes);
    this.#lineBytes = end;
    this.#lineBounds[row + 1] = end;
  }

  endStream(): void {
    const count = this.#count;
    if (this.#labels === undefined || count === 0) return;
    this.streams.push({
      labels: this.#labels,
      entries: {
        count,
        timestampsNs: this.#timestamps.slice(0, count),
        lines: this.#lines.slice(0, this.#lineBytes),
        lineBounds: this.#lineBounds.slice(0, count + 1),
        metadataSets: this.#metadataSets,
        metadataOf: this.#metadataOf.slice(0, count),
      },
    });
  }

  #metadataSet(pairs: readonly string[]): number {
    const key = pairs.join("\u0001");
    const known = this.#metadataIndex.get(key);
    if (known !== undefined) return known;
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
    const bounds = new Uint32Array(rows + 1);
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
  }
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
  line: Uint8Array,
  metadata: readonly string[],
  limits: LokiPushLimits,
): string | undefined {
  if (line.length > limits.lineBytesMax) {
    return `max entry size '${limits.lineBytesMax}' bytes exceeded for stream '${labels.toString()}' while adding an entry with length '${line.length}' bytes`;
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
