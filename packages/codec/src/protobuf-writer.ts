/** Writes protobuf messages field by field. Default values are the caller's to leave out. */
import { ByteWriter } from "./byte-writer.ts";
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT } from "./protobuf-reader.ts";

const ENCODER = new TextEncoder();
/** Shorter strings are not worth a call out of JavaScript when they are ASCII. */
const ASCII_LENGTH_MAX = 512;

/** Nested messages: `const mark = writer.begin(1); …; writer.end(mark)`. */
export class ProtobufWriter {
  readonly #out: ByteWriter;

  constructor(capacity = 256) {
    this.#out = new ByteWriter(capacity);
  }

  get length(): number {
    return this.#out.length;
  }

  finish(): Uint8Array {
    return this.#out.finish();
  }

  writeTag(field: number, wireType: number): void {
    this.#out.writeVarint(field * 8 + wireType);
  }

  /** An int64, uint64 or enum that is a whole number between -2^53 and 2^53. */
  writeInt64(field: number, value: number): void {
    this.writeTag(field, WIRE_VARINT);
    this.#out.writeVarint64(value % 2 ** 32, Math.floor(value / 2 ** 32));
  }

  writeBigInt(field: number, value: bigint): void {
    this.writeTag(field, WIRE_VARINT);
    this.#out.writeVarint64(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }

  writeFixed32(field: number, value: number): void {
    this.writeTag(field, WIRE_FIXED32);
    this.#out.writeUint32(value);
  }

  /** A double by its bits: low word first, as in a Uint32Array over the doubles. */
  writeDoubleWords(field: number, low: number, high: number): void {
    this.writeTag(field, WIRE_FIXED64);
    this.#out.writeUint32(low);
    this.#out.writeUint32(high);
  }

  writeBytes(field: number, bytes: Uint8Array): void {
    this.writeTag(field, WIRE_BYTES);
    this.#out.writeVarint(bytes.length);
    this.#out.writeBytes(bytes);
  }

  writeString(field: number, text: string): void {
    this.writeTag(field, WIRE_BYTES);
    const out = this.#out;
    const { length } = text;
    out.reserve(length * 3 + 5);
    const mark = out.length;
    if (length < ASCII_LENGTH_MAX) {
      out.writeVarint(length);
      const end = writeAscii(out.bytes, out.length, text);
      if (end >= out.length) {
        out.length = end;
        return;
      }
    }
    const { written } = ENCODER.encodeInto(text, out.bytes.subarray(mark + 1));
    out.length = mark + 1 + written;
    this.end(mark);
  }

  /** Opens a nested message whose length is filled in by {@link end}. */
  begin(field: number): number {
    this.writeTag(field, WIRE_BYTES);
    const mark = this.#out.length;
    this.#out.writeByte(0);
    return mark;
  }

  /** Closes a nested message: one byte was kept for the length, a longer length moves the content. */
  end(mark: number): void {
    const out = this.#out;
    const length = out.length - mark - 1;
    if (length < 0x80) {
      out.bytes[mark] = length;
      return;
    }
    let size = 1;
    while (length >= 2 ** (7 * size)) size++;
    out.reserve(size);
    out.bytes.copyWithin(mark + size, mark + 1, out.length);
    const after = out.length + size - 1;
    out.length = mark;
    out.writeVarint(length);
    out.length = after;
  }
}

/** Writes ASCII and returns where it ends; for any other text the place before `at`. */
function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return at - 1;
    bytes[at + i] = code;
  }
  return at + text.length;
}
