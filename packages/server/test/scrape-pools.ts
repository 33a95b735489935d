/** Scrape pools for tests: one target that is well, one that fails, one that was not scraped yet. */
import { Labels } from "@finch/model";
import type { ScrapedTarget, ScrapePool } from "../src/index.ts";
import { NOW_MS } from "./serve.ts";

const target = (instance: string, more: Partial<ScrapedTarget> = {}): ScrapedTarget => ({
  discoveredLabels: Labels.fromObject({ __address__: instance, job: "a" }),
  labels: Labels.fromObject({ instance, job: "a" }),
  url: `http://${instance}/metrics`,
  health: "unknown",
  lastError: "",
  lastScrapeMs: undefined,
  lastDurationMs: 0,
  intervalMs: 15_000,
  timeoutMs: 10_000,
  metadata: [],
  ...more,
});

const UP = { family: "up", type: "gauge", help: "Whether it is up.", unit: "" } as const;
const SIZE = { family: "size_bytes", type: "counter", help: "Size.", unit: "bytes" } as const;

export const POOLS: readonly ScrapePool[] = [
  {
    name: "a",
    targets: [
      target("localhost:9100", {
        health: "up",
        lastScrapeMs: NOW_MS - 1500,
        lastDurationMs: 12.5,
        metadata: [UP, SIZE],
      }),
      target("10.0.0.1:9100", {
        health: "down",
        lastError: "connection refused",
        lastScrapeMs: NOW_MS - 2000,
        metadata: [UP],
      }),
    ],
  },
  { name: "b", targets: [target("c:1")] },
];
