/**
 * Decodes Snappy blocks, 16 bytes a step. Twin: `src/snappy.ts`, which the caller runs on whatever this refuses, to name what is wrong.
 * Reads up to 16 bytes behind the input and writes up to 64 behind the output: leave that much room.
 */

/** Room that must follow the bytes of the input. */
export const SOURCE_SLACK: usize = 16;
/** Room that must follow the decoded bytes. */
export const TARGET_SLACK: usize = 64;

/** Decodes the `length` bytes at `source` to `target`; returns how many came out, or -1 when they are no block or more than `sizeMax`. */
export function decodeSnappy(source: usize, length: usize, target: usize, sizeMax: usize): i32 {
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
  const last = target + <usize>size;
  return decodeElements(from, end, target, last) ? <i32>size : -1;
}

function decodeElements(source: usize, end: usize, target: usize, last: usize): bool {
  let from = source;
  let to = target;
  while (from < end) {
    const tag = <u32>load<u8>(from++);
    const kind = tag & 3;
    let length: usize = <usize>(tag >> 2) + 1;
    if (kind == 0) {
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
    }
    let offset: usize;
    if (kind == 1) {
      if (end - from < 1) return false;
      length = 4 + <usize>((tag >> 2) & 7);
      offset = <usize>(((tag & 0xe0) << 3) | <u32>load<u8>(from));
      from += 1;
    } else if (kind == 2) {
      if (end - from < 2) return false;
      offset = <usize>load<u16>(from);
      from += 2;
    } else {
      if (end - from < 4) return false;
      offset = <usize>load<u32>(from);
      from += 4;
    }
    if (offset == 0 || offset > to - target || length > last - to) return false;
    copyBack(to, offset, length);
    to += length;
  }
  return to == last;
}

/** Copies 64 bytes at most from `offset` back. A copy that overlaps what it writes repeats it. */
function copyBack(to: usize, offset: usize, length: usize): void {
  const from = to - offset;
  if (offset >= 16) {
    v128.store(to, v128.load(from));
    if (length <= 16) return;
    v128.store(to, v128.load(from, 16), 16);
    if (length <= 32) return;
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  } else if (offset >= 8) {
    for (let at: usize = 0; at < length; at += 8) store<u64>(to + at, load<u64>(from + at));
  } else {
    for (let at: usize = 0; at < length; at++) store<u8>(to + at, load<u8>(from + at));
  }
}
