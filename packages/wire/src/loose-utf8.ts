/**
 * Text that may hold bytes which are no UTF-8, as lines of logs do: such a byte becomes a lone surrogate (U+DC80 to U+DCFF) and turns into the same byte
 * again. What is valid is as ever.
 */
import { isUtf8 } from "node:buffer";
import { bufferOver } from "./text-bytes.ts";

const LONE = 0xdc00;
const LONE_BYTES = /(?<![\ud800-\udbff])[\udc80-\udcff]/;

export function decodeLooseUtf8(bytes: Uint8Array): string {
  const buffer = bufferOver(bytes);
  if (isUtf8(bytes)) return buffer.toString("utf8");
  let text = "";
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += buffer.toString("utf8", start, at) + String.fromCharCode(LONE + bytes[at]!);
    start = ++at;
  }
  return text + buffer.toString("utf8", start);
}

export function encodeLooseUtf8(text: string): Uint8Array {
  if (!LONE_BYTES.test(text)) return Buffer.from(text, "utf8");
  const parts: Buffer[] = [];
  let start = 0;
  for (const { 0: one, index } of text.matchAll(new RegExp(LONE_BYTES, "g"))) {
    parts.push(Buffer.from(text.slice(start, index), "utf8"));
    parts.push(Buffer.of(one.charCodeAt(0) - LONE));
    start = index + 1;
  }
  parts.push(Buffer.from(text.slice(start), "utf8"));
  return Buffer.concat(parts);
}

/** Bytes of the character at `at`, 0 where none is. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
