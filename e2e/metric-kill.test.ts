/**
 * SIGKILL under full ingest, while heads are sealed: nothing acknowledged is lost, nothing is there twice, every start
 * succeeds. `METRIC_KILL_ROUNDS` sets the number of kills, `KILL_SEED` replays a run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { flush, NumberedSamples } from "./numbered-samples.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["METRIC_KILL_ROUNDS"] ?? 8);
const SEED = Number(process.env["KILL_SEED"] ?? Date.now() % 1_000_000);
const SERIES = 500;
const ROUND_MS_MAX = 1500;
/** Most of the kills come so soon after a seal begins that they fall into it, or into what follows. */
const SEAL_MS_MAX = 400;
const DAY_MS = 86_400_000;

test(
  `SIGKILL ${ROUNDS} times under ingest and seals (seed ${SEED}) loses no sample`,
  { timeout: 600_000 },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-metric-kill-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const random = randomOf(SEED);
    const ports = await freePorts();
    const samples = new NumberedSamples({
      series: SERIES,
      baseMs: Date.now() - DAY_MS,
      tickMs: 15_000,
    });
    const flags = ["--log-level=warn", "--memory-limit=128MiB"];
    let sealed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const finch = await startFinch(directory, ports, flags);
      const sending = samples.sendUntilGone(finch);
      await new Promise((resolve) => setTimeout(resolve, random() * ROUND_MS_MAX));
      const sealing = round % 4 === 0 ? undefined : flush(finch);
      if (sealing !== undefined) {
        await Promise.race([
          sealing,
          new Promise((resolve) => setTimeout(resolve, random() * SEAL_MS_MAX)),
        ]);
      }
      await finch.kill();
      await sending;
      if ((await sealing) === 204) sealed++;
      if (round % 5 !== 4) continue;
      const reopened = await startFinch(directory, ports, flags);
      assert.deepEqual((await samples.missing(reopened)).slice(0, 10), [], `after round ${round}`);
      await reopened.kill();
    }
    const finch = await startFinch(directory, ports, flags);
    t.after(() => finch.kill());
    const missing = await samples.missing(finch);
    assert.deepEqual(
      missing.slice(0, 10),
      [],
      `${missing.length} acknowledged samples are missing`,
    );
    const count = samples.acknowledged.size * SERIES;
    assert.ok(samples.acknowledged.size > ROUNDS, "hardly anything was acknowledged");
    t.diagnostic(
      `${count} samples acknowledged over ${ROUNDS} kills, ${sealed} seals done before; all there once`,
    );
  },
);
