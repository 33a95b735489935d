import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEvent } from "@finch/runtime";
import { formatPretty, OwnLogs } from "./log-output.ts";
import type { OwnLogLine } from "./log-output.ts";

const event = (msg: string, part = "finch", timeMs = 1000): LogEvent => ({
  timeMs,
  level: "info",
  part,
  msg,
  fields: { n: 1 },
});

test("events since the start are written once a store is there, in order, no two at one time", async () => {
  const logs = new OwnLogs();
  const written: OwnLogLine[] = [];
  logs.sink(event("first"));
  logs.sink(event("second"));
  logs.connect(async (lines) => void written.push(...lines));
  logs.sink(event("third", "finch", 999));
  await logs.disconnect();
  assert.deepEqual(
    written.map(({ timeNs, line }) => [timeNs, /msg=(\w+)/.exec(line)![1]]),
    [
      [1_000_000_000n, "first"],
      [1_000_000_001n, "second"],
      [1_000_000_002n, "third"],
    ],
  );
});

test("what the store says while it writes does not come back to it", async () => {
  const logs = new OwnLogs();
  const batches: string[][] = [];
  logs.connect(async (lines) => {
    batches.push(lines.map(({ line }) => line));
    logs.sink(event("fsync", "store:logs"));
  });
  logs.sink(event("one"));
  await logs.disconnect();
  assert.equal(batches.length, 1);
  assert.match(batches[0]!.join(), /msg=one/);
});

test("a store that refuses costs lines, not memory, and is counted", async () => {
  const logs = new OwnLogs();
  logs.connect(() => Promise.reject(new Error("full")));
  for (let i = 0; i < 1005; i++) logs.sink(event(`line${i}`));
  await logs.disconnect();
  assert.equal(logs.droppedTotal, 1005);
});

test("a line for people", () => {
  assert.match(formatPretty(event("hello"), false), /^\d\d:\d\d:\d\d info {2}hello n=1 \(finch\)$/);
});
