import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ByteBudget } from "./byte-budget.ts";

void describe("a budget of bytes", () => {
  /** What was let in, in order. */
  function start(max: number) {
    const budget = new ByteBudget(max);
    const admitted: string[] = [];
    const take = async (name: string, bytes: number, signal = new AbortController().signal) => {
      await budget.take(bytes, signal);
      admitted.push(name);
    };
    return { budget, admitted, take };
  }
  const turn = () => new Promise(setImmediate);

  void test("who does not fit waits, and who comes later waits behind", async () => {
    const { budget, admitted, take } = start(10);
    await take("a", 6);
    const waiting = [take("b", 5), take("c", 1)];
    await turn();
    assert.deepEqual(admitted, ["a"]);
    budget.give(6);
    await Promise.all(waiting);
    assert.deepEqual(admitted, ["a", "b", "c"]);
  });

  void test("more than there is comes in alone", async () => {
    const { budget, admitted, take } = start(10);
    await take("a", 1);
    const huge = take("huge", 50);
    await turn();
    budget.give(1);
    await huge;
    const next = take("b", 1);
    await turn();
    assert.deepEqual(admitted, ["a", "huge"]);
    budget.give(50);
    await next;
  });

  void test("who leaves makes room for those behind", async () => {
    const { admitted, take } = start(10);
    await take("a", 6);
    const leaving = new AbortController();
    const left = take("b", 5, leaving.signal);
    const small = take("c", 1);
    leaving.abort(new Error("gone"));
    await assert.rejects(left, /gone/);
    await small;
    assert.deepEqual(admitted, ["a", "c"]);
    await assert.rejects(take("d", 1, leaving.signal), /gone/);
  });
});
