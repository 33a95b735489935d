/**
 * Runs PromQL test scripts. Every instant query must also hold as a step of a range query, and with `@` on its selectors at other times of
 * evaluation. The settings are those the scripts assume: experimental parts on, names removed at the end.
 */
import { readFile } from "node:fs/promises";
import { createEngine, formatQuery, parseQuery } from "@finch/promql";
import type { LanguageSwitches } from "@finch/promql";
import type { Expr } from "@finch/promql";
import { describeError, FinchError, systemClock } from "@finch/runtime";
import { findFiles } from "./case-files.ts";
import { answerOf, stepOf } from "./promql-answer.ts";
import type { Answer } from "./promql-answer.ts";
import { compareAnnotations, compareAnswer } from "./promql-compare.ts";
import { parseScript } from "./promql-script.ts";
import type { EvalCommand } from "./promql-script.ts";
import { ScriptStorage } from "./promql-storage.ts";

/** Functions whose value depends on the time of evaluation even when all selectors are fixed with `@`. */
const TIME_FUNCTIONS =
  /\b(?:day_of_month|day_of_week|day_of_year|days_in_month|hour|end|minute|month|predict_linear|start|time|timestamp|year)\s*\(/;
/** Functions that mean something else in the query around. */
const QUERY_FUNCTIONS = /\b(?:range|step|start|end)\s*\(\s*\)/i;

/** What the scripts assume is on. */
export const SCRIPT_LANGUAGE: LanguageSwitches = {
  experimentalFunctions: true,
  delayedNameRemoval: true,
  startTimestamps: true,
};

/** Who answers the queries of a script. */
export interface ScriptBackend extends AsyncDisposable {
  /** Takes the place of everything loaded before. */
  load(storage: ScriptStorage): Promise<void>;
  instant(query: string, timeMs: number): Promise<Answer>;
  range(
    query: string,
    times: { readonly startMs: number; readonly endMs: number; readonly stepMs: number },
  ): Promise<Answer>;
}

/** The engine over the samples of the script, with the settings that scripts assume unless others are given. */
export function memoryBackend(language: LanguageSwitches = SCRIPT_LANGUAGE): ScriptBackend {
  const engine = createEngine({ clock: systemClock, ...language });
  let { source } = new ScriptStorage();
  return {
    load: (storage) => {
      ({ source } = storage);
      return Promise.resolve();
    },
    instant: async (query, timeMs) =>
      answerOf(await engine.instantQuery({ source, query, timeMs })),
    range: async (query, times) => answerOf(await engine.rangeQuery({ source, query, ...times })),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What became of one `eval`. */
export interface CaseOutcome {
  readonly file: string;
  readonly line: number;
  readonly query: string;
  /** Undefined: it holds. */
  readonly fault: string | undefined;
  /** The fault is that something is not built yet. */
  readonly unsupported: boolean;
}

/** With the option `--http` the samples are written to a server, and the queries asked of it; with `--flush` out of blocks. */
export async function runPromqlFiles(
  paths: readonly string[],
  print: (line: string) => void,
  options: ReadonlySet<string>,
): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  const flush = options.has("--flush");
  await using backend =
    flush || options.has("--http")
      ? await (await import("./promql-http.ts")).httpBackend({ flush })
      : memoryBackend();
  for (const { file, line, query, fault } of await runPromqlScripts(paths, backend)) {
    if (fault === undefined) passed++;
    else {
      failed++;
      print(`${file}:${line}: ${query}: ${fault}`);
    }
  }
  return { passed, failed };
}

/** Runs all scripts at or below the paths and answers every `eval` in order. */
export async function runPromqlScripts(
  paths: readonly string[],
  backend: ScriptBackend = memoryBackend(),
): Promise<readonly CaseOutcome[]> {
  const outcomes: CaseOutcome[] = [];
  for (const file of await findFiles(paths, (name) => name.endsWith(".test"))) {
    await runScript(backend, file, await readFile(file, "utf8"), outcomes);
  }
  return outcomes;
}

async function runScript(
  backend: ScriptBackend,
  file: string,
  text: string,
  outcomes: CaseOutcome[],
): Promise<void> {
  let storage = new ScriptStorage();
  /** What the backend has not got yet. */
  let fresh: ScriptStorage | undefined = storage;
  let commands;
  try {
    commands = parseScript(text);
  } catch (error) {
    outcomes.push({
      file,
      line: 1,
      query: "",
      fault: `cannot read the script: ${describeError(error)}`,
      unsupported: false,
    });
    return;
  }
  for (const command of commands) {
    if (command.kind !== "eval") {
      if (command.kind === "clear") storage = new ScriptStorage();
      else storage.load(command);
      fresh = storage;
      continue;
    }
    outcomes.push({
      file,
      line: command.line,
      query: command.query,
      ...(await judge(backend, command, fresh)),
    });
    fresh = undefined;
  }
}

async function judge(
  backend: ScriptBackend,
  command: EvalCommand,
  fresh: ScriptStorage | undefined,
): Promise<Pick<CaseOutcome, "fault" | "unsupported">> {
  try {
    if (fresh !== undefined) await backend.load(fresh);
    const fault =
      command.stepMs === undefined
        ? await judgeInstant(backend, command)
        : await judgeRange(backend, command);
    return { fault, unsupported: false };
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    return { fault: error.message, unsupported: error.kind === "unsupported" };
  }
}

async function judgeRange(
  backend: ScriptBackend,
  command: EvalCommand,
): Promise<string | undefined> {
  const { startMs, endMs, query, stepMs } = command;
  const answer = await attempt(command, () =>
    backend.range(query, { startMs, endMs, stepMs: stepMs! }),
  );
  if (typeof answer === "string" || answer === undefined) return answer;
  return compareAnnotations(command, answer) ?? compareAnswer(command, answer);
}

async function judgeInstant(
  backend: ScriptBackend,
  command: EvalCommand,
): Promise<string | undefined> {
  const fault = await judgeForm(backend, command, {
    query: command.query,
    timeMs: command.startMs,
  });
  if (fault !== undefined) return fault;
  for (const form of pinnedForms(command)) {
    const pinned = await judgeForm(backend, command, form);
    if (pinned !== undefined) return `as ${form.query} at ${form.timeMs / 1000} s: ${pinned}`;
  }
  return undefined;
}

interface Form {
  readonly query: string;
  readonly timeMs: number;
}

/** One form of an instant query, by itself and as the middle step of a range query. */
async function judgeForm(
  backend: ScriptBackend,
  command: EvalCommand,
  { query, timeMs }: Form,
): Promise<string | undefined> {
  const answer = await attempt(command, () => backend.instant(query, timeMs));
  if (typeof answer === "string" || answer === undefined) return answer;
  const fault =
    compareAnnotations(command, answer, query === command.query) ?? compareAnswer(command, answer);
  if (fault !== undefined) return fault;
  const { type } = answer;
  const isOrdered = command.expectations.some(({ kind }) => kind === "ordered");
  if (isOrdered || type === "string" || type === "matrix" || QUERY_FUNCTIONS.test(query))
    return undefined;
  const minute = 60_000;
  const times = { startMs: timeMs - minute, endMs: timeMs + minute, stepMs: minute };
  const step = stepOf(await backend.range(query, times), timeMs, type);
  const stepFault = compareAnswer(command, step);
  return stepFault === undefined ? undefined : `as a step of a range query: ${stepFault}`;
}

/** Runs a query that may be expected to fail: its result, a fault, or undefined when it failed as it should. */
async function attempt(
  command: EvalCommand,
  run: () => Promise<Answer>,
): Promise<Answer | string | undefined> {
  const failure = command.expectations.find(({ kind }) => kind === "fail");
  let result: Answer;
  try {
    result = await run();
  } catch (error) {
    if (!(error instanceof FinchError) || error.kind === "unsupported" || failure === undefined)
      throw error;
    if (failure.message !== undefined && failure.message !== error.message)
      return `failed with ${error.message}, not ${failure.message}`;
    if (failure.pattern?.test(error.message) === false)
      return `failed with ${error.message}, which ${failure.pattern.source} does not match`;
    return undefined;
  }
  return failure === undefined ? result : "did not fail";
}

/** The query with `@` on every selector that has none, at several times of evaluation. */
function pinnedForms({ query, startMs, expectations }: EvalCommand): readonly Form[] {
  if (TIME_FUNCTIONS.test(query) || expectations.some(({ kind }) => kind === "fail")) return [];
  const pinned = formatQuery(pin(parseQuery(query), startMs));
  const times =
    startMs === 0
      ? [-1000, 1000]
      : [-10 * startMs, 0, Math.trunc(startMs / 5), startMs, 10 * startMs];
  return times.map((timeMs) => ({ query: pinned, timeMs }));
}

function pin(expr: Expr, timeMs: number): Expr {
  switch (expr.kind) {
    case "number":
    case "string":
      return expr;
    case "selector":
    case "subquery":
      return expr.at === undefined ? { ...expr, at: { kind: "time", timeMs } } : expr;
    case "matrix":
      return expr.selector.at === undefined
        ? { ...expr, selector: { ...expr.selector, at: { kind: "time", timeMs } } }
        : expr;
    case "paren":
    case "unary":
      return { ...expr, expr: pin(expr.expr, timeMs) };
    case "binary":
      return { ...expr, left: pin(expr.left, timeMs), right: pin(expr.right, timeMs) };
    case "aggregate":
      return {
        ...expr,
        expr: pin(expr.expr, timeMs),
        param: expr.param === undefined ? undefined : pin(expr.param, timeMs),
      };
    case "call":
      // The selector that `info` takes second is no selector of samples.
      return {
        ...expr,
        args: expr.args.map((arg, index) =>
          expr.name === "info" && index === 1 ? arg : pin(arg, timeMs),
        ),
      };
  }
}
