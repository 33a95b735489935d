/** Whether values only rise, as those of a counter that was not reset: looked at while they are in the cache. */

/** Whether none of the values from `at` up to `end` is NaN or below the one before; true of none. */
export function isRising(at: usize, end: usize): bool {
  if (at == end) return true;
  const first = load<f64>(at);
  if (first != first) return false;
  let rise = i64x2.splat(-1);
  let next = at;
  for (; next + 16 < end; next += 16)
    rise = v128.and(rise, f64x2.ge(v128.load(next, 8), v128.load(next)));
  if (next + 8 < end && !(load<f64>(next, 8) >= load<f64>(next))) return false;
  return i64x2.all_true(rise);
}
