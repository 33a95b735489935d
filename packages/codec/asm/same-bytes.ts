/** Whether bytes are the same, 16 a step. Reads up to 16 bytes behind either. */

export function isSame(one: usize, other: usize, length: u32): bool {
  let at: usize = 0;
  let rest = length;
  for (; rest >= 16; rest -= 16, at += 16)
    if (v128.any_true(v128.xor(v128.load(one + at), v128.load(other + at)))) return false;
  const same = i8x16.bitmask(i8x16.eq(v128.load(one + at), v128.load(other + at)));
  return (~same & ((1 << rest) - 1)) == 0;
}
