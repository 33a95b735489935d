/** Typed arrays that grow by doubling; the columns behind heads and indexes. */

/** `column`, or a copy of it with room for index `length - 1`. */
export function growUint32(column: Uint32Array, length: number): Uint32Array {
  if (length <= column.length) return column;
  const grown = new Uint32Array(Math.max(length, 2 * column.length, 16));
  grown.set(column);
  return grown;
}

export function growInt32(column: Int32Array, length: number): Int32Array {
  if (length <= column.length) return column;
  const grown = new Int32Array(Math.max(length, 2 * column.length, 16));
  grown.set(column);
  return grown;
}

export function growFloat64(column: Float64Array, length: number): Float64Array {
  if (length <= column.length) return column;
  const grown = new Float64Array(Math.max(length, 2 * column.length, 16));
  grown.set(column);
  return grown;
}

export function growUint8(column: Uint8Array, length: number): Uint8Array {
  if (length <= column.length) return column;
  const grown = new Uint8Array(Math.max(length, 2 * column.length, 64));
  grown.set(column);
  return grown;
}

let shared = new Uint32Array(0);

/** `0 … count - 1`, in memory that others have too: not to be written. */
export function sharedAscending(count: number): Uint32Array {
  if (count > shared.length)
    shared = ascending(Math.max(65_536, count)) as Uint32Array<ArrayBuffer>;
  return shared.subarray(0, count);
}

/** `0 … count - 1`. */
export function ascending(count: number): Uint32Array {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}
