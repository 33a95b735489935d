/**
 * Gives the memory of `bytes` back at once, where a garbage collection would find it much later: V8 marks its whole heap for every few megabytes
 * of such memory. The bytes, and whatever else views them, have length 0 afterwards. Bytes that are part of a larger buffer are left alone.
 */
export function freeBytes(bytes: ArrayBufferView): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer)) return;
  if (bytes.byteLength > 0 && bytes.byteLength === buffer.byteLength) buffer.transfer(0);
}

/** One run of bytes out of several, which are freed: together they are as large as it is. */
export function joinBytes<Bytes extends Uint8Array<ArrayBuffer>>(
  chunks: readonly Bytes[],
): Bytes | Buffer<ArrayBuffer> {
  if (chunks.length === 1) return chunks[0]!;
  const joined = Buffer.concat(chunks);
  for (const chunk of chunks) freeBytes(chunk);
  return joined;
}
