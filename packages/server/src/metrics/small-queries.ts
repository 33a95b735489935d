/**
 * Small queries on the main thread: crossing to a worker costs more than they do, and a process that is asked nothing else needs no worker.
 * What may be small is told from its text; what turns out larger than its tight limits is given up and goes to a worker.
 */
import { createEngine } from "@finch/promql";
import type { Engine, EngineLimits, LanguageSwitches, SharedMemory } from "@finch/promql";
import { FinchError, joinBytes, systemClock } from "@finch/runtime";
import type { SampleMemoryPool } from "@finch/store";
import { evaluateJob, figuresOf, writeJobAnswer } from "./query-evaluation.ts";
import type { QueryJob } from "./query-protocol.ts";
import type { ThreadAnswer } from "./query-thread.ts";
import { readInto } from "./source.ts";
import type { StoredSeries } from "./source.ts";

/** Longer texts do more per sample. */
const LENGTH_MAX = 512;
const STEPS_MAX = 1000;
const SERIES_MAX = 20_000;
const AT_ONCE_MAX = 8;
/** Memory of samples, that of queries in workers included, from which on no more is begun here. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;
/** After this time a worker begins anew: what waits for the main thread has waited long enough. */
const RUN_MS_MAX = 250;

/** Subqueries evaluate at steps of their own; classes and counts in patterns take long to compile. */
const MAY_BE_LARGE = /\[[^\]]*:|\\[pP]|\{\d/;

const IS_LONG = new Error("the query takes long");

export interface SmallQueriesOptions {
  /** Held at a time, results on the way included. */
  readonly samplesMax: number;
  readonly limits: EngineLimits;
  readonly resultBytesMax: number;
  readonly sharedMemory: SharedMemory;
  readonly language: LanguageSwitches;
  readonly memory: SampleMemoryPool;
}

export class SmallQueries {
  readonly #engine: Engine;
  readonly #samplesMax: number;
  readonly #resultBytesMax: number;
  readonly #memory: SampleMemoryPool;
  #running = 0;

  constructor(options: SmallQueriesOptions) {
    const { samplesMax, limits, resultBytesMax, sharedMemory, language, memory } = options;
    this.#memory = memory;
    this.#samplesMax = samplesMax;
    this.#resultBytesMax = resultBytesMax;
    this.#engine = createEngine({
      ...language,
      clock: systemClock,
      sharedMemory,
      limits: {
        ...limits,
        samplesMax: Math.min(limits.samplesMax, samplesMax),
        seriesMax: Math.min(limits.seriesMax, SERIES_MAX),
      },
    });
  }

  get running(): number {
    return this.#running;
  }

  /** Whether the query is worth a try here. */
  isCandidate({ query, startMs, endMs, stepMs }: QueryJob): boolean {
    if (this.#memory.bytesInUse >= MEMORY_BYTES_MAX) return false;
    if (this.#samplesMax === 0 || this.#running >= AT_ONCE_MAX || query.length > LENGTH_MAX)
      return false;
    return (endMs - startMs) / stepMs <= STEPS_MAX && !MAY_BE_LARGE.test(query);
  }

  /** The answer, or undefined when the query is not small after all. */
  async run(
    job: QueryJob,
    { source, signal }: { readonly source: StoredSeries; readonly signal: AbortSignal },
  ): Promise<ThreadAnswer | undefined> {
    this.#running++;
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => stop.abort(IS_LONG), RUN_MS_MAX);
    const memory = this.#memory.open();
    try {
      const result = await evaluateJob(this.#engine, job, {
        source: readInto(source, memory),
        signal: stop.signal,
        resultBytesMax: this.#resultBytesMax,
      });
      const body = joinBytes([...writeJobAnswer(result, job, 0)]);
      memory.close();
      return { body, figures: Promise.resolve(figuresOf(result, body.length)) };
    } catch (thrown) {
      memory.abandon();
      if (stop.signal.reason === IS_LONG || isTooLarge(thrown)) return undefined;
      throw thrown;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#running--;
    }
  }
}

/** A worker may have room for it, or says in its own words that there is none. */
function isTooLarge(thrown: unknown): boolean {
  if (thrown instanceof RangeError) return true;
  if (!(thrown instanceof FinchError)) return false;
  return ["promql/too-many-samples", "promql/too-many-series"].includes(thrown.code);
}
