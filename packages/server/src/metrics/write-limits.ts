/**
 * Limits of everything that metrics come in by, in one place; Mimir's values where it has one. What a decoder may hold of one request at most stands
 * in `limits.ts` of `@finch/wire`.
 */
import type { IngestionRate } from "./write-rate.ts";

export interface WriteLimits {
  /** Bytes of a write request as sent; one larger is 413. */
  readonly writeBytesMax: number;
  /** Bytes of a write request once decompressed; without it a small body could unfold into all memory. */
  readonly writeDecodedBytesMax: number;
  /** Labels of a series, on every way in; each distinct one stays in the index. */
  readonly labels: {
    readonly labelsPerSeriesMax: number;
    readonly labelNameBytesMax: number;
    readonly labelValueBytesMax: number;
  };
  /** How fast samples may come in; off by default, since a disk that cannot keep up pushes back by itself. */
  readonly ingestionRate: IngestionRate;
  /** Refused samples that a 400 names one by one; the rest is counted. */
  readonly rejectionsToldMax: number;
}

export const DEFAULT_WRITE_LIMITS: WriteLimits = {
  writeBytesMax: 32 * 1024 * 1024,
  writeDecodedBytesMax: 128 * 1024 * 1024,
  labels: { labelsPerSeriesMax: 30, labelNameBytesMax: 1024, labelValueBytesMax: 2048 },
  ingestionRate: { perSecond: 0, burst: 1_000_000 },
  rejectionsToldMax: 10,
};
