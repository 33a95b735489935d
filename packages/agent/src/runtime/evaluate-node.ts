/** Evaluates the arguments of a node against the exports of the others. */
import { dirname } from "node:path";
import { evaluate, formatDiagnosticLine } from "@finch/alloy-syntax";
import type { Attribute, Diagnostic, ObjectValue, Scope, Value } from "@finch/alloy-syntax";
import { faultDiagnostic } from "./check.ts";
import { decodeBody, headerOf } from "./decode-body.ts";
import { findNode } from "./graph.ts";
import type { ComponentNode } from "./node.ts";

export interface Evaluated {
  readonly nodes: ReadonlyMap<string, ComponentNode>;
  readonly library: ObjectValue;
}

/**
 * Gives the node its arguments. While something it refers to has exported nothing, it waits; when evaluation fails, it keeps the arguments it has
 * and is unhealthy.
 */
export function evaluateNode(node: ComponentNode, evaluated: Evaluated): void {
  const { written } = node;
  const missing = written.references.find(
    (reference) => evaluated.nodes.get(reference.to)?.exportValues === undefined,
  );
  if (missing !== undefined) {
    node.setWaiting(`waiting for the exports of ${missing.to}`);
    return;
  }
  const diagnostics: Diagnostic[] = [];
  const scope = scopeOf(node, evaluated);
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
  const { values, isComplete } = decodeBody(
    written.block.body,
    written.definition.arguments,
    context,
  );
  const fault = isComplete ? written.definition.check?.(values) : undefined;
  if (fault !== undefined) diagnostics.push(faultDiagnostic(written, fault));
  if (diagnostics.length > 0)
    node.setEvaluationFault(diagnostics.map(formatDiagnosticLine).join("; "));
  else node.setArguments(values);
}

function scopeOf(node: ComponentNode, { nodes, library }: Evaluated): Scope {
  return {
    resolve: (path) => {
      const found = findNode(path, (id) => nodes.has(id));
      if (found !== undefined)
        return {
          value: nodes.get(found.id)!.exportValues!,
          length: path.length - found.rest.length,
        };
      const value =
        path[0] === "module_path" ? dirname(node.written.source.name) : library.get(path[0]!);
      return value === undefined ? undefined : { value, length: 1 };
    },
    names: () => [...library.keys(), ...nodes.keys()],
  };
}
