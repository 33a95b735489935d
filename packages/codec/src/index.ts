export { bitWidth, packBits, packedBytes, unpackBits } from "./bit-packing.ts";
export { createBloomFilter, openBloomFilter } from "./bloom.ts";
export type { BloomFilter } from "./bloom.ts";
export { ByteReader } from "./byte-reader.ts";
export { ByteWriter } from "./byte-writer.ts";
export {
  decodeFloats,
  decodeInt64Deltas,
  decodeTimestamps,
  encodeFloats,
  encodeInt64Deltas,
  encodeTimestamps,
} from "./columns.ts";
export { crc32c } from "./crc32c.ts";
export { CodecError } from "./errors.ts";
export type { CodecFault } from "./errors.ts";
export { readFloatBlock } from "./float-block.ts";
export type { Doubles } from "./float-block.ts";
export { hash32, hash64 } from "./hash.ts";
export { hashKey } from "./key-hash.ts";
export { decodeLz4Frames } from "./lz4-frame.ts";
export {
  PROTOBUF_DEPTH_MAX,
  ProtobufReader,
  WIRE_BYTES,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_VARINT,
} from "./protobuf-reader.ts";
export { ProtobufWriter } from "./protobuf-writer.ts";
export { formatSamples, formatSampleValue, formatTimestamp } from "./sample-text.ts";
export { decodeSnappy, encodeSnappy, readSnappyHeader } from "./snappy.ts";
