/**
 * A cursor straight over a protobuf message: no schema, no objects. A decoder loops over tags and takes what it knows, skipping the rest.
 * Every length is held against the message around it, nesting is bounded, and errors carry the byte offset.
 */
import { CodecError } from "./errors.ts";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

/** Messages inside messages; beyond it hostile nesting would exhaust the stack of recursive decoders. */
export const PROTOBUF_DEPTH_MAX = 64;

/**
 * Reads one message: `while (reader.more()) { switch (reader.readTag()) … }`. `reader.field` and `reader.wireType` hold the last tag.
 * Nested messages: `const outer = reader.enter(); while (reader.more()) …; reader.leave(outer)`.
 */
export class ProtobufReader {
  readonly bytes: Uint8Array;
  position: number;
  /** Where the current message ends. */
  end: number;
  field = 0;
  wireType = 0;
  /** Low and high 32 bits (unsigned) of the last number that {@link readVarint64} read. */
  low = 0;
  high = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Whether the current message goes on. */
  more(): boolean {
    return this.position < this.end;
  }

  /** Reads a tag and returns it whole: `field << 3 | wireType`. */
  readTag(): number {
    const start = this.position;
    const tag = this.readVarint32();
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.field === 0) throw new CodecError("malformed", start, "protobuf: field number 0");
    return tag;
  }

  /** The low 32 bits, unsigned, of a varint: enough for tags, lengths and enums. */
  readVarint32(): number {
    const byte = this.bytes[this.position]!;
    if (this.position < this.end && byte < 0x80) {
      this.position++;
      return byte;
    }
    this.readVarint64();
    return this.low;
  }

  /** Reads a varint of up to ten bytes into `low` and `high`. */
  readVarint64(): void {
    const { bytes, end } = this;
    const start = this.position;
    let at = start;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw new CodecError("truncated", start, "protobuf: a varint is cut off");
      const byte = bytes[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (byte > 1) break;
      else high |= bits << 31;
      if (byte < 0x80) {
        this.position = at;
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new CodecError("malformed", start, "protobuf: a varint is longer than 64 bits");
  }

  /** An int64 as a number; exact between -2^53 and 2^53, else rounded. */
  readInt64(): number {
    this.readVarint64();
    return (this.high | 0) * 2 ** 32 + this.low;
  }

  /** An int64 or uint64 as a bigint, signed as asked. */
  readBigInt(signed: boolean): bigint {
    this.readVarint64();
    const value = (BigInt(this.high) << 32n) | BigInt(this.low);
    return signed ? BigInt.asIntN(64, value) : value;
  }

  /** A zigzag-coded sint64 as a number; exact between -2^53 and 2^53. */
  readSint64(): number {
    this.readVarint64();
    const odd = (this.low & 1) !== 0;
    const half = (this.high >>> 1) * 2 ** 32 + (((this.low >>> 1) | (this.high << 31)) >>> 0);
    return odd ? -half - 1 : half;
  }

  /** The start of a fixed64, for callers that copy its bits; moves past it. */
  readFixed64(): number {
    return this.#take(8);
  }

  /** A double as a number. A NaN's payload may not survive; copy the bits at {@link readFixed64} where that matters. */
  readDouble(): number {
    const at = this.#take(8);
    for (let i = 0; i < 8; i++) DOUBLE_BYTES[i] = this.bytes[at + i]!;
    return DOUBLE[0]!;
  }

  readFixed32(): number {
    const at = this.#take(4);
    const { bytes } = this;
    return (
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
    );
  }

  /** Reads a length and moves past that many bytes; returns where they begin. They end at the new `position`. */
  readSpan(): number {
    const start = this.position;
    const length = this.readVarint32();
    if (length > this.end - this.position) {
      throw new CodecError(
        "truncated",
        start,
        `protobuf: field ${this.field} has ${length} bytes, ${this.end - this.position} are left`,
      );
    }
    const at = this.position;
    this.position += length;
    return at;
  }

  /** The bytes of a field, sharing the buffer. */
  readBytes(): Uint8Array {
    const at = this.readSpan();
    return this.bytes.subarray(at, this.position);
  }

  /** Steps into a nested message; hand the result to {@link leave}. */
  enter(): number {
    const at = this.readSpan();
    if (++this.#depth > PROTOBUF_DEPTH_MAX) {
      throw new CodecError(
        "malformed",
        at,
        `protobuf: messages nested deeper than ${PROTOBUF_DEPTH_MAX}`,
      );
    }
    const outer = this.end;
    this.end = this.position;
    this.position = at;
    return outer;
  }

  /** Steps out to the message around, to right behind the nested one. */
  leave(outer: number): void {
    this.position = this.end;
    this.end = outer;
    this.#depth--;
  }

  /** Throws unless the last tag had this wire type. */
  expect(wireType: number): void {
    if (this.wireType !== wireType) {
      throw new CodecError(
        "malformed",
        this.position,
        `protobuf: field ${this.field} has wire type ${this.wireType} instead of ${wireType}`,
      );
    }
  }

  /** Moves past the value of the last tag. */
  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.readVarint64();
        return;
      case WIRE_FIXED64:
        this.#take(8);
        return;
      case WIRE_BYTES:
        this.readSpan();
        return;
      case WIRE_FIXED32:
        this.#take(4);
        return;
      default:
        throw new CodecError(
          "malformed",
          this.position,
          `protobuf: field ${this.field} has unknown wire type ${this.wireType}`,
        );
    }
  }

  #take(count: number): number {
    if (count > this.end - this.position) {
      throw new CodecError(
        "truncated",
        this.position,
        `protobuf: field ${this.field} needs ${count} bytes, ${this.end - this.position} are left`,
      );
    }
    const at = this.position;
    this.position += count;
    return at;
  }
}

const DOUBLE = new Float64Array(1);
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer);
