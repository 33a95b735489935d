/**
 * Flipped, torn, emptied and missing files: whatever is done to one file of the metrics' directory, Finch starts, tells no wrong value, names what
 * it had to leave out, and takes writes again. `DAMAGE_ROUNDS` sets how often each file is damaged in other ways, `DAMAGE_SEED` replays a run.
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
import { flush, NumberedSamples } from "./numbered-samples.ts";
import { randomOf } from "./seeded-random.ts";

const ROUNDS = Number(process.env["DAMAGE_ROUNDS"] ?? 1);
const SEED = Number(process.env["DAMAGE_SEED"] ?? Date.now() % 1_000_000);
const SERIES = 100;
const TICKS_PER_PART = 40;
const DAY_MS = 86_400_000;

test(
  `any file of the metrics damaged (seed ${SEED}): Finch starts, tells nothing wrong, names what is gone`,
  { timeout: 1_200_000 },
  async (t) => {
    const root = await mkdtemp(join(tmpdir(), "finch-damage-"));
    t.after(() => rm(root, { recursive: true }));
    const whole = join(root, "whole");
    await writeIdleAgent(whole);
    const ports = await freePorts();
    const samples = new NumberedSamples({
      series: SERIES,
      baseMs: Date.now() - DAY_MS,
      tickMs: 15_000,
    });
    const start = (directory: string) => startFinch(directory, ports, ["--log-level=warn"]);
    {
      // Two blocks and what the log holds.
      await using finch = await start(whole);
      for (let part = 0; part < 3; part++) {
        for (let i = 0; i < TICKS_PER_PART; i++)
          assert.equal(await samples.send(finch, samples.next), true);
        if (part < 2) assert.equal(await flush(finch), 204);
      }
    }
    const random = randomOf(SEED);
    const faults: string[] = [];
    const files = filesBelow(join(whole, "metrics"));
    assert.ok(files.length >= 8, files.join(" "));
    let damaged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, file] of files.entries()) {
        const copy = join(root, "copy");
        cpSync(whole, copy, { recursive: true });
        const done = DAMAGES[(i + round + 2) % DAMAGES.length]!(
          join(copy, "metrics", file),
          random,
        );
        if (done === undefined) continue;
        damaged++;
        const fault = await faultOf(copy, file);
        if (fault !== undefined) faults.push(`${file}, ${done}: ${fault}`);
        rmSync(copy, { recursive: true });
      }
    }
    t.diagnostic(`${damaged} damages of ${files.length} files`);
    assert.deepEqual(faults, []);

    /** What is missing. Damage that a query finds fails that query; the block is then set aside, and the next goes on without it. */
    async function missingOnceAside(finch: FinchProcess): Promise<readonly string[]> {
      try {
        return await samples.missing(finch);
      } catch (error) {
        if (!(error as Error).message.includes("is damaged")) throw error;
        return await samples.missing(finch);
      }
    }

    /** What went wrong with a damaged directory, or undefined. */
    async function faultOf(directory: string, file: string): Promise<string | undefined> {
      try {
        await using finch = await start(directory);
        const missing = await missingOnceAside(finch);
        // A block is named by its directory; of the log's torn end its directory is told, and how many bytes were cut.
        const part = file.startsWith("wal/")
          ? "metrics/wal"
          : file.split("/").slice(0, 2).join("/");
        const isNamed = finch.output().includes(part);
        if (missing.length > 0 && !isNamed)
          return `${missing.length} samples are gone and nothing says so`;
        if ((await samples.send(finch, samples.next - 1)) !== true) return "writes are refused";
        if (missing.length === 0) return undefined;
        await finch.kill();
        await using again = await start(directory);
        const stillMissing = await samples.missing(again);
        if (stillMissing.length > missing.length) return "more is gone after the next start";
      } catch (error) {
        const { message } = error as Error;
        // What version it is cannot be guessed; the file holds nothing else.
        if (file === "version" && message.includes("metrics/version is damaged")) return undefined;
        return message.slice(0, 600);
      }
      return undefined;
    }
  },
);
