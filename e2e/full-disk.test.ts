/**
 * A full disk: writes answer 503 with Retry-After, queries go on, and when space returns writes are taken again. On a small tmpfs of its own, so it
 * needs root; elsewhere it is skipped.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { fillDisk, mountSmallDisk } from "./small-disk.ts";

const DISK_BYTES = 256 << 20;
/** More than fit into the log's room. */
const SENT_MAX = 10_000;
const RECOVERY_MS_MAX = 30_000;

function send(finch: FinchProcess, n: number, nowMs: number): Promise<Response> {
  const labels = Labels.fromObject({ __name__: "disk_number" });
  const body = encodeRemoteWrite({
    labels: [labels],
    timestampsMs: Float64Array.of(nowMs - 1_000_000 + n),
    values: Float64Array.of(n),
  });
  return fetch(`${finch.prometheusUrl}/api/v1/write`, {
    method: "POST",
    headers: { "Content-Type": "application/x-protobuf" },
    body: Uint8Array.from(body),
  });
}

function push(finch: FinchProcess, n: number, nowMs: number): Promise<Response> {
  const values = [[`${nowMs - 1_000_000 + n}000000`, `line ${n}`]];
  return fetch(`${finch.lokiUrl}/loki/api/v1/push`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ streams: [{ stream: { job: "disk" }, values }] }),
  });
}

/** Sends 1, 2, 3 … until one is refused, as it must be: 503 with Retry-After. Returns those that were taken: what fitted into the room that the log had made. */
async function sendUntilRefused(sendOne: (n: number) => Promise<Response>): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 1; n < SENT_MAX; n++) {
    const reply = await sendOne(n);
    if (reply.status === 204) {
      taken.push(n);
      continue;
    }
    assert.equal(reply.status, 503, await reply.text());
    assert.match(reply.headers.get("retry-after") ?? "", /^\d+$/);
    return taken;
  }
  assert.fail("a full disk refuses at last");
}

async function storedNumbers(finch: FinchProcess): Promise<number[]> {
  const reply = await fetch(
    `${finch.prometheusUrl}/api/v1/query?${new URLSearchParams({ query: "disk_number[1h]" }).toString()}`,
  );
  assert.equal(reply.status, 200);
  const answer = (await reply.json()) as { data: { result: { values: [number, string][] }[] } };
  return answer.data.result.flatMap((series) => series.values.map(([, value]) => Number(value)));
}

async function storedLines(finch: FinchProcess): Promise<number[]> {
  const parameters = new URLSearchParams({
    query: '{job="disk"}',
    since: "1h",
    limit: "5000",
    direction: "forward",
  });
  const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/query_range?${parameters.toString()}`);
  assert.equal(reply.status, 200);
  const answer = (await reply.json()) as { data: { result: { values: [string, string][] }[] } };
  return answer.data.result.flatMap(({ values }) =>
    values.map(([, line]) => Number(line.slice("line ".length))),
  );
}

test(
  "a full disk answers 503 with Retry-After, keeps serving queries, and recovers",
  { timeout: 120_000 },
  async (t) => {
    await using disk = await mountSmallDisk(DISK_BYTES);
    const { directory } = disk;
    if (directory === undefined) return t.skip(disk.skip);
    await writeIdleAgent(directory);
    await using finch = await startFinch(directory, await freePorts(), ["--log-level=error"]);
    const nowMs = Date.now();
    const ballast = join(directory, "ballast");
    assert.equal((await send(finch, 0, nowMs)).status, 204);
    assert.equal((await push(finch, 0, nowMs)).status, 204);

    fillDisk(ballast);
    const acknowledged = [0, ...(await sendUntilRefused((n) => send(finch, n, nowMs)))];
    const lines = [0, ...(await sendUntilRefused((n) => push(finch, n, nowMs)))];
    assert.deepEqual(await storedNumbers(finch), acknowledged, "queries go on");
    assert.deepEqual(await storedLines(finch), lines, "queries of lines go on");

    await rm(ballast);
    const deadline = Date.now() + RECOVERY_MS_MAX;
    let status = 0;
    while (status !== 204 && Date.now() < deadline) {
      status = (await send(finch, SENT_MAX, nowMs)).status;
      if (status !== 204) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(status, 204, "writes are taken again when space returns");
    acknowledged.push(SENT_MAX);
    assert.equal((await push(finch, SENT_MAX, nowMs)).status, 204);
    lines.push(SENT_MAX);
    assert.deepEqual(await storedNumbers(finch), acknowledged);
    assert.deepEqual(await storedLines(finch), lines);
  },
);
