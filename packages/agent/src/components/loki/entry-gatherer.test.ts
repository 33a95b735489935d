import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import type { LogEntry } from "../../receivers.ts";
import { EntryGatherer } from "./entry-gatherer.ts";

const QUIET = { isUrgent: false };
const URGENT = { isUrgent: true };

const entriesOf = (...lines: string[]): LogEntry[] =>
  lines.map((line) => ({
    labels: Labels.EMPTY,
    timestampNs: 1n,
    line,
    structuredMetadata: Labels.EMPTY,
  }));

/** A gatherer whose moment passes with `pass`; `told` has what was handed on together. */
function gatherer(answer: () => Promise<void> = () => Promise.resolve()) {
  const told: string[] = [];
  const stop = new AbortController();
  let moment = Promise.withResolvers<void>();
  const clock = {
    ...systemClock,
    sleep: async (_: number, signal: AbortSignal) => {
      const stopped = new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve()),
      );
      await Promise.race([moment.promise, stopped]);
    },
  };
  const made = new EntryGatherer({
    clock,
    signal: stop.signal,
    forward: (entries) => {
      told.push(entries.map(({ line }) => line).join(" "));
      return answer();
    },
  });
  const pass = async () => {
    moment.resolve();
    moment = Promise.withResolvers();
    await setImmediate();
  };
  return { made, told, pass, stop };
}

test("what comes within a moment is handed on together, and all hear when it is taken", async () => {
  const taken = Promise.withResolvers<void>();
  const { made, told, pass } = gatherer(() => taken.promise);
  const heard: string[] = [];
  const both = ["a", "b"].map((name) =>
    made.handOn(entriesOf(name), QUIET).then(() => heard.push(name)),
  );
  await setImmediate();
  assert.deepEqual(told, []);
  await pass();
  assert.deepEqual([told, heard], [["a b"], []]);
  taken.resolve();
  await Promise.all(both);
  assert.deepEqual(heard, ["a", "b"]);
});

test("what comes while others are handed on is another batch", async () => {
  const taken = Promise.withResolvers<void>();
  const { made, told, pass } = gatherer(() => taken.promise);
  const first = made.handOn(entriesOf("a"), QUIET);
  await pass();
  const second = made.handOn(entriesOf("b"), QUIET);
  await pass();
  assert.deepEqual(told, ["a", "b"]);
  taken.resolve();
  await Promise.all([first, second]);
});

test("a source that has more waits for nobody, and nobody who waits already waits on", async () => {
  const { made, told } = gatherer();
  const quiet = made.handOn(entriesOf("a"), QUIET);
  await Promise.all([quiet, made.handOn(entriesOf("b"), URGENT)]);
  await Promise.all([1, 2].map((n) => made.handOn(entriesOf(String(n)), URGENT)));
  assert.deepEqual(told, ["a b", "1", "2"]);
});

test("many entries wait no longer", async () => {
  const { made, told } = gatherer();
  await made.handOn(entriesOf(...Array.from({ length: 5000 }, () => "x")), QUIET);
  assert.equal(told.length, 1);
});

test("a stop gives up what waits, and lets what is handed on already end", async () => {
  const taken = Promise.withResolvers<void>();
  const { made, told, pass, stop } = gatherer(() => taken.promise);
  const first = made.handOn(entriesOf("a"), QUIET);
  await pass();
  const second = made.handOn(entriesOf("b"), QUIET);
  stop.abort(new Error("stopped"));
  await assert.rejects(second, /stopped/);
  taken.resolve();
  await first;
  assert.deepEqual(told, ["a"]);
});
