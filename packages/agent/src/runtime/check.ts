/** Checks everything about a graph that can be known without running it. */
import {
  EXPERIMENTAL_FUNCTIONS,
  evaluate,
  isObject,
  makeError,
  makeUnsupported,
  makeWarning,
  referencesOf,
} from "@finch/alloy-syntax";
import type { Attribute, Diagnostic, ObjectValue, Scope, Span, Value } from "@finch/alloy-syntax";
import type { ArgumentFault } from "../component.ts";
import type { Attribute as SchemaAttribute } from "../schema.ts";
import { decodeBody, headerOf } from "./decode-body.ts";
import type { Graph, GraphNode } from "./graph.ts";

/**
 * All diagnostics of a graph and the modules in it: of its making, and of every node's arguments as far as they do not depend on what runs. What is
 * wrong in a module that nothing is made of is a warning: libraries of modules need not fit as a whole.
 */
export function checkGraph(graph: Graph, library: ObjectValue): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const checked = new Set<Graph>();
  const unused: Graph[] = [];
  const check = (one: Graph): Diagnostic[] => {
    if (checked.has(one)) return [];
    checked.add(one);
    unused.push(...one.modules);
    const found = [...one.diagnostics];
    for (const node of one.nodes.values()) {
      checkNode(node, library, found);
      if (node.part.kind === "custom") found.push(...check(node.part.graph));
      if (node.part.kind === "foreach") found.push(...check(node.part.template));
    }
    return found;
  };
  diagnostics.push(...check(graph));
  for (let one = unused.pop(); one !== undefined; one = unused.pop())
    diagnostics.push(...check(one).map(toWarning));
  return diagnostics.toSorted((a, b) =>
    a.source.name === b.source.name ? a.start - b.start : a.source.name < b.source.name ? -1 : 1,
  );
}

function toWarning(diagnostic: Diagnostic): Diagnostic {
  return { ...diagnostic, severity: "warning" };
}

function checkNode(node: GraphNode, library: ObjectValue, diagnostics: Diagnostic[]): void {
  if (node.part.kind === "pending") return;
  const { name, outside: reason } = node.definition;
  if (reason !== undefined) {
    const message = `${name} does not run here: ${reason}`;
    diagnostics.push(makeWarning(node.source, headerOf(node.block), message));
    return;
  }
  const scope = libraryScope(library);
  const outside = [...node.references, ...node.outerReferences];
  const evaluateAttribute = (attribute: Attribute): Value | undefined => {
    const references = referencesOf([attribute]);
    // What refers to a component is known only when it runs; what reads the environment may differ on the machine it is meant for; and the
    // experimental functions are for what components find.
    const isKnown = references.every(
      ({ path }) =>
        !readsEnvironment(path, library) &&
        !EXPERIMENTAL_FUNCTIONS.has(path.slice(0, 2).join(".")) &&
        !outside.some((reference) => within(reference, attribute)),
    );
    if (!isKnown || references.some(({ path }) => !library.has(path[0]!))) return undefined;
    const result = evaluate(attribute.value, node.source, scope);
    if (result.ok) return result.value;
    diagnostics.push(result.diagnostic);
    return undefined;
  };
  const context = {
    source: node.source,
    header: headerOf(node.block),
    evaluateAttribute,
    standIn,
    diagnostics,
  };
  const before = diagnostics.length;
  const decoded = decodeBody(node.body, node.definition.arguments, context);
  if (!decoded.isComplete || diagnostics.slice(before).some(isError)) return;
  const fault = node.definition.check?.(decoded.values);
  if (fault !== undefined) diagnostics.push(faultDiagnostic(node, fault));
}

/** What components hand each other is no matter of rules between arguments: none of it stands for what is not known. */
function standIn({ type }: SchemaAttribute): unknown {
  return type === "list(target)" || /^list\(.*(receiver|consumer)\)$/.test(type) ? [] : undefined;
}

function isError({ severity }: Diagnostic): boolean {
  return severity === "error";
}

/** `sys.env` and `env`. Another name in `sys` is a mistake wherever it runs, and is told by evaluating it. */
function readsEnvironment(path: readonly string[], library: ObjectValue): boolean {
  if (path[0] === "env") return true;
  const functions = path[0] === "sys" ? library.get("sys") : undefined;
  return functions !== undefined && isObject(functions) && functions.has(path[1] ?? "");
}

/** What a component's `check` says, with its place. */
export function faultDiagnostic(node: GraphNode, fault: ArgumentFault): Diagnostic {
  const span = spanOf(node, fault.at ?? "");
  const unsupported = /^not supported yet: (.*)$/s.exec(fault.message)?.[1];
  return unsupported === undefined
    ? makeError(node.source, span, fault.message)
    : makeUnsupported(node.source, span, unsupported);
}

function within(inner: Span, outer: Span): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}

/** Only the standard library. */
export function libraryScope(library: ObjectValue): Scope {
  return {
    resolve: (path) => {
      const value = library.get(path[0]!);
      return value === undefined ? undefined : { value, length: 1 };
    },
    names: () => library.keys(),
  };
}

/** Where `rule[2].regex` stands in a node, as far as it is written; its header for an empty text. */
export function spanOf(node: GraphNode, at: string): Span {
  let span: Span = headerOf(node.block);
  let body = node.block.body;
  for (let rest = at; rest !== "";) {
    const step = firstStep(body, rest);
    rest = rest.slice(step.length + 1);
    const [, name = step, index = "0"] = /^(.*)\[([0-9]+)\]$/.exec(step) ?? [];
    const found = body.filter(
      (statement) => statement.name === name || statement.name.startsWith(`${name}.`),
    )[Number(index)];
    if (found === undefined) return span;
    span = found.kind === "attribute" ? found : headerOf(found);
    body = found.kind === "block" ? found.body : [];
  }
  return span;
}

/** The name of a block may have a dot in it, as `mysql.user` has. */
function firstStep(body: GraphNode["block"]["body"], at: string): string {
  const whole = body.find(
    ({ name }) => name.includes(".") && (at === name || at.startsWith(`${name}.`)),
  );
  return whole?.name ?? at.split(".", 1)[0]!;
}
