/**
 * Evaluates queries in worker threads, so that none holds up ingest or another one; but for small ones, for which the main thread does. Two
 * lanes: what is not small begins in the quick lane; one that
 * reads many samples, or runs long while others want in, begins again in the large lane, whose threads yield the processor. What was large
 * goes straight to the large lane the next time.
 */
import { FinchError, singleMetric } from "@finch/runtime";
import type { Logger, MetricFamily } from "@finch/runtime";
import type { LanguageSwitches } from "@finch/promql";
import { SampleMemoryPool } from "@finch/store";
import { QueryCosts } from "./query-costs.ts";
import type { QuerySize } from "./query-costs.ts";
import { FeedTurns } from "./query-feed.ts";
import { QueryLane } from "./query-lane.ts";
import type { MetricsLimits } from "./limits.ts";
import type { QueryFigures, QueryJob } from "./query-protocol.ts";
import { MemorySlots, openSlot } from "./shared-memory.ts";
import { SmallQueries } from "./small-queries.ts";
import type { StoredSeries } from "./source.ts";
import { QueryStatistics } from "./query-statistics.ts";
import { QueryThread, WORKER_LOST } from "./query-thread.ts";
import type { LostReason, ThreadAnswer } from "./query-thread.ts";

/**
 * What a worker may keep of block indexes between queries, as a share of its heap and at most: label sets of some 50,000 series. Queries over more make
 * them anew each time, which takes longer than the samples do.
 */
const INDEX_CACHE_SHARE = 1 / 8;
const INDEX_CACHE_BYTES_MAX = 64 * 1024 * 1024;

/** Samples a query of the quick lane may read: some 20 ms of work, which is thrown away when there are more. */
const QUICK_SAMPLES_MAX = 1_000_000;
/** A query of the main thread is asked there again when it takes no more than this. */
const SMALL_MS_MAX = 100;
/** How often a query of the quick lane is looked at: it must leave when it is not alone. */
const QUICK_MS_MAX = 250;
/** What is expected of a query that was never seen. */
const EXPECTED_MS = 50;
/** A query that takes longer is logged. */
const SLOW_MS = 10_000;
/** Characters of a query that are logged. */
const LOGGED_LENGTH = 500;
/** Time a client may take to read an answer. Without it one that does not would hold its result in a worker. */
const ANSWER_MS_MAX = 600_000;
const IDLE_CHECK_MS = 30_000;
const LARGE_NICENESS = 10;
const QUICK_PLACES = 8;
const LARGE_PLACES = 3;
/** Large selections read from the store at a time. */
const LARGE_FEEDS = 2;

export interface QueryPoolOptions {
  readonly limits: MetricsLimits;
  readonly language: LanguageSwitches;
  readonly log: Logger;
}

/** Aborts a query of the quick lane that turns out to be large. */
const IS_LARGE = new Error("the query is large");

