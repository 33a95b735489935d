/**
 * Levels of log lines, as Loki detects them: the value of a JSON or logfmt field, else the first word that names one. Twin:
 * `packages/server/src/logs/level.ts`, which says what the rules are. Reads up to 64 bytes behind the lines.
 */

/** Numbers of levels, as `src/log-level-kernel.ts` has them. */
const UNKNOWN: u32 = 0;
const TRACE: u32 = 1;
const DEBUG: u32 = 2;
const INFO: u32 = 3;
const WARN: u32 = 4;
const ERROR: u32 = 5;
const CRITICAL: u32 = 6;
const FATAL: u32 = 7;

const NAME_LENGTH_MAX: usize = 13;
const WORD_LENGTH_MAX: usize = 8;
const JSON_DEPTH_MAX: i32 = 2;

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const COLON: u32 = 0x3a;
/** Makes capitals small. No other byte becomes a small letter by it. */
const SMALL: u64 = 0x2020202020202020;

/** Writes the level of each of `count` lines to `levels`, a byte a line. `bounds`: where each begins, from `lines`, and where the last ends. */
export function detectLevels(lines: usize, bounds: usize, count: i32, levels: usize): void {
  for (let row: usize = 0; row < <usize>count; row++) {
    const bound = bounds + (row << 2);
    store<u8>(levels + row, levelOfLine(lines + load<u32>(bound), lines + load<u32>(bound, 4)));
  }
}

function levelOfLine(start: usize, end: usize): u32 {
  let first = start;
  while (first < end && isSpace(load<u8>(first))) first++;
  let last = end;
  while (last > first + 1 && isSpace(load<u8>(last - 1))) last--;
  const isJson = first < end && load<u8>(first) == 0x7b && load<u8>(last - 1) == 0x7d;
  const known = isJson ? levelOfJson(first, end) : levelOfLogfmt(start, end);
  return known != UNKNOWN ? known : levelOfWords(start, end);
}

/** The value of the first JSON key at depth 1 or 2 that names a level. */
function levelOfJson(start: usize, end: usize): u32 {
  let depth = 0;
  let inArray = 0;
  let isNamed = false;
  let at = start;
  while (at < end) {
    const byte = <u32>load<u8>(at);
    if (byte == QUOTE) {
      const close = endOfString(at + 1, end);
      let next = close + 1;
      while (next < end && isSpace(load<u8>(next))) next++;
      if (next < end && load<u8>(next) == COLON) {
        const length = close - at - 1;
        isNamed =
          depth <= JSON_DEPTH_MAX &&
          inArray == 0 &&
          length <= NAME_LENGTH_MAX &&
          isJsonName(at + 1, length);
        at = next + 1;
        continue;
      }
      if (isNamed) return knownLevel(at + 1, close - at - 1);
      at = close + 1;
      continue;
    }
    if (byte == 0x7b) depth++;
    else if (byte == 0x7d) depth--;
    else if (byte == 0x5b) inArray++;
    else if (byte == 0x5d) inArray--;
    if (byte != COLON && !isSpace(byte)) isNamed = false;
    at++;
  }
  return UNKNOWN;
}

/** The place of the closing quote, or `end`. */
function endOfString(start: usize, end: usize): usize {
  let at = start;
  while (at < end) {
    const bytes = v128.load(at);
    const marks = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH))),
    );
    if (marks == 0) {
      at += 16;
      continue;
    }
    at += <usize>ctz(marks);
    if (at >= end || load<u8>(at) == QUOTE) break;
    at += 2;
  }
  return min(at, end);
}

/** The value of the `key=value` pair whose key, in any case, is the best of those that name a level; of the first of them. */
function levelOfLogfmt(start: usize, end: usize): u32 {
  let best = NO_NAME;
  let level = UNKNOWN;
  let at = start;
  while (at < end) {
    const equals = endOfName(at, end);
    if (equals == end) return level;
    let value = equals + 1;
    const isQuoted = value < end && load<u8>(value) == QUOTE;
    if (isQuoted) value++;
    const valueEnd = isQuoted ? endOfString(value, end) : endOfPlain(value, end);
    const rank = rankOfName(at, equals);
    if (rank < best) {
      best = rank;
      level = knownLevel(value, valueEnd - value);
      if (rank == BEST_NAME) return level;
    }
    at = valueEnd;
  }
  return level;
}

/** Names that carry a level in logfmt lines, the best first. */
const BEST_NAME: u32 = 0;
const LOG_LEVEL_NAME: u32 = 1;
const SEVERITY_NAME: u32 = 2;
const SEVERITY_TEXT_NAME: u32 = 3;
const LVL_NAME: u32 = 4;
const SEVERITY_UNDERSCORE_TEXT_NAME: u32 = 5;
const NO_NAME: u32 = 6;

