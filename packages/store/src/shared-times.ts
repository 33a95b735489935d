/**
 * Makes series with the same times share one array of them, within a batch: a reader works out windows and steps once for all, by looking
 * whether the array is the very same. The runs of a series come from blocks, where times are shared on disk, and from heads.
 */
import type { SampleColumns } from "./sample-columns.ts";
import { wordsOf } from "@finch/model";

/** Joined times by the times they are made of. */
interface Joint {
  readonly next: Map<Float64Array, Joint>;
  timestampsMs: Float64Array | undefined;
}

export class SharedTimes {
  /** By length, first and last time. */
  readonly #known = new Map<string, Float64Array[]>();
  readonly #joints: Joint = { next: new Map(), timestampsMs: undefined };

  /** The same samples, with times that an earlier call had when they are equal. */
  share(columns: SampleColumns): SampleColumns {
    const { timestampsMs } = columns;
    const key = `${timestampsMs.length}:${timestampsMs[0]}:${timestampsMs.at(-1)}`;
    const known = this.#known.get(key);
    if (known === undefined) {
      this.#known.set(key, [timestampsMs]);
      return columns;
    }
    for (const times of known) {
      if (times === timestampsMs) return columns;
      if (hasSameTimes(times, timestampsMs)) return { ...columns, timestampsMs: times };
    }
    known.push(timestampsMs);
    return columns;
  }

  /** Runs one behind the other as one; undefined when they overlap, or more than floats are in them. */
  concatenate(runs: readonly SampleColumns[]): SampleColumns | undefined {
    let total = 0;
    let joint = this.#joints;
    for (const [at, run] of runs.entries()) {
      if (run.histograms !== undefined || run.startTimestampsMs !== undefined) return undefined;
      if (at > 0 && run.timestampsMs[0]! <= runs[at - 1]!.timestampsMs.at(-1)!) return undefined;
      total += run.timestampsMs.length;
      let next = joint.next.get(run.timestampsMs);
      if (next === undefined) {
        next = { next: new Map(), timestampsMs: undefined };
        joint.next.set(run.timestampsMs, next);
      }
      joint = next;
    }
    const values = new Float64Array(total);
    const words = wordsOf(values);
    let at = 0;
    for (const run of runs) {
      words.set(wordsOf(run.values), 2 * at);
      at += run.values.length;
    }
    joint.timestampsMs ??= join(runs, total);
    return { timestampsMs: joint.timestampsMs, values };
  }
}

function join(runs: readonly SampleColumns[], total: number): Float64Array {
  const timestampsMs = new Float64Array(total);
  let at = 0;
  for (const run of runs) {
    timestampsMs.set(run.timestampsMs, at);
    at += run.timestampsMs.length;
  }
  return timestampsMs;
}

function hasSameTimes(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
