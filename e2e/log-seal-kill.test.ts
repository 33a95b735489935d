/**
 * SIGKILL under full push of lines, while heads are sealed and blocks are merged (the first kill waits for a merge): nothing acknowledged is lost, nothing
 * is there twice, every line is whole, every start succeeds. Maintenance runs several times a second (`brisk-clock.ts`). `LOG_SEAL_KILL_ROUNDS` sets the number
 * of kills, `KILL_SEED` replays a run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { blocksOfLogs, NumberedLines, unfinishedBlocksOfLogs } from "./numbered-lines.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["LOG_SEAL_KILL_ROUNDS"] ?? 10);
const SEED = Number(process.env["KILL_SEED"] ?? Date.now() % 1_000_000);
const ROUND_MS_MAX = 1500;
/** A merge comes after four seals. */
const MERGE_MS_MAX = 120_000;
const HOUR_MS = 3_600_000;
const BRISK_CLOCK = join(import.meta.dirname, "brisk-clock.ts");
/** The least head there is: 16 MiB, and sealed with a quarter of it when it spans two hours, as it does with every 240 ticks. */
const FLAGS = ["--log-level=info", "--memory-limit=128MiB"];
const STREAMS = 10;
const LINE_BYTES = 4000;
const TICK_MS = 30_000;
/** Lines that are 72 hours older than the newest are refused, and Finch's own are of now. */
const AGE_MS = 71 * HOUR_MS;

async function untilMerged(finch: FinchProcess): Promise<void> {
  const endMs = performance.now() + MERGE_MS_MAX;
  while (!finch.output().includes("merged blocks")) {
    assert.ok(performance.now() < endMs, `no merge: ${finch.output().slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test(
  `SIGKILL ${ROUNDS} times under pushes, seals and merges (seed ${SEED}) loses no line`,
  { timeout: 600_000 },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-log-seal-kill-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const random = randomOf(SEED);
    const ports = await freePorts();
    const lines = new NumberedLines({
      streams: STREAMS,
      baseMs: Date.now() - AGE_MS,
      tickMs: TICK_MS,
      lineBytes: LINE_BYTES,
    });
    const seen = { merges: 0, unfinished: 0 };
    for (let round = 0; ; round++) {
      await using finch = await startFinch(directory, ports, FLAGS, [BRISK_CLOCK]);
      const missing = await lines.missing(finch);
      assert.deepEqual(missing.slice(0, 10), [], `${missing.length} missing after kill ${round}`);
      if (round === ROUNDS) break;
      const sending = lines.sendUntilGone(finch);
      if (round === 0) await untilMerged(finch);
      await new Promise((resolve) => setTimeout(resolve, random() * ROUND_MS_MAX));
      await finch.kill();
      await sending;
      assert.doesNotMatch(finch.output(), /damaged/, "a kill damages nothing");
      seen.merges += finch.output().match(/merged blocks/g)?.length ?? 0;
      if (unfinishedBlocksOfLogs(directory).length > 0) seen.unfinished++;
    }
    assert.ok(lines.acknowledged.size > ROUNDS, "hardly anything was acknowledged");
    const blocks = blocksOfLogs(directory).length;
    assert.ok(blocks > 1, "hardly anything was sealed");
    assert.ok(seen.merges > 0, "nothing was merged");
    t.diagnostic(
      `${lines.acknowledged.size * STREAMS} lines acknowledged, ${blocks} blocks, ${seen.merges} merges; ` +
        `${seen.unfinished} of ${ROUNDS} kills left an unfinished block`,
    );
  },
);
