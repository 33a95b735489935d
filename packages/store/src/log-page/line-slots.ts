/**
 * How a line falls apart: text that comes again in other lines, and **slots**, the values between. A line has one kind, which says how its
 * slots were found; of JSON and logfmt lines each slot is the value of a field. Pages are split by codec's kernel `line-slots`, whose twin this is.
 */

export const LINE_TEXT = 0;
export const LINE_JSON = 1;
export const LINE_LOGFMT = 2;
/** One slot that is the whole line: it is too long, or falls into too many parts. */
export const LINE_WHOLE = 3;

export type LineKind = typeof LINE_TEXT | typeof LINE_JSON | typeof LINE_LOGFMT | typeof LINE_WHOLE;

/** A line with more values is kept whole: each slot is a column, and columns of few values cost more than they save. */
export const SLOTS_MAX = 64;

/** Where the values of a line begin and end. */
export interface SlotPlaces {
  readonly count: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** Gathers them. One object serves all lines. */
export class LineSlots implements SlotPlaces {
  count = 0;
  readonly starts = new Uint32Array(SLOTS_MAX + 1);
  readonly ends = new Uint32Array(SLOTS_MAX + 1);

  /** Answers false when there is no room. */
  add(start: number, end: number): boolean {
    const at = this.count;
    if (at >= SLOTS_MAX) return false;
    this.starts[at] = start;
    this.ends[at] = end;
    this.count = at + 1;
    return true;
  }
}

/** Longer lines are not looked into. */
const LINE_BYTES_MAX = 16 * 1024;

const OPEN_BRACE = 123;

/** Finds the slots of the line `bytes[start … end)` and says its kind. */
export function findSlots(
  bytes: Uint8Array,
  start: number,
  end: number,
  slots: LineSlots,
): LineKind {
  slots.count = 0;
  if (end - start <= LINE_BYTES_MAX) {
    if (bytes[start] === OPEN_BRACE) {
      if (findJsonSlots(bytes, start, end, slots)) return LINE_JSON;
    } else if (isLogfmt(bytes, start, end) && findLogfmtSlots(bytes, start, end, slots))
      return LINE_LOGFMT;
    slots.count = 0;
    if (findTextSlots(bytes, start, end, slots)) return LINE_TEXT;
    slots.count = 0;
  }
  slots.add(start, end);
  return LINE_WHOLE;
}

/** Classes of bytes. */
const WORD = 1;
/** Begins or ends what a logfmt key or plain value may be: blanks, `=` and `"`. */
const LOGFMT_END = 2;

const CLASSES = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  const isDigit = c >= 48 && c <= 57;
  const isLetter = (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c > 127;
  const endsLogfmt = c <= 32 || c === 61 || c === 34;
  CLASSES[c] = (isDigit || isLetter ? WORD : 0) | (endsLogfmt ? LOGFMT_END : 0);
}

/** Slots of a text are its words: those that are the same in all lines of the template make a column of one value. */
function findTextSlots(bytes: Uint8Array, start: number, end: number, slots: LineSlots): boolean {
  for (let i = start; i < end;) {
    if ((CLASSES[bytes[i]!]! & WORD) === 0) {
      i++;
      continue;
    }
    const from = i++;
    while (i < end && (CLASSES[bytes[i]!]! & WORD) !== 0) i++;
    if (!slots.add(from, i)) return false;
  }
  return true;
}

/** Whether the line begins with a key and `=`. */
function isLogfmt(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end && (CLASSES[bytes[i]!]! & LOGFMT_END) === 0) i++;
  return i > start && i < end && bytes[i] === 61;
}

/** False when the line is not wholly made of pairs and bare keys. */
function findLogfmtSlots(bytes: Uint8Array, start: number, end: number, slots: LineSlots): boolean {
  for (let i = start; i < end;) {
    if (bytes[i]! <= 32) {
      i++;
      continue;
    }
    const key = i;
    while (i < end && (CLASSES[bytes[i]!]! & LOGFMT_END) === 0) i++;
    if (i === key) return false;
    if (i === end || bytes[i]! <= 32) continue;
    if (bytes[i] !== 61) return false;
    i++;
    if (bytes[i] === 34 && i < end) {
      const from = ++i;
      for (; ; i++) {
        if (i >= end) return false;
        const c = bytes[i]!;
        if (c === 34) break;
        // What an escape means depends on its kind; such lines are left to the parser.
        if (c === 92 && (bytes[++i] !== 34 || i >= end)) return false;
      }
      if (!slots.add(from, i)) return false;
      i++;
      // Text right behind a quoted value would be the next key.
      if (i < end && bytes[i]! > 32) return false;
      continue;
    }
    const from = i;
    while (i < end && (CLASSES[bytes[i]!]! & LOGFMT_END) === 0) i++;
    if (i < end && bytes[i]! > 32) return false;
    if (!slots.add(from, i)) return false;
  }
  return true;
}

