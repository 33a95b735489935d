/** Bodies of requests as Snappy blocks. */
import { SnappyEncoder } from "@finch/codec/snappy-kernel";

/** One for all: it holds memory, and works without a break. */
let encoder: SnappyEncoder | undefined;

/** The block of the parts, one behind the other. */
export function encodeSnappyBody(parts: readonly Uint8Array[]): Uint8Array {
  return (encoder ??= new SnappyEncoder()).encode(parts);
}
