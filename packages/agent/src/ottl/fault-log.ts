/** What becomes of faults of statements: a line of the log now and then, or the refusal of a batch. */
import { FinchError } from "@finch/runtime";
import type { ComponentContext } from "../component.ts";
import { OttlRunFault } from "./fault.ts";

/** A statement that fails does so for each record: it is told of once in this time. */
const PAUSE_MS = 60_000;
/** Statements that are told apart; configurations have fewer by far. */
const STATEMENTS_MAX = 1000;

export class FaultLog {
  readonly #context: Pick<ComponentContext<never, object>, "clock" | "log" | "metrics">;
  readonly #told = new Map<string, { atMs: number; unsaid: number }>();

  constructor(context: Pick<ComponentContext<never, object>, "clock" | "log" | "metrics">) {
    this.#context = context;
  }

  /** Counts the fault, and logs it unless the same statement was told of lately. */
  report(statement: string, fault: OttlRunFault): void {
    const { clock, log, metrics } = this.#context;
    metrics
      .counter("finch_ottl_faults_total", "Times that a statement or condition failed on a record.")
      .add(1);
    const nowMs = clock.nowMs();
    const told = this.#told.get(statement);
    if (told !== undefined && nowMs - told.atMs < PAUSE_MS) {
      told.unsaid++;
      return;
    }
    if (this.#told.size >= STATEMENTS_MAX) this.#told.clear();
    this.#told.set(statement, { atMs: nowMs, unsaid: 0 });
    log.warn("a statement failed", {
      statement,
      error: fault.message,
      times_before: told?.unsaid ?? 0,
    });
  }
}

/** The error a batch is refused with, of a fault that is propagated. Anything else stays as it is. */
export function toRefusal(error: unknown, component: string): unknown {
  if (!(error instanceof OttlRunFault)) return error;
  return new FinchError(
    "invalid",
    "agent/ottl",
    `${component}: a statement failed: ${error.message}`,
    {
      cause: error,
    },
  );
}
