/**
 * A disk without room for a seal: the seal fails and says so, what was acknowledged is answered as before, and when space returns the same seal
 * succeeds. On a small tmpfs of its own, so it needs root; elsewhere it is skipped.
 */
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { flush, NumberedSamples } from "./numbered-samples.ts";
import { fillDisk, mountSmallDisk } from "./small-disk.ts";

const SERIES = 2000;
const TICKS = 60;
const DISK_BYTES = 64 << 20;
const ROOM_SEEN_MS_MAX = 30_000;
const DAY_MS = 86_400_000;
const FLAGS = ["--log-level=warn"];

test("a disk too full for a seal loses nothing", { timeout: 240_000 }, async (t) => {
  await using disk = await mountSmallDisk(DISK_BYTES);
  const { directory } = disk;
  if (directory === undefined) return t.skip(disk.skip);
  await writeIdleAgent(directory);
  const ports = await freePorts();
  const ballast = join(directory, "ballast");
  const samples = new NumberedSamples({
    series: SERIES,
    baseMs: Date.now() - DAY_MS,
    tickMs: 15_000,
  });
  const sendSome = async (finch: FinchProcess) => {
    for (let i = 0; i < TICKS; i++) {
      const tick = samples.next;
      const deadline = Date.now() + ROOM_SEEN_MS_MAX;
      while ((await samples.send(finch, tick)) !== true) {
        // Refused for want of room: that there is room again is seen within a while.
        assert.ok(Date.now() < deadline, "writes are taken again when space returns");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  /** Until nothing more is taken: a seal would else get the room that the log had made. */
  const fill = async (finch: FinchProcess) => {
    fillDisk(ballast);
    let taken: boolean | Response = true;
    while (taken === true) taken = await samples.send(finch, samples.next);
    assert.equal((taken as Response).status, 503);
  };
  const checkAll = async (finch: FinchProcess, when: string) =>
    assert.deepEqual((await samples.missing(finch)).slice(0, 5), [], when);
  {
    await using finch = await startFinch(directory, ports, FLAGS);
    await sendSome(finch);
    await fill(finch);
    const status = await flush(finch);
    assert.ok(status === 500 || status === 503, `a seal without room is answered ${status}`);
    await checkAll(finch, "queries go on");
  }
  {
    await using finch = await startFinch(directory, ports, FLAGS);
    await checkAll(finch, "after a kill while the disk is full");
    rmSync(ballast);
    assert.equal(await flush(finch), 204);
    await checkAll(finch, "sealed after the start");
    await sendSome(finch);
    await fill(finch);
    assert.notEqual(await flush(finch), 204);
    rmSync(ballast);
    assert.equal(await flush(finch), 204, "the same seal, once there is room");
    await checkAll(finch, "sealed at the second attempt");
  }
  await using finch = await startFinch(directory, ports, FLAGS);
  await checkAll(finch, "after the last start");
  const names = readdirSync(join(directory, "metrics", "blocks"));
  const left = names.filter((name) => !/^\d{10}$/.test(name));
  assert.deepEqual(left, [], "nothing half done is left over");
});
