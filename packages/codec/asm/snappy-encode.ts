/**
 * Encodes Snappy blocks: greedy matching of four bytes and more within fragments of 64 KiB. Twin: `src/snappy.ts`, which makes the same bytes.
 */

const FRAGMENT_BYTES: usize = 65_536;
const TABLE_BITS: u32 = 14;
/** Of the table that the caller gives: the last place of each word, in the fragment. */
export const TABLE_BYTES: usize = 2 << TABLE_BITS;

/** Encodes the `length` bytes at `source`, without the header, to `target`, which has room for `length + length / 6 + 32`. Returns how many came out. */
export function encodeSnappy(source: usize, length: usize, table: usize, target: usize): usize {
  let to = target;
  const sourceEnd = source + length;
  for (let start = source; start < sourceEnd; start += FRAGMENT_BYTES) {
    memory.fill(table, 0, TABLE_BYTES);
    to = encodeFragment(start, min(sourceEnd, start + FRAGMENT_BYTES), table, to);
  }
  return to - target;
}

function encodeFragment(start: usize, end: usize, table: usize, target: usize): usize {
  let to = target;
  let literal = start;
  let at = start;
  let misses: u32 = 32;
  while (at + 4 <= end) {
    const word = load<u32>(at);
    const slot = table + ((<usize>((word * 0x1e35a7bd) >> (32 - TABLE_BITS))) << 1);
    const candidate = start + <usize>load<u16>(slot);
    store<u16>(slot, <u16>(at - start));
    if (candidate >= at || load<u32>(candidate) != word) {
      // Ever longer steps through what does not compress.
      at += <usize>(misses++ >> 5);
      continue;
    }
    const matched = 4 + sharedBytes(candidate + 4, at + 4, end);
    if (at > literal) to = writeLiteral(to, literal, at - literal);
    to = writeCopy(to, <u32>(at - candidate), <u32>matched);
    at += matched;
    literal = at;
    misses = 32;
  }
  return literal < end ? writeLiteral(to, literal, end - literal) : to;
}

/** How many bytes from `a` and from `b` on are the same; `b` ends before `end`. */
function sharedBytes(a: usize, b: usize, end: usize): usize {
  let from = a;
  let at = b;
  while (at + 8 <= end) {
    const differing = load<u64>(from) ^ load<u64>(at);
    if (differing != 0) return at - b + <usize>(ctz(differing) >> 3);
    from += 8;
    at += 8;
  }
  while (at < end && load<u8>(from) == load<u8>(at)) {
    from++;
    at++;
  }
  return at - b;
}

function writeLiteral(target: usize, from: usize, length: usize): usize {
  let to = target;
  const last = <u32>(length - 1);
  if (last < 60) {
    store<u8>(to++, <u8>(last << 2));
  } else if (last < 256) {
    store<u8>(to, 60 << 2);
    store<u8>(to + 1, <u8>last);
    to += 2;
  } else {
    store<u8>(to, 61 << 2);
    store<u16>(to + 1, <u16>last);
    to += 3;
  }
  memory.copy(to, from, length);
  return to + length;
}

function writeCopy(target: usize, offset: u32, length: u32): usize {
  let to = target;
  let rest = length;
  while (rest > 0) {
    // A copy of 61 to 63 would leave a rest shorter than the four bytes that the short form needs.
    const part = rest > 64 && rest < 68 ? 60 : min<u32>(64, rest);
    if (part >= 4 && part < 12 && offset < 2048) {
      store<u8>(to, <u8>(1 | ((part - 4) << 2) | ((offset >> 8) << 5)));
      store<u8>(to + 1, <u8>offset);
      to += 2;
    } else {
      store<u8>(to, <u8>(2 | ((part - 1) << 2)));
      store<u16>(to + 1, <u16>offset);
      to += 3;
    }
    rest -= part;
  }
  return to;
}
