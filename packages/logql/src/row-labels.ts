/**
 * The labels of one entry while it goes through a pipeline: of its stream, of its structured metadata, and those the stages made.
 * One object is reused for all rows of a query; nothing in it outlives `begin`.
 *
 * A name that exists twice is resolved as Loki does: stream before metadata before parsed. Metadata that clashes with a stream label, and
 * parsed labels that clash with either, are kept as `name_extracted`; there a parsed label wins over metadata.
 */
import { Labels } from "@finch/model";

export const ERROR_LABEL = "__error__";
export const ERROR_DETAILS_LABEL = "__error_details__";
/** Behind a name that the entry came with already. */
export const EXTRACTED_SUFFIX = "_extracted";

/** Which labels the parsers of a query have to extract; undefined means all. */
export type WantedLabels = ReadonlySet<string> | undefined;

export class RowLabels {
  #stream = Labels.EMPTY;
  /** Stream labels that a stage removed or replaced. */
  readonly #hidden: string[] = [];
  readonly #metadata: string[] = [];
  readonly #parsed: string[] = [];
  readonly #extracted: string[] = [];
  #error = "";
  #errorDetails = "";
  #parseFailed = false;

  /** Starts the next row. */
  begin(stream: Labels, metadata: Labels): void {
    this.#stream = stream;
    // Setting a length is slow enough to look first.
    if (this.#hidden.length > 0) this.#hidden.length = 0;
    if (this.#metadata.length > 0) this.#metadata.length = 0;
    if (this.#parsed.length > 0) this.#parsed.length = 0;
    if (this.#extracted.length > 0) this.#extracted.length = 0;
    this.#error = "";
    this.#errorDetails = "";
    this.#parseFailed = false;
    if (metadata.size === 0) return;
    const { pairs } = metadata;
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i]!;
      if (name === ERROR_LABEL) this.#error = pairs[i + 1]!;
      else if (name === ERROR_DETAILS_LABEL) this.#errorDetails = pairs[i + 1]!;
      else assign(this.#metadata, stream.has(name) ? name + EXTRACTED_SUFFIX : name, pairs[i + 1]!);
    }
  }

  get error(): string {
    return this.#error;
  }

  /** Flags the row. The last failure counts, but label filters leave a flag alone that is there. */
  fail(error: string, details: string): void {
    this.#error = error;
    this.#errorDetails = details;
  }

  /** Flags the row because a parser could not read its line. Without details those of an earlier failure stay. */
  failParse(error: string, details?: string): void {
    this.#error = error;
    if (details !== undefined) this.#errorDetails = details;
    this.#parseFailed = true;
  }

  /** Whether a parser could not read the line. */
  get parseFailed(): boolean {
    return this.#parseFailed;
  }

  /** The value of a label, errors excluded; undefined when it is missing (an empty one is there). */
  find(name: string): string | undefined {
    const parsed = lookUp(this.#parsed, name) ?? lookUp(this.#metadata, name);
    if (parsed !== undefined) return parsed;
    if (this.#hidden.length > 0 && this.#hidden.includes(name)) return undefined;
    const value = this.#stream.get(name);
    return value === "" ? undefined : value;
  }

  /** The value of a label, errors included; "" when it is missing. */
  get(name: string): string {
    if (name === ERROR_LABEL) return this.#error;
    if (name === ERROR_DETAILS_LABEL) return this.#errorDetails;
    return this.find(name) ?? "";
  }

  /** What a parser calls a label it found: the name itself, or with a suffix when the entry came with that name. */
  nameOf(name: string): string {
    return this.#stream.has(name) || lookUp(this.#metadata, name) !== undefined
      ? name + EXTRACTED_SUFFIX
      : name;
  }

  /** Whether a stage made this label on this row before; parsers leave it as it is, even when it was dropped since. */
  isExtracted(name: string): boolean {
    return this.#extracted.includes(name);
  }

  /** Whether all of these labels were made. */
  hasExtracted(names: ReadonlySet<string>): boolean {
    if (this.#extracted.length < names.size) return false;
    for (const name of names) if (!this.#extracted.includes(name)) return false;
    return true;
  }

  get extractedCount(): number {
    return this.#extracted.length;
  }

  /** Takes back the labels that a parser found since there were `count`. */
  takeBack(count: number): void {
    for (const name of this.#extracted.splice(count)) remove(this.#parsed, name);
  }

  /** Sets a label; it hides one of the same name that the entry came with. */
  set(name: string, value: string): void {
    remove(this.#metadata, name);
    if (this.#stream.has(name) && !this.#hidden.includes(name)) this.#hidden.push(name);
    if (assign(this.#parsed, name, value) && !this.#extracted.includes(name))
      this.#extracted.push(name);
  }

  /** Removes a label wherever it comes from. The error labels are cleared. */
  drop(name: string): void {
    if (name === ERROR_LABEL) this.#error = "";
    else if (name === ERROR_DETAILS_LABEL) this.#errorDetails = "";
    else {
      remove(this.#parsed, name);
      remove(this.#metadata, name);
      if (this.#stream.has(name) && !this.#hidden.includes(name)) this.#hidden.push(name);
    }
  }

  /** Calls `visit` for every label but the errors; the set may be changed meanwhile. */
  names(): readonly string[] {
    const names: string[] = [];
    const { pairs } = this.#stream;
    for (let i = 0; i < pairs.length; i += 2) {
      if (!this.#hidden.includes(pairs[i]!)) names.push(pairs[i]!);
    }
    for (const list of [this.#metadata, this.#parsed]) {
      for (let i = 0; i < list.length; i += 2) if (!names.includes(list[i]!)) names.push(list[i]!);
    }
    return names;
  }

  toMap(): ReadonlyMap<string, string> {
    const map = new Map(this.names().map((name) => [name, this.find(name) ?? ""]));
    if (this.#error !== "") map.set(ERROR_LABEL, this.#error);
    if (this.#errorDetails !== "") map.set(ERROR_DETAILS_LABEL, this.#errorDetails);
    return map;
  }

  /** Whether the row still has exactly the labels it came with. */
  get untouched(): boolean {
    const silent = this.#error === "" && this.#errorDetails === "";
    return silent && this.#hidden.length === 0 && this.#parsed.length === 0;
  }

  /** A key that is equal for rows of one stream exactly when their labels are; cheaper than the labels themselves. */
  keyWithin(): string {
    const parts = [this.#hidden, this.#metadata, this.#parsed].map((list) => list.join("\u0001"));
    return `${parts.join("\u0002")}\u0002${this.#error}\u0002${this.#errorDetails}`;
  }

  /** The stream labels that are left. */
  streamLabels(): Labels {
    return this.#hidden.length === 0 ? this.#stream : this.#stream.drop(new Set(this.#hidden));
  }

  /** Structured metadata that no parsed label hides. */
  metadataLabels(): Labels {
    if (this.#metadata.length === 0) return Labels.EMPTY;
    const pairs: string[] = [];
    for (let i = 0; i < this.#metadata.length; i += 2) {
      const name = this.#metadata[i]!;
      if (lookUp(this.#parsed, name) === undefined) pairs.push(name, this.#metadata[i + 1]!);
    }
    return Labels.raw(pairs);
  }

  /** What the stages made, errors included. */
  parsedLabels(): Labels {
    if (this.#error === "" && this.#errorDetails === "") {
      return this.#parsed.length === 0 ? Labels.EMPTY : Labels.raw(this.#parsed.slice());
    }
    const pairs = this.#parsed.slice();
    if (this.#error !== "") pairs.push(ERROR_LABEL, this.#error);
    if (this.#errorDetails !== "") pairs.push(ERROR_DETAILS_LABEL, this.#errorDetails);
    return Labels.raw(pairs);
  }

  /** Everything together, as metric results carry it. */
  allLabels(): Labels {
    if (this.untouched && this.#metadata.length === 0) return this.#stream;
    const merged = new Map<string, string>();
    for (const labels of [this.streamLabels(), this.metadataLabels(), this.parsedLabels()]) {
      for (const [name, value] of labels) merged.set(name, value);
    }
    return Labels.raw([...merged].flat());
  }
}

/** Lists are `name, value, name, value …`: rows have few labels, and a scan over few beats a map. */
function lookUp(list: readonly string[], name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1]!;
  return undefined;
}

/** Answers whether the name is one that the list did not have. */
function assign(list: string[], name: string, value: string): boolean {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      list[i + 1] = value;
      return false;
    }
  }
  list.push(name, value);
  return true;
}

function remove(list: string[], name: string): void {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      list.splice(i, 2);
      return;
    }
  }
}

const NOT_IN_NAME = /[^a-zA-Z0-9_]/gu;

/** A key of a log line as a label name: blanks around it go, other characters become `_`, a digit in front gets one. */
export function sanitizeName(key: string): string {
  let plain = key.length > 0;
  for (let i = 0; i < key.length && plain; i++) {
    const c = key.charCodeAt(i);
    plain =
      (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || (c >= 48 && c <= 57 && i > 0);
  }
  if (plain) return key;
  const name = sanitizePart(key);
  return name !== "" && name.charCodeAt(0) >= 48 && name.charCodeAt(0) <= 57 ? `_${name}` : name;
}

function sanitizePart(key: string): string {
  return key.trim().replaceAll(NOT_IN_NAME, "_");
}

/** The name of a label for a key within an object called `prefix` ("" at the top). A blank key adds nothing. */
export function joinName(prefix: string, key: string): string {
  if (prefix === "") return sanitizeName(key);
  const part = sanitizePart(key);
  return part === "" ? prefix : `${prefix}_${part}`;
}
