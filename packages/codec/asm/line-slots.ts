/**
 * How a log line falls apart into slots and the text between: of JSON, of logfmt, or of words. Twin: `packages/store/src/log-page/line-slots.ts`, which
 * says what the rules are. Reads up to 64 bytes behind the line.
 */

export const LINE_TEXT: i32 = 0;
export const LINE_JSON: i32 = 1;
export const LINE_LOGFMT: i32 = 2;
export const LINE_WHOLE: i32 = 3;

const SLOTS_MAX: usize = 64;
const LINE_BYTES_MAX: usize = 16 * 1024;
const DEPTH_MAX: i32 = 16;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const EQUALS: u32 = 0x3d;
const COLON: u32 = 0x3a;
const BACKSLASH: u32 = 0x5c;

/** Places are told from here. */
let origin: usize = 0;
/** Where the next slot's beginning is written, and how far behind it its end. */
let slotTo: usize = 0;
let slotLast: usize = 0;
let endsBehind: usize = 0;

/**
 * Finds the slots of the line `start … end`; returns its kind. Where slots begin, from `base`, is written to `slots`, 4 bytes each, and where they end
 * `endsAfter` bytes behind; {@link slotCount} says how many, 64 at most, and none of a line that is kept whole.
 */
export function findSlots(
  base: usize,
  start: usize,
  end: usize,
  slots: usize,
  endsAfter: usize,
): i32 {
  origin = base;
  endsBehind = endsAfter;
  begin(slots);
  if (end - start > LINE_BYTES_MAX) return LINE_WHOLE;
  if (start < end) {
    if (load<u8>(start) == 0x7b) {
      if (findJsonSlots(start, end)) return LINE_JSON;
    } else if (isLogfmt(start, end) && findLogfmtSlots(start, end)) return LINE_LOGFMT;
  }
  begin(slots);
  if (findTextSlots(start, end)) return LINE_TEXT;
  begin(slots);
  return LINE_WHOLE;
}

/** Of the line that was looked at last, whose slots stand at `slots`. */
export function slotCount(slots: usize): usize {
  return (slotTo - slots) >> 2;
}

function begin(slots: usize): void {
  slotTo = slots;
  slotLast = slots + (SLOTS_MAX << 2);
}

/** Answers false when there is no room. */
function addSlot(start: usize, end: usize): bool {
  if (slotTo == slotLast) return false;
  store<u32>(slotTo, <u32>(start - origin));
  store<u32>(slotTo + endsBehind, <u32>(end - origin));
  slotTo += 4;
  return true;
}

/** Slots of a text are its words. */
function findTextSlots(start: usize, end: usize): bool {
  let from: usize = 0;
  let isOpen = false;
  let carry: u32 = 0;
  for (let at = start; at < end; at += 16) {
    let words = wordBytes(at);
    if (end - at < 16) words &= (1 << (<u32>(end - at))) - 1;
    // Where words begin and end, in turns.
    let edges = (words ^ ((words << 1) | carry)) & 0xffff;
    carry = words >> 15;
    for (; edges != 0; edges &= edges - 1) {
      const edge = at + <usize>ctz(edges);
      if (!isOpen) from = edge;
      else if (!addSlot(from, edge)) return false;
      isOpen = !isOpen;
    }
  }
  return !isOpen || addSlot(from, end);
}

/** A bit for each of 16 bytes that is a letter, a digit, `_` or beyond ASCII. */
function wordBytes(at: usize): u32 {
  const bytes = v128.load(at);
  const letters = i8x16.lt_u(
    i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)),
    i8x16.splat(26),
  );
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10));
  const marks = v128.or(i8x16.eq(bytes, i8x16.splat(0x5f)), bytes);
  // Only the highest bit counts.
  return <u32>i8x16.bitmask(v128.or(v128.or(letters, digits), marks));
}

/** Whether the line begins with a key and `=`. */
function isLogfmt(start: usize, end: usize): bool {
  const at = endOfPlainText(start, end);
  return at > start && at < end && load<u8>(at) == EQUALS;
}

/** False when the line is not wholly made of pairs and bare keys. */
function findLogfmtSlots(start: usize, end: usize): bool {
  for (let at = start; at < end;) {
    if (load<u8>(at) <= 32) {
      at++;
      continue;
    }
    const key = at;
    at = endOfPlainText(at, end);
    if (at == key) return false;
    if (at == end || load<u8>(at) <= 32) continue;
    if (load<u8>(at) != EQUALS) return false;
    at++;
    const isQuoted = at < end && load<u8>(at) == QUOTE;
    const from = isQuoted ? at + 1 : at;
    const to = isQuoted ? endOfQuoted(from, end) : endOfPlainText(from, end);
    if (to == 0 || !addSlot(from, to)) return false;
    at = isQuoted ? to + 1 : to;
    // Text right behind a quoted value would be the next key.
    if (at < end && load<u8>(at) > 32) return false;
  }
  return true;
}

/** The place of the next blank, control character, `=` or `"`, or `end`. */
function endOfPlainText(start: usize, end: usize): usize {
  for (let at = start; at < end; at += 16) {
    const bytes = v128.load(at);
    const marks = i8x16.bitmask(
      v128.or(
        i8x16.le_u(bytes, i8x16.splat(32)),
        v128.or(i8x16.eq(bytes, i8x16.splat(0x3d)), i8x16.eq(bytes, i8x16.splat(0x22))),
      ),
    );
    if (marks != 0) return min(at + <usize>ctz(marks), end);
  }
  return end;
}

