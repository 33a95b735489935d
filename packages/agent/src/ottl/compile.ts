/** Statements and conditions as closures. All that can be wrong without data is an OttlFault here; the closures throw OttlRunFaults. */
import { suggest } from "@finch/alloy-syntax";
import type { Argument, Call, Condition, Expression, Path } from "./ast.ts";
import { compareValues } from "./compare.ts";
import { contextOfPrefix, enumsOf, outerContextsOf, pathsOf } from "./contexts.ts";
import { OttlFault, OttlRunFault } from "./fault.ts";
import { functionNamed, namesOfFunctions, UNSUPPORTED_FUNCTIONS } from "./function-table.ts";
import { valueAt } from "./index-value.ts";
import { calculate, negate } from "./math.ts";
import { parseCondition, parseStatement } from "./parser.ts";
import type { OttlFunction, Parameter, TextFunction } from "./signature.ts";
import type { ContextName, Getter, Subject, Target } from "./subject.ts";
import { typeOf, type OttlValue } from "./values.ts";

export type CompiledCondition = (subject: Subject) => boolean;

export interface CompiledStatement {
  readonly text: string;
  /** Runs the editor where the condition holds. */
  run(subject: Subject): void;
}

export function compileStatement(text: string, context: ContextName): CompiledStatement {
  const { editor, where } = parseStatement(text);
  const compiler = new Compiler(text, context);
  const run = compiler.call(editor);
  if (where === undefined) return { text, run };
  const holds = compiler.condition(where);
  return {
    text,
    run: (subject) => {
      if (holds(subject)) run(subject);
    },
  };
}

export function compileCondition(text: string, context: ContextName): CompiledCondition {
  return new Compiler(text, context).condition(parseCondition(text));
}

/** A value, and whether it is known without data. */
interface Compiled {
  readonly get: Getter;
  readonly constant: OttlValue | undefined;
}

class Compiler {
  readonly #text: string;
  readonly #context: ContextName;

  constructor(text: string, context: ContextName) {
    this.#text = text;
    this.#context = context;
  }

  condition(condition: Condition): CompiledCondition {
    switch (condition.kind) {
      case "and": {
        const items = condition.items.map((item) => this.condition(item));
        return (subject) => items.every((holds) => holds(subject));
      }
      case "or": {
        const items = condition.items.map((item) => this.condition(item));
        return (subject) => items.some((holds) => holds(subject));
      }
      case "not": {
        const holds = this.condition(condition.operand);
        return (subject) => !holds(subject);
      }
      case "constant":
        return () => condition.value;
      case "test":
        return this.#test(condition.call);
      case "comparison": {
        const left = this.#value(condition.left).get;
        const right = this.#value(condition.right).get;
        const { operator } = condition;
        return (subject) => compareValues(left(subject), right(subject), operator);
      }
    }
  }

