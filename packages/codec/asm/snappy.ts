/**
 * Decodes Snappy blocks, 16 bytes a step, in one go or in parts. Twin: `src/snappy.ts`, which the caller runs on whatever this refuses, to name what is wrong.
 * Reads up to 16 bytes behind the input and writes up to 64 behind the output: leave that much room.
 */

/** Room that must follow the bytes of the input. */
export const SOURCE_SLACK: usize = 16;
/** Room that must follow the decoded bytes. */
export const TARGET_SLACK: usize = 64;

/** Where the next element stands, and where the next decoded byte goes: a block may be decoded in steps. */
let elementAt: usize = 0;
export let decodedTo: usize = 0;
/** The ends of the block and of what it decodes to. */
let elementsEnd: usize = 0;
let decodedFrom: usize = 0;
let decodedEnd: usize = 0;

/** Decodes the `length` bytes at `source` to `target`; returns how many came out, or -1 when they are no block or more than `sizeMax`. */
export function decodeSnappy(source: usize, length: usize, target: usize, sizeMax: usize): i32 {
  const size = beginSnappy(source, length, target, sizeMax);
  return size >= 0 && decodeUntil(target + <usize>size) && isDecoded() ? size : -1;
}

/** Reads the header of a block, whose elements {@link decodeUntil} then decodes; returns the size they come to, or -1 as `decodeSnappy` does. */
export function beginSnappy(source: usize, length: usize, target: usize, sizeMax: usize): i32 {
  const end = source + length;
  let from = source;
  let size: u64 = 0;
  for (let shift: u64 = 0; ; shift += 7) {
    if (from >= end || shift > 28) return -1;
    const byte = <u64>load<u8>(from++);
    size |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  if (size > <u64>sizeMax) return -1;
  elementAt = from;
  elementsEnd = end;
  decodedFrom = target;
  decodedTo = target;
  decodedEnd = target + <usize>size;
  return <i32>size;
}

/** Whether the block came to its end with as many bytes as its header says. */
export function isDecoded(): bool {
  return elementAt == elementsEnd && decodedTo == decodedEnd;
}

/** Goes on up to the address `stop` at least, or to the end of the block. False when an element is malformed. */
export function decodeUntil(stop: usize): bool {
  const end = elementsEnd;
  const last = decodedEnd;
  const target = decodedFrom;
  let from = elementAt;
  let to = decodedTo;
  while (to < stop && from < end) {
    const tag = <u32>load<u8>(from++);
    const kind = tag & 3;
    let length: usize = <usize>(tag >> 2) + 1;
    let offset: usize;
    if (kind == 2) {
      if (end - from < 2) return false;
      offset = <usize>load<u16>(from);
      from += 2;
    } else if (kind == 0) {
      if (length > 60) {
        const extra = length - 60;
        if (extra > end - from) return false;
        const mask: u32 = <u32>0xffffffff >> (32 - 8 * <u32>extra);
        length = <usize>(load<u32>(from) & mask) + 1;
        // All 32 bits set wrap to 0.
        if (length == 0) return false;
        from += extra;
      }
      if (length > end - from || length > last - to) return false;
      if (length <= 16) v128.store(to, v128.load(from));
      else memory.copy(to, from, length);
      from += length;
      to += length;
      continue;
    } else if (kind == 1) {
      if (end - from < 1) return false;
      length = 4 + <usize>((tag >> 2) & 7);
      offset = <usize>(((tag & 0xe0) << 3) | <u32>load<u8>(from));
      from += 1;
    } else {
      if (end - from < 4) return false;
      offset = <usize>load<u32>(from);
      from += 4;
    }
    // Offset 0 wraps around.
    if (offset - 1 >= to - target || length > last - to) return false;
    const back = to - offset;
    if (offset >= 16) {
      // The most that a copy can be: guessing its length wrong costs more than the stores.
      v128.store(to, v128.load(back));
      v128.store(to, v128.load(back, 16), 16);
      v128.store(to, v128.load(back, 32), 32);
      v128.store(to, v128.load(back, 48), 48);
    } else copyNear(to, back, length);
    to += length;
  }
  elementAt = from;
  decodedTo = to;
  return true;
}

/** Copies from less than 16 bytes back: what overlaps is repeated. */
function copyNear(to: usize, from: usize, length: usize): void {
  if (to - from >= 8) {
    for (let at: usize = 0; at < length; at += 8) store<u64>(to + at, load<u64>(from + at));
  } else {
    for (let at: usize = 0; at < length; at++) store<u8>(to + at, load<u8>(from + at));
  }
}
