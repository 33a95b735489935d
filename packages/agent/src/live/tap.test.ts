import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../pipeline-test/manual-clock.ts";
import { Tap } from "./tap.ts";

const BATCH = 1000;

test("a reader gets a bounded share of what is too much, evenly spread, and the count of the rest", async () => {
  const clock = new ManualClock(0n);
  const tap = new Tap<number>();
  const stop = new AbortController();
  let made = 0;
  for (let batch = 0; batch < 10; batch++)
    tap.offer(BATCH, (index) => {
      made++;
      return index;
    });
  const chunks = tap.read(clock, stop.signal);
  const { value } = await chunks.next();
  assert.equal(value!.items.length, 200);
  assert.equal(value!.items.length + value!.skipped, 10 * BATCH);
  assert.deepEqual(value!.items.slice(0, 3), [0, 20, 40]);
  assert.equal(made, 200);
  stop.abort();
});

test("what is quiet says so, and abort ends it", async () => {
  const clock = new ManualClock(0n);
  const stop = new AbortController();
  const chunks = new Tap<number>().read(clock, stop.signal);
  const first = chunks.next();
  await clock.advance(15_000);
  assert.deepEqual((await first).value, { items: [], skipped: 0 });
  const second = chunks.next();
  await clock.advance(1000);
  stop.abort();
  assert.equal((await second).done, true);
});
