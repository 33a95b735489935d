/**
 * What the store offers the server: two schemas, metrics and logs, on one core (WAL, head, blocks, index, retention).
 * `append` resolves when the records are on disk for good; what it resolved for is never lost. One process opens a directory at a time.
 */
import type {
  Exemplar,
  Labels,
  LogBatch,
  LogColumns,
  LogEdges,
  LogFieldRequest,
  LogPage,
  Matcher,
  MetricMetadata,
  SampleBatch,
  Series,
} from "@finch/model";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { LentBlocks } from "./block-loan.ts";
import type { MinedPattern } from "./log-patterns/pattern-clusters.ts";
import type { SampleMemory } from "./sample-memory.ts";

export interface StoreOptions {
  /** `…/metrics` or `…/logs`; made when it is not there. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: StoreLimits;
  readonly retention: Retention;
  /** Of logs: reads the queries of deletes. Without it no lines can be deleted, and a store with such deletes is not opened. */
  readonly compileSelection?: CompileSelection;
}

/** Reads the query of a delete; throws what says what is wrong with it. The store keeps the text and knows nothing of the language. */
export type CompileSelection = (query: string) => LineSelection;

/** Which lines a query finds. */
export interface LineSelection {
  /** Of the streams; all must match. */
  readonly matchers: readonly Matcher[];
  /** The rows of a page of such a stream, ascending, each by itself; undefined when it is all of them. */
  readonly rows: ((page: LogPage) => Uint32Array) | undefined;
}

/** A delete of lines, as it was asked for and how far it is. */
export interface LineDelete {
  readonly id: number;
  readonly query: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly createdMs: number;
  /** `processed` once the lines are off the disk. They are out of answers from the start. */
  readonly status: "received" | "processed";
}

export interface StoreLimits {
  /** Series or streams in the head; what belongs to one more is refused, the rest of its batch is taken. */
  readonly headSeriesMax: number;
  /** Bytes waiting for the WAL; more are refused with `limited` and Retry-After. */
  readonly pendingBytesMax: number;
  /** Bytes the head may hold before it is sealed early. */
  readonly headBytesMax: number;
  /** A sample or entry may be this much older than the newest one, or than now when that is earlier; older ones are refused one by one. */
  readonly outOfOrderWindowMs: number;
  /** How far in the future a timestamp may lie. */
  readonly futureWindowMs: number;
  /** Below this much free disk, writes answer `unavailable` while queries go on. */
  readonly freeBytesMin: number;
}

export interface Retention {
  readonly maxAgeMs: number;
  /** Largest share (0 to 1) of the disk that this signal's directory may take. */
  readonly maxDiskShare: number;
  /** Most bytes of this signal's directory, when that is less than the share; the oldest blocks go first. */
  readonly maxBytes?: number;
  /** Series or streams that are kept for a shorter time. The first rule that a series matches is not special: each applies. */
  readonly rules?: readonly RetentionRule[];
}

/** Rows of series or streams that match all matchers go when they are older than `maxAgeMs`: at the latest once their whole block is. */
export interface RetentionRule {
  readonly matchers: readonly Matcher[];
  readonly maxAgeMs: number;
}

/** One block on disk. */
export interface BlockSummary {
  readonly block: number;
  /** Times of the oldest and newest sample, Unix milliseconds. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly series: number;
  readonly samples: number;
  readonly bytes: number;
  /** 0 as sealed; each merge is a level up. */
  readonly level: number;
  /** Numbers of the blocks it was merged from, and of those that these were merged from. */
  readonly sources: readonly number[];
}

/** How many series there are, and what they are made of; lists are the largest first, `limit` long. */
export interface Cardinality {
  readonly series: number;
  readonly metricNames: readonly { readonly name: string; readonly series: number }[];
  /** Label names, by the number of their values. */
  readonly labelNames: readonly {
    readonly name: string;
    readonly values: number;
    readonly series: number;
  }[];
  readonly labelPairs: readonly {
    readonly name: string;
    readonly value: string;
    readonly series: number;
  }[];
}

