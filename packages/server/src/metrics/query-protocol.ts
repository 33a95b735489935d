/**
 * What the main thread and a query worker say to each other. The worker parses, evaluates and encodes, and reads the blocks that the main thread
 * lends it for a selection; series in memory come from the main thread, which also forwards the bytes of the answer.
 *
 * Both directions of data have credit: at most {@link FRAMES_AHEAD} batches of a selection, and {@link CHUNKS_AHEAD} chunks of an answer, are on
 * their way at a time, so that neither thread fills the other's memory.
 */
import { FinchError } from "@finch/runtime";
import type { FaultKind } from "@finch/runtime";
import type { MatchOperator } from "@finch/model";
import type { EngineLimits, LanguageSwitches } from "@finch/promql";
import type { LentBlocks } from "@finch/store/loan";
import type { SeriesFrame } from "./series-frame.ts";

export const FRAMES_AHEAD = 2;
export const CHUNKS_AHEAD = 4;

/** A query as its parameters gave it. `startMs` is the time of an instant query. */
export interface QueryJob {
  readonly kind: "instant" | "range";
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly lookbackMs: number;
  /** Series or elements answered; 0: all. */
  readonly limit: number;
  /** Whether the answer tells what the query did, and at each step. */
  readonly statistics: "none" | "summary" | "each-step";
}

/** What a worker is started with. */
export interface WorkerSetup {
  readonly limits: EngineLimits;
  /** As `QueryLimits` has it. */
  readonly resultBytesMax: number;
  /** Of decoded pages of block indexes, label sets mostly, which stay for the next queries. */
  readonly indexCacheBytesMax: number;
  readonly language: LanguageSwitches;
  /** What queries of all workers hold, see `shared-memory.ts`, and the slot of this one. */
  readonly memory: SharedArrayBuffer;
  readonly slot: number;
  /** Added to the nice value of the thread, where the system can: 0 to 19. */
  readonly niceness: number;
}

/** Figures of one query, once its answer is written. */
export interface QueryFigures {
  readonly series: number;
  readonly samples: number;
  readonly bytesPeak: number;
  readonly answerBytes: number;
  readonly evaluateMs: number;
}

export interface PlainMatcher {
  readonly name: string;
  readonly operator: MatchOperator;
  readonly value: string;
}

/** A fault on its way between threads, where classes get lost. */
export interface PlainFault {
  readonly kind: FaultKind;
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
}

/** `id` is the query's; `selection` counts those of one query. */
export type ToWorker =
  /** Before the first batch of a selection: these blocks hold more of its series, and stay until `return`. */
  | {
      readonly kind: "lend";
      readonly id: number;
      readonly selection: number;
      readonly lent: LentBlocks;
      readonly tenants: readonly string[] | undefined;
    }
  | {
      readonly kind: "run";
      readonly id: number;
      readonly job: QueryJob;
      /** Time it waited for a place. */
      readonly queuedMs: number;
      /** Whether to tell of samples that are read of lent blocks. */
      readonly tellsSamples: boolean;
    }
  | { readonly kind: "cancel"; readonly id: number; readonly fault: PlainFault }
  | {
      readonly kind: "series";
      readonly id: number;
      readonly selection: number;
      readonly frame: SeriesFrame;
    }
  | {
      readonly kind: "selected";
      readonly id: number;
      readonly selection: number;
      readonly fault: PlainFault | undefined;
    }
  /** A chunk of the answer was taken: one more may come. */
  | { readonly kind: "more-answer"; readonly id: number };

/** The worker ends by itself, unlike one that is terminated, and leaves what it compiled in the cache. */
export const END_OF_WORK = "end";

export type FromWorker =
  | {
      readonly kind: "select";
      readonly id: number;
      readonly selection: number;
      readonly matchers: readonly PlainMatcher[];
      readonly startMs: number;
      readonly endMs: number;
      readonly newestOnly: boolean;
    }
  /** A batch was taken: one more may come. */
  | { readonly kind: "more-series"; readonly id: number; readonly selection: number }
  /** Samples of a batch that was read of lent blocks. */
  | { readonly kind: "read"; readonly id: number; readonly samples: number }
  /** Lent blocks are no longer read. */
  | {
      readonly kind: "return";
      readonly id: number;
      readonly selection: number;
      /** The file of a block that is damaged, and how. */
      readonly damage: { readonly path: string; readonly message: string } | undefined;
    }
  /** The rest of the selection is not wanted. */
  | { readonly kind: "unselect"; readonly id: number; readonly selection: number }
  | { readonly kind: "answer"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The last chunk; the query is over. */
  | {
      readonly kind: "answered";
      readonly id: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly figures: QueryFigures;
    }
  /** The query is over without an answer. */
  | { readonly kind: "failed"; readonly id: number; readonly fault: PlainFault };

export function plainFault(thrown: unknown): PlainFault {
  if (thrown instanceof FinchError) {
    const { kind, code, message, retryAfterSeconds } = thrown;
    return { kind, code, message, retryAfterSeconds };
  }
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { kind: "internal", code: "server/query-failed", message, retryAfterSeconds: undefined };
}

export function faultOf({ kind, code, message, retryAfterSeconds }: PlainFault): FinchError {
  return new FinchError(
    kind,
    code,
    message,
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  );
}
