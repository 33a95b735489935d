import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RunReport } from "./run-report.ts";
import { runSteps } from "./steps.ts";
import type { Step } from "./steps.ts";

function listen() {
  const told: string[] = [];
  const report: RunReport = {
    step: (title, outcome) => told.push(`${title} ${outcome}`),
    percent: () => {},
    note: (text) => told.push(text),
    end: () => {},
  };
  return { told, report };
}

function step(title: string, done: string[], more: Partial<Step> = {}): Step {
  return {
    title,
    run: async () => {
      done.push(`run ${title}`);
    },
    undo: async () => {
      done.push(`undo ${title}`);
    },
    ...more,
  };
}

void describe("steps", () => {
  void test("what is so already is left alone, the rest is done in order", async () => {
    const { told, report } = listen();
    const done: string[] = [];
    const steps = [step("a", done), step("b", done, { isDone: () => true }), step("c", done)];
    await runSteps(steps, { report, dryRun: false });
    assert.deepEqual(done, ["run a", "run c"]);
    assert.deepEqual(told, ["a started", "a done", "b unchanged", "c started", "c done"]);
  });

  void test("a dry run looks and does nothing", async () => {
    const { told, report } = listen();
    const done: string[] = [];
    await runSteps([step("a", done), step("b", done, { isDone: () => true })], {
      report,
      dryRun: true,
    });
    assert.deepEqual([done, told], [[], ["a would", "b unchanged"]]);
  });

  void test("a failure undoes what ran, the last first, also where undoing fails", async () => {
    const { told, report } = listen();
    const done: string[] = [];
    const fail = () => Promise.reject(new Error("no"));
    const steps = [
      step("a", done),
      step("b", done, { undo: fail }),
      step("c", done, { isDone: () => true }),
      step("d", done, { run: fail }),
      step("e", done),
    ];
    await assert.rejects(runSteps(steps, { report, dryRun: false }), /no/);
    assert.deepEqual(done, ["run a", "run b", "undo d", "undo a"]);
    assert.deepEqual(told.slice(-4), [
      "d failed",
      "d undone",
      "b could not be undone: no",
      "a undone",
    ]);
  });
});
