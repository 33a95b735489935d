/**
 * Small queries on the main thread: crossing to a worker costs more than they do, and a process that is asked nothing else needs no worker.
 * What may be small is told from its text; what turns out larger than its tight limits is given up and goes to a worker.
 */
import { createEngine } from "@finch/promql";
import type {
  Engine,
  EngineLimits,
  LanguageSwitches,
  SeriesSource,
  SharedMemory,
} from "@finch/promql";
import { FinchError, systemClock } from "@finch/runtime";
import { evaluateJob, figuresOf, writeJobAnswer } from "./query-evaluation.ts";
import type { QueryJob } from "./query-protocol.ts";
import type { ThreadAnswer } from "./query-thread.ts";

/** Longer texts do more per sample. */
const LENGTH_MAX = 512;
const STEPS_MAX = 1000;
/** Held at a time, results on the way included: some milliseconds of work. */
const SAMPLES_MAX = 20_000;
const SERIES_MAX = 200;
const AT_ONCE_MAX = 8;

/** Regular expressions cost the more the more label values there are; subqueries evaluate at steps of their own. */
const MAY_BE_LARGE = /=~|!~|!=|\[[^\]]*:|""/;

export interface SmallQueriesOptions {
  readonly limits: EngineLimits;
  readonly resultBytesMax: number;
  readonly sharedMemory: SharedMemory;
  readonly language: LanguageSwitches;
}

export class SmallQueries {
  readonly #engine: Engine;
  readonly #resultBytesMax: number;
  #running = 0;

  constructor(options: SmallQueriesOptions) {
    const { limits, resultBytesMax, sharedMemory, language } = options;
    this.#resultBytesMax = resultBytesMax;
    this.#engine = createEngine({
      ...language,
      clock: systemClock,
      sharedMemory,
      limits: {
        ...limits,
        samplesMax: Math.min(limits.samplesMax, SAMPLES_MAX),
        seriesMax: Math.min(limits.seriesMax, SERIES_MAX),
      },
    });
  }

  get running(): number {
    return this.#running;
  }

  /** Whether the query is worth a try here. */
  isCandidate({ query, startMs, endMs, stepMs }: QueryJob): boolean {
    if (this.#running >= AT_ONCE_MAX || query.length > LENGTH_MAX) return false;
    return (endMs - startMs) / stepMs <= STEPS_MAX && !MAY_BE_LARGE.test(query);
  }

  /** The answer, or undefined when the query is not small after all. */
  async run(
    job: QueryJob,
    { source, signal }: { readonly source: SeriesSource; readonly signal: AbortSignal },
  ): Promise<ThreadAnswer | undefined> {
    this.#running++;
    try {
      const options = { source, signal, resultBytesMax: this.#resultBytesMax };
      const result = await evaluateJob(this.#engine, job, options);
      let text = "";
      for (const part of writeJobAnswer(result, job, 0)) text += part;
      const body = Buffer.from(text, "utf8");
      return { body, figures: Promise.resolve(figuresOf(result, body.length)) };
    } catch (thrown) {
      if (isTooLarge(thrown)) return undefined;
      throw thrown;
    } finally {
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