/** The place of the next equals sign, or `end`. */
function endOfName(start: usize, end: usize): usize {
  for (let at = start; at < end; at += 16) {
    const marks = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0x3d)));
    if (marks != 0) return min(at + <usize>ctz(marks), end);
  }
  return end;
}

/** The place of the next blank or control character, or `end`. */
function endOfPlain(start: usize, end: usize): usize {
  for (let at = start; at < end; at += 16) {
    const marks = i8x16.bitmask(i8x16.le_u(v128.load(at), i8x16.splat(0x20)));
    if (marks != 0) return min(at + <usize>ctz(marks), end);
  }
  return end;
}

/** Which of the names it is, in any case, that ends at `end`, and begins at `from` or behind a blank or a quote. */
function rankOfName(from: usize, end: usize): u32 {
  if (end - from < 3) return NO_NAME;
  const last = load<u8>(end - 1) | 0x20;
  if (last != 0x6c && last != 0x79 && last != 0x74) return NO_NAME;
  let start = end;
  while (start > from) {
    const byte = <u32>load<u8>(start - 1);
    if (byte <= 0x20 || byte == QUOTE) break;
    if (end - --start > NAME_LENGTH_MAX) return NO_NAME;
  }
  const length = end - start;
  const word = smallWord(start, min(length, 8));
  if (length == 3) return word == LVL ? LVL_NAME : NO_NAME;
  if (length == 5) return word == LEVEL ? BEST_NAME : NO_NAME;
  if (length == 9) return word == LOG_LEVE && last == 0x6c ? LOG_LEVEL_NAME : NO_NAME;
  if (length < 8 || word != SEVERITY) return NO_NAME;
  if (length == 8) return SEVERITY_NAME;
  if (length == 12) return smallWord(start + 8, 4) == TEXT ? SEVERITY_TEXT_NAME : NO_NAME;
  const isText = load<u8>(start, 8) == UNDERSCORE && smallWord(start + 9, 4) == TEXT;
  return length == 13 && isText ? SEVERITY_UNDERSCORE_TEXT_NAME : NO_NAME;
}

/** Whether a JSON key of this length, 13 at most, names a level: all small, all capitals, or the words with a capital. */
function isJsonName(start: usize, length: usize): bool {
  if (length < 3) return false;
  const word = load<u64>(start) & maskOf(min(length, 8));
  if (length == 3) return word == LVL || word == LVL_CAPITALS || word == LVL_TITLE;
  if (length == 5) return word == LEVEL || word == LEVEL_CAPITALS || word == LEVEL_TITLE;
  if (length == 8) return word == SEVERITY || word == SEVERITY_CAPITALS || word == SEVERITY_TITLE;
  if (length == 9) return word == LOG_LEVE && load<u8>(start, 8) == 0x6c;
  if (length == 12) return word == SEVERITY_TITLE && load<u32>(start, 8) == <u32>TEXT_TITLE;
  if (length != 13 || load<u8>(start, 8) != UNDERSCORE) return false;
  const text = <u64>load<u32>(start, 9);
  if (word == SEVERITY) return text == TEXT;
  if (word == SEVERITY_TITLE) return text == TEXT_TITLE;
  return word == SEVERITY_CAPITALS && text == TEXT_CAPITALS;
}

const UNDERSCORE: u32 = 0x5f;
const LVL: u64 = 0x6c766c;
const LVL_CAPITALS: u64 = 0x4c564c;
const LVL_TITLE: u64 = 0x6c764c;
const LEVEL: u64 = 0x6c6576656c;
const LEVEL_CAPITALS: u64 = 0x4c4556454c;
const LEVEL_TITLE: u64 = 0x6c6576654c;
const SEVERITY: u64 = 0x7974697265766573;
const SEVERITY_CAPITALS: u64 = 0x5954495245564553;
const SEVERITY_TITLE: u64 = 0x7974697265766553;
const LOG_LEVE: u64 = 0x6576656c2e676f6c;
const TEXT: u64 = 0x74786574;
const TEXT_TITLE: u64 = 0x74786554;
const TEXT_CAPITALS: u64 = 0x54584554;

/** The first word that names a level, in any case, and stands between blanks, brackets and the like. */
function levelOfWords(start: usize, end: usize): u32 {
  let carry: u32 = 0;
  for (let at = start; at < end; at += 16) {
    const bytes = v128.load(at);
    const words = wordBytes(bytes);
    let starts = words & ~((words << 1) | carry) & initials(bytes);
    carry = words >> 15;
    for (; starts != 0; starts &= starts - 1) {
      const word = at + <usize>ctz(starts);
      if (word + 3 > end) return UNKNOWN;
      const length = min(<usize>ctz(~wordBytes(v128.load(word))), end - word);
      const level = levelOfWord(word, length);
      if (level == UNKNOWN) continue;
      const opens = word == start || mayStandBefore(load<u8>(word - 1));
      if (opens && (word + length == end || mayStandBehind(load<u8>(word + length)))) return level;
    }
  }
  return UNKNOWN;
}

