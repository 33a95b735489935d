/**
 * Makes series with the same times share one array of them: a reader works out windows and steps once for all, by looking whether the array is
 * the very same. The runs of a series come from blocks, where times are shared on disk, and from heads.
 */
import type { SampleColumns } from "./sample-columns.ts";

/** Joined times by the times they are made of. */
interface Joint {
  readonly next: Map<Float64Array, Joint>;
  timestampsMs: Float64Array | undefined;
}

export class SharedTimes {
  /** Of all times that it keeps. */
  bytes = 0;
  /** By length, first and last time. */
  readonly #known = new Map<string, Float64Array[]>();
  readonly #joints: Joint = { next: new Map(), timestampsMs: undefined };

  /** The same samples, with times that an earlier call had when they are equal. */
  share(columns: SampleColumns): SampleColumns {
    const { timestampsMs } = columns;
    const key = `${timestampsMs.length}:${timestampsMs[0]}:${timestampsMs.at(-1)}`;
    const known = this.#known.get(key);
    if (known === undefined) {
      this.bytes += timestampsMs.byteLength;
      this.#known.set(key, [timestampsMs]);
      return columns;
    }
    for (const times of known) {
      if (times === timestampsMs) return columns;
      if (hasSameTimes(times, timestampsMs)) return { ...columns, timestampsMs: times };
    }
    this.bytes += timestampsMs.byteLength;
    known.push(timestampsMs);
    return columns;
  }

  /** Times one behind the other as one array; the same one for the same arrays. */
  join(parts: readonly Float64Array[]): Float64Array {
    if (parts.length === 1) return parts[0]!;
    let total = 0;
    let joint = this.#joints;
    for (const part of parts) {
      total += part.length;
      let next = joint.next.get(part);
      if (next === undefined) {
        next = { next: new Map(), timestampsMs: undefined };
        joint.next.set(part, next);
      }
      joint = next;
    }
    if (joint.timestampsMs === undefined) {
      this.bytes += 8 * total;
      joint.timestampsMs = concatenate(parts, total);
    }
    return joint.timestampsMs;
  }
}

function concatenate(parts: readonly Float64Array[], total: number): Float64Array {
  const timestampsMs = new Float64Array(total);
  let at = 0;
  for (const part of parts) {
    timestampsMs.set(part, at);
    at += part.length;
  }
  return timestampsMs;
}

function hasSameTimes(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
