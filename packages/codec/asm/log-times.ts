/**
 * Times of a page of logs out of the differences between them, which stand in planes of bytes: `docs/format/log-pages.md`. Twin: `packages/store/src/log-page/times.ts`.
 */

/**
 * Adds up `count` differences of `width` bytes (6 at most) from `planes` on, beginning with the time whose halves are `low` and `high`, and writes a 64-bit number for each
 * to `out`. Reads up to 16 bytes behind the planes, writes up to 128 behind the numbers.
 */
export function addDifferences(
  planes: usize,
  width: u32,
  count: u32,
  low: u32,
  high: u32,
  out: usize,
): void {
  const none = i64x2.splat(0);
  let sum = i64x2.splat(<i64>(((<u64>high) << 32) | low));
  for (let row: u32 = 0; row < count; row += 16) {
    const at = planes + row;
    const first = width > 0 ? v128.load(at) : none;
    const second = width > 1 ? v128.load(at + count) : none;
    const third = width > 2 ? v128.load(at + 2 * count) : none;
    const fourth = width > 3 ? v128.load(at + 3 * count) : none;
    const fifth = width > 4 ? v128.load(at + 4 * count) : none;
    const sixth = width > 5 ? v128.load(at + 5 * count) : none;
    const to = out + 8 * row;
    sum = addEight(
      lowBytes(first, second),
      lowBytes(third, fourth),
      lowBytes(fifth, sixth),
      sum,
      to,
    );
    sum = addEight(
      highBytes(first, second),
      highBytes(third, fourth),
      highBytes(fifth, sixth),
      sum,
      to + 64,
    );
  }
}

/** Eight differences, of which 16 bits each stand in three vectors. */
function addEight(lowest: v128, middle: v128, highest: v128, sum: v128, to: usize): v128 {
  const none = i64x2.splat(0);
  const next = addFour(lowWords(lowest, middle), lowWords(highest, none), sum, to);
  return addFour(highWords(lowest, middle), highWords(highest, none), next, to + 32);
}

/** Four, of which 32 bits each stand in two. */
function addFour(low: v128, high: v128, sum: v128, to: usize): v128 {
  const next = addTwo(v128.shuffle<u32>(low, high, 0, 4, 1, 5), sum, to);
  return addTwo(v128.shuffle<u32>(low, high, 2, 6, 3, 7), next, to + 16);
}

/** Writes two sums; returns the second, twice. */
function addTwo(differences: v128, sum: v128, to: usize): v128 {
  const before = v128.shuffle<u64>(i64x2.splat(0), differences, 0, 2);
  const sums = i64x2.add(i64x2.add(differences, before), sum);
  v128.store(to, sums);
  return v128.shuffle<u64>(sums, sums, 1, 1);
}

function lowBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

function highBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

function lowWords(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

function highWords(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
