/** Columns of values, opened: each value can be copied, compared and searched without the others. The counterpart of `column-encoder.ts`. */
import { ByteReader, CodecError } from "@finch/codec";
import { BYTES, CONSTANT, DICTIONARY, HEX, NUMBER, TIME, UUID } from "./column-format.ts";
import type { ColumnHead, NumberText, Planes } from "./column-format.ts";
import { lengthWidth } from "./column-encoder.ts";

export interface ValueColumn {
  readonly head: ColumnHead;
  /** Copies value `at` to `out` from byte `to` on, where there is room for `lengthMax` bytes, and answers where it ends. */
  copy(at: number, out: Uint8Array, to: number): number;
  /** Values of which the column is made and the number of one for each row, where it has few of them. */
  readonly dictionary: Dictionary | undefined;
}

export interface Dictionary {
  readonly bytes: Uint8Array;
  /** Value `i` is `bytes[bounds[i] … bounds[i + 1])`. */
  readonly bounds: Uint32Array;
  /** Undefined when all rows have value 0. */
  readonly ids: Uint8Array | undefined;
}

/** Opens a body that was decompressed; one that does not fit its head is a CodecError. */
export function openColumn(head: ColumnHead, body: Uint8Array): ValueColumn {
  switch (head.encoding) {
    case CONSTANT: {
      const bounds = Uint32Array.of(0, body.length);
      return new DictionaryColumn(head, { bytes: body, bounds, ids: undefined });
    }
    case DICTIONARY:
      return openDictionary(head, body);
    case HEX:
      return new HexColumn(head, expect(body, (head.rows * head.lengthMax) / 2), false);
    case UUID:
      return new HexColumn(head, expect(body, 16 * head.rows), true);
    case TIME:
      return new TimeColumn(head, unpackNumbers(head.planes!, head.rows, body));
    case NUMBER:
      return new NumberColumn(head, unpackNumbers(head.planes!, head.rows, body), head.text!);
    case BYTES:
      return openBytes(head, body);
  }
}

function expect(body: Uint8Array, length: number): Uint8Array {
  if (body.length !== length)
    throw new CodecError("malformed", 0, `a column of ${body.length} bytes, not ${length}`);
  return body;
}

class DictionaryColumn implements ValueColumn {
  readonly head: ColumnHead;
  readonly dictionary: Dictionary;

  constructor(head: ColumnHead, dictionary: Dictionary) {
    this.head = head;
    this.dictionary = dictionary;
  }

  copy(at: number, out: Uint8Array, to: number): number {
    const { bytes, bounds, ids } = this.dictionary;
    const id = ids === undefined ? 0 : ids[at]!;
    return copyBytes(bytes, bounds[id]!, bounds[id + 1]!, out, to);
  }
}

function openDictionary(head: ColumnHead, body: Uint8Array): ValueColumn {
  const { distinct, rows } = head;
  const reader = new ByteReader(body);
  const bounds = new Uint32Array(distinct + 1);
  for (let id = 0; id < distinct; id++) bounds[id + 1] = bounds[id]! + reader.readVarint();
  const start = reader.take(bounds[distinct]!);
  const ids = body.subarray(reader.take(rows), reader.position);
  if (reader.position !== reader.end)
    throw new CodecError("malformed", reader.position, "bytes behind a dictionary");
  for (let row = 0; row < rows; row++)
    if (ids[row]! >= distinct)
      throw new CodecError("malformed", row, `value ${ids[row]} of ${distinct}`);
  return new DictionaryColumn(head, {
    bytes: body.subarray(start, start + bounds[distinct]!),
    bounds,
    ids,
  });
}

const HEX_DIGITS = new TextEncoder().encode("0123456789abcdef");

class HexColumn implements ValueColumn {
  readonly head: ColumnHead;
  readonly dictionary = undefined;
  readonly packed: Uint8Array;
  readonly #hasDashes: boolean;

  constructor(head: ColumnHead, packed: Uint8Array, hasDashes: boolean) {
    this.head = head;
    this.packed = packed;
    this.#hasDashes = hasDashes;
  }

  copy(at: number, out: Uint8Array, to: number): number {
    const width = this.#hasDashes ? 16 : this.head.lengthMax >> 1;
    let i = to;
    for (let from = at * width, place = 0; place < width; place++) {
      if (this.#hasDashes && (place === 4 || place === 6 || place === 8 || place === 10))
        out[i++] = 45;
      const byte = this.packed[from + place]!;
      out[i++] = HEX_DIGITS[byte >> 4]!;
      out[i++] = HEX_DIGITS[byte & 15]!;
    }
    return i;
  }
}

class TimeColumn implements ValueColumn {
  readonly head: ColumnHead;
  readonly dictionary = undefined;
  readonly #times: Float64Array;
  #day = -1;
  #date = new Uint8Array(0) as Uint8Array;

  constructor(head: ColumnHead, times: Float64Array) {
    this.head = head;
    this.#times = times;
  }

