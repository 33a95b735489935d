/**
 * Gives the memory of `bytes` back at once, where a garbage collection would find it much later: V8 marks its whole heap for every few megabytes
 * of such memory. The bytes, and whatever else views them, have length 0 afterwards. Bytes that are part of a larger buffer are left alone.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer)) return;
  if (bytes.byteLength > 0 && bytes.byteLength === buffer.byteLength) buffer.transfer(0);
}
