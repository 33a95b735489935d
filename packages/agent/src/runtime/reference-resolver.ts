/** Finds what the dotted paths in one body stand for: nodes, arguments of the module, variables, things around a template. */
import { DEPRECATED_FUNCTIONS, EXPERIMENTAL_FUNCTIONS, suggest } from "@finch/alloy-syntax";
import type { ObjectValue, Reference, Source, Span } from "@finch/alloy-syntax";
import type { ComponentDefinition } from "../component.ts";
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
  /** Whether experimental functions may be used. */
  readonly allowsExperiments: boolean;
  readonly fault: (source: Source, span: Span, message: string) => void;
  readonly warn: (source: Source, span: Span, message: string) => void;
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
    from?: string,
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
    from: string | undefined,
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
      if (found.id === from) fault(source, reference, `cannot reference self: ${from}`);
      else this.#checkExport(source, reference, found);
      return found.id === from
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
    const { allowsExperiments, fault, warn } = this.#options;
    const [first] = reference.path;
    const name = reference.path.slice(0, 2).join(".");
    if (Object.hasOwn(DEPRECATED_FUNCTIONS, first!))
      warn(
        source,
        firstName(reference),
        `this stdlib function is deprecated; use ${DEPRECATED_FUNCTIONS[first!]}`,
      );
    if (EXPERIMENTAL_FUNCTIONS.has(name) && !allowsExperiments)
      fault(
        source,
        reference,
        `${name} is at stability level "experimental", which is below the minimum allowed stability level; use --stability.level=experimental to enable it`,
      );
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
