/**
 * The short chunks of doubles that `asm/value-chunk.ts` writes, read in TypeScript: its twin, and the description of the layout. They live in
 * memory only, between an append and the sealing of a block.
 *
 *     constant     0 (1) · the double (8)
 *     integers     1 + 16·exponent (1) · width (1) · [width > 0: shift (1)] · zigzag base · (integer − base) >> shift, `width` bits each
 *     differences  2 + 16·exponent (1) · width (1) · [width > 0: shift (1)] · zigzag base · zigzag first integer · differences, likewise
 *     XOR          3 (1) · 16·low + bytes (1) · first double (8) · XOR with the one before, shifted right by `low` bytes, `bytes` bytes each
 *
 * A double is its integer divided by 10^exponent. Bits are taken from each byte least significant first.
 */
import { ByteReader } from "./byte-reader.ts";

/** The bits of `count` doubles. */
export function readValueChunk(bytes: Uint8Array, count: number): BigUint64Array {
  const reader = new ByteReader(bytes);
  const head = reader.readByte();
  switch (head & 15) {
    case 0:
      return new BigUint64Array(count).fill(readUint64(reader, 8));
    case 3:
      return readXor(reader, count);
    default:
      return readIntegers(reader, count, head);
  }
}

function readUint64(reader: ByteReader, bytes: number): bigint {
  let value = 0n;
  for (let i = 0; i < bytes; i++) value |= BigInt(reader.readByte()) << BigInt(8 * i);
  return value;
}

function readXor(reader: ByteReader, count: number): BigUint64Array {
  const sizes = reader.readByte();
  const values = new BigUint64Array(count);
  let value = readUint64(reader, 8);
  for (let row = 0; row < count; row++) {
    if (row > 0) value ^= readUint64(reader, sizes & 15) << BigInt(8 * (sizes >>> 4));
    values[row] = value;
  }
  return values;
}

function readIntegers(reader: ByteReader, count: number, head: number): BigUint64Array {
  const isSteps = (head & 15) === 2;
  const factor = 10 ** (head >>> 4);
  const width = BigInt(reader.readByte());
  const shift = width > 0n ? BigInt(reader.readByte()) : 0n;
  const base = BigInt(reader.readZigzag());
  const values = new Float64Array(count);
  let value = base;
  let row = 0;
  if (isSteps) {
    value = BigInt(reader.readZigzag());
    values[row++] = Number(value) / factor;
  }
  const packed = readUint64(reader, Math.ceil((Number(width) * (count - row)) / 8));
  for (let at = 0n; row < count; row++, at += width) {
    const number = base + (((packed >> at) & ((1n << width) - 1n)) << shift);
    value = isSteps ? value + number : number;
    values[row] = Number(value) / factor;
  }
  return new BigUint64Array(values.buffer);
}
