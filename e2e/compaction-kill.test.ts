/**
 * SIGKILL under full ingest while blocks are merged, samples deleted, and blocks with deleted samples written anew: after each start every sample that was
 * acknowledged and not deleted is there exactly once, and none that was deleted. Maintenance runs several times a second (`brisk-clock.ts`).
 * `COMPACTION_KILL_ROUNDS` sets the number of kills, `KILL_SEED` replays a run.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { cleanTombstones, flush, NumberedSamples } from "./numbered-samples.ts";
import type { DeletedTicks } from "./numbered-samples.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["COMPACTION_KILL_ROUNDS"] ?? 20);
const SEED = Number(process.env["KILL_SEED"] ?? Date.now() % 1_000_000);
const SERIES = 200;
const ROUND_MS_MAX = 500;
/** Older ticks are deleted now and then, so that reading everything back stays quick. */
const KEPT_TICKS = 80;
const HOUR_MS = 3_600_000;
const BRISK_CLOCK = join(import.meta.dirname, "brisk-clock.ts");
const FLAGS = ["--log-level=info", "--memory-limit=128MiB", "--admin-api=on"];

/** Ticks that are acknowledged and will not be sent again: the last one but one at most. */
function chooseTicks(samples: NumberedSamples, random: () => number): DeletedTicks | undefined {
  const last = samples.next - 2;
  if (last < 0) return undefined;
  const group = Math.floor(random() * samples.groups);
  if (random() < 0.7) return { group, from: 0, to: Math.max(0, last - KEPT_TICKS) };
  const from = Math.max(0, last - Math.floor(random() * KEPT_TICKS));
  return { group, from, to: Math.min(last, from + Math.floor(random() * 10)) };
}

/** Deletes, seals and cleans until the process is gone; returns the delete that was not answered. */
async function disturb(
  finch: FinchProcess,
  samples: NumberedSamples,
  random: () => number,
): Promise<DeletedTicks | undefined> {
  for (;;) {
    const choice = random();
    const ticks = choice < 0.3 ? chooseTicks(samples, random) : undefined;
    if (ticks !== undefined) {
      const taken = await samples.delete(finch, ticks);
      if (taken === false) return ticks;
      assert.ok(taken === true, `a delete is answered ${(taken as Response).status}`);
    } else {
      const status = await (choice < 0.8 ? flush : cleanTombstones)(finch);
      if (status === undefined) return undefined;
      assert.equal(status, 204);
    }
  }
}

/** What a kill left: blocks that were being written, or removed. */
async function unfinishedBlocks(directory: string): Promise<number> {
  const names = await readdir(join(directory, "metrics/blocks")).catch(() => []);
  return names.filter((name) => name.endsWith(".tmp") || name.endsWith(".gone")).length;
}

test(
  `SIGKILL ${ROUNDS} times under merges and deletes (seed ${SEED}): nothing is lost, nothing comes back`,
  { timeout: 600_000 },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-compaction-kill-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const random = randomOf(SEED);
    const ports = await freePorts();
    const samples = new NumberedSamples({
      series: SERIES,
      baseMs: Date.now() - 70 * HOUR_MS,
      tickMs: 1000,
    });
    let inDoubt: DeletedTicks | undefined;
    const seen = { merges: 0, unfinished: 0, settled: 0 };
    for (let round = 0; ; round++) {
      await using finch = await startFinch(directory, ports, FLAGS, [BRISK_CLOCK]);
      if (inDoubt !== undefined && (await samples.settleDelete(finch, inDoubt))) seen.settled++;
      const missing = await samples.missing(finch);
      assert.deepEqual(
        missing.slice(0, 10),
        [],
        `${missing.length} are missing after kill ${round}`,
      );
      if (round === ROUNDS) break;
      const sending = samples.sendUntilGone(finch);
      const disturbing = disturb(finch, samples, random);
      await new Promise((resolve) => setTimeout(resolve, random() * ROUND_MS_MAX));
      await finch.kill();
      await sending;
      inDoubt = await disturbing;
      assert.doesNotMatch(finch.output(), /damaged/, "a kill damages nothing");
      seen.merges += finch.output().match(/merged blocks/g)?.length ?? 0;
      if ((await unfinishedBlocks(directory)) > 0) seen.unfinished++;
    }
    assert.ok(samples.acknowledged.size > ROUNDS, "hardly anything was acknowledged");
    assert.ok(seen.merges > 0, "no blocks were merged: the test tested nothing");
    t.diagnostic(
      `${samples.acknowledged.size * SERIES} samples acknowledged, ${samples.deletedTicks} ticks of a group deleted, ${seen.merges} merges; ` +
        `${seen.unfinished} of ${ROUNDS} kills left an unfinished block, ${seen.settled} deletes took place unanswered`,
    );
  },
);
