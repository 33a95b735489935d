/** Traffic for the benches: scrapes of node-like series with keys of realistic length, and logfmt lines. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Labels } from "@finch/model";
import type { LogBatch, SampleBatch } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_LIMITS } from "../src/index.ts";
import type { StoreOptions } from "../src/index.ts";

export const IS_LARGE = process.env["BENCH_SIZE"] === "large";

const KEY_BYTES = 480;

/** Runs `body` with the options of a store in a temporary directory of its own. */
export async function withStoreOptions(
  body: (options: StoreOptions) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "finch-bench-"));
  try {
    await body({
      directory: join(root, "store"),
      fileSystem: nodeFileSystem,
      clock: systemClock,
      log: silentLogger,
      limits: {
        ...DEFAULT_LIMITS,
        freeBytesMin: 0,
        headBytesMax: 2 ** 30,
        outOfOrderWindowMs: 1e12,
        futureWindowMs: 1e12,
      },
      retention: { maxAgeMs: Infinity, maxDiskShare: 1 },
    });
  } finally {
    await rm(root, { recursive: true });
  }
}

/** A function that makes scrape `n` of `series` series, 15 s apart; the batch is valid until the next call. */
export function createScrapes(series: number, startMs: number): (n: number) => SampleBatch {
  const labels = Array.from({ length: series }, (_, i) =>
    Labels.fromObject({
      __name__: `node_metric_${i % 50}_total`,
      instance: `10.0.0.${i % 100}:9100`,
      job: "node",
      mode: ["idle", "user", "system", "iowait"][i % 4]!,
      cpu: String(i % 16),
      idx: String(i),
      cluster: "bench",
      namespace: `ns-${i % 7}`,
    }),
  );
  const keyBytes = new Uint8Array(series * KEY_BYTES).fill(120);
  const keyBounds = new Uint32Array(2 * series);
  for (let s = 0; s < series; s++) {
    keyBytes.set(new TextEncoder().encode(`series ${s} `), s * KEY_BYTES);
    keyBounds[2 * s] = s * KEY_BYTES;
    keyBounds[2 * s + 1] = (s + 1) * KEY_BYTES;
  }
  const sampleStarts = Uint32Array.from({ length: series + 1 }, (_, s) => s);
  const timestampsMs = new Float64Array(series);
  const values = new Float64Array(series);
  return (n) => {
    timestampsMs.fill(startMs + n * 15_000);
    for (let s = 0; s < series; s++)
      values[s] = s % 3 === 0 ? (n * (s % 97)) / 8 : s + n * (1 + (s % 5));
    return {
      seriesCount: series,
      sampleStarts,
      timestampsMs,
      values,
      keyBytes,
      keyBounds,
      labelsOf: (s) => labels[s]!,
      metadata: [],
    };
  };
}

/** Push `n` of `streams` streams with `lines` lines each. */
export function createPush(n: number, streams: number, lines: number, startNs: bigint): LogBatch {
  return {
    streams: Array.from({ length: streams }, (_, stream) => {
      const texts = Array.from({ length: lines }, (_, i) => {
        const id = createHash("md5").update(`${n}/${stream}/${i}`).digest("hex");
        return Buffer.from(
          `level=info ts=2026-11-21T02:00:${String(i % 60).padStart(2, "0")}Z caller=server.go:${100 + (i % 9)} msg="request handled" method=GET path=/api/v1/items/${i % 977} trace_id=${id} status=${i % 50 === 0 ? 500 : 200} duration_ms=${(i * 7) % 300}`,
        );
      });
      const lineBounds = new Uint32Array(lines + 1);
      for (const [i, text] of texts.entries()) lineBounds[i + 1] = lineBounds[i]! + text.length;
      return {
        labels: Labels.fromObject({ job: "bench", stream: String(stream) }),
        entries: {
          count: lines,
          timestampsNs: BigInt64Array.from(
            { length: lines },
            (_, i) => startNs + BigInt(n * lines + i) * 1_000_000n,
          ),
          lines: new Uint8Array(Buffer.concat(texts)),
          lineBounds,
          metadataSets: [Labels.EMPTY],
          metadataOf: new Uint32Array(lines),
        },
      };
    }),
  };
}

export function bytesOf(batch: LogBatch): number {
  return batch.streams.reduce((sum, { entries }) => sum + entries.lines.length, 0);
}

/** Longest time the event loop did not turn while `body` ran, in ms. */
export async function measureStall(body: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  try {
    await body();
  } finally {
    clearInterval(timer);
  }
  return longest;
}

export function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

export function rssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1e6);
}

export function print(result: Record<string, unknown>): void {
  const round = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  process.stdout.write(`${JSON.stringify(result, round)}\n`);
}
