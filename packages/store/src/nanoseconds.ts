/** Nanoseconds in our formats and comparisons. */
import type { ByteReader, ByteWriter } from "@finch/codec";

const NS_PER_S = 1_000_000_000n;

/** Any 64-bit number: seconds, then the nanoseconds left over, both zigzag. */
export function writeNs(writer: ByteWriter, ns: bigint): void {
  const seconds = ns / NS_PER_S;
  writer.writeZigzag(Number(seconds));
  writer.writeZigzag(Number(ns - seconds * NS_PER_S));
}

export function readNs(reader: ByteReader): bigint {
  return BigInt(reader.readZigzag()) * NS_PER_S + BigInt(reader.readZigzag());
}

export function smallerNs(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function largerNs(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
