/** Limits of the metrics API, with Prometheus' and Mimir's values where they have one. */
import type { IngestionRate } from "./write-rate.ts";

export interface MetricsLimits {
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
  /** Steps of a range query; without it a second-wise year would be asked for. */
  readonly pointsPerSeriesMax: number;
  readonly queryTimeoutMs: number;
  /** How far back an instant selector looks for the newest sample. */
  readonly lookbackMs: number;
  /** Refused samples that a 400 names one by one; the rest is counted. */
  readonly rejectionsToldMax: number;
}

export const DEFAULT_METRICS_LIMITS: MetricsLimits = {
  writeBytesMax: 32 * 1024 * 1024,
  writeDecodedBytesMax: 128 * 1024 * 1024,
  labels: { labelsPerSeriesMax: 30, labelNameBytesMax: 1024, labelValueBytesMax: 2048 },
  ingestionRate: { perSecond: 0, burst: 1_000_000 },
  pointsPerSeriesMax: 11_000,
  queryTimeoutMs: 120_000,
  lookbackMs: 300_000,
  rejectionsToldMax: 10,
};
