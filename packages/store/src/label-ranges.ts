/**
 * Where names and values of a label set stand in some bytes: those of a request (the label messages of remote write, `SampleBatch.keyBytes`) and those
 * of our records. Reading them so makes no strings.
 */
import { CodecError } from "@finch/codec";
import type { ByteReader } from "@finch/codec";
import type { Labels } from "@finch/model";
import { growUint32 } from "./number-columns.ts";

const TAG_LABEL = 0x0a;
const TAG_NAME = 0x0a;
const TAG_VALUE = 0x12;

/** Label `i` of `count` has its name in `bytes[bounds[4i] … bounds[4i + 1])` and its value in `bytes[bounds[4i + 2] … bounds[4i + 3])`. */
export class LabelRanges {
  bytes: Uint8Array = new Uint8Array(0);
  bounds = new Uint32Array(256) as Uint32Array;
  count = 0;
  #at = 0;
  /** What `readLabels` fills. */
  #own = Buffer.alloc(1024);

  /**
   * Takes the labels of the key `bytes[start … end)`, when it has the one form that most senders give it: nothing but names and values, names ASCII and
   * ascending, no value empty. False when it has not: then only parsing and sorting tells what it means.
   */
  readKey(bytes: Uint8Array, start: number, end: number): boolean {
    this.bytes = bytes;
    this.count = 0;
    this.#at = start;
    while (this.#at < end) {
      if (bytes[this.#at++] !== TAG_LABEL) return false;
      const labelEnd = this.#readLength() + this.#at;
      if (labelEnd > end || bytes[this.#at++] !== TAG_NAME) return false;
      const nameLength = this.#readLength();
      const name = this.#at;
      this.#at += nameLength;
      if (this.#at >= labelEnd || bytes[this.#at++] !== TAG_VALUE) return false;
      const valueLength = this.#readLength();
      if (this.#at + valueLength !== labelEnd || valueLength === 0) return false;
      this.#add(name, name + nameLength, labelEnd - valueLength, labelEnd);
      this.#at = labelEnd;
      if (!this.#isLastInOrder()) return false;
    }
    return true;
  }

  /** Takes labels as `writeLabels` wrote them. */
  readRecord(reader: ByteReader): void {
    const size = reader.readVarint();
    if (2 * size > reader.end - reader.position)
      throw new CodecError("malformed", reader.position, `a label set of ${size} labels`);
    this.bytes = reader.bytes;
    this.count = 0;
    for (let i = 0; i < size; i++) {
      const nameLength = reader.readVarint();
      const name = reader.take(nameLength);
      const valueLength = reader.readVarint();
      const value = reader.take(valueLength);
      this.#add(name, name + nameLength, value, value + valueLength);
    }
  }

  /** Takes a label set as it is. */
  readLabels(labels: Labels): void {
    const { pairs } = labels;
    let size = 0;
    for (const text of pairs) size += 3 * text.length;
    if (this.#own.length < size) this.#own = Buffer.alloc(2 * size);
    this.bytes = this.#own;
    this.count = 0;
    let at = 0;
    for (let i = 0; i < pairs.length; i += 2) {
      const value = at + this.#own.write(pairs[i]!, at);
      const end = value + this.#own.write(pairs[i + 1]!, value);
      this.#add(at, value, value, end);
      at = end;
    }
  }

  #add(name: number, nameEnd: number, value: number, valueEnd: number): void {
    const at = 4 * this.count++;
    this.bounds = growUint32(this.bounds, at + 4);
    this.bounds[at] = name;
    this.bounds[at + 1] = nameEnd;
    this.bounds[at + 2] = value;
    this.bounds[at + 3] = valueEnd;
  }

  /** A length of up to three bytes; more leads beyond every end. */
  #readLength(): number {
    const { bytes } = this;
    let length = bytes[this.#at++]!;
    if (length < 128) return length;
    const second = bytes[this.#at++]!;
    length = (length & 127) | ((second & 127) << 7);
    if (second < 128) return length;
    const third = bytes[this.#at++]!;
    return third < 128 ? length | (third << 14) : Infinity;
  }

  /** Whether the name of the last label is ASCII and comes after the one before it. */
  #isLastInOrder(): boolean {
    const { bytes, bounds } = this;
    const at = 4 * (this.count - 1);
    const start = bounds[at]!;
    const end = bounds[at + 1]!;
    for (let i = start; i < end; i++) if (bytes[i]! > 127) return false;
    if (this.count === 1) return end > start;
    const before = bounds[at - 4]!;
    const beforeEnd = bounds[at - 3]!;
    for (let i = start, j = before; i < end && j < beforeEnd; i++, j++)
      if (bytes[i] !== bytes[j]) return bytes[i]! > bytes[j]!;
    return end - start > beforeEnd - before;
  }
}
