/** How the scrapes of one target go: what the last one found, kept for reports. */
import type { MetricMetadata } from "@finch/model";
import type { ScrapedTarget } from "../../scrape-pool.ts";
import type { ScrapeTarget } from "./scrape-target.ts";

export interface ScrapeOutcome {
  readonly startedMs: number;
  readonly durationMs: number;
  /** Empty after a successful scrape. */
  readonly error: string;
  /** Undefined when the scrape failed. */
  readonly metadata: readonly MetricMetadata[] | undefined;
}

export class ScrapeStatus {
  readonly #target: ScrapeTarget;
  #last: ScrapeOutcome | undefined;
  #metadata: readonly MetricMetadata[] = [];

  constructor(target: ScrapeTarget) {
    this.#target = target;
  }

  note(outcome: ScrapeOutcome): void {
    this.#last = outcome;
    this.#metadata = outcome.metadata ?? this.#metadata;
  }

  report(): ScrapedTarget {
    const { discoveredLabels, labels, url, intervalMs, timeoutMs } = this.#target;
    const last = this.#last;
    return {
      discoveredLabels,
      labels,
      url,
      health: last === undefined ? "unknown" : last.error === "" ? "up" : "down",
      lastError: last?.error ?? "",
      lastScrapeMs: last?.startedMs,
      lastDurationMs: last?.durationMs ?? 0,
      intervalMs,
      timeoutMs,
      metadata: this.#metadata,
    };
  }
}
