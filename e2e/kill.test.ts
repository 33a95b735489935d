/**
 * Nothing acknowledged is lost: numbered samples and log lines are sent while the process is killed with SIGKILL at random moments and started
 * again on the same directory, over and over. At the end every acknowledged one must be there exactly once, and nothing that was never sent.
 *
 * `KILL_ROUNDS` sets the number of kills, `KILL_SEED` replays a run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 100);
const SEED = Number(process.env["KILL_SEED"] ?? Date.now() % 1_000_000);
/** Senders at once: several, so that a kill falls into a group commit of several requests. */
const SENDERS = 4;
const SAMPLES_PER_REQUEST = 5;
const PAGE = 5000;

/** What one sender sent: numbers 0, 1, 2 …, each acknowledged or in doubt. */
interface Ledger {
  next: number;
  readonly acknowledged: Set<number>;
}

/** Number `n` of any sender belongs to this millisecond: unique, ascending, and in the recent past. */
const timeMs = (baseMs: number, n: number) => baseMs + n;

async function sendSamples(
  finch: FinchProcess,
  sender: number,
  ledger: Ledger,
  baseMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const numbers = Array.from({ length: SAMPLES_PER_REQUEST }, () => ledger.next++);
    const labels = Labels.fromObject({ __name__: "kill_number", sender: String(sender) });
    const body = encodeRemoteWrite({
      labels: numbers.map(() => labels),
      timestampsMs: Float64Array.from(numbers, (n) => timeMs(baseMs, n)),
      values: Float64Array.from(numbers),
      metadata: [],
    });
    const acknowledged = await post(
      `${finch.prometheusUrl}/api/v1/write`,
      "application/x-protobuf",
      body,
      signal,
    );
    if (acknowledged) for (const n of numbers) ledger.acknowledged.add(n);
    else return;
  }
}

async function sendLines(
  finch: FinchProcess,
  sender: number,
  ledger: Ledger,
  baseMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const numbers = Array.from({ length: SAMPLES_PER_REQUEST }, () => ledger.next++);
    const values = numbers.map((n) => [`${timeMs(baseMs, n)}000000`, `line ${n}`]);
    const body = JSON.stringify({
      streams: [{ stream: { job: "kill", sender: String(sender) }, values }],
    });
    const acknowledged = await post(
      `${finch.lokiUrl}/loki/api/v1/push`,
      "application/json",
      Buffer.from(body),
      signal,
    );
    if (acknowledged) for (const n of numbers) ledger.acknowledged.add(n);
    else return;
  }
}

/** True when acknowledged; false when the process is gone and nobody knows. */
async function post(
  url: string,
  type: string,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  let status: number;
  try {
    const reply = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": type },
      body: Uint8Array.from(body),
      signal,
    });
    status = reply.status;
    const text = await reply.text();
    if (status >= 300) throw new TypeError(`status ${status}: ${text}`, { cause: "answer" });
  } catch (error) {
    if ((error as Error).cause === "answer") throw error;
    return false;
  }
  return true;
}

async function readSamples(
  finch: FinchProcess,
  sender: number,
  baseMs: number,
  count: number,
): Promise<number[]> {
  const numbers: number[] = [];
  const windowMs = 200_000;
  for (let from = 0; from <= count; from += windowMs) {
    const query = `kill_number{sender="${sender}"}[${windowMs}ms]`;
    const time = (timeMs(baseMs, from) + windowMs - 1) / 1000;
    const reply = await fetch(
      `${finch.prometheusUrl}/api/v1/query?${new URLSearchParams({ query, time: String(time) }).toString()}`,
    );
    const answer = (await reply.json()) as { data: { result: { values: [number, string][] }[] } };
    for (const series of answer.data.result) {
      for (const [seconds, value] of series.values) {
        const n = Number(value);
        assert.equal(
          Math.round(seconds * 1000),
          timeMs(baseMs, n),
          `sample ${n} stands at its own time`,
        );
        numbers.push(n);
      }
    }
  }
  return numbers;
}

async function readLines(
  finch: FinchProcess,
  sender: number,
  baseMs: number,
  count: number,
): Promise<number[]> {
  const numbers: number[] = [];
  let from = BigInt(baseMs) * 1_000_000n;
  const end = BigInt(timeMs(baseMs, count + 1)) * 1_000_000n;
  for (;;) {
    const parameters = {
      query: `{job="kill", sender="${sender}"}`,
      start: String(from),
      end: String(end),
      limit: String(PAGE),
      direction: "forward",
    };
    const reply = await fetch(
      `${finch.lokiUrl}/loki/api/v1/query_range?${new URLSearchParams(parameters).toString()}`,
    );
    assert.equal(reply.status, 200);
    const answer = (await reply.json()) as { data: { result: { values: [string, string][] }[] } };
    const values = answer.data.result.flatMap((stream) => stream.values);
    for (const [ns, line] of values) {
      const n = Number(line.slice("line ".length));
      assert.equal(ns, `${timeMs(baseMs, n)}000000`);
      numbers.push(n);
      if (BigInt(ns) >= from) from = BigInt(ns) + 1n;
    }
    if (values.length < PAGE) return numbers;
  }
}

function compare(what: string, found: readonly number[], ledger: Ledger): void {
  const seen = new Set(found);
  assert.equal(seen.size, found.length, `${what}: something is there twice`);
  const missing = [...ledger.acknowledged].filter((n) => !seen.has(n));
  assert.deepEqual(
    missing.slice(0, 10),
    [],
    `${what}: ${missing.length} of ${ledger.acknowledged.size} acknowledged are missing`,
  );
  assert.ok(
    found.every((n) => n >= 0 && n < ledger.next),
    `${what}: something is there that was never sent`,
  );
}

test(
  `SIGKILL ${ROUNDS} times (seed ${SEED}) loses nothing that was acknowledged`,
  { timeout: 600_000 },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-kill-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const random = randomOf(SEED);
    const ports = await freePorts();
    const baseMs = Date.now() - 1_800_000;
    const samples: Ledger[] = Array.from({ length: SENDERS }, () => ({
      next: 0,
      acknowledged: new Set(),
    }));
    const lines: Ledger[] = Array.from({ length: SENDERS }, () => ({
      next: 0,
      acknowledged: new Set(),
    }));
    for (let round = 0; round < ROUNDS; round++) {
      const finch = await startFinch(directory, ports, ["--log-level=warn"]);
      const stop = new AbortController();
      const senders = Array.from({ length: SENDERS }, (_, i) => [
        sendSamples(finch, i, samples[i]!, baseMs, stop.signal),
        sendLines(finch, i, lines[i]!, baseMs, stop.signal),
      ]).flat();
      await new Promise((resolve) => setTimeout(resolve, random() * 250));
      await finch.kill();
      stop.abort();
      assert.doesNotMatch(finch.output(), /damaged/, "a kill damages nothing");
      await Promise.all(senders);
    }
    const finch = await startFinch(directory, ports);
    t.after(() => finch.kill());
    let total = 0;
    for (let i = 0; i < SENDERS; i++) {
      compare(
        `samples of sender ${i}`,
        await readSamples(finch, i, baseMs, samples[i]!.next),
        samples[i]!,
      );
      compare(`lines of sender ${i}`, await readLines(finch, i, baseMs, lines[i]!.next), lines[i]!);
      total += samples[i]!.acknowledged.size + lines[i]!.acknowledged.size;
    }
    assert.ok(total > ROUNDS, `only ${total} acknowledged: the test tested nothing`);
    t.diagnostic(
      `${total} samples and lines acknowledged over ${ROUNDS} kills, all there exactly once`,
    );
  },
);
