import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryGate, withTimeout } from "./query-gate.ts";

const NEVER = new AbortController().signal;

test("runs up to the limit, lets some wait in order, refuses the rest", async () => {
  const gate = new QueryGate({ runningMax: 1, waitingMax: 2 });
  const order: string[] = [];
  const first = await gate.enter(NEVER);
  const second = gate.enter(NEVER).then((place) => (order.push("second"), place));
  const third = gate.enter(NEVER).then((place) => (order.push("third"), place));
  await assert.rejects(gate.enter(NEVER), { code: "server/too-many-queries", kind: "unavailable" });
  assert.deepEqual([gate.running, gate.waiting], [1, 2]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assert.deepEqual(order, ["second", "third"]);
  assert.deepEqual([gate.running, gate.waiting], [0, 0]);
});

test("one that gives up while waiting leaves the queue", async () => {
  const gate = new QueryGate({ runningMax: 1, waitingMax: 1 });
  const place = await gate.enter(NEVER);
  const impatient = new AbortController();
  const waiting = gate.enter(impatient.signal);
  impatient.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  place[Symbol.dispose]();
  assert.deepEqual([gate.running, gate.waiting], [0, 0]);
});

test("a timeout aborts with a timeout fault", async () => {
  using limited = withTimeout(NEVER, 1, "query timed out");
  await new Promise((resolve) => limited.signal.addEventListener("abort", resolve));
  assert.equal((limited.signal.reason as { kind?: string }).kind, "timeout");
});
