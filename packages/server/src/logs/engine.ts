/** What the query routes need of a LogQL engine, and the shapes of its answers. */
import type { Labels, LogPage, Matcher, Series } from "@finch/model";

/** One line of an answer; its three label sets are told apart or merged, as the client asks. */
export interface LogRow {
  readonly timestampNs: bigint;
  readonly line: string;
  readonly stream: Labels;
  readonly metadata: Labels;
  readonly parsed: Labels;
}

export type LogsValue =
  /** In the order of the direction asked for. */
  | { readonly kind: "streams"; readonly rows: readonly LogRow[] }
  | { readonly kind: "matrix"; readonly series: readonly Series[] }
  | {
      readonly kind: "vector";
      readonly samples: readonly {
        readonly labels: Labels;
        readonly timestampMs: number;
        readonly value: number;
      }[];
    }
  | { readonly kind: "scalar"; readonly timestampMs: number; readonly value: number };

export interface LogsAnswer {
  readonly value: LogsValue;
  /** What the query cost, for `stats.summary`. */
  readonly bytesProcessed: number;
  readonly linesProcessed: number;
}

/** A parsed query. */
export interface LogsQuery {
  readonly isMetric: boolean;
  readonly text: string;
}

export interface LogsRange {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepMs: number;
  /** Log queries leave out lines closer than this to the last one kept; 0 keeps all. */
  readonly intervalMs: number;
  readonly limit: number;
  readonly direction: "forward" | "backward";
  readonly signal: AbortSignal;
}

/** The part of a log query that works on lines as they come. */
export interface LogsPipeline {
  readonly matchers: readonly Matcher[];
  /** The rows of a page that pass, in its order. */
  process(page: LogPage): readonly LogRow[];
}

export interface LogsEngine {
  /** Throws an `invalid` fault with the place. */
  parse(query: string): LogsQuery;
  format(query: string): string;
  parseSelector(text: string): readonly Matcher[];
  queryRange(query: LogsQuery, range: LogsRange): Promise<LogsAnswer>;
  queryInstant(
    query: LogsQuery,
    options: { readonly timeNs: bigint; readonly signal: AbortSignal },
  ): Promise<LogsAnswer>;
  openPipeline(query: LogsQuery): LogsPipeline;
}
