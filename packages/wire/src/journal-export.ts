/**
 * systemd's journal export format, piece by piece: fields as `NAME=value` and a newline, or, for values of any bytes, as a name, a newline, a length of eight
 * bytes and the value; an empty line ends an entry. An entry is held as a whole and nothing more; fields over the limit are passed over.
 */
import { badBody } from "./errors.ts";

export interface JournalField {
  readonly name: string;
  readonly value: Uint8Array;
}

export interface JournalEntry {
  readonly fields: readonly JournalField[];
  /** Fields that were larger than is read, or one too many. */
  readonly omitted: readonly string[];
}

export interface JournalLimits {
  /** Bytes of a field's value. */
  readonly fieldBytesMax: number;
  readonly fieldsPerEntryMax: number;
  /** Bytes of an entry's fields together. */
  readonly entryBytesMax: number;
}

const LF = 0x0a;
const EQUALS = 0x3d;
const NAME_BYTES_MAX = 64;
const LENGTH_BYTES = 8;

type State =
  /** At the begin of a line. */
  | { readonly kind: "line" }
  /** Behind the name of a binary field. */
  | { readonly kind: "length"; readonly name: string }
  | { readonly kind: "value"; readonly name: string; readonly size: number }
  /** Bytes of a value that are passed over, its newline included. */
  | { readonly kind: "skip"; readonly left: number }
  /** A text value that is passed over. */
  | { readonly kind: "skip-line" };

const AT_LINE: State = { kind: "line" };

export class JournalExportReader {
  readonly #limits: JournalLimits;
  #held: Uint8Array = new Uint8Array(0);
  #state: State = AT_LINE;
  #fields: JournalField[] = [];
  #omitted: string[] = [];
  #bytes = 0;
  /** Of the stream, for messages. */
  #offset = 0;

  constructor(limits: JournalLimits) {
    this.#limits = limits;
  }

  /** The entries that `chunk` completes. A stream that is no export is a FinchError that names the byte. */
  push(chunk: Uint8Array): JournalEntry[] {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const entries: JournalEntry[] = [];
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at, entries);
      if (next === at) break;
      at = next;
    }
    this.#offset += at;
    this.#held = bytes.slice(at);
    return entries;
  }

  /** The last entry, where no empty line came behind it; a stream that ends inside of a field is a FinchError. */
  finish(): JournalEntry[] {
    if (this.#held.length > 0 || this.#state.kind !== "line")
      throw badBody(`the journal export is cut off at byte ${this.#offset + this.#held.length}`);
    const entries: JournalEntry[] = [];
    this.#endEntry(entries);
    return entries;
  }

  /** Where to go on; `at` when more bytes are needed. */
  #step(bytes: Uint8Array, at: number, entries: JournalEntry[]): number {
    const state = this.#state;
    switch (state.kind) {
      case "line":
        return this.#readLine(bytes, at, entries);
      case "length":
        return this.#readLength(bytes, at, state.name);
      case "value":
        return this.#readValue(bytes, at, state);
      case "skip": {
        const passed = Math.min(state.left, bytes.length - at);
        const left = state.left - passed;
        this.#state = left === 0 ? AT_LINE : { kind: "skip", left };
        return at + passed;
      }
      case "skip-line": {
        const end = bytes.indexOf(LF, at);
        if (end >= 0) this.#state = AT_LINE;
        return end < 0 ? bytes.length : end + 1;
      }
    }
  }

  #readLine(bytes: Uint8Array, at: number, entries: JournalEntry[]): number {
    if (bytes[at] === LF) {
      this.#endEntry(entries);
      return at + 1;
    }
    const end = bytes.indexOf(LF, at);
    const equals = bytes.subarray(at, end < 0 ? bytes.length : end).indexOf(EQUALS);
    const nameEnd = equals < 0 ? end : at + equals;
    if ((nameEnd < 0 ? bytes.length : nameEnd) - at > NAME_BYTES_MAX)
      throw badBody(
        `a field's name at byte ${this.#offset + at} of the journal export is too long`,
      );
    if (nameEnd < 0) return at;
    const name = Buffer.from(bytes.subarray(at, nameEnd)).toString("latin1");
    if (!/^[A-Za-z0-9_]+$/.test(name))
      throw badBody(
        `${JSON.stringify(name)} at byte ${this.#offset + at} of the journal export is no field's name`,
      );
    if (equals < 0) {
      this.#state = { kind: "length", name };
      return end + 1;
    }
    const start = nameEnd + 1;
    if ((end < 0 ? bytes.length : end) - start > this.#limits.fieldBytesMax) {
      this.#omitted.push(name);
      this.#state = { kind: "skip-line" };
      return start;
    }
    if (end < 0) return at;
    this.#add(name, bytes.slice(start, end));
    return end + 1;
  }

  #readLength(bytes: Uint8Array, at: number, name: string): number {
    if (bytes.length - at < LENGTH_BYTES) return at;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, LENGTH_BYTES);
    const size = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
    if (size > Number.MAX_SAFE_INTEGER - 1)
      throw badBody(
        `the length of ${name} at byte ${this.#offset + at} of the journal export is no length`,
      );
    if (size > this.#limits.fieldBytesMax) {
      this.#omitted.push(name);
      this.#state = { kind: "skip", left: size + 1 };
    } else this.#state = { kind: "value", name, size };
    return at + LENGTH_BYTES;
  }

  #readValue(
    bytes: Uint8Array,
    at: number,
    { name, size }: { name: string; size: number },
  ): number {
    if (bytes.length - at < size + 1) return at;
    if (bytes[at + size] !== LF)
      throw badBody(
        `no newline behind ${name} at byte ${this.#offset + at + size} of the journal export`,
      );
    this.#add(name, bytes.slice(at, at + size));
    this.#state = AT_LINE;
    return at + size + 1;
  }

  #add(name: string, value: Uint8Array): void {
    const { entryBytesMax, fieldsPerEntryMax } = this.#limits;
    if (this.#fields.length >= fieldsPerEntryMax || this.#bytes + value.length > entryBytesMax) {
      if (this.#omitted.length < fieldsPerEntryMax) this.#omitted.push(name);
      return;
    }
    this.#bytes += value.length;
    this.#fields.push({ name, value });
  }

  #endEntry(entries: JournalEntry[]): void {
    if (this.#fields.length > 0 || this.#omitted.length > 0)
      entries.push({ fields: this.#fields, omitted: this.#omitted });
    this.#fields = [];
    this.#omitted = [];
    this.#bytes = 0;
  }
}
