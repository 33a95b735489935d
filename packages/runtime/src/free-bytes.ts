/**
 * Gives the memory of `bytes` back at once, where a garbage collection would find it much later: V8 marks its whole heap for every few megabytes
 * of such memory. The bytes, and whatever else views them, have length 0 afterwards. Bytes that are part of a larger buffer are left alone.
 */
export function freeBytes(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.byteLength > 0 && bytes.byteLength === bytes.buffer.byteLength)
    bytes.buffer.transfer(0);
}
