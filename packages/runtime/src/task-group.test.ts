import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { runTasks, untilSignal } from "./task-group.ts";
import type { SignalEmitter } from "./task-group.ts";

const untilAborted = (ended: string[], name: string) => ({
  name,
  run: async (signal: AbortSignal) => {
    if (!signal.aborted) await once(signal, "abort");
    ended.push(name);
  },
});

test("the first fault aborts the others, all end, and the fault is thrown", async () => {
  const ended: string[] = [];
  const failing = { name: "b", run: () => Promise.reject(new Error("b broke")) };
  const tasks = [untilAborted(ended, "a"), failing, untilAborted(ended, "c")];
  await assert.rejects(runTasks(tasks, new AbortController().signal), /b broke/);
  assert.deepEqual(ended, ["a", "c"]);
});

test("an abort from outside ends the group well, also when a task rejects with the reason", async () => {
  const stop = new AbortController();
  const rejecting = {
    name: "b",
    run: async (signal: AbortSignal) => {
      await once(signal, "abort");
      throw signal.reason as Error;
    },
  };
  const ended: string[] = [];
  const all = runTasks([untilAborted(ended, "a"), rejecting], stop.signal);
  stop.abort();
  await all;
  assert.deepEqual(ended, ["a"]);
});

test("the first signal aborts, the second is told, disposing lets go", () => {
  const emitter = new EventEmitter();
  const seconds: string[] = [];
  {
    using until = untilSignal(emitter as unknown as SignalEmitter, (name) => seconds.push(name));
    emitter.emit("SIGTERM", "SIGTERM");
    assert.equal(until.signal.aborted, true);
    assert.deepEqual(seconds, []);
    emitter.emit("SIGINT", "SIGINT");
    assert.deepEqual(seconds, ["SIGINT"]);
  }
  assert.equal(emitter.listenerCount("SIGTERM"), 0);
});
