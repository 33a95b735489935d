/** Limits of the logs API: Loki's defaults, so that what Loki takes is taken and what it refuses is refused. */

export interface LogsLimits {
  /** Bytes of a push as sent; one larger is 413. */
  readonly pushBytesMax: number;
  /** Bytes of a push once decompressed; without it a small body could unfold into all memory. */
  readonly pushDecodedBytesMax: number;
  /** Bytes of one line. */
  readonly lineBytesMax: number;
  readonly labelsPerStreamMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
  /** Bytes and entries of structured metadata of one line. */
  readonly metadataBytesMax: number;
  readonly metadataEntriesMax: number;
  /** Entries older than this, by this machine's clock, are refused. */
  readonly ageMsMax: number;
  /** Entries further in the future are refused. */
  readonly futureMsMax: number;
  /** Entries of one query's answer. */
  readonly entriesPerQueryMax: number;
  /** Series of one metric query's answer. */
  readonly seriesPerQueryMax: number;
  /** Steps of a range query. */
  readonly pointsPerSeriesMax: number;
  /** Longest range of one query. */
  readonly queryRangeMsMax: number;
  readonly queryTimeoutMs: number;
  /** Mining of patterns goes on this long; then the answer has those of the lines so far. */
  readonly patternsTimeMs: number;
  /** Tails at once; each holds a queue. */
  readonly tailsMax: number;
  /** Entries one tail may have waiting, for each second that it waits for late ones and one more; what is beyond is dropped and told as such. */
  readonly tailQueueEntriesMax: number;
  readonly tailDelayMsMax: number;
}

export const DEFAULT_LOGS_LIMITS: LogsLimits = {
  pushBytesMax: 32 * 1024 * 1024,
  pushDecodedBytesMax: 128 * 1024 * 1024,
  lineBytesMax: 256 * 1024,
  labelsPerStreamMax: 15,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 2048,
  metadataBytesMax: 64 * 1024,
  metadataEntriesMax: 128,
  ageMsMax: 7 * 86_400_000,
  futureMsMax: 600_000,
  entriesPerQueryMax: 5000,
  seriesPerQueryMax: 500,
  pointsPerSeriesMax: 11_000,
  queryRangeMsMax: 721 * 3_600_000,
  queryTimeoutMs: 60_000,
  patternsTimeMs: 20_000,
  tailsMax: 10,
  tailQueueEntriesMax: 10_000,
  tailDelayMsMax: 5000,
};