export type RejectionReason =
  | "out-of-order"
  | "too-old"
  | "too-far-in-future"
  | "duplicate-timestamp"
  /** The head has no room for another series or stream; said once for all samples or entries of it. */
  | "too-many-series";

/** Why one entry of an otherwise accepted batch was not taken. */
export interface Rejection {
  /** Index of the stream in the batch. */
  readonly index: number;
  readonly reason: RejectionReason;
  /** Of the first one, when said for several. */
  readonly timestampMs: number;
}

export interface AppendResult {
  readonly accepted: number;
  /** Already in the head with the same line; counts as accepted for the sender. What repeats a block is dropped when read. */
  readonly duplicates: number;
  readonly rejections: readonly Rejection[];
}

/** Why one sample or exemplar of an otherwise accepted batch was not taken. */
export interface MetricRejection {
  /** Index of the series in the batch. */
  readonly index: number;
  readonly kind: "sample" | "histogram" | "exemplar";
  readonly reason:
    | RejectionReason
    /** An exemplar of a series that the head does not have and that came without a sample. */
    | "unknown-series";
  /** Of the first one, when said for several. */
  readonly timestampMs: number;
}

export interface MetricAppendResult {
  /** Samples, histograms included. */
  readonly accepted: number;
  readonly acceptedHistograms: number;
  /** Those that repeat the newest of their series included. */
  readonly acceptedExemplars: number;
  /** Samples already in the head with the same value; counts as accepted for the sender. What repeats a block is dropped when read. */
  readonly duplicates: number;
  readonly rejections: readonly MetricRejection[];
}

/**
 * What label queries select: series or streams with data in the range, `startMs <= time <= endMs`. Each block and the head know the oldest and
 * newest row of a series, so one whose rows all lie on either side of the range may still be there.
 */
export interface LabelScope {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
}

export interface LabelQueries {
  /** Sorted. */
  labelNames(scope: LabelScope): Promise<readonly string[]>;
  /** Sorted. */
  labelValues(name: string, scope: LabelScope): Promise<readonly string[]>;
  /** Sorted by labels, each once. */
  series(scope: LabelScope): Promise<readonly Labels[]>;
}

export interface StoreStatistics {
  readonly headSeries: number;
  readonly headBytes: number;
  readonly walBytes: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly appendedTotal: number;
  readonly rejectedTotal: number;
  readonly fsyncTotal: number;
  /** Blocks that are left out because of damage, copies of damaged segments of the log, and why; they stand on disk until somebody removes them. */
  readonly quarantined: readonly { readonly directory: string; readonly reason: string }[];
  /** Blocks written in the place of others since the store was opened, attempts that failed, and bytes of the blocks that they were made of. */
  readonly compactionsTotal: number;
  readonly compactionFailuresTotal: number;
  readonly compactedBytesTotal: number;
  /** Deletes that are not yet carried out in all blocks. */
  readonly pendingDeletes: number;
  readonly oldestMs: number | undefined;
  readonly newestMs: number | undefined;
  /** What recovery found at open. */
  readonly recovery: RecoveryReport;
}

export interface RecoveryReport {
  readonly records: number;
  readonly durationMs: number;
  /** Bytes cut from the end of the last segment because a record there was torn; 0 after a clean stop. */
  readonly tornBytes: number;
  readonly removedPaths: readonly string[];
}

export interface Store extends LabelQueries, AsyncDisposable {
  statistics(): StoreStatistics;
  /** Seals the head into a block now and cuts the WAL; also happens by itself, by age and size. */
  flush(): Promise<void>;
  /** Removes expired blocks now; also happens by itself. */
  expire(): Promise<void>;
}

export interface ExemplarRequest {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
  readonly signal?: AbortSignal;
}

export interface MetricSelection {
  readonly matchers: readonly Matcher[];
  readonly startMs: number;
  readonly endMs: number;
  /** Of each series the newest sample is enough: whoever answers may leave out the others. */
  readonly newestOnly?: boolean;
  readonly signal: AbortSignal;
  /** Takes the values of the series; without it they are in memory of their own. */
  readonly memory?: SampleMemory;
}

