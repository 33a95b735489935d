/** Finds what the dotted paths in one body stand for: nodes, arguments of the module, variables, things around a template. */
import { DEPRECATED_FUNCTIONS, EXPERIMENTAL_FUNCTIONS, suggest } from "@finch/alloy-syntax";
import type { ObjectValue, Reference, Source, Span } from "@finch/alloy-syntax";
import type { ComponentDefinition, Stability } from "../component.ts";
import type { BuildRequest } from "./graph-builder.ts";
import { findNode } from "./graph.ts";
import type { NodePart, NodeReference, OuterPath } from "./graph.ts";

interface Referable {
  /** Undefined for a component that is not built. */
  readonly definition: ComponentDefinition | undefined;
  readonly part: NodePart;
}

export interface ResolverOptions {
  readonly request: Pick<BuildRequest, "kind" | "variables" | "isOuter">;
  readonly library: ObjectValue;
  /** By id. */
  readonly nodes: ReadonlyMap<string, Referable>;
  readonly arguments: ReadonlyMap<string, unknown>;
  /** Functions less mature than this are refused. */
  readonly stability: Stability;
  readonly fault: (source: Source, span: Span, message: string) => void;
  readonly warn: (source: Source, span: Span, message: string) => void;
}

/** The node that references stand in. */
export interface ReferringNode {
  readonly id: string;
  readonly header: Span;
}

export class ReferenceResolver {
  /** What stands for something around this body. */
  readonly outerPaths: OuterPath[] = [];
  readonly #options: ResolverOptions;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** References to nodes of this body, and those to what comes from outside. `from` is the node they stand in. */
  resolveAll(
    source: Source,
    paths: readonly Reference[],
    from?: ReferringNode,
  ): { readonly references: readonly NodeReference[]; readonly outer: readonly Span[] } {
    const references: NodeReference[] = [];
    const outer: Span[] = [];
    for (const path of paths) {
      const resolved = this.#resolve(source, path, from);
      if (resolved === "outer") outer.push(path);
      else if (resolved !== undefined) references.push(resolved);
    }
    return { references, outer };
  }

  #resolve(
    source: Source,
    reference: Reference,
    from: ReferringNode | undefined,
  ): NodeReference | "outer" | undefined {
    const { path } = reference;
    const { request, library, nodes, fault } = this.#options;
    const found = findNode(path, (id) => nodes.has(id));
    if (found !== undefined) {
      if (library.has(path[0]!))
        this.#options.warn(
          source,
          firstName(reference),
          "a component is shadowing an existing stdlib name",
        );
      if (found.id === from?.id) fault(source, from.header, "cannot reference self");
      else this.#checkExport(source, reference, found);
      return found.id === from?.id
        ? undefined
        : { to: found.id, rest: found.rest, start: reference.start, end: reference.end };
    }
    if (request.kind === "module" && path[0] === "argument")
      return this.#resolveArgument(source, reference);
    if (request.variables.has(path[0]!) || request.isOuter(path)) {
      this.outerPaths.push(reference);
      return "outer";
    }
    if (path[0] === "module_path") return undefined;
    if (library.has(path[0]!)) {
      this.#checkFunction(source, reference);
      return undefined;
    }
    fault(
      source,
      reference,
      `component ${JSON.stringify(path.join("."))} does not exist or is out of scope${suggest(path.slice(0, 3).join("."), nodes.keys())}`,
    );
    return undefined;
  }

  #checkFunction(source: Source, reference: Reference): void {
    const { stability, fault, warn } = this.#options;
    const [first] = reference.path;
    const name = reference.path.slice(0, 2).join(".");
    if (Object.hasOwn(DEPRECATED_FUNCTIONS, first!))
      warn(
        source,
        firstName(reference),
        `this stdlib function is deprecated; use ${DEPRECATED_FUNCTIONS[first!]}`,
      );
    if (EXPERIMENTAL_FUNCTIONS.has(name) && stability !== "experimental")
      fault(source, reference, belowStability(name, "experimental", stability));
  }

  #resolveArgument(source: Source, reference: Reference): "outer" | undefined {
    const [, name = "", field] = reference.path;
    const known = this.#options.arguments;
    if (known.has(name) && (field === "value" || field === undefined)) return "outer";
    this.#options.fault(
      source,
      reference,
      known.has(name)
        ? `field ${JSON.stringify(field)} does not exist; what an argument holds is argument.${name}.value`
        : `argument ${JSON.stringify(name)} does not exist${suggest(name, known.keys())}`,
    );
    return undefined;
  }

  #checkExport(
    source: Source,
    reference: Reference,
    found: { readonly id: string; readonly rest: readonly string[] },
  ): void {
    const { definition, part } = this.#options.nodes.get(found.id)!;
    const [name] = found.rest;
    if (definition === undefined || part.kind === "pending" || name === undefined) return;
    if (Object.hasOwn(definition.exports, name)) return;
    this.#options.fault(
      source,
      reference,
      `${found.id} does not export ${JSON.stringify(name)}${suggest(name, Object.keys(definition.exports))}`,
    );
  }
}

function firstName({ path, start }: Reference): Span {
  return { start, end: start + path[0]!.length };
}

/** Why something cannot be used that is less mature than is wanted. */
export function belowStability(what: string, stability: Stability, wanted: Stability): string {
  return `${what} is at stability level ${JSON.stringify(stability)}, which is below the minimum allowed stability level ${JSON.stringify(wanted)}; use --stability.level=${stability} to enable it`;
}
