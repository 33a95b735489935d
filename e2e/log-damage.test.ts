/**
 * Flipped, torn, emptied and missing files: whatever is done to one file of the logs' directory, Finch starts, tells no wrong line, names what it had to leave
 * out, and takes lines again. `DAMAGE_ROUNDS` sets how often each file is damaged in other ways, `DAMAGE_SEED` replays a run.
 */
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DAMAGES, filesBelow } from "./file-damages.ts";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { blocksOfLogs, NumberedLines } from "./numbered-lines.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["DAMAGE_ROUNDS"] ?? 1);
const SEED = Number(process.env["DAMAGE_SEED"] ?? Date.now() % 1_000_000);
const HOUR_MS = 3_600_000;
const STREAMS = 10;
const TICK_MS = 2 * 60_000;
const LINE_BYTES = 10_000;
const TICKS_BEHIND_BLOCKS = 5;
/** More than two heads need. */
const TICKS_MAX = 1000;
/** The least head there is, as in `log-seal-kill.test.ts`. */
const FLAGS = ["--log-level=warn", "--memory-limit=128MiB"];

test(
  `any file of the logs damaged (seed ${SEED}): Finch starts, tells nothing wrong, names what is gone`,
  { timeout: 1_200_000 },
  async (t) => {
    const root = await mkdtemp(join(tmpdir(), "finch-log-damage-"));
    t.after(() => rm(root, { recursive: true }));
    const whole = join(root, "whole");
    await writeIdleAgent(whole);
    const ports = await freePorts();
    const lines = new NumberedLines({
      streams: STREAMS,
      baseMs: Date.now() - 70 * HOUR_MS,
      tickMs: TICK_MS,
      lineBytes: LINE_BYTES,
    });
    const start = (directory: string) => startFinch(directory, ports, FLAGS);
    {
      // Two blocks and what the log holds.
      await using finch = await start(whole);
      const isEnough = () => blocksOfLogs(whole).length >= 2;
      for (let left = TICKS_BEHIND_BLOCKS; left > 0 && lines.next < TICKS_MAX;) {
        assert.equal(await lines.send(finch, lines.next), true);
        if (isEnough()) left--;
      }
      assert.ok(isEnough(), "no blocks were sealed");
    }
    const random = randomOf(SEED);
    const faults: string[] = [];
    const files = filesBelow(join(whole, "logs"));
    let damaged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, file] of files.entries()) {
        const copy = join(root, "copy");
        cpSync(whole, copy, { recursive: true });
        const damage = DAMAGES[(i + round + 2) % DAMAGES.length]!;
        const done = damage(join(copy, "logs", file), random);
        if (done !== undefined) {
          damaged++;
          const fault = await faultOf(copy, file);
          if (fault !== undefined) faults.push(`${file}, ${done}: ${fault}`);
        }
        rmSync(copy, { recursive: true });
      }
    }
    t.diagnostic(`${damaged} damages of ${files.length} files`);
    assert.ok(damaged > 5, files.join(" "));
    assert.deepEqual(faults, []);

    /** What is missing. Damage that a query finds fails that query; the block is then set aside, and the next goes on without it. */
    async function missingOnceAside(finch: FinchProcess): Promise<readonly string[]> {
      try {
        return await lines.missing(finch);
      } catch (error) {
        if (!(error as Error).message.includes("is damaged")) throw error;
        return await lines.missing(finch);
      }
    }

    /** What went wrong with a damaged directory, or undefined. */
    async function faultOf(directory: string, file: string): Promise<string | undefined> {
      try {
        await using finch = await start(directory);
        const missing = await missingOnceAside(finch);
        // A block is named by its directory; of the log's torn end its directory is told, and how many bytes were cut.
        const part = file.startsWith("wal/") ? "logs/wal" : file.split("/").slice(0, 2).join("/");
        if (missing.length > 0 && !finch.output().includes(part))
          return `${missing.length} lines are gone and nothing says so`;
        const last = lines.next - 1;
        if ((await lines.send(finch, last)) !== true) return "pushes are refused";
        if (missing.length === 0) return undefined;
        await finch.kill();
        await using again = await start(directory);
        const stillMissing = await lines.missing(again);
        if (stillMissing.length > missing.length) return "more is gone after the next start";
      } catch (error) {
        const { message } = error as Error;
        // What version it is cannot be guessed, nor which labels were demoted; the files hold nothing else, and the way out is told.
        if (file === "version" && message.includes("logs/version is damaged")) return undefined;
        if (file === "demoted-labels.json" && message.includes("demoted-labels.json does not say"))
          return undefined;
        return message.slice(0, 600);
      }
      return undefined;
    }
  },
);
