/** Runs a parsed template over a root of named values, such as the labels of one entry. */
import { TEMPLATE_NESTING_MAX, TEMPLATE_OUTPUT_MAX, TEMPLATE_WORK_MAX } from "./limits.ts";
import type { FunctionTable, TemplateScope } from "./template-arguments.ts";
import { BUILT_IN_FUNCTIONS, printTime } from "./template-built-ins.ts";
import type {
  TemplateBlock,
  TemplateCall,
  TemplateCommand,
  TemplateNode,
  TemplateOperand,
  TemplatePipeline,
} from "./template-parse.ts";
import { isList, isMap, isTrue, printValue, TemplateRunFault } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";

/** What `.` and `.name` mean at the top of a template. */
export interface TemplateRoot {
  /** The value of a name; what a name without one gives is the caller's: Go has null for it, Loki the empty text. */
  get(name: string): TemplateValue;
  /** All values, for a template that hands the dot on as a whole. */
  toMap(): ReadonlyMap<string, TemplateValue>;
}

/** What a run needs beside the template. */
export interface TemplateInput<Scope extends TemplateScope> {
  readonly root: TemplateRoot;
  /** Must have every name that the template was parsed with. */
  readonly functions: FunctionTable<Scope>;
  readonly scope: Scope;
}

interface Variable {
  readonly name: string;
  value: TemplateValue;
}

interface Run {
  readonly root: TemplateRoot;
  readonly call: (name: string, args: readonly TemplateValue[]) => TemplateValue;
  variables: Variable[];
  /** What `$` is: the dot that the template was started with. */
  dollar: Dot;
  /** Templates within templates. */
  depth: number;
  output: string;
  /** What is left of TEMPLATE_WORK_MAX. */
  workLeft: number;
}

/** The dot while it still is the root, so that no map is built for `.name`. */
const ROOT = Symbol("root");
type Dot = TemplateValue | typeof ROOT;
type Flow = "next" | "break" | "continue";

/** Throws a {@link TemplateRunFault} when the template cannot be finished on these values. */
export function runTemplate<Scope extends TemplateScope>(
  nodes: readonly TemplateNode[],
  { root, functions, scope }: TemplateInput<Scope>,
): string {
  const run: Run = {
    root,
    call: (name, args) =>
      Object.hasOwn(functions, name)
        ? functions[name]!(args, scope)
        : BUILT_IN_FUNCTIONS[name]!(args),
    variables: [],
    dollar: ROOT,
    depth: 0,
    output: "",
    workLeft: TEMPLATE_WORK_MAX,
  };
  runNodes(run, nodes, ROOT);
  return run.output;
}

function runNodes(run: Run, nodes: readonly TemplateNode[], dot: Dot): Flow {
  for (const node of nodes) {
    work(run, 1);
    if (node.kind === "text") write(run, node.text);
    else if (node.kind === "action") {
      const value = runPipeline(run, node.pipeline, dot);
      if (node.pipeline.variables.length === 0) write(run, printValue(value, printTime));
    } else if (node.kind === "break" || node.kind === "continue") return node.kind;
    else if (node.kind === "template") runCall(run, node, dot);
    else {
      const scopeStart = run.variables.length;
      const flow = runBlock(run, node, dot);
      run.variables.length = scopeStart;
      if (flow !== "next") return flow;
    }
  }
  return "next";
}

/** Runs another template in its place: with its own variables, and the value it is given for dot and `$`. */
function runCall(run: Run, { name, pipeline, templates }: TemplateCall, dot: Dot): void {
  const nodes = templates.get(name);
  if (nodes === undefined)
    throw new TemplateRunFault(`template ${JSON.stringify(name)} not defined`);
  if (run.depth >= TEMPLATE_NESTING_MAX)
    throw new TemplateRunFault(`templates run deeper than ${TEMPLATE_NESTING_MAX} levels`);
  const value = pipeline === undefined ? null : runDot(run, pipeline, dot);
  const { variables, dollar } = run;
  run.variables = [];
  run.dollar = value;
  run.depth++;
  runNodes(run, nodes, value);
  run.depth--;
  run.variables = variables;
  run.dollar = dollar;
}

/** As a pipeline runs, but a dot that still is the root stays it. */
function runDot(run: Run, pipeline: TemplatePipeline, dot: Dot): Dot {
  const [operand, ...others] = pipeline.commands[0]!.operands;
  const isAlone = pipeline.commands.length === 1 && others.length === 0;
  if (isAlone && operand!.kind === "field" && operand!.path.length === 0) return dot;
  const isDollar = operand!.kind === "variable" && operand!.name === "";
  if (isAlone && isDollar && operand!.path.length === 0) return run.dollar;
  return runPipeline(run, pipeline, dot);
}

function write(run: Run, text: string): void {
  run.output += text;
  if (run.output.length > TEMPLATE_OUTPUT_MAX) {
    throw new TemplateRunFault(`a template may write ${TEMPLATE_OUTPUT_MAX} characters at most`);
  }
}

function work(run: Run, amount: number): void {
  run.workLeft -= amount;
  if (run.workLeft < 0) {
    throw new TemplateRunFault(`a template may do ${TEMPLATE_WORK_MAX} steps of work at most`);
  }
}

/** What handling a value costs, in the units of TEMPLATE_WORK_MAX. */
function weightOf(value: TemplateValue): number {
  if (typeof value === "string") return 1 + (value.length >>> 4);
  if (isList(value)) return 1 + value.length;
  return isMap(value) ? 1 + value.size : 1;
}