export class QueryPool implements AsyncDisposable {
  readonly #options: QueryPoolOptions;
  readonly #costs = new QueryCosts();
  readonly #quick: QueryLane;
  /** The same as the quick one when there is but one worker. */
  readonly #large: QueryLane;
  readonly #small: SmallQueries;
  readonly #statistics = new QueryStatistics();
  readonly #memory = new MemorySlots();
  readonly #sampleMemory = new SampleMemoryPool();
  readonly #idleTimer: NodeJS.Timeout;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
    const { workersMax, workerIdleMs } = options.limits.query;
    const quickThreads = Math.max(1, Math.floor(workersMax / 2));
    this.#quick = this.#lane({ threads: quickThreads, places: QUICK_PLACES, isLarge: false });
    this.#large =
      workersMax > quickThreads
        ? this.#lane({ threads: workersMax - quickThreads, places: LARGE_PLACES, isLarge: true })
        : this.#quick;
    const { mainThreadSamplesMax, engine, resultBytesMax } = options.limits.query;
    const sharedMemory = openSlot(this.#memory.buffer, this.#memory.take());
    this.#small = new SmallQueries({
      samplesMax: mainThreadSamplesMax,
      limits: engine,
      resultBytesMax,
      sharedMemory,
      language: options.language,
      memory: this.#sampleMemory,
    });
    this.#idleTimer = setInterval(() => {
      for (const lane of this.#lanes()) void lane.stopIdle(workerIdleMs);
      this.#sampleMemory.shrink();
    }, IDLE_CHECK_MS);
    this.#idleTimer.unref();
  }

  /** Rejects with the fault to answer. `signal` is the caller's: when it aborts, so does the query, its answer included. */
  async run(
    job: QueryJob,
    options: {
      readonly signal: AbortSignal;
      readonly timeoutMs: number;
      /** What the query reads: the series of who asks. The pool has none of its own, so that nobody's query reads everybody's. */
      readonly source: StoredSeries;
    },
  ): Promise<ThreadAnswer> {
    const { signal, timeoutMs, source } = options;
    const run = new Run({ job, source, signal, timeoutMs });
    const startedMs = performance.now();
    try {
      const answer = await this.#runInLanes(run);
      run.beginAnswer();
      void answer.figures.then((figures) => {
        run.close();
        this.#note(job, performance.now() - startedMs, figures);
      });
      return answer;
    } catch (thrown) {
      run.close();
      const ms = performance.now() - startedMs;
      this.#statistics.fail(thrown, ms);
      const error = thrown instanceof FinchError ? thrown.code : "runtime/internal";
      this.#options.log.debug("query failed", { query: shorten(job.query), ms, error });
      throw thrown;
    }
  }

  families(): readonly MetricFamily[] {
    const lanes = this.#lanes();
    const sum = (of: (lane: QueryLane) => number) => lanes.reduce((all, lane) => all + of(lane), 0);
    return [
      singleMetric(
        "finch_metrics_queries_running",
        "gauge",
        "PromQL queries being evaluated.",
        this.#small.running + sum((lane) => lane.running),
      ),
      singleMetric(
        "finch_metrics_queries_waiting",
        "gauge",
        "PromQL queries waiting for their turn.",
        sum((lane) => lane.waiting),
      ),
      singleMetric(
        "finch_metrics_query_workers",
        "gauge",
        "Threads that evaluate queries.",
        sum((lane) => lane.threads),
      ),
      singleMetric(
        "finch_metrics_query_memory_bytes",
        "gauge",
        "Memory of samples and results of PromQL queries.",
        this.#memory.bytesHeld,
      ),
      ...this.#statistics.families(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#idleTimer);
    await Promise.all(this.#lanes().map((lane) => lane.stop()));
  }

  #lanes(): readonly QueryLane[] {
    return this.#large === this.#quick ? [this.#quick] : [this.#quick, this.#large];
  }

  async #runInLanes(run: Run): Promise<ThreadAnswer> {
    const known = this.#costs.of(run.job);
    const expectedMs = known?.evaluateMs ?? EXPECTED_MS;
    const size = known?.size ?? "small";
    if (size === "small" && this.#small.isCandidate(run.job)) {
      run.isEvaluating = true;
      const answer = await this.#small.run(run.job, run);
      if (answer !== undefined) return answer;
      this.#costs.note(run.job, { size: "quick", evaluateMs: EXPECTED_MS });
    }
    if (size !== "large") {
      const answer = await this.#runQuick(run, expectedMs);
      if (answer !== undefined) return answer;
      this.#statistics.moved++;
      this.#costs.note(run.job, { size: "large", evaluateMs: EXPECTED_MS + QUICK_MS_MAX });
    }
    return await this.#runOn(this.#large, expectedMs, { run, signal: run.signal });
  }

  /** Undefined when the query is too large for the quick lane. */
  async #runQuick(run: Run, expectedMs: number): Promise<ThreadAnswer | undefined> {
    const lane = this.#quick;
    if (lane === this.#large)
      return await this.#runOn(lane, expectedMs, { run, signal: run.signal });
    const leave = new AbortController();
    const onAbort = () => leave.abort(run.signal.reason);
    run.signal.addEventListener("abort", onAbort, { once: true });
    const timer = setInterval(() => {
      if (run.isEvaluating && (lane.running > 1 || lane.waiting > 0)) leave.abort(IS_LARGE);
    }, QUICK_MS_MAX);
    let samplesRead = 0;
    const onSamples = (samples: number) => {
      samplesRead += samples;
      if (samplesRead > QUICK_SAMPLES_MAX) leave.abort(IS_LARGE);
    };
    try {
      return await this.#runOn(lane, expectedMs, { run, signal: leave.signal, onSamples });
    } catch (thrown) {
      if (thrown === IS_LARGE) return undefined;
      throw thrown;
    } finally {
      clearInterval(timer);
    }
  }

  /** Runs on a worker of the lane; once more on another one when the worker was ended for the fault of another query. */
  async #runOn(
    lane: QueryLane,
    expectedMs: number,
    to: {
      readonly run: Run;
      readonly signal: AbortSignal;
      readonly onSamples?: (samples: number) => void;
    },
  ): Promise<ThreadAnswer> {
    const { run, signal, onSamples } = to;
    const onStart = () => {
      run.isEvaluating = true;
    };
    for (let isSecond = false; ; isSecond = true) {
      run.isEvaluating = false;
      try {
        const { job, source, sinceMs: queuedSinceMs } = run;
        const request = { job, source, queuedSinceMs, signal, onStart, onSamples };
        return await lane.run(expectedMs, request);
      } catch (thrown) {
        const isLost = thrown instanceof FinchError && thrown.code === WORKER_LOST;
        if (!isLost || isSecond || signal.aborted) throw thrown;
      }
    }
  }

  #note(job: QueryJob, ms: number, figures: QueryFigures | undefined): void {
    if (figures === undefined) return;
    this.#statistics.count(figures, ms);
    if (ms >= SLOW_MS) {
      const { series, answerBytes } = figures;
      const fields = { ms: Math.round(ms), series, samples: figures.samples, answerBytes };
      this.#options.log.info("slow query", { query: shorten(job.query), ...fields });
    }
    const { samples, evaluateMs } = figures;
    this.#costs.note(job, { size: this.#sizeOf(job, samples, evaluateMs), evaluateMs });
  }

  /** Where it belongs the next time: at half of a bound, so that a query at the edge does not go back and forth. */
  #sizeOf(job: QueryJob, samples: number, evaluateMs: number): QuerySize {
    if (samples < this.#options.limits.query.mainThreadSamplesMax / 2 && evaluateMs < SMALL_MS_MAX)
      return "small";
    const isQuick = samples < QUICK_SAMPLES_MAX / 2 && evaluateMs < QUICK_MS_MAX / 2;
    return !isQuick && this.#costs.of(job)?.size === "large" ? "large" : "quick";
  }

  #lane(of: { threads: number; places: number; isLarge: boolean }): QueryLane {
    const { limits, log, language } = this.#options;
    const { query } = limits;
    const turns = new FeedTurns(of.isLarge ? LARGE_FEEDS : Infinity);
    return new QueryLane({
      threadsMax: of.threads,
      placesPerThread: of.places,
      waitingMax: query.waitingMax,
      nowMs: () => performance.now(),
      start: (events) => {
        const slot = this.#memory.take();
        const niceness = of.isLarge ? LARGE_NICENESS : 0;
        const { buffer: memory } = this.#memory;
        const thread: QueryThread = new QueryThread({
          setup: {
            limits: query.engine,
            language,
            resultBytesMax: query.resultBytesMax,
            indexCacheBytesMax: Math.min(
              INDEX_CACHE_BYTES_MAX,
              INDEX_CACHE_SHARE * query.workerHeapBytesMax,
            ),
            niceness,
            memory,
            slot,
          },
          heapBytesMax: query.workerHeapBytesMax,
          turns,
          memory: this.#sampleMemory,
          onFree: events.free,
          onEnd: () => this.#memory.free(slot),
          onLost: (reason: LostReason, error: string) => {
            log.error("a query worker was lost", { reason, error });
            this.#statistics.lose(reason);
            events.lost(thread);
          },
        });
        return thread;
      },
    });
  }
}

