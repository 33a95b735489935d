/**
 * The grams that a page of log lines puts into its filter, four a step. What a gram is and which are chosen: `docs/format/log-pages.md`. Twin:
 * `packages/store/src/log-page/gram-filter.ts`. Reads up to 64 bytes behind what it is given.
 */

const GRAM_BYTES: usize = 6;
/** Bytes whose windows are looked for at once. */
const STEP: usize = 16;

/** A gram is known by a number of so many bits. */
const GRAM_BITS: u32 = 21;
const PLACES_BYTES: usize = 1 << (GRAM_BITS - 3);

/** A bit for each gram there can be. */
let placesAt: usize = 0;
/** The grams that were met: where they begin, the next one goes, and there is no more room. */
let listAt: usize = 0;
let listTo: usize = 0;
let listEnd: usize = 0;

/** Begins a page. `places`: 2^18 bytes for its own use; `list`: gets the grams, at most `max`, and what a step adds beyond. */
export function beginGrams(places: usize, list: usize, max: u32): void {
  placesAt = places;
  memory.fill(places, 0, PLACES_BYTES);
  listAt = listTo = list;
  listEnd = list + ((<usize>max) << 2);
}

/** How many grams were met. */
export function countGrams(): u32 {
  return <u32>((listTo - listAt) >> 2);
}

/**
 * Adds the grams of those of `lineCount` lines whose template is wanted; false when there are too many. `bounds`: where each line begins, from `lines`, and where the last
 * ends; `wanted`: a byte for each template; `templateOf`: two for each line.
 */
export function addLines(
  lines: usize,
  bounds: usize,
  lineCount: usize,
  templateOf: usize,
  wanted: usize,
): bool {
  for (let line: usize = 0; line < lineCount; line++) {
    if (load<u8>(wanted + load<u16>(templateOf + (line << 1))) == 0) continue;
    const bound = bounds + (line << 2);
    if (!addGrams(lines + load<u32>(bound), lines + load<u32>(bound, 4), false)) return false;
  }
  return true;
}

/** Adds the grams of `pieces` pieces of lines, between `lines + starts[i]` and `lines + ends[i]`; false when there are too many. A lead may begin a piece if `isLead`. */
export function addPieces(
  lines: usize,
  starts: usize,
  ends: usize,
  pieces: usize,
  isLead: bool,
): bool {
  for (let at: usize = 0; at < pieces << 2; at += 4)
    if (!addGrams(lines + load<u32>(starts + at), lines + load<u32>(ends + at), isLead))
      return false;
  return true;
}

/**
 * The same of times as `2026-11-27T18:46:48.123Z`, at least one. Only their first 13 bytes have grams, and mostly those of the time before.
 */
export function addTimes(lines: usize, starts: usize, ends: usize, times: usize): bool {
  let before = lines + load<u32>(starts);
  if (!addGrams(before, lines + load<u32>(ends), true)) return false;
  for (let at: usize = 4; at < times << 2; at += 4) {
    const start = lines + load<u32>(starts + at);
    if (i8x16.all_true(i8x16.eq(v128.load(start), v128.load(before)))) continue;
    if (!addGrams(start, lines + load<u32>(ends + at), true)) return false;
    before = start;
  }
  return true;
}