/** How deep objects and arrays may lie in each other. */
const DEPTH_MAX = 16;
const OPEN_OBJECT = 1;
const nesting = new Uint8Array(DEPTH_MAX + 1);

/**
 * Slots are the strings (between their quotes), numbers and booleans. False unless the line is one object of valid JSON whose keys have no
 * escapes; then a parser of JSON finds the same.
 */
function findJsonSlots(bytes: Uint8Array, start: number, end: number, slots: LineSlots): boolean {
  let depth = 0;
  let i = start;
  for (;;) {
    // A value begins at `i`.
    const c = i < end ? bytes[i]! : 0;
    if (c === 123 || c === 91) {
      if (++depth > DEPTH_MAX) return false;
      nesting[depth] = c === 123 ? OPEN_OBJECT : 0;
      i = skipBlanks(bytes, i + 1, end);
      const close = c === 123 ? 125 : 93;
      if (bytes[i] === close && i < end) {
        depth--;
        i++;
      } else {
        if (c === 123 && (i = skipKey(bytes, i, end)) < 0) return false;
        continue;
      }
    } else if (c === 34) {
      const from = ++i;
      if ((i = endOfString(bytes, i, end)) < 0 || !slots.add(from, i)) return false;
      i++;
    } else {
      const from = i;
      i = endOfPlain(bytes, i, end);
      if (i === from) return false;
      // `null` is no value: it stays with the text around.
      if (bytes[from] !== 110 && !slots.add(from, i)) return false;
    }
    // Behind a value.
    for (;;) {
      i = skipBlanks(bytes, i, end);
      if (depth === 0) return i === end;
      if (i >= end) return false;
      const inObject = nesting[depth] === OPEN_OBJECT;
      if (bytes[i] === 44) {
        i = skipBlanks(bytes, i + 1, end);
        if (inObject && (i = skipKey(bytes, i, end)) < 0) return false;
        break;
      }
      if (bytes[i] !== (inObject ? 125 : 93)) return false;
      depth--;
      i++;
    }
  }
}

function skipBlanks(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && (bytes[i] === 32 || bytes[i] === 9 || bytes[i] === 10 || bytes[i] === 13)) i++;
  return i;
}

/** Behind the key at `from`, its colon and blanks; -1 when there is none. */
function skipKey(bytes: Uint8Array, from: number, end: number): number {
  if (from >= end || bytes[from] !== 34) return -1;
  let i = from + 1;
  for (; i < end; i++) {
    const c = bytes[i]!;
    if (c === 34) break;
    if (c === 92 || c < 32) return -1;
  }
  i = skipBlanks(bytes, i + 1, end);
  if (i >= end || bytes[i] !== 58) return -1;
  return skipBlanks(bytes, i + 1, end);
}

/** The place of the quote that ends a string; -1 when there is none or an escape is wrong. */
function endOfString(bytes: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const c = bytes[i]!;
    if (c === 34) return i;
    if (c !== 92) continue;
    const escape = bytes[++i]!;
    if (i >= end) return -1;
    if (escape === 117) {
      for (let k = 0; k < 4; k++) if (!isHex(bytes[++i]!)) return -1;
      if (i >= end) return -1;
    } else if (!SIMPLE_ESCAPES.includes(escape)) return -1;
  }
  return -1;
}

/** `"\/bfnrt` */
const SIMPLE_ESCAPES = Uint8Array.of(34, 92, 47, 98, 102, 110, 114, 116);

function isHex(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);
}

/** Behind a number, true, false or null; `from` when there is none. */
function endOfPlain(bytes: Uint8Array, from: number, end: number): number {
  const first = bytes[from]!;
  if (first === 116) return endOfWord(bytes, from, end, TRUE);
  if (first === 102) return endOfWord(bytes, from, end, FALSE);
  if (first === 110) return endOfWord(bytes, from, end, NULL);
  let i = first === 45 ? from + 1 : from;
  const whole = skipDigits(bytes, i, end);
  if (whole === i) return from;
  i = whole;
  if (i < end && bytes[i] === 46) {
    const fraction = skipDigits(bytes, i + 1, end);
    if (fraction === i + 1) return from;
    i = fraction;
  }
  if (i < end && (bytes[i] === 101 || bytes[i] === 69)) {
    const sign = bytes[i + 1] === 43 || bytes[i + 1] === 45 ? 1 : 0;
    const exponent = skipDigits(bytes, i + 1 + sign, end);
    if (exponent === i + 1 + sign) return from;
    i = exponent;
  }
  return i;
}

const TRUE = Uint8Array.of(116, 114, 117, 101);
const FALSE = Uint8Array.of(102, 97, 108, 115, 101);
const NULL = Uint8Array.of(110, 117, 108, 108);

function endOfWord(bytes: Uint8Array, from: number, end: number, word: Uint8Array): number {
  if (end - from < word.length) return from;
  for (let k = 0; k < word.length; k++) if (bytes[from + k] !== word[k]) return from;
  return from + word.length;
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && bytes[i]! >= 48 && bytes[i]! <= 57) i++;
  return i;
}
