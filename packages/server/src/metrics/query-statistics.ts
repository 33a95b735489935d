/** Counts what became of queries, for `/metrics`. */
import { FinchError, singleMetric } from "@finch/runtime";
import type { MetricFamily, MetricSample } from "@finch/runtime";
import type { QueryFigures } from "./query-protocol.ts";
import type { LostReason } from "./query-thread.ts";

const BOUNDS_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] as const;

export class QueryStatistics {
  /** Queries that began again in the large lane. */
  moved = 0;
  #series = 0;
  #samples = 0;
  #answerBytes = 0;
  #count = 0;
  #secondsSum = 0;
  readonly #buckets = BOUNDS_SECONDS.map(() => 0);
  readonly #failures = new Map<string, number>();
  readonly #lost = new Map<LostReason, number>();

  count(figures: QueryFigures, ms: number): void {
    this.#series += figures.series;
    this.#samples += figures.samples;
    this.#answerBytes += figures.answerBytes;
    this.#time(ms);
  }

  /** `thrown` is the fault the query is answered with. */
  fail(thrown: unknown, ms: number): void {
    // Codes are a closed set, messages are not.
    const code = thrown instanceof FinchError ? thrown.code : "runtime/internal";
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
    this.#time(ms);
  }

  lose(reason: LostReason): void {
    this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + 1);
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: "finch_metrics_query_duration_seconds",
        type: "histogram",
        help: "Time of PromQL queries, waiting and sending included.",
        samples: this.#durations(),
      },
      counter("series", "Series read by PromQL queries.", this.#series),
      counter("samples", "Samples read by PromQL queries.", this.#samples),
      counter("answer_bytes", "Bytes of answers to PromQL queries.", this.#answerBytes),
      counter("moved", "PromQL queries that began again in the lane for large ones.", this.moved),
      {
        name: "finch_metrics_query_failures_total",
        type: "counter",
        help: "PromQL queries answered with a fault, by its code.",
        samples: [...this.#failures].map(([code, value]) => ({ labels: { code }, value })),
      },
      {
        name: "finch_metrics_query_workers_lost_total",
        type: "counter",
        help: "Query workers that ended for want of memory, because a query did not stop, or by a fault.",
        samples: [...this.#lost].map(([reason, value]) => ({ labels: { reason }, value })),
      },
    ];
  }

  #time(ms: number): void {
    const seconds = ms / 1000;
    this.#count++;
    this.#secondsSum += seconds;
    for (let i = BOUNDS_SECONDS.length - 1; i >= 0 && seconds <= BOUNDS_SECONDS[i]!; i--)
      this.#buckets[i]!++;
  }

  #durations(): readonly MetricSample[] {
    const buckets = BOUNDS_SECONDS.map((bound, index) => ({
      suffix: "_bucket",
      labels: { le: String(bound) },
      value: this.#buckets[index]!,
    }));
    return [
      ...buckets,
      { suffix: "_bucket", labels: { le: "+Inf" }, value: this.#count },
      { suffix: "_sum", labels: {}, value: this.#secondsSum },
      { suffix: "_count", labels: {}, value: this.#count },
    ];
  }
}

function counter(what: string, help: string, value: number): MetricFamily {
  return singleMetric(`finch_metrics_query_${what}_total`, "counter", help, value);
}