/** Adds the grams of the bytes between; false when there are too many. */
function addGrams(start: usize, end: usize, isLead: bool): bool {
  if (listTo > listEnd) return false;
  // Nothing shorter has a gram.
  if (start + GRAM_BYTES > end) return true;
  // Grams at `hashedAt … hashedAt + 3`, which are often wanted twice.
  let hashed = i32x4.splat(0);
  let hashedAt: usize = 0;
  let solidBefore = u32(!isLead);
  let bytes = v128.load(start);
  let solid = solidBits(bytes);
  let digits = digitBits(bytes);
  let points = pointBits(bytes);
  let words = solid | markBits(bytes);
  for (let at = start; at + GRAM_BYTES <= end; at += STEP) {
    let run = words;
    let figures = digits;
    let dots = points;
    // Behind what no lead begins.
    const closed = (solid << 1) | solidBefore;
    solidBefore = solid >> 15;
    const rest = end - at;
    if (rest > STEP) {
      bytes = v128.load(at, 16);
      solid = solidBits(bytes);
      digits = digitBits(bytes);
      points = pointBits(bytes);
      words = solid | markBits(bytes);
      run |= words << 16;
      figures |= digits << 16;
      dots |= points << 16;
    }
    if (rest < 2 * STEP) {
      const inside: u32 = (1 << (<u32>rest)) - 1;
      run &= inside;
      figures &= inside;
      dots &= inside;
    }
    // Where six digits begin.
    let leads = figures & (figures >> 1);
    leads &= leads >> 2;
    leads &= figures >> 4;
    leads &= figures >> 5;
    leads &= 0xffff & ~closed;
    for (; leads != 0; leads &= leads - 1) addLead(at + ctz(leads));
    if (dots != 0) addAddresses(at, figures, dots);
    // Where nine bytes of a word begin.
    let windows = run & (run >> 1);
    windows &= windows >> 2;
    windows &= windows >> 4;
    windows &= run >> 8;
    windows &= 0xffff;
    for (let place = at; windows != 0; place += 4, windows >>= 4) {
      const wanted = windows & 15;
      if (wanted == 0) continue;
      const first = hashedAt == place ? hashed : hashGrams(place);
      hashed = hashGrams(place + 4);
      hashedAt = place + 4;
      // What neighbours choose alike is added several times, which is cheaper than to find out.
      const chosen = placesOf(
        i32x4.min_u(
          i32x4.min_u(first, i32x4.shuffle(first, hashed, 1, 2, 3, 4)),
          i32x4.min_u(
            i32x4.shuffle(first, hashed, 2, 3, 4, 5),
            i32x4.shuffle(first, hashed, 3, 4, 5, 6),
          ),
        ),
      );
      if ((wanted & 1) != 0) addPlace(i32x4.extract_lane(chosen, 0));
      if ((wanted & 2) != 0) addPlace(i32x4.extract_lane(chosen, 1));
      if ((wanted & 4) != 0) addPlace(i32x4.extract_lane(chosen, 2));
      if ((wanted & 8) != 0) addPlace(i32x4.extract_lane(chosen, 3));
    }
    if (listTo > listEnd) return false;
  }
  return true;
}

/** Adds the six digits at `at`, which have a fifth hash. */
function addLead(at: usize): void {
  const low = load<u32>(at);
  const high = <u32>load<u16>(at, 4);
  addHashes(low, high, 16);
  const fifth = placesOf(hash(i32x4.splat(low), i32x4.splat(high | (5 << 16))));
  addPlace(i32x4.extract_lane(fifth, 0));
}

/** Adds four hashes of one thing; their numbers begin at a bit of `high`. */
function addHashes(low: u32, high: u32, numberBit: i32): void {
  const numbered = v128.or(i32x4.splat(high), i32x4.shl(i32x4(1, 2, 3, 4), numberBit));
  const chosen = placesOf(hash(i32x4.splat(low), numbered));
  addPlace(i32x4.extract_lane(chosen, 0));
  addPlace(i32x4.extract_lane(chosen, 1));
  addPlace(i32x4.extract_lane(chosen, 2));
  addPlace(i32x4.extract_lane(chosen, 3));
}

/** Adds the middles of addresses that begin at the first 16 of the 32 bytes from `at` on, of which these are digits and points. */
function addAddresses(at: usize, digits: u32, points: u32): void {
  // Where a part of up to three digits begins that ends at a point.
  const parts =
    digits & ((points >> 1) | ((digits >> 1) & ((points >> 2) | ((digits >> 2) & (points >> 3)))));
  let middles = 0xffff & digits & (points >> 1) & (parts >> 2);
  for (; middles != 0; middles &= middles - 1) {
    const first = <u32>ctz(middles);
    const second = first + 2;
    const third = second + <u32>ctz(points >> second) + 1;
    // All of it lies in these bytes: it has eleven at most.
    if (((parts >> third) & 1) == 0) continue;
    const fourth = third + <u32>ctz(points >> third) + 1;
    if (((digits >> fourth) & 1) != 0) addMiddle(at, first, third, fourth);
  }
}