  copy(at: number, out: Uint8Array, to: number): number {
    const timeMs = this.#times[at]!;
    const day = Math.floor(timeMs / 86_400_000);
    if (day !== this.#day) {
      this.#day = day;
      this.#date = new TextEncoder().encode(new Date(day * 86_400_000).toISOString());
    }
    out.set(this.#date, to);
    const ms = timeMs - day * 86_400_000;
    writeDigits(out, to + 11, Math.floor(ms / 3_600_000), 2);
    writeDigits(out, to + 14, Math.floor(ms / 60_000) % 60, 2);
    writeDigits(out, to + 17, Math.floor(ms / 1000) % 60, 2);
    writeDigits(out, to + 20, ms % 1000, 3);
    return to + 24;
  }
}

function writeDigits(out: Uint8Array, at: number, value: number, count: number): void {
  let rest = value;
  for (let i = at + count - 1; i >= at; i--) {
    out[i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

class NumberColumn implements ValueColumn {
  readonly head: ColumnHead;
  readonly dictionary = undefined;
  readonly numbers: Float64Array;
  readonly #text: NumberText;

  constructor(head: ColumnHead, numbers: Float64Array, text: NumberText) {
    this.head = head;
    this.numbers = numbers;
    this.#text = text;
  }

  copy(at: number, out: Uint8Array, to: number): number {
    const { prefix, suffix, decimals, digits } = this.#text;
    let i = copyBytes(prefix, 0, prefix.length, out, to);
    let whole = this.numbers[at]!;
    let fraction = 0;
    if (decimals > 0) {
      const divisor = POWERS[decimals]!;
      const quotient = Math.floor(whole / divisor);
      fraction = whole - quotient * divisor;
      whole = quotient;
    }
    const count = digits > 0 ? digits : digitsOf(whole);
    writeDigits(out, i, whole, count);
    i += count;
    if (decimals > 0) {
      out[i] = 46;
      writeDigits(out, i + 1, fraction, decimals);
      i += 1 + decimals;
    }
    return copyBytes(suffix, 0, suffix.length, out, i);
  }
}

const POWERS = Float64Array.from({ length: 17 }, (_, exponent) => 10 ** exponent);

function digitsOf(value: number): number {
  let count = 1;
  while (count < 16 && value >= POWERS[count]!) count++;
  return count;
}

class BytesColumn implements ValueColumn {
  readonly head: ColumnHead;
  readonly dictionary = undefined;
  /** All values, back to back. */
  readonly bytes: Uint8Array;
  readonly #lengths: Uint8Array;
  #bounds: Uint32Array | undefined;

  /** `lengths` in planes, as many as the longest value needs. */
  constructor(head: ColumnHead, lengths: Uint8Array, bytes: Uint8Array) {
    this.head = head;
    this.bytes = bytes;
    this.#lengths = lengths;
  }

  /** Value `i` is `bytes[bounds[i] … bounds[i + 1])`. Added up at the first need: most searches find nothing. */
  get bounds(): Uint32Array {
    this.#bounds ??= addLengths(this.head, this.#lengths, this.bytes.length);
    return this.#bounds;
  }

  copy(at: number, out: Uint8Array, to: number): number {
    const { bounds } = this;
    return copyBytes(this.bytes, bounds[at]!, bounds[at + 1]!, out, to);
  }
}

/** Columns that hold their values as bytes behind each other, and those of hexadecimal digits: what a search looks at directly. */
export { BytesColumn, HexColumn, NumberColumn };

function openBytes(head: ColumnHead, body: Uint8Array): ValueColumn {
  const planes = head.rows * lengthWidth(head.lengthMax);
  if (body.length < planes)
    throw new CodecError("malformed", 0, `${body.length} bytes for ${head.rows} lengths`);
  return new BytesColumn(head, body.subarray(0, planes), body.subarray(planes));
}

function addLengths(
  { rows, lengthMax }: ColumnHead,
  lengths: Uint8Array,
  bytes: number,
): Uint32Array {
  const bounds = new Uint32Array(rows + 1);
  let end = 0;
  for (let row = 0; row < rows; row++) {
    let length = lengths[row]!;
    for (let at = row + rows, factor = 256; at < lengths.length; at += rows, factor *= 256)
      length += lengths[at]! * factor;
    if (length > lengthMax) throw new CodecError("malformed", row, `a value of ${length} bytes`);
    bounds[row + 1] = end += length;
  }
  if (end !== bytes)
    throw new CodecError("malformed", 0, `values of ${end} bytes, where there are ${bytes}`);
  return bounds;
}

function unpackNumbers(
  { width, base, isDelta }: Planes,
  rows: number,
  body: Uint8Array,
): Float64Array {
  expect(body, width * rows);
  const numbers = new Float64Array(rows);
  let factor = 1;
  for (let plane = 0; plane < width; plane++, factor *= 256)
    for (let row = 0, at = plane * rows; row < rows; row++, at++)
      numbers[row] = numbers[row]! + body[at]! * factor;
  if (!isDelta) {
    for (let row = 0; row < rows; row++) numbers[row] = numbers[row]! + base;
    return numbers;
  }
  let value = base;
  for (let row = 0; row < rows; row++) {
    const zigzag = numbers[row]!;
    value += zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2;
    numbers[row] = value;
  }
  return numbers;
}

function copyBytes(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  to: number,
): number {
  if (end - start > 48) out.set(from.subarray(start, end), to);
  else for (let i = start, k = to; i < end; i++, k++) out[k] = from[i]!;
  return to + end - start;
}