  #test(call: Call): CompiledCondition {
    const get = this.call(call);
    return (subject) => {
      const value = get(subject);
      if (typeof value === "boolean") return value;
      throw new OttlRunFault(`${call.name} is no condition: it gives ${typeOf(value)}`);
    };
  }

  /** An editor or a converter with its keys. */
  call(call: Call): Getter {
    const get = this.#bind(this.#function(call.name, call.at), call);
    return this.#keyed(get, call.keys);
  }

  #function(name: string, at: number): OttlFunction {
    const found = functionNamed(name);
    if (found === undefined) {
      const reason = UNSUPPORTED_FUNCTIONS.has(name)
        ? `not supported yet: ${name}`
        : `unknown function ${name}${suggest(name, namesOfFunctions())}`;
      throw this.#fault(reason, at);
    }
    if (found.contexts !== undefined && !found.contexts.includes(this.#context))
      throw this.#fault(
        `${name} is for ${found.contexts.join(" and ")}, not for ${this.#context}`,
        at,
      );
    return found;
  }

  #bind(definition: OttlFunction, call: Call): Getter {
    const { name, run, check } = definition;
    const constants: Record<string, unknown> = {};
    const dynamic: { argument: string; get: Getter; convert: (value: OttlValue) => unknown }[] = [];
    for (const [argument, { parameter, written }] of this.#assign(definition, call)) {
      if (parameter.takes === "value") {
        const { get, constant } = this.#value(written.value);
        if (constant === undefined) dynamic.push({ argument, get, convert: parameter.convert });
        else constants[argument] = this.#convert(parameter, constant, written);
      } else
        constants[argument] =
          parameter.takes === "target" ? this.#target(written) : this.#textFunction(written);
    }
    const wrong = check?.(constants as never);
    if (wrong !== undefined) throw this.#fault(`${name}: ${wrong}`, call.at);
    if (dynamic.length === 0) return (subject) => run(constants as never, subject);
    return (subject) => {
      const args = { ...constants };
      for (const { argument, get, convert } of dynamic) {
        const value = get(subject);
        try {
          args[argument] = convert(value);
        } catch (error) {
          throw inArgument(error, name, argument);
        }
      }
      return run(args as never, subject);
    };
  }

  #convert(parameter: Parameter, constant: OttlValue, { at }: Argument): unknown {
    try {
      return parameter.convert(constant);
    } catch (error) {
      if (error instanceof OttlRunFault) throw this.#fault(error.message, at);
      throw error;
    }
  }

  /** Arguments to parameters, by place and by name. */
  #assign(
    { name, parameters }: OttlFunction,
    call: Call,
  ): Map<string, { parameter: Parameter; written: Argument }> {
    const names = Object.keys(parameters);
    const assigned = new Map<string, { parameter: Parameter; written: Argument }>();
    let isNamed = false;
    for (const [i, written] of call.args.entries()) {
      if (written.name === undefined && isNamed)
        throw this.#fault("arguments without a name come before those with one", written.at);
      isNamed = written.name !== undefined;
      const argument = written.name === undefined ? names[i] : inSnakeCase(written.name);
      if (argument === undefined)
        throw this.#fault(`${name} takes ${counted(names.length)}`, written.at);
      const parameter = parameters[argument];
      if (parameter === undefined)
        throw this.#fault(`${name} has no ${written.name!}${suggest(argument, names)}`, written.at);
      if (assigned.has(argument)) throw this.#fault(`${argument} is given twice`, written.at);
      assigned.set(argument, { parameter, written });
    }
    const missing = names.find((one) => !parameters[one]!.isOptional && !assigned.has(one));
    if (missing !== undefined) throw this.#fault(`${name} needs ${missing}`, call.at);
    return assigned;
  }

  #target({ value, at }: Argument): Target {
    if (value.kind !== "path")
      throw this.#fault("expected a path, such as attributes or name: this is what is changed", at);
    return this.#path(value);
  }

  #textFunction({ value, at }: Argument): TextFunction {
    if (value.kind !== "function" && value.kind !== "enum")
      throw this.#fault("expected the name of a converter, such as SHA256", at);
    const { name, parameters, run } = this.#function(value.name, at);
    const names = Object.keys(parameters);
    const first = parameters[names[0] ?? ""];
    const takesOne = names.slice(1).every((one) => parameters[one]!.isOptional);
    if (first?.takes !== "value" || !takesOne)
      throw this.#fault(`${name} is no converter of one string`, at);
    return (text) => run({ [names[0]!]: first.convert(text) } as never, undefined as never);
  }

  #value(expression: Expression): Compiled {
    switch (expression.kind) {
      case "literal":
        return constantOf(expression.value);
      case "enum": {
        const enums = enumsOf(this.#context);
        const number = enums.get(expression.name);
        if (number !== undefined) return constantOf(number);
        const { name, at } = expression;
        throw this.#fault(`unknown name ${name}${suggest(name, enums.keys())}`, at);
      }
      case "function":
        throw this.#fault(`${expression.name} needs its arguments in brackets`, expression.at);
      case "path":
        return dynamicOf(this.#path(expression).get);
      case "call":
        return dynamicOf(this.call(expression));
      case "negation": {
        const operand = this.#value(expression.operand).get;
        return dynamicOf((subject) => negate(operand(subject)));
      }
      case "math": {
        const left = this.#value(expression.left).get;
        const right = this.#value(expression.right).get;
        const { operator } = expression;
        return dynamicOf((subject) => calculate(left(subject), operator, right(subject)));
      }
      case "list":
        return this.#list(expression.items);
      case "map":
        return this.#map(expression.entries);
    }
  }

  #list(items: readonly Expression[]): Compiled {
    const compiled = items.map((item) => this.#value(item));
    const get = (subject: Subject): OttlValue => compiled.map((item) => item.get(subject));
    const isConstant = compiled.every(({ constant }) => constant !== undefined);
    return isConstant
      ? { get, constant: compiled.map(({ constant }) => constant!) }
      : dynamicOf(get);
  }

  #map(entries: readonly { readonly key: string; readonly value: Expression }[]): Compiled {
    const compiled = entries.map(({ key, value }) => ({ key, value: this.#value(value) }));
    const get = (subject: Subject): OttlValue =>
      new Map(compiled.map(({ key, value }) => [key, value.get(subject) as never]));
    const isConstant = compiled.every(({ value }) => value.constant !== undefined);
    return isConstant ? { get, constant: get(undefined as never) } : dynamicOf(get);
  }

  #path({ fields, at }: Path): Target {
    const names = fields.map(({ name }) => name).join(".");
    const field = pathsOf(this.#context).get(names);
    if (field === undefined) throw this.#fault(this.#describeUnknown(names), at);
    const inner = fields.slice(0, -1).find(({ keys }) => keys.length > 0);
    if (inner !== undefined)
      throw this.#fault(`${inner.name} cannot have a [key] before another field`, inner.at);
    const keys = fields.at(-1)!.keys.map((key) => this.#value(key));
    if (keys.length === 0) return field;
    const { keyed } = field;
    if (keyed === undefined) throw this.#fault(`${names} has no [key]`, at);
    const read = evaluateAll(keys);
    return {
      get: (subject) => keyed.get(subject, read(subject)),
      set: (subject, value) => keyed.set(subject, read(subject), value),
    };
  }

  #describeUnknown(path: string): string {
    const context = this.#context;
    const seen = [context, ...outerContextsOf(context)];
    const named = contextOfPrefix(path.split(".")[0]!);
    if (named !== undefined && !seen.includes(named))
      return `there is no ${named} in the context ${context}, only ${seen.slice(0, -1).join(", ")} and ${seen.at(-1)!}`;
    return `unknown path ${path} in the context ${context}${suggest(path, pathsOf(context).keys())}`;
  }

  #keyed(get: Getter, keys: readonly Expression[]): Getter {
    if (keys.length === 0) return get;
    const read = evaluateAll(keys.map((key) => this.#value(key)));
    return (subject) => valueAt(get(subject), read(subject));
  }

  #fault(reason: string, at: number): OttlFault {
    return new OttlFault(reason, this.#text, at);
  }
}

function constantOf(value: OttlValue): Compiled {
  return { get: () => value, constant: value };
}

function dynamicOf(get: Getter): Compiled {
  return { get, constant: undefined };
}

function evaluateAll(keys: readonly Compiled[]): (subject: Subject) => readonly OttlValue[] {
  const constants = keys.map(({ constant }) => constant);
  if (constants.every((constant) => constant !== undefined)) return () => constants;
  return (subject) => keys.map(({ get }) => get(subject));
}

function inArgument(error: unknown, name: string, argument: string): unknown {
  if (!(error instanceof OttlRunFault)) return error;
  return new OttlRunFault(`${argument} of ${name}: ${error.message}`);
}

/** Arguments are written as they are declared here, or as `replacementFormat`. */
function inSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function counted(count: number): string {
  if (count === 0) return "no arguments";
  return count === 1 ? "one argument" : `${count} arguments at most`;
}