/** A selection of which another thread reads the blocks. */
export interface MetricLoan {
  /** For the `BlockReader` of the other thread. */
  readonly lent: LentBlocks;
  /** The series in memory, as of the moment of the loan; to be begun at once, and once. */
  readonly heads: AsyncIterable<readonly Series[]>;
  /** If the fault that the other thread met says that a block is damaged, sets it aside. */
  setAside(fault: unknown): Promise<void>;
  /** The other thread has read what it wanted. Without it the blocks would never be removed. */
  release(): Promise<void>;
}

export interface MetricStore extends Store {
  append(batch: SampleBatch): Promise<MetricAppendResult>;
  select(request: MetricSelection): AsyncIterable<readonly Series[]>;
  /** The selection for another thread that reads the blocks itself; undefined when there is no block to read: then `select`. */
  lend(request: MetricSelection): MetricLoan | undefined;
  /**
   * Exemplars with `startMs <= time <= endMs` of series that match, in order of labels and of time. A bounded number of the newest is kept, across a
   * restart at least those that came since the last seal.
   */
  exemplars(
    request: ExemplarRequest,
  ): Promise<readonly { readonly labels: Labels; readonly exemplars: readonly Exemplar[] }[]>;
  /**
   * Deletes the samples with `startMs <= time <= endMs` that are in the store now, of series that match; durable when this resolves. They are
   * left out of answers at once and taken off the disk when blocks are merged. Samples that come later are not deleted, whatever their time.
   */
  deleteSeries(request: {
    readonly matchers: readonly Matcher[];
    readonly startMs: number;
    readonly endMs: number;
  }): Promise<void>;
  /** Takes deleted samples off the disk now. */
  cleanTombstones(): Promise<void>;
  /** Merges blocks now as far as they are due; also happens by itself. */
  compact(): Promise<void>;
  /** The blocks, in the order of their data. */
  blocks(): readonly BlockSummary[];
  /**
   * Counts the series that match and had samples since the newest block but one head's age was sealed: those in memory, and in blocks of the
   * last hours.
   */
  cardinality(request: {
    readonly matchers: readonly Matcher[];
    readonly limit: number;
    readonly signal?: AbortSignal;
  }): Promise<Cardinality>;
  /** Newest metadata by family. */
  metadata(): ReadonlyMap<string, MetricMetadata>;
}

/** Newly durable entries of one stream; `labels` and `entries` may be kept. */
export type TailListener = (labels: Labels, entries: LogColumns) => void;

export interface LogStore extends Store {
  append(batch: LogBatch): Promise<AppendResult>;
  select(
    request: LogSelect,
    statistics: { pagesRead: number; pagesSkipped: number; bytesRead: number },
  ): AsyncIterable<LogPage>;
  /** Counts lines and their bytes: pages that lie in the range as a whole are not read. */
  count(
    request: LogCountRequest,
    statistics: { pagesRead: number; pagesSkipped: number; bytesRead: number },
  ): AsyncIterable<LogCount>;
  /** Patterns of lines, counted by time, over all that is kept. */
  patterns(request: PatternRequest): Promise<PatternAnswer>;
  /**
   * Deletes the lines with `startNs <= time <= endNs` that are in the store now and that the query finds; durable when this resolves. They are left
   * out of answers at once and off the disk when their block is merged, at the latest a day later. Lines that come later are not deleted, whatever their time.
   */
  deleteLines(request: {
    readonly query: string;
    readonly startNs: bigint;
    readonly endNs: bigint;
  }): Promise<LineDelete>;
  /** Deletes that are not carried out yet, and the newest of those that are; in the order of their making. */
  lineDeletes(): readonly LineDelete[];
  /** Takes deleted lines off the disk now; happens by itself at the latest a day after they were deleted. */
  carryOutDeletes(): Promise<void>;
  /** Writes blocks anew as far as that is due; also happens by itself. */
  compact(): Promise<void>;
  /** Takes a delete back: its lines are seen again. With `force` also one of which blocks were written without them: what is left is seen again. */
  cancelDelete(id: number, options: { readonly force: boolean }): Promise<void>;
  /** Calls `listener` for every acknowledged entry from now on; stop with the returned function. Must not throw or block. */
  tail(listener: TailListener): () => void;
}

