/** The corpus pushed into `finch up` over HTTP, as agents of Loki do: protobuf and Snappy, several requests on their way at once. */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeLokiPush } from "@finch/wire";
import { labelsOf, PUSH_ENTRIES, toBatch } from "./log-batches.ts";
import { readCorpus } from "./log-corpus.ts";
import type { Corpus } from "./log-corpus.ts";
import type { IngestResult } from "./log-engines.ts";
import { startFinch } from "./metric-servers.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";

export const PUSH_PATH = "/loki/api/v1/push";
const REQUESTS_AT_ONCE = 8;
const RETRY_MS = 200;
/** Of one push; then the server is taken to be gone. */
const REFUSALS_MAX = 1500;
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
    const shiftNs = BigInt(Date.now() - NEWEST_AGE_MS - corpus.endMs) * 1_000_000n;
    const labels = labelsOf(corpus);
    await sendParts(readCorpus(corpus, PUSH_ENTRIES), server.url + PUSH_PATH, (part) =>
      encodeLokiPush(toBatch(part, labels, { retime: (ns) => ns + shiftNs }).streams),
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

/** Pushes one body for each part to `url`, several at once. What is refused for now is sent again; says how often. */
export async function sendParts<T>(
  parts: Iterable<T>,
  url: string,
  encode: (part: T) => Uint8Array,
): Promise<{ readonly refusals: number }> {
  const pending = new Set<Promise<void>>();
  let refusals = 0;
  for (const part of parts) {
    const sent = mustPush(url, encode(part))
      .then((count) => void (refusals += count))
      .finally(() => pending.delete(sent));
    pending.add(sent);
    if (pending.size >= REQUESTS_AT_ONCE) await Promise.race(pending);
  }
  await Promise.all(pending);
  return { refusals };
}

/** What is refused for now, or cut off, is sent again, as agents do: a repetition is stored once. Says how often. */
async function mustPush(url: string, body: Uint8Array): Promise<number> {
  for (let refusals = 0; ; refusals++) {
    const { status, text } = await push(url, body);
    if (status >= 200 && status < 300) return refusals;
    const isForNow = status === CUT_OFF || status === 429 || status === 503;
    if (!isForNow || refusals >= REFUSALS_MAX)
      throw new Error(`a push is answered ${status}: ${text.slice(0, 300)}`);
    await sleep(RETRY_MS);
  }
}

/** In place of a status, when the connection was cut. */
const CUT_OFF = 0;

async function push(
  url: string,
  body: Uint8Array,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const reply = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/x-protobuf" },
      body: Uint8Array.from(body),
    });
    return { status: reply.status, text: await reply.text() };
  } catch (error) {
    return { status: CUT_OFF, text: String((error as Error).cause ?? error) };
  }
}