/** The place of the quote that ends a logfmt value; 0 when there is none, or an escape other than that of a quote. */
function endOfQuoted(start: usize, end: usize): usize {
  let at = start;
  while (true) {
    at = nextQuote(at, end);
    if (at >= end) return 0;
    if (load<u8>(at) == QUOTE) return at;
    if (at + 1 >= end || load<u8>(at, 1) != QUOTE) return 0;
    at += 2;
  }
}

/** The place of the next quote or backslash; `end` or behind when there is none. */
function nextQuote(start: usize, end: usize): usize {
  let at = start;
  for (; at < end; at += 16) {
    const bytes = v128.load(at);
    const marks = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
    );
    if (marks != 0) return at + <usize>ctz(marks);
  }
  return at;
}

/** False unless the line is one object of valid JSON whose keys have no escapes. */
function findJsonSlots(start: usize, end: usize): bool {
  let depth = 0;
  /** A bit for each level, the innermost lowest: whether it is an object. */
  let objects: u32 = 0;
  let at = start;
  while (true) {
    // A value begins here.
    if (at >= end) return false;
    const byte = <u32>load<u8>(at);
    if (byte == 0x7b || byte == 0x5b) {
      if (++depth > DEPTH_MAX) return false;
      const isObject = byte == 0x7b;
      objects = (objects << 1) | u32(isObject);
      at = skipBlanks(at + 1, end);
      if (at >= end) return false;
      if (load<u8>(at) == byte + 2) {
        depth--;
        objects >>= 1;
        at++;
      } else {
        if (isObject && (at = skipKey(at, end)) == 0) return false;
        continue;
      }
    } else if (byte == QUOTE) {
      const from = ++at;
      if ((at = endOfString(at, end)) == 0 || !addSlot(from, at)) return false;
      at++;
    } else {
      const from = at;
      at = endOfPlain(at, end);
      if (at == from) return false;
      // `null` is no value: it stays with the text around.
      if (byte != 0x6e && !addSlot(from, at)) return false;
    }
    // Behind a value.
    while (true) {
      at = skipBlanks(at, end);
      if (depth == 0) return at == end;
      if (at >= end) return false;
      const isObject = (objects & 1) != 0;
      const mark = <u32>load<u8>(at);
      if (mark == COMMA) {
        at = skipBlanks(at + 1, end);
        if (isObject && (at = skipKey(at, end)) == 0) return false;
        break;
      }
      if (mark != (isObject ? 0x7d : 0x5d)) return false;
      depth--;
      objects >>= 1;
      at++;
    }
  }
}

function skipBlanks(start: usize, end: usize): usize {
  let at = start;
  while (at < end) {
    const byte = <u32>load<u8>(at);
    if (byte != 32 && byte != 9 && byte != 10 && byte != 13) break;
    at++;
  }
  return at;
}

/** Behind the key, its colon and blanks; 0 when there is none. */
function skipKey(start: usize, end: usize): usize {
  if (start >= end || load<u8>(start) != QUOTE) return 0;
  let at = start + 1;
  for (; at < end; at += 16) {
    const bytes = v128.load(at);
    const marks = i8x16.bitmask(
      v128.or(
        i8x16.lt_u(bytes, i8x16.splat(32)),
        v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
      ),
    );
    if (marks == 0) continue;
    at += <usize>ctz(marks);
    break;
  }
  if (at >= end || load<u8>(at) != QUOTE) return 0;
  at = skipBlanks(at + 1, end);
  if (at >= end || load<u8>(at) != COLON) return 0;
  return skipBlanks(at + 1, end);
}

/** The place of the quote that ends a string; 0 when there is none or an escape is wrong. */
function endOfString(start: usize, end: usize): usize {
  let at = start;
  while (true) {
    at = nextQuote(at, end);
    if (at >= end) return 0;
    if (load<u8>(at) == QUOTE) return at;
    if (++at >= end) return 0;
    const escape = <u32>load<u8>(at++);
    if (escape == 0x75) {
      if (at + 4 > end) return 0;
      for (let k = 0; k < 4; k++) if (!isHex(load<u8>(at++))) return 0;
    } else if (!isSimpleEscape(escape)) return 0;
  }
}

/** One of `"\/bfnrt`. */
function isSimpleEscape(byte: u32): bool {
  return (
    byte == QUOTE ||
    byte == BACKSLASH ||
    byte == 0x2f ||
    byte == 0x62 ||
    byte == 0x66 ||
    byte == 0x6e ||
    byte == 0x72 ||
    byte == 0x74
  );
}

function isHex(byte: u32): bool {
  return byte - 48 < 10 || (byte | 0x20) - 97 < 6;
}

/** Behind a number, true, false or null; `start` when there is none. */
function endOfPlain(start: usize, end: usize): usize {
  const first = <u32>load<u8>(start);
  if (first == 0x74) return end - start >= 4 && load<u32>(start) == 0x65757274 ? start + 4 : start;
  if (first == 0x6e) return end - start >= 4 && load<u32>(start) == 0x6c6c756e ? start + 4 : start;
  if (first == 0x66)
    return end - start >= 5 && load<u32>(start, 1) == 0x65736c61 ? start + 5 : start;
  let from = first == 0x2d ? start + 1 : start;
  let at = skipDigits(from, end);
  if (at == from) return start;
  if (at < end && load<u8>(at) == 0x2e) {
    from = at + 1;
    at = skipDigits(from, end);
    if (at == from) return start;
  }
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    from = at + 1;
    if (from < end && (load<u8>(from) == 0x2b || load<u8>(from) == 0x2d)) from++;
    at = skipDigits(from, end);
    if (at == from) return start;
  }
  return at;
}

function skipDigits(start: usize, end: usize): usize {
  let at = start;
  while (at < end && <u32>load<u8>(at) - 48 < 10) at++;
  return at;
}
