/** The corpus pushed into `finch up` over HTTP, as agents of Loki do: protobuf and Snappy, several requests on their way at once. */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Labels } from "@finch/model";
import { encodeLokiPush } from "@finch/wire";
import { labelsOf, PUSH_ENTRIES, toBatch } from "./log-batches.ts";
import { readCorpus } from "./log-corpus.ts";
import type { Corpus, CorpusPart } from "./log-corpus.ts";
import type { IngestResult } from "./log-engines.ts";
import { startFinch } from "./metric-servers.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";

const REQUESTS_AT_ONCE = 4;
const RETRY_MS = 200;
/** The newest entry is this old: Loki refuses what is from the future. */
const NEWEST_AGE_MS = 60_000;

/** Pushes the corpus, with times up to now, into a Finch of its own; the directory is removed afterwards. */
export async function ingestOverHttp(
  corpus: Corpus,
  directory: string,
): Promise<{ readonly result: IngestResult; readonly idleBytes: number }> {
  rmSync(directory, { recursive: true, force: true });
  try {
    await using server = await startFinch({ directory, api: "loki" });
    await untilIdle(server.pid, { quietMs: 1000, limitMs: 10_000 });
    const idleBytes = residentBytes(server.pid).current;
    const before = cpuSeconds(server.pid);
    const start = performance.now();
    const shiftMs = Date.now() - NEWEST_AGE_MS - corpus.endMs;
    const labels = labelsOf(corpus);
    await sendParts(readCorpus(corpus, PUSH_ENTRIES), server.url, (part) =>
      encodePart(part, labels, shiftMs),
    );
    const wallSeconds = (performance.now() - start) / 1000;
    await untilIdle(server.pid, { quietMs: 3000, limitMs: 60_000 });
    const result: IngestResult = {
      cpuSeconds: cpuSeconds(server.pid) - before,
      wallSeconds,
      diskBytes: undefined,
      rssPeakBytes: residentBytes(server.pid).peak,
    };
    return { result, idleBytes };
  } finally {
    rmSync(directory, { recursive: true, force: true });
    rmSync(`${directory}.log`, { force: true });
  }
}

export function encodePart(
  part: CorpusPart,
  labels: readonly Labels[],
  shiftMs: number,
): Uint8Array {
  return encodeLokiPush(toBatch(part, labels, { shiftMs }).streams);
}

/** Pushes one body for each part, several at once; what is refused for now is sent again. */
export async function sendParts<T>(
  parts: Iterable<T>,
  url: string,
  encode: (part: T) => Uint8Array,
): Promise<void> {
  const pending = new Set<Promise<void>>();
  for (const part of parts) {
    const sent = mustPush(url, encode(part)).finally(() => pending.delete(sent));
    pending.add(sent);
    if (pending.size >= REQUESTS_AT_ONCE) await Promise.race(pending);
  }
  await Promise.all(pending);
}

async function mustPush(url: string, body: Uint8Array): Promise<void> {
  for (;;) {
    const reply = await fetch(`${url}/loki/api/v1/push`, {
      method: "POST",
      headers: { "Content-Type": "application/x-protobuf" },
      body: Uint8Array.from(body),
    });
    const text = await reply.text();
    if (reply.ok) return;
    if (reply.status !== 429 && reply.status !== 503)
      throw new Error(`a push is answered ${reply.status}: ${text.slice(0, 300)}`);
    await sleep(RETRY_MS);
  }
}
