/**
 * Where the buckets of native histograms begin and end. Exponential schema n: bucket i reaches up to 2^(i · 2^-n), so that the buckets of a
 * coarser schema are whole numbers of those of a finer one. Schema -53: bucket i reaches up to the i-th custom bound, the last one to +Inf.
 */
import { CUSTOM_BOUNDS_SCHEMA, EXPONENTIAL_SCHEMA_MAX } from "@finch/model";
import type { Histogram } from "@finch/model";

/**
 * How many units in the last place the bound 2^(i/256) that Prometheus' servers and clients share is below the exact one, plus 1, one digit
 * for each i. Bounds leave the server as text, so they have to be theirs to the last digit.
 */
const SHARED_DEVIATIONS =
  "1111112111211111112311222222222211211121122211221122102211221122" +
  "1111112222332132112111211112111111121011213311221222112121332222" +
  "2121223322322122222222323233323311221121223321332233212232332232" +
  "2243223233433343333333444455435422322333324422333243223333543344";

let shared: Float64Array | undefined;

/** 2^(i/256) for i from 0 to 255, as Prometheus rounds it. */
function fractions(): Float64Array {
  return (shared ??= Float64Array.from({ length: 256 }, (_, i) => {
    const unitsBelow = SHARED_DEVIATIONS.charCodeAt(i) - 49;
    return 2 ** (i / 256) - unitsBelow * 2 ** -52;
  }));
}

export function hasCustomBounds({ schema }: Pick<Histogram, "schema">): boolean {
  return schema === CUSTOM_BOUNDS_SCHEMA;
}

/** Upper bound of a bucket by magnitude: of negative buckets it is the lower one, with its sign turned. */
export function boundOf(index: number, schema: number, customBounds: Float64Array): number {
  if (schema !== CUSTOM_BOUNDS_SCHEMA) return exponentialBound(index, schema);
  if (index < 0) return -Infinity;
  return index < customBounds.length ? customBounds[index]! : Infinity;
}

/** Of the bucket that ends with the largest double: that one; of the next, which counts infinite observations: +Inf. */
export function exponentialBound(index: number, schema: number): number {
  if (schema <= 0) {
    const exponent = index * 2 ** -schema;
    return exponent === 1024 ? Number.MAX_VALUE : 2 ** exponent;
  }
  const exponent = index >> schema;
  const fraction = index - (exponent << schema);
  if (exponent === 1024 && fraction === 0) return Number.MAX_VALUE;
  return fractions()[fraction << (EXPONENTIAL_SCHEMA_MAX - schema)]! * 2 ** exponent;
}

/** The bucket of the coarser schema `to` that bucket `index` of schema `from` is part of. */
export function coarserIndex(index: number, from: number, to: number): number {
  return ((index - 1) >> (from - to)) + 1;
}

/** The custom bounds that both histograms have. */
export function sharedBounds(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Set(b);
  return a.filter((bound) => both.has(bound));
}

export function sameBounds(a: Float64Array, b: Float64Array): boolean {
  return a === b || (a.length === b.length && a.every((bound, i) => bound === b[i]));
}

/** From a bucket of `bounds` to the bucket of `shared`, some of those bounds, that it is part of. */
export function customBucketMap(
  bounds: Float64Array,
  shared: Float64Array,
): (index: number) => number {
  let at = 0;
  return (index) => {
    if (index >= bounds.length) return shared.length;
    while (at < shared.length && shared[at]! < bounds[index]!) at++;
    return at;
  };
}
