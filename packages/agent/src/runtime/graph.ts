/**
 * What a configuration is once it has been read: nodes, what each refers to, and the order they are evaluated in. The body of a module (a custom
 * component, the template of a `foreach`) is a graph of its own. Immutable; made by `graph-builder.ts`.
 */
import type { Block, Diagnostic, ObjectValue, Source, Span, Statement } from "@finch/alloy-syntax";
import type { ComponentDefinition, Stability } from "../component.ts";
import type { ComponentLoader } from "../components/index.ts";
import type { Declaration } from "./declarations.ts";
import type { ImportContent, ImportContents, ImportLoader } from "./import-content.ts";

/** What a node is, besides its declaration. */
export type NodePart =
  | { readonly kind: "component" }
  /** A block without a label, such as `logging`. */
  | { readonly kind: "setting" }
  | { readonly kind: "import"; readonly content: ImportContent | undefined }
  | { readonly kind: "custom"; readonly declaration: Declaration; readonly graph: Graph }
  | { readonly kind: "foreach"; readonly template: Graph }
  /** A component whose definition will come with the content of an import; `waitsFor` is the import's id. */
  | { readonly kind: "pending"; readonly waitsFor: string };

/** A block that lives, as it is written, with its declaration. */
export interface GraphNode {
  /** `prometheus.scrape.default`, or `logging`; unique in its graph. */
  readonly id: string;
  readonly definition: ComponentDefinition;
  readonly part: NodePart;
  readonly label: string;
  readonly source: Source;
  readonly block: Block;
  /** What is decoded: the body of the block, without the template of a `foreach`. */
  readonly body: readonly Statement[];
  /** What `module_path` is in it. */
  readonly modulePath: string;
  readonly references: readonly NodeReference[];
  /** References to what comes from outside of the graph: arguments of the module, variables, nodes around a template. */
  readonly outerReferences: readonly Span[];
}

/** A reference of one node to another's exports. */
export interface NodeReference extends Span {
  /** Id of the node that is referred to. */
  readonly to: string;
  /** Names behind the id: `["receiver"]`. */
  readonly rest: readonly string[];
}

/** An `argument` block. */
export interface ModuleArgument {
  readonly name: string;
  readonly source: Source;
  readonly block: Block;
  readonly isOptional: boolean;
}

/** An `export` block. */
export interface ModuleExport {
  readonly name: string;
  readonly source: Source;
  readonly block: Block;
  readonly references: readonly NodeReference[];
}

export interface Graph {
  readonly modulePath: string;
  /** In evaluation order: a node stands behind those it refers to. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  /** Of this graph alone; {@link Graph.modules} have their own. */
  readonly diagnostics: readonly Diagnostic[];
  readonly arguments: ReadonlyMap<string, ModuleArgument>;
  readonly exports: ReadonlyMap<string, ModuleExport>;
  /** Graphs of what is declared or imported here, and of templates, whether they are used or not. */
  readonly modules: readonly Graph[];
  /** Dotted paths in a template that stand for something around it. */
  readonly outerPaths: readonly OuterPath[];
  /** The same body with other content of its imports. */
  rebuild(contents: ImportContents): Promise<Graph>;
}

export interface OuterPath extends Span {
  readonly path: readonly string[];
}

/** What the names of blocks stand for. */
export interface Vocabulary {
  readonly library: ObjectValue;
  readonly components: Readonly<Record<string, ComponentLoader>>;
  /** Components less mature than this are refused. */
  readonly stability: Stability;
  /** Blocks without a label that run like components, such as `logging`. */
  readonly singleBlocks: Readonly<Record<string, ComponentDefinition>>;
  /** Fetches what `import.*` blocks name. */
  readonly imports: ImportLoader;
}

/** The node a dotted path begins with, longest match first. */
export function findNode(
  path: readonly string[],
  exists: (id: string) => boolean,
): { readonly id: string; readonly rest: readonly string[] } | undefined {
  for (let length = path.length; length > 0; length--) {
    const id = path.slice(0, length).join(".");
    if (exists(id)) return { id, rest: path.slice(length) };
  }
  return undefined;
}
