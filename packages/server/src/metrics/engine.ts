/** What the query routes need of a PromQL engine, and the shapes of its answers. */
import type { Labels, Series } from "@finch/model";

export interface InstantSample {
  readonly labels: Labels;
  readonly timestampMs: number;
  readonly value: number;
}

export type MetricsValue =
  | { readonly kind: "scalar"; readonly timestampMs: number; readonly value: number }
  | { readonly kind: "string"; readonly timestampMs: number; readonly value: string }
  | { readonly kind: "vector"; readonly samples: readonly InstantSample[] }
  | { readonly kind: "matrix"; readonly series: readonly Series[] };

export interface MetricsAnswer {
  readonly value: MetricsValue;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

export interface MetricsEngine {
  /** Faults in the query text are `invalid`, in its evaluation `unprocessable`. */
  queryInstant(options: {
    readonly query: string;
    readonly timeMs: number;
    readonly lookbackMs: number;
    readonly signal: AbortSignal;
  }): Promise<MetricsAnswer>;
  queryRange(options: {
    readonly query: string;
    readonly startMs: number;
    readonly endMs: number;
    readonly stepMs: number;
    readonly lookbackMs: number;
    readonly signal: AbortSignal;
  }): Promise<MetricsAnswer>;
}