export interface LogCountRequest {
  readonly matchers: readonly Matcher[];
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Whether lines between these two times count as one. */
  readonly isOne: (minNs: bigint, maxNs: bigint) => boolean;
  readonly signal: AbortSignal;
}

/** Lines of a stream: some that count as one, or the lines themselves. */
export type LogCount =
  | {
      readonly kind: "counted";
      readonly labels: Labels;
      readonly lines: number;
      readonly bytes: number;
      /** A time of one of them. */
      readonly minNs: bigint;
    }
  | { readonly kind: "lines"; readonly labels: Labels; readonly entries: LogColumns };

/** A label and the value it must have, which is not empty. */
export interface LabelValue {
  readonly name: string;
  readonly value: string;
}

export interface PatternRequest {
  readonly matchers: readonly Matcher[];
  /** Which rows of pages are meant; without it all, and then no lines are read but the newest. */
  readonly rows?: (page: LogPage) => Uint32Array;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Whole seconds. */
  readonly stepSeconds: number;
  /** Whether to end with what was found so far. */
  readonly isLate: () => boolean;
  readonly signal: AbortSignal;
}

export interface PatternAnswer {
  /** The most frequent first; samples are by the second at which a step begins. */
  readonly patterns: readonly MinedPattern[];
  /** Lines of patterns that are too rare to be among them. */
  readonly others: number;
  /** Set when it became too late: only lines from then on were all looked at. */
  readonly sinceNs: bigint | undefined;
}

export interface LogSelect {
  readonly matchers: readonly Matcher[];
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Entries whose lines lack one of these are left out. */
  readonly needles: readonly Uint8Array[];
  /** `none`: whoever asks looks only at the lines of rows whose fields are not known; the others may be empty. */
  readonly lines: "all" | "none";
  readonly fields?: LogFieldRequest;
  /** Entries are left out whose stream, or where it lacks the label, whose structured metadata has another value, or none. */
  readonly values?: readonly LabelValue[];
  /** Names of structured metadata that count; without it, all do. Others may be missing. */
  readonly labels?: ReadonlySet<string>;
  /**
   * Set when times are looked at only to tell which edges entries lie between; they may then come with another time between the same edges, and where neither
   * lines nor an order are wanted, counted (`LogPage.tally`). Just before `startNs` and just before `endNs` there is an edge as well.
   */
  readonly edges?: LogEdges;
  /** `any`: pages come stream by stream. */
  readonly direction: "forward" | "backward" | "any";
  readonly signal: AbortSignal;
}

export type OpenMetricStore = (options: StoreOptions) => Promise<MetricStore>;
export type OpenLogStore = (options: StoreOptions) => Promise<LogStore>;

/** A place between two records of a WAL. */
export interface WalPosition {
  readonly segment: number;
  readonly offset: number;
}

export interface WalOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
  /** A segment is closed at the first record that makes it larger than this. */
  readonly segmentBytesMax: number;
  /** Bytes of appended, not yet durable records; more are refused with `limited`. */
  readonly pendingBytesMax: number;
}

/** The write-ahead log by itself; the agent's sinks keep their queues in one. */
export interface Wal extends AsyncDisposable {
  /**
   * Resolves with the position after the record once it is durable; records that wait together share one write (group commit).
   * `payload` must not change before. A full disk rejects with `unavailable`, and the log stays usable when space returns.
   */
  append(payload: Uint8Array): Promise<WalPosition>;
  /** The durable records after `from` (undefined: all that are kept), up to the end at the time of the call. */
  read(
    from: WalPosition | undefined,
  ): AsyncIterable<{ readonly payload: Uint8Array; readonly next: WalPosition }>;
  /** Closes the current segment and starts the next; returns the number of the new one. */
  rotate(): Promise<number>;
  /** Removes all segments numbered below `segment`. */
  cut(segment: number): Promise<void>;
  statistics(): {
    readonly bytes: number;
    readonly segments: number;
    readonly fsyncTotal: number;
    readonly tornBytes: number;
  };
}

export type OpenWal = (options: WalOptions) => Promise<Wal>;