function shorten(query: string): string {
  return query.length > LOGGED_LENGTH ? `${query.slice(0, LOGGED_LENGTH)}…` : query;
}

/** One query on its way, through whichever lanes: what stops it. */
class Run {
  readonly job: QueryJob;
  readonly source: StoredSeries;
  isEvaluating = false;
  readonly sinceMs = performance.now();
  readonly #stop = new AbortController();
  readonly #caller: AbortSignal;
  #timer: NodeJS.Timeout;
  readonly #onGone: () => void;

  constructor(options: {
    readonly job: QueryJob;
    readonly source: StoredSeries;
    readonly signal: AbortSignal;
    readonly timeoutMs: number;
  }) {
    const { job, source, signal: caller, timeoutMs } = options;
    this.job = job;
    this.source = source;
    this.#caller = caller;
    this.#onGone = () => this.#stop.abort(caller.reason);
    if (caller.aborted) this.#onGone();
    caller.addEventListener("abort", this.#onGone, { once: true });
    this.#timer = setTimeout(() => this.#stop.abort(this.#timeoutFault(timeoutMs)), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The query is evaluated, and its answer on the way: the reader has a time of its own. */
  beginAnswer(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#stop.abort(new FinchError("timeout", "server/slow-reader", "nobody reads the answer"));
    }, ANSWER_MS_MAX);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#onGone);
  }

  #timeoutFault(timeoutMs: number): FinchError {
    const place = this.isEvaluating ? "expression evaluation" : "query queue";
    const seconds = timeoutMs / 1000;
    return new FinchError(
      "timeout",
      "server/query-timeout",
      `query timed out in ${place} after ${seconds} s`,
    );
  }
}
