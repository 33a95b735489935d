/** Which context a list of statements or conditions means, when none is written: the innermost that its paths, functions and names need. */
import type { OtlpSignal } from "@finch/wire";
import type { Condition, Expression, Statement } from "./ast.ts";
import { contextOfPrefix, enumsOf, outerContextsOf } from "./contexts.ts";
import { OttlFault } from "./fault.ts";
import { functionNamed } from "./function-table.ts";
import { parseCondition, parseStatement } from "./parser.ts";
import type { ContextName } from "./subject.ts";

/** Contexts of each signal, innermost first. */
export const SIGNAL_CONTEXTS: Readonly<Record<OtlpSignal, readonly ContextName[]>> = {
  traces: ["spanevent", "span", "scope", "resource"],
  metrics: ["datapoint", "metric", "scope", "resource"],
  logs: ["log", "scope", "resource"],
};

export interface OttlTexts {
  readonly statements: readonly string[];
  readonly conditions: readonly string[];
}

/** Throws an OttlFault where a path names no context, or no context can do all. */
export function inferContext(
  signal: OtlpSignal,
  { statements, conditions }: OttlTexts,
): ContextName {
  const needs = new Needs(SIGNAL_CONTEXTS[signal]);
  for (const text of conditions) needs.addCondition(parseCondition(text), text);
  for (const text of statements) needs.addStatement(parseStatement(text), text);
  const context = SIGNAL_CONTEXTS[signal].findLast((candidate) => needs.fitInto(candidate));
  if (context !== undefined) return context;
  const [first = ""] = [...statements, ...conditions];
  throw new OttlFault(
    "no context has all that these statements use together: part them into blocks with a context each",
    first,
    0,
  );
}

class Needs {
  readonly #contexts: readonly ContextName[];
  readonly #prefixes = new Set<ContextName>();
  readonly #functions = new Set<string>();
  readonly #enums = new Set<string>();
  #text = "";

  constructor(contexts: readonly ContextName[]) {
    this.#contexts = contexts;
  }

  addStatement({ editor, where }: Statement, text: string): void {
    this.#text = text;
    this.#add(editor);
    if (where !== undefined) this.#addTest(where);
  }

  addCondition(condition: Condition, text: string): void {
    this.#text = text;
    this.#addTest(condition);
  }

  fitInto(candidate: ContextName): boolean {
    const seen = [candidate, ...outerContextsOf(candidate)];
    const hasEnums = [...this.#enums].every((name) => enumsOf(candidate).has(name));
    const hasFunctions = [...this.#functions].every((name) => {
      const contexts = functionNamed(name)?.contexts;
      return contexts === undefined || contexts.includes(candidate);
    });
    return hasEnums && hasFunctions && [...this.#prefixes].every((name) => seen.includes(name));
  }

  #addTest(condition: Condition): void {
    switch (condition.kind) {
      case "and":
      case "or":
        for (const item of condition.items) this.#addTest(item);
        return;
      case "not":
        this.#addTest(condition.operand);
        return;
      case "test":
        this.#add(condition.call);
        return;
      case "comparison":
        this.#add(condition.left);
        this.#add(condition.right);
        return;
      case "constant":
    }
  }

  #add(expression: Expression): void {
    switch (expression.kind) {
      case "path":
        this.#addPath(expression.fields[0]!.name, expression.at);
        for (const { keys } of expression.fields) for (const key of keys) this.#add(key);
        return;
      case "call":
        this.#functions.add(expression.name);
        for (const { value } of expression.args) this.#add(value);
        for (const key of expression.keys) this.#add(key);
        return;
      case "enum":
        // A converter handed over by its name looks like this, too.
        if (functionNamed(expression.name) === undefined) this.#enums.add(expression.name);
        return;
      case "list":
        for (const item of expression.items) this.#add(item);
        return;
      case "map":
        for (const { value } of expression.entries) this.#add(value);
        return;
      case "math":
        this.#add(expression.left);
        this.#add(expression.right);
        return;
      case "negation":
        this.#add(expression.operand);
        return;
      case "literal":
      case "function":
    }
  }

  #addPath(prefix: string, at: number): void {
    const context = contextOfPrefix(prefix);
    const shown = this.#contexts.map((name) => `${name}.${prefix}`).join(", ");
    if (context === undefined)
      throw new OttlFault(`a path begins with its context here: one of ${shown}`, this.#text, at);
    if (!this.#contexts.includes(context))
      throw new OttlFault(
        `${prefix} is no context here: ${this.#contexts.join(", ")} are`,
        this.#text,
        at,
      );
    this.#prefixes.add(context);
  }
}