/** Adds the middle of an address: its digits before the first point and behind the third, and its parts from `first + 2` and `third` on. */
function addMiddle(at: usize, first: u32, third: u32, fourth: u32): void {
  const low = partAt(at + first + 2, third - first - 3) | ((<u32>load<u8>(at + first)) << 24);
  const high = partAt(at + third, fourth - third - 1) | ((<u32>load<u8>(at + fourth) & 15) << 24);
  addHashes(low, high, 28);
}

/** Up to three bytes. */
function partAt(at: usize, length: u32): u32 {
  return load<u32>(at) & ((1 << (8 * length)) - 1);
}

/** The numbers of grams: what is chosen for being small is spread over all of them. */
function placesOf(hashes: v128): v128 {
  return i32x4.shr_u(i32x4.mul(hashes, i32x4.splat(<i32>0x9e3779b1)), 32 - GRAM_BITS);
}

function addPlace(place: u32): void {
  const byte = placesAt + (place >> 3);
  const before = <u32>load<u8>(byte);
  const bit = place & 7;
  store<u8>(byte, <u8>(before | (1 << bit)));
  // The next one takes its place in the list, unless it is new.
  store<u32>(listTo, place);
  listTo += (((before >> bit) & 1) ^ 1) << 2;
}

/** Makes a filter of `bitCount` bits, which are zero before, of the grams. */
export function foldGrams(bits: usize, bitCount: u32): void {
  for (let at = listAt; at < listTo; at += 4) {
    const bit = <u32>((<u64>load<u32>(at) * <u64>bitCount) >> GRAM_BITS);
    const byte = bits + (bit >> 3);
    store<u8>(byte, load<u8>(byte) | ((<u8>1) << (<u8>(bit & 7))));
  }
}

/** A bit for each byte behind which no lead begins: letters, digits, `.` and what is beyond ASCII. */
function solidBits(bytes: v128): u32 {
  const letters = i8x16.lt_u(
    i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)),
    i8x16.splat(26),
  );
  const digits = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10));
  const points = i8x16.eq(bytes, i8x16.splat(0x2e));
  // Only the highest bit counts.
  return <u32>i8x16.bitmask(v128.or(v128.or(letters, digits), v128.or(points, bytes)));
}

/** Of each digit. */
function digitBits(bytes: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10)));
}

/** Of each `.`. */
function pointBits(bytes: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x2e)));
}

/** Of what else a word has: `_` and `-`. */
function markBits(bytes: v128): u32 {
  return <u32>(
    i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(0x5f)), i8x16.eq(bytes, i8x16.splat(0x2d))))
  );
}

/** Hashes of the grams that begin at the four bytes from `at` on. */
function hashGrams(at: usize): v128 {
  const bytes = v128.load(at);
  const low = i8x16.shuffle(bytes, bytes, 0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
  const high = i8x16.shuffle(
    bytes,
    i32x4.splat(0),
    4,
    5,
    16,
    16,
    5,
    6,
    16,
    16,
    6,
    7,
    16,
    16,
    7,
    8,
    16,
    16,
  );
  return hash(low, high);
}

function hash(low: v128, high: v128): v128 {
  let mixed = v128.xor(
    i32x4.mul(low, i32x4.splat(<i32>0xcc9e2d51)),
    i32x4.mul(high, i32x4.splat(0x1b873593)),
  );
  mixed = i32x4.mul(v128.xor(mixed, i32x4.shr_u(mixed, 15)), i32x4.splat(<i32>0x85ebca6b));
  return v128.xor(mixed, i32x4.shr_u(mixed, 13));
}
