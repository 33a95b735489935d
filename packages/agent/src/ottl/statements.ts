/** Lists of statements that share a context: read and checked once, then run over requests. */
import type { OtlpSignal, OtlpTrees } from "@finch/wire";
import {
  compileCondition,
  compileStatement,
  type CompiledCondition,
  type CompiledStatement,
} from "./compile.ts";
import { dropRecords } from "./drop-records.ts";
import { OttlRunFault } from "./fault.ts";
import { inferContext, SIGNAL_CONTEXTS } from "./infer-context.ts";
import type { ContextName, Subject } from "./subject.ts";
import { walk } from "./walk.ts";

/** `ignore`: told and passed over; `silent`: passed over; `propagate`: the request is refused. */
export const ERROR_MODES = ["ignore", "silent", "propagate"] as const;
export type ErrorMode = (typeof ERROR_MODES)[number];

export interface StatementList {
  /** As written; empty: the one that the paths mean. */
  readonly context: string;
  readonly statements: readonly string[];
  /** Records are skipped unless one of these holds; none at all holds always. */
  readonly conditions: readonly string[];
  readonly errorMode: ErrorMode;
}

/** Told of a fault of a statement that is passed over. */
export type FaultReporter = (text: string, fault: OttlRunFault) => void;

export interface CompiledList {
  readonly context: ContextName;
  readonly conditions: readonly { readonly text: string; readonly holds: CompiledCondition }[];
  readonly statements: readonly CompiledStatement[];
  readonly errorMode: ErrorMode;
}

/** Throws an OttlFault at the first thing that is wrong. */
export function compileList(signal: OtlpSignal, list: StatementList): CompiledList {
  const context = contextOf(signal, list);
  return {
    context,
    conditions: list.conditions.map((text) => ({ text, holds: compileCondition(text, context) })),
    statements: list.statements.map((text) => compileStatement(text, context)),
    errorMode: list.errorMode,
  };
}

/** The context that is written, which its caller has checked, or the one that is meant. */
function contextOf(signal: OtlpSignal, list: StatementList): ContextName {
  const known = SIGNAL_CONTEXTS[signal].find((name) => name === list.context);
  return known ?? inferContext(signal, list);
}

export interface Running {
  readonly subject: Subject;
  readonly report: FaultReporter;
}

/** Runs the statements at every record, one record after the other. A fault that is not passed over is thrown as it is. */
export function runList<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  list: CompiledList,
  running: Running,
): void {
  const { subject } = running;
  const { conditions, statements } = list;
  const isMeant = anyHolds(list, running);
  const visit = () => {
    subject.cache = new Map();
    if (conditions.length > 0 && !isMeant()) return;
    for (const statement of statements) {
      try {
        statement.run(subject);
      } catch (error) {
        passOver(error, { text: statement.text, list, running });
      }
    }
  };
  walk(request, list.context, { subject, visit });
}

/** Drops the records at which one of the conditions holds, see {@link dropRecords}. A condition that fails does not hold. */
export function dropWhere<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  list: CompiledList,
  running: Running,
): void {
  const { subject } = running;
  const holds = anyHolds(list, running);
  const isDropped = () => {
    subject.cache = new Map();
    return holds();
  };
  dropRecords(request, list.context, { subject, isDropped });
}

/** Whether one of the conditions holds at some record. */
export function holdsSomewhere<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  list: CompiledList,
  running: Running,
): boolean {
  const { subject } = running;
  const holds = anyHolds(list, running);
  let isFound = false;
  const visit = () => {
    if (isFound) return;
    subject.cache = new Map();
    isFound = holds();
  };
  walk(request, list.context, { subject, visit });
  return isFound;
}

/** Whether one of the conditions holds where the subject is. */
function anyHolds(list: CompiledList, running: Running): () => boolean {
  return () =>
    list.conditions.some(({ text, holds }) => {
      try {
        return holds(running.subject);
      } catch (error) {
        passOver(error, { text, list, running });
        return false;
      }
    });
}

function passOver(
  fault: unknown,
  at: { readonly text: string; readonly list: CompiledList; readonly running: Running },
): void {
  const { errorMode } = at.list;
  if (!(fault instanceof OttlRunFault) || errorMode === "propagate") throw fault;
  if (errorMode === "ignore") at.running.report(at.text, fault);
}
