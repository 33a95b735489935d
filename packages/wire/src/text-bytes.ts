/** Strings out of byte ranges. */
import { isUtf8 } from "node:buffer";

/** A Node buffer over the same memory, for its fast string slices. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether `bytes[start … end)` is valid UTF-8. Short ASCII, the common case, is decided without a view of its own. */
export function isUtf8Range(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= 32) {
    let i = start;
    while (i < end && bytes[i]! < 0x80) i++;
    if (i === end) return true;
  }
  return isUtf8(bytes.subarray(start, end));
}