function runBlock(run: Run, node: TemplateBlock, dot: Dot): Flow {
  if (node.kind === "range") return runRange(run, node, dot);
  const value = runPipeline(run, node.pipeline, dot);
  if (!isTrue(value)) return runNodes(run, node.otherwise, dot);
  return runNodes(run, node.body, node.kind === "with" ? value : dot);
}

function runRange(run: Run, node: TemplateBlock, dot: Dot): Flow {
  const { variables } = node.pipeline;
  const subject = runPipeline(run, { ...node.pipeline, variables: [] }, dot);
  // An item is a pair and a pass, dearer than a character.
  const passes = typeof subject === "bigint" ? Math.max(0, Number(subject)) : weightOf(subject);
  work(run, 8 * passes);
  const items = itemsOf(subject);
  if (items.length === 0) return runNodes(run, node.otherwise, dot);
  for (const [key, item] of items) {
    const scopeStart = run.variables.length;
    const [first, second] = variables;
    if (second !== undefined)
      run.variables.push({ name: first!, value: key }, { name: second, value: item });
    else if (first !== undefined) run.variables.push({ name: first, value: item });
    const flow = runNodes(run, node.body, item);
    run.variables.length = scopeStart;
    if (flow === "break") break;
  }
  return "next";
}

function itemsOf(subject: TemplateValue): readonly (readonly [TemplateValue, TemplateValue])[] {
  if (isList(subject)) return subject.map((item, i) => [BigInt(i), item] as const);
  if (isMap(subject)) return [...subject].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (typeof subject === "bigint") {
    return Array.from(
      { length: Math.max(Number(subject), 0) },
      (_, i) => [BigInt(i), BigInt(i)] as const,
    );
  }
  if (subject === null) return [];
  throw new TemplateRunFault("range can't iterate over a value of this type");
}

function runPipeline(run: Run, pipeline: TemplatePipeline, dot: Dot): TemplateValue {
  let value: TemplateValue = null;
  for (const [i, command] of pipeline.commands.entries()) {
    value = runCommand(run, command, dot, i === 0 ? undefined : value);
  }
  for (const name of pipeline.variables) {
    if (pipeline.declares) run.variables.push({ name, value });
    else findVariable(run, name).value = value;
  }
  return value;
}

function runCommand(
  run: Run,
  command: TemplateCommand,
  dot: Dot,
  piped: TemplateValue | undefined,
): TemplateValue {
  const [first, ...rest] = command.operands;
  if (first!.kind === "constant" && first!.value === null)
    throw new TemplateRunFault("nil is not a command");
  if (first!.kind !== "function") {
    if (rest.length > 0 || piped !== undefined) {
      throw new TemplateRunFault("can't give argument to non-function");
    }
    return evaluate(run, first!, dot);
  }
  const { name } = first!;
  if (name === "and" || name === "or") return runLogic(run, name, rest, dot, piped);
  const args = rest.map((operand) => evaluate(run, operand, dot));
  if (piped !== undefined) args.push(piped);
  for (const value of args) work(run, weightOf(value));
  try {
    const value = run.call(name, args);
    if (typeof value === "string" && value.length > TEMPLATE_OUTPUT_MAX) throw tooLong(name);
    work(run, weightOf(value));
    return value;
  } catch (error) {
    // The platform's own limit of a text: the only RangeError a function of texts can meet.
    if (error instanceof RangeError) throw tooLong(name);
    if (!(error instanceof TemplateRunFault)) throw error;
    throw new TemplateRunFault(`error calling ${name}: ${error.message}`, { cause: error });
  }
}

function tooLong(name: string): TemplateRunFault {
  return new TemplateRunFault(`${name} makes more than ${TEMPLATE_OUTPUT_MAX} characters`);
}

function runLogic(
  run: Run,
  name: "and" | "or",
  operands: readonly TemplateOperand[],
  dot: Dot,
  piped: TemplateValue | undefined,
): TemplateValue {
  let value: TemplateValue = null;
  for (const operand of operands) {
    value = evaluate(run, operand, dot);
    if (isTrue(value) === (name === "or")) return value;
  }
  return piped ?? value;
}

function evaluate(run: Run, operand: TemplateOperand, dot: Dot): TemplateValue {
  switch (operand.kind) {
    case "constant":
      return operand.value;
    case "field":
      return walk(run, dot, operand.path);
    case "variable":
      return walk(
        run,
        operand.name === "" ? run.dollar : findVariable(run, operand.name).value,
        operand.path,
      );
    case "pipeline":
      return walk(run, runPipeline(run, operand.pipeline, dot), operand.path);
    case "function":
      return runCommand(run, { operands: [operand] }, dot, undefined);
  }
}

function findVariable(run: Run, name: string): Variable {
  const variable = run.variables.findLast((candidate) => candidate.name === name);
  if (variable === undefined) throw new TemplateRunFault(`undefined variable: $${name}`);
  return variable;
}

function walk(run: Run, from: Dot, path: readonly string[]): TemplateValue {
  let value: Dot = from;
  for (const name of path) {
    if (value === ROOT) value = run.root.get(name);
    else if (isMap(value)) value = value.get(name) ?? null;
    else throw new TemplateRunFault(`can't evaluate field ${name}`);
  }
  return value === ROOT ? run.root.toMap() : value;
}
