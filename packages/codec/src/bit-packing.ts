/** Unsigned whole numbers of up to 53 bits, packed with a fixed width, least significant bit first. */

/** Bytes that `count` numbers of `width` bits take. */
export function packedBytes(count: number, width: number): number {
  return Math.ceil((count * width) / 8);
}

/** Bits needed for a number from 0 to 2^53. */
export function bitWidth(value: number): number {
  if (value < 2 ** 32) return 32 - Math.clz32(value);
  return 64 - Math.clz32(Math.floor(value / 2 ** 32));
}

/** Packs `values[from … from + count)` into `bytes` at `at`; those bytes must be zero before. */
export function packBits(
  bytes: Uint8Array,
  at: number,
  column: {
    readonly values: Float64Array;
    readonly from: number;
    readonly count: number;
    readonly width: number;
  },
): void {
  const { values, from, count, width } = column;
  let to = at;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < count; i++) {
    let value = values[from + i]!;
    let left = width;
    while (left > 0) {
      const take = left < 24 ? left : 24;
      const high = Math.floor(value / 2 ** take);
      pending |= (value - high * 2 ** take) << pendingBits;
      pendingBits += take;
      value = high;
      left -= take;
      while (pendingBits >= 8) {
        bytes[to++] = pending;
        pending >>>= 8;
        pendingBits -= 8;
      }
    }
  }
  if (pendingBits > 0) bytes[to] = pending;
}

/** Unpacks what {@link packBits} packed into `values[from … from + count)`. The caller has checked that the bytes are there. */
export function unpackBits(
  bytes: Uint8Array,
  at: number,
  column: {
    readonly values: Float64Array;
    readonly from: number;
    readonly count: number;
    readonly width: number;
  },
): void {
  const { values, from, count, width } = column;
  if (width === 0) values.fill(0, from, from + count);
  else if (width <= 25) unpackNarrow(bytes, at, values, from, count, width);
  else unpackWide(bytes, at, values, from, count, width);
}

// Four bytes at any bit offset hold 25 bits. Bytes behind the packed ones are masked away; behind the end of the array they read as 0.
function unpackNarrow(
  bytes: Uint8Array,
  at: number,
  values: Float64Array,
  from: number,
  count: number,
  width: number,
): void {
  const mask = 2 ** width - 1;
  const end = bytes.length - 4;
  for (let i = 0, bit = 0; i < count; i++, bit += width) {
    const p = at + (bit >>> 3);
    const word =
      p <= end
        ? bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)
        : wordAtEnd(bytes, p);
    values[from + i] = (word >>> (bit & 7)) & mask;
  }
}

function unpackWide(
  bytes: Uint8Array,
  at: number,
  values: Float64Array,
  from: number,
  count: number,
  width: number,
): void {
  for (let i = 0, bit = 0; i < count; i++, bit += width) {
    const p = at + (bit >>> 3);
    const shift = bit & 7;
    const lowBits = 32 - shift;
    const low = wordAtEnd(bytes, p) >>> shift;
    const high = wordAtEnd(bytes, p + 4) >>> 0;
    if (width <= lowBits) values[from + i] = width === 32 ? low : low & (2 ** width - 1);
    else values[from + i] = low + (high % 2 ** (width - lowBits)) * 2 ** lowBits;
  }
}

function wordAtEnd(bytes: Uint8Array, p: number): number {
  const length = bytes.length;
  let word = 0;
  if (p < length) word = bytes[p]!;
  if (p + 1 < length) word |= bytes[p + 1]! << 8;
  if (p + 2 < length) word |= bytes[p + 2]! << 16;
  if (p + 3 < length) word |= bytes[p + 3]! << 24;
  return word;
}
