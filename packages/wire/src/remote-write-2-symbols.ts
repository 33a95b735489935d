/**
 * The table of symbols of a remote write 2.0 request, and labels made of references to it. Strings stay bytes: a label set is checked once and
 * copied into the key of its series; text is only made for messages, exemplars and metadata.
 */
import type { ByteWriter, ProtobufReader } from "@finch/codec";
import { Labels } from "@finch/model";
import { tooLarge } from "./errors.ts";
import { writeLabelBytes } from "./label-key.ts";
import type { RemoteWriteLimits } from "./limits.ts";
import { bufferOver, isUtf8Range } from "./text-bytes.ts";

const FLAG_CHECKED = 1;
const FLAG_UTF8 = 2;
const FLAG_METRIC_NAME = 4;
const METRIC_NAME = "__name__";
/** Labels told in a message; longer texts are cut. */
const TOLD_LENGTH_MAX = 1000;

export class SymbolTable {
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #max: number;
  #bounds = new Uint32Array(512);
  #flags: Uint8Array | undefined;
  count = 0;

  constructor(bytes: Uint8Array, symbolsMax: number) {
    this.#bytes = bytes;
    this.#buffer = bufferOver(bytes);
    this.#max = symbolsMax;
  }

  /** Takes the symbol at the reader. All symbols must be there before the first is asked for. */
  add(reader: ProtobufReader): void {
    if (this.count >= this.#max)
      throw tooLarge(`the request has more than ${this.#max} symbols: send smaller batches`);
    const at = 2 * this.count++;
    if (at + 2 > this.#bounds.length) {
      const grown = new Uint32Array(2 * this.#bounds.length);
      grown.set(this.#bounds);
      this.#bounds = grown;
    }
    this.#bounds[at] = reader.readSpan();
    this.#bounds[at + 1] = reader.position;
  }

  text(ref: number): string {
    return this.#buffer.toString("utf8", this.#bounds[2 * ref], this.#bounds[2 * ref + 1]);
  }

  length(ref: number): number {
    return this.#bounds[2 * ref + 1]! - this.#bounds[2 * ref]!;
  }

  isUtf8(ref: number): boolean {
    return (this.#flagsOf(ref) & FLAG_UTF8) !== 0;
  }

  isMetricName(ref: number): boolean {
    return (this.#flagsOf(ref) & FLAG_METRIC_NAME) !== 0;
  }

  /** Orders by bytes. Names are short: a loop is faster than a call out of JavaScript. */
  compare(a: number, b: number): number {
    if (a === b) return 0;
    const bytes = this.#bytes;
    const bounds = this.#bounds;
    const aEnd = bounds[2 * a + 1]!;
    const bEnd = bounds[2 * b + 1]!;
    let x = bounds[2 * a]!;
    let y = bounds[2 * b]!;
    for (; x < aEnd && y < bEnd; x++, y++) {
      if (bytes[x] !== bytes[y]) return bytes[x]! - bytes[y]!;
    }
    return aEnd - x - (bEnd - y);
  }

  writeLabel(out: ByteWriter, name: number, value: number): void {
    const bounds = this.#bounds;
    writeLabelBytes(out, this.#bytes, {
      nameStart: bounds[2 * name]!,
      nameEnd: bounds[2 * name + 1]!,
      valueStart: bounds[2 * value]!,
      valueEnd: bounds[2 * value + 1]!,
    });
  }

  #flagsOf(ref: number): number {
    const flags = (this.#flags ??= new Uint8Array(this.count));
    let found = flags[ref]!;
    if (found === 0) {
      const start = this.#bounds[2 * ref]!;
      const end = this.#bounds[2 * ref + 1]!;
      found = FLAG_CHECKED;
      if (isUtf8Range(this.#bytes, start, end)) found |= FLAG_UTF8;
      if (end - start === METRIC_NAME.length && this.text(ref) === METRIC_NAME)
        found |= FLAG_METRIC_NAME;
      flags[ref] = found;
    }
    return found;
  }
}

/** References to names and values in turn. More than `max` are counted only: nothing that has so many labels is stored. */
export class LabelRefs {
  readonly #symbols: SymbolTable;
  readonly #max: number;
  readonly #refs: number[] = [];
  /** As sent, also those not kept. */
  count = 0;

  constructor(symbols: SymbolTable, max: number) {
    this.#symbols = symbols;
    this.#max = max;
  }

  clear(): void {
    this.#refs.length = 0;
    this.count = 0;
  }

  add(ref: number): void {
    if (this.count++ < this.#max) this.#refs.push(ref);
  }

  /** What keeps the references from being labels at all, in Prometheus' words. */
  fault(): string | undefined {
    const refs = this.#refs;
    if (this.count % 2 !== 0) return `invalid labelRefs length ${this.count}`;
    const size = this.#symbols.count;
    for (let i = 0; i < refs.length; i += 2) {
      if (refs[i]! >= size || refs[i + 1]! >= size)
        return `labelRefs ${refs[i]!} (name) = ${refs[i + 1]!} (value) outside of symbols table (size ${size})`;
    }
    return undefined;
  }

  /** Sorts by name. Call it once {@link fault} found none. */
  sort(): void {
    const refs = this.#refs;
    const symbols = this.#symbols;
    for (let i = 2; i < refs.length; i += 2) {
      const name = refs[i]!;
      const value = refs[i + 1]!;
      let to = i;
      for (; to > 0 && symbols.compare(refs[to - 2]!, name) > 0; to -= 2) {
        refs[to] = refs[to - 2]!;
        refs[to + 1] = refs[to - 1]!;
      }
      refs[to] = name;
      refs[to + 1] = value;
    }
  }

  /** What is wrong with sorted labels as those of a series, in Prometheus' words where it has some. */
  seriesFault(limits: RemoteWriteLimits): string | undefined {
    const refs = this.#refs;
    const symbols = this.#symbols;
    let hasName = false;
    if (this.count / 2 > limits.labelsPerSeriesMax)
      return `series has ${this.count / 2} labels, ${limits.labelsPerSeriesMax} are allowed: ${this.describe()}`;
    for (let i = 0; i < refs.length; i += 2) {
      const name = refs[i]!;
      const value = refs[i + 1]!;
      const isName = symbols.isMetricName(name);
      if (isName) hasName = true;
      const isValid =
        symbols.length(name) > 0 &&
        symbols.isUtf8(name) &&
        symbols.isUtf8(value) &&
        !(isName && symbols.length(value) === 0);
      if (!isValid) return `invalid metric name or labels, got ${this.describe()}`;
    }
    if (!hasName) return `invalid metric name or labels, got ${this.describe()}`;
    for (let i = 0; i < refs.length; i += 2) {
      const name = refs[i]!;
      if (i > 0 && symbols.compare(refs[i - 2]!, name) === 0)
        return `invalid labels for series, labels ${this.describe()}, duplicated label ${symbols.text(name)}`;
      if (symbols.length(name) > limits.labelNameBytesMax)
        return `label name has ${symbols.length(name)} bytes, ${limits.labelNameBytesMax} are allowed: ${this.describe()}`;
      if (symbols.length(refs[i + 1]!) > limits.labelValueBytesMax)
        return `value of label ${symbols.text(name)} has ${symbols.length(refs[i + 1]!)} bytes, ${limits.labelValueBytesMax} are allowed: ${this.describe()}`;
    }
    return undefined;
  }

  /** Appends checked and sorted labels; an empty value is no label. */
  write(out: ByteWriter): void {
    const refs = this.#refs;
    for (let i = 0; i < refs.length; i += 2) {
      if (this.#symbols.length(refs[i + 1]!) > 0)
        this.#symbols.writeLabel(out, refs[i]!, refs[i + 1]!);
    }
  }

  /** The value of `__name__` of checked labels. */
  metricNameRef(): number {
    const refs = this.#refs;
    for (let i = 0; i < refs.length; i += 2)
      if (this.#symbols.isMetricName(refs[i]!)) return refs[i + 1]!;
    return 0;
  }

  /** As a label set; undefined when a name is given twice or bytes are no UTF-8. */
  toLabels(): Labels | undefined {
    const refs = this.#refs;
    this.sort();
    const pairs: string[] = [];
    for (let i = 0; i < refs.length; i += 2) {
      if (!this.#symbols.isUtf8(refs[i]!) || !this.#symbols.isUtf8(refs[i + 1]!)) return undefined;
      if (i > 0 && this.#symbols.compare(refs[i - 2]!, refs[i]!) === 0) return undefined;
      pairs.push(this.#symbols.text(refs[i]!), this.#symbols.text(refs[i + 1]!));
    }
    return Labels.fromPairs(pairs);
  }

  /** `{a="b", c="d"}` for messages, cut when long. */
  describe(): string {
    const refs = this.#refs;
    const parts: string[] = [];
    let length = 0;
    for (let i = 0; i + 1 < refs.length && length < TOLD_LENGTH_MAX; i += 2) {
      const part = `${this.#symbols.text(refs[i]!)}=${JSON.stringify(this.#symbols.text(refs[i + 1]!))}`;
      parts.push(part);
      length += part.length + 2;
    }
    const text = `{${parts.join(", ")}}`;
    return text.length <= TOLD_LENGTH_MAX ? text : `${text.slice(0, TOLD_LENGTH_MAX)}…`;
  }

  /** `[1 2 3]` for messages. */
  describeRefs(): string {
    const shown = this.#refs.slice(0, 100).join(" ");
    return this.count > 100 ? `[${shown} …]` : `[${shown}]`;
  }
}
