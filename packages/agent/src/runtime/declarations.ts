/** `declare` blocks and imported namespaces: which custom components there are, seen from one place of a configuration. */
import type { Block, Source } from "@finch/alloy-syntax";
import type { Graph } from "./graph.ts";

/** One `declare` block. Its graph is made once, however many components are made of it. */
export interface Declaration {
  readonly name: string;
  readonly source: Source;
  readonly block: Block;
  readonly modulePath: string;
  /** What can be seen from inside. */
  readonly scope: DeclarationScope;
  /** Set when the graph is there. */
  graph: Graph | undefined;
}

/** What a namespace holds; `undefined` while its content is not known. */
export type Namespace = DeclarationScope | undefined;

/** Names of one body; what is not found here is looked for around it. */
export class DeclarationScope {
  readonly declarations = new Map<string, Declaration>();
  readonly namespaces = new Map<string, Namespace>();
  readonly #around: DeclarationScope | undefined;

  constructor(around: DeclarationScope | undefined) {
    this.#around = around;
  }

  declaration(name: string): Declaration | undefined {
    return this.declarations.get(name) ?? this.#around?.declaration(name);
  }

  /** Whether there is such a namespace, and what it holds. `isHere`: it is imported by this very body, not by one around it. */
  namespace(name: string): { readonly content: Namespace; readonly isHere: boolean } | undefined {
    if (this.namespaces.has(name)) return { content: this.namespaces.get(name), isHere: true };
    const around = this.#around?.namespace(name);
    return around === undefined ? undefined : { ...around, isHere: false };
  }

  /** What a custom component may be called here, for suggestions. */
  names(): readonly string[] {
    return [
      ...this.declarations.keys(),
      ...[...this.namespaces].flatMap(([namespace, content]) =>
        [...(content?.declarations.keys() ?? [])].map((name) => `${namespace}.${name}`),
      ),
      ...(this.#around?.names() ?? []),
    ];
  }
}

/** Where the first of two blocks of one name stands. */
export function alreadyDeclared(
  id: string,
  earlier: { readonly source: Source; readonly block: { readonly start: number } },
): string {
  const { line, column } = earlier.source.position(earlier.block.start);
  return `block ${id} already declared at ${earlier.source.name}:${line}:${column}`;
}
