/** What is done to a host, step by step: each looks first, does only what is missing, and can be undone, so that a run is repeatable and a failed one leaves things as they were. */
import { describeError } from "@finch/runtime";
import type { RunReport } from "./run-report.ts";

export interface Step {
  readonly title: string;
  /** Whether there is nothing to do; looks and changes nothing. */
  readonly isDone?: () => boolean | Promise<boolean>;
  readonly run: () => Promise<void>;
  /** Brings back what was; called only after `run` was, be it that it failed midway. */
  readonly undo?: () => Promise<void>;
}

/** Runs the steps in order. At the first that fails, those that ran are undone in reverse, and the fault is thrown on. */
export async function runSteps(
  steps: readonly Step[],
  options: { readonly report: RunReport; readonly dryRun: boolean },
): Promise<void> {
  const { report, dryRun } = options;
  const ran: Step[] = [];
  for (const step of steps) {
    if ((await step.isDone?.()) === true) {
      report.step(step.title, "unchanged");
      continue;
    }
    if (dryRun) {
      report.step(step.title, "would");
      continue;
    }
    report.step(step.title, "started");
    ran.push(step);
    try {
      await step.run();
    } catch (error) {
      report.step(step.title, "failed");
      await undoSteps(ran, report);
      throw error;
    }
    report.step(step.title, "done");
  }
}

/** What cannot be undone is told, and the rest goes on. */
async function undoSteps(ran: readonly Step[], report: RunReport): Promise<void> {
  for (const step of ran.toReversed()) {
    if (step.undo === undefined) continue;
    try {
      await step.undo();
      report.step(step.title, "undone");
    } catch (error) {
      report.note(`${step.title} could not be undone: ${describeError(error)}`);
    }
  }
}
