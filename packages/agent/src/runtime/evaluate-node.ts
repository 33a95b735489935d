/** Evaluates the arguments of a node against the exports of the others. */
import { evaluate, formatDiagnosticLine } from "@finch/alloy-syntax";
import type { Attribute, Diagnostic, ObjectValue, Scope, Value } from "@finch/alloy-syntax";
import { faultDiagnostic } from "./check.ts";
import { decodeBody, headerOf } from "./decode-body.ts";
import { findNode } from "./graph.ts";
import type { Graph, GraphNode, NodeReference } from "./graph.ts";
import type { ComponentNode } from "./node.ts";

/** What the names in one module stand for. */
export interface ModuleInputs {
  readonly graph: Graph;
  /** By their ids within the module. */
  readonly nodes: ReadonlyMap<string, ComponentNode>;
  readonly library: ObjectValue;
  /** Arguments that the module was given. */
  readonly arguments: ObjectValue;
  /** Names that a `foreach` sets. */
  readonly variables: ObjectValue;
  /** Of a template: the names around it. */
  readonly around: Scope | undefined;
}

/** Whether what is referred to is there. A module's exports come one by one. */
export function isExported(
  nodes: ReadonlyMap<string, ComponentNode>,
  { to, rest }: Pick<NodeReference, "to" | "rest">,
): boolean {
  const node = nodes.get(to);
  if (node?.exportValues === undefined) return false;
  const [name] = rest;
  return (
    name === undefined ||
    node.exportValues.has(name) ||
    !Object.hasOwn(node.written.definition.exports, name)
  );
}

/**
 * Gives the node its arguments. While something it refers to has exported nothing, it waits; when evaluation fails, it keeps the arguments it has
 * and is unhealthy.
 */
export function evaluateNode(node: ComponentNode, inputs: ModuleInputs): void {
  const { written } = node;
  if (written.part.kind === "pending") {
    node.setWaiting(`waiting for the content of ${written.part.waitsFor}`);
    return;
  }
  const missing = written.references.find((reference) => !isExported(inputs.nodes, reference));
  if (missing !== undefined) {
    node.setWaiting(`waiting for the exports of ${missing.to}`);
    return;
  }
  if (written.definition.outside !== undefined) {
    node.setArguments({}, []);
    return;
  }
  const diagnostics: Diagnostic[] = [];
  const scope = scopeOf(written, inputs);
  const evaluateAttribute = (attribute: Attribute): Value | undefined => {
    const result = evaluate(attribute.value, written.source, scope);
    if (result.ok) return result.value;
    diagnostics.push(result.diagnostic);
    return undefined;
  };
  const context = {
    source: written.source,
    header: headerOf(written.block),
    evaluateAttribute,
    diagnostics,
  };
  const { values, isComplete } = decodeBody(written.body, written.definition.arguments, context);
  const fault = isComplete ? written.definition.check?.(values) : undefined;
  if (fault !== undefined) diagnostics.push(faultDiagnostic(written, fault));
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) node.setEvaluationFault(errors.map(formatDiagnosticLine).join("; "));
  else node.setArguments(values, outerValues(written, scope));
}

/** What a template refers to: when it changes, the template is evaluated again. */
function outerValues({ part }: GraphNode, scope: Scope): readonly Value[] {
  if (part.kind !== "foreach") return [];
  return part.template.outerPaths.map(({ path }) => {
    const found = scope.resolve(path);
    return typeof found === "object" ? found.value : null;
  });
}

/** The names that can be seen from a node. */
export function scopeOf(
  { modulePath }: Pick<GraphNode, "modulePath">,
  inputs: ModuleInputs,
): Scope {
  const { nodes, library, variables, around } = inputs;
  return {
    resolve: (path) => {
      const found = findNode(path, (id) => nodes.has(id));
      if (found !== undefined) {
        const value = nodes.get(found.id)!.exportValues;
        const length = path.length - found.rest.length;
        return value === undefined ? `${found.id} has exported nothing yet` : { value, length };
      }
      const [first = "", second = ""] = path;
      if (first === "argument" && inputs.graph.arguments.has(second))
        return { value: new Map([["value", argumentValue(second, inputs, [])]]), length: 2 };
      const variable = variables.get(first);
      if (variable !== undefined) return { value: variable, length: 1 };
      const outer = around?.resolve(path);
      if (outer !== undefined) return outer;
      const value = first === "module_path" ? modulePath : library.get(first);
      return value === undefined ? undefined : { value, length: 1 };
    },
    names: () => [...library.keys(), ...nodes.keys(), ...variables.keys()],
  };
}

/** What was given, else the default, else null. A default may be made of other arguments. */
function argumentValue(name: string, inputs: ModuleInputs, asked: readonly string[]): Value {
  const given = inputs.arguments.get(name);
  if (given !== undefined) return given;
  const { block, source } = inputs.graph.arguments.get(name)!;
  const written = block.body.find((statement) => statement.name === "default");
  if (written?.kind !== "attribute" || asked.includes(name)) return null;
  const result = evaluate(written.value, source, {
    resolve: (path) => {
      const [first = "", second = ""] = path;
      if (first === "argument" && inputs.graph.arguments.has(second)) {
        const value = argumentValue(second, inputs, [...asked, name]);
        return { value: new Map([["value", value]]), length: 2 };
      }
      const value = first === "module_path" ? inputs.graph.modulePath : inputs.library.get(first);
      return value === undefined ? undefined : { value, length: 1 };
    },
    names: () => inputs.library.keys(),
  });
  return result.ok ? result.value : null;
}