/** Blank, tab, line feed, brackets that open, quotes, `=` and `|`. */
function mayStandBefore(byte: u32): bool {
  if (byte <= 0x20) return byte == 0x20 || byte == 0x09 || byte == 0x0a;
  if (byte == QUOTE || byte == 0x27 || byte == 0x3d || byte == 0x7c) return true;
  return byte == 0x5b || byte == 0x28 || byte == 0x7b;
}

/** The same, brackets that close, and `:` `,` `!`. */
function mayStandBehind(byte: u32): bool {
  if (byte == 0x5d || byte == 0x29 || byte == 0x7d) return true;
  return byte == COLON || byte == 0x2c || byte == 0x21 || mayStandBefore(byte);
}

/** A bit for each byte that is a letter, a digit or `_`. */
function wordBytes(bytes: v128): u32 {
  const letters = i8x16.lt_u(
    i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)),
    i8x16.splat(26),
  );
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10));
  const marks = i8x16.eq(bytes, i8x16.splat(<i8>UNDERSCORE));
  return <u32>i8x16.bitmask(v128.or(v128.or(letters, digits), marks));
}

/** A bit for each byte that begins the name of a level: t d f c e w i, in any case. By their two halves: 4 or 6 and 3 to 6 or 9, or 5 or 7 and 4 or 7. */
function initials(bytes: v128): u32 {
  const low = i8x16.swizzle(
    i8x16(0, 0, 0, 1, 3, 1, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0),
    v128.and(bytes, i8x16.splat(15)),
  );
  const high = i8x16.swizzle(
    i8x16(0, 0, 0, 0, 1, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0),
    i8x16.shr_u(bytes, 4),
  );
  return <u32>i8x16.bitmask(i8x16.ne(v128.and(low, high), i8x16.splat(0)));
}

/** The level that a word in a line tells. */
function levelOfWord(start: usize, length: usize): u32 {
  if (length < 3 || length > WORD_LENGTH_MAX) return UNKNOWN;
  const word = smallWord(start, length);
  if (length == 3) return word == ERR_WORD ? ERROR : UNKNOWN;
  return levelOfLongWord(word, length);
}

/** The level that the value of a field says. */
function knownLevel(start: usize, length: usize): u32 {
  if (length < 3) return UNKNOWN;
  if (length == 11)
    return smallWord(start, 8) == INFORMAT && smallWord(start + 8, 3) == ION ? INFO : UNKNOWN;
  if (length > WORD_LENGTH_MAX) return UNKNOWN;
  const word = smallWord(start, length);
  if (length > 3) return levelOfLongWord(word, length);
  if (word == ERR_WORD) return ERROR;
  if (word == TRC_WORD) return TRACE;
  if (word == DBG_WORD) return DEBUG;
  if (word == INF_WORD) return INFO;
  return word == WRN_WORD ? WARN : UNKNOWN;
}

/** Of the words of four letters and more. */
function levelOfLongWord(word: u64, length: usize): u32 {
  if (length == 4) {
    if (word == INFO_WORD) return INFO;
    return word == WARN_WORD ? WARN : UNKNOWN;
  }
  if (length == 5) {
    if (word == ERROR_WORD) return ERROR;
    if (word == DEBUG_WORD) return DEBUG;
    if (word == TRACE_WORD) return TRACE;
    return word == FATAL_WORD ? FATAL : UNKNOWN;
  }
  if (length == 7) return word == WARNING_WORD ? WARN : UNKNOWN;
  return length == 8 && word == CRITICAL_WORD ? CRITICAL : UNKNOWN;
}

const ERR_WORD: u64 = 0x727265;
const TRC_WORD: u64 = 0x637274;
const DBG_WORD: u64 = 0x676264;
const INF_WORD: u64 = 0x666e69;
const WRN_WORD: u64 = 0x6e7277;
const INFO_WORD: u64 = 0x6f666e69;
const WARN_WORD: u64 = 0x6e726177;
const ERROR_WORD: u64 = 0x726f727265;
const DEBUG_WORD: u64 = 0x6775626564;
const TRACE_WORD: u64 = 0x6563617274;
const FATAL_WORD: u64 = 0x6c61746166;
const WARNING_WORD: u64 = 0x676e696e726177;
const CRITICAL_WORD: u64 = 0x6c61636974697263;
const INFORMAT: u64 = 0x74616d726f666e69;
const ION: u64 = 0x6e6f69;

/** Up to 8 bytes, capitals made small. */
function smallWord(start: usize, length: usize): u64 {
  return (load<u64>(start) | SMALL) & maskOf(length);
}

function maskOf(length: usize): u64 {
  return <u64>-1 >> (64 - 8 * <u64>length);
}

function isSpace(byte: u32): bool {
  return byte == 0x20 || byte - 9 < 5;
}
