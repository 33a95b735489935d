/**
 * From parsed files to a graph of nodes: which components there are, which refers to which, and in which order they are evaluated. Pure: it loads
 * declarations, but starts nothing. Everything wrong that can be known without running is reported, with its place.
 */
import { makeError, makeUnsupported, parseFile, referencesOf, suggest } from "@finch/alloy-syntax";
import type {
  Block,
  Diagnostic,
  ObjectValue,
  Reference,
  Source,
  Span,
  Statement,
} from "@finch/alloy-syntax";
import { ALLOY_COMPONENTS } from "../alloy-names.ts";
import type { ComponentDefinition, Stability } from "../component.ts";
import type { ComponentLoader } from "../components/index.ts";
import { findCycles, sortTopologically } from "./graph-order.ts";
import { headerOf } from "./decode-body.ts";
import { COMPONENTS_MAX } from "./limits.ts";

/** A component (or the `logging` block) as it is written, with its declaration. */
export interface GraphNode {
  /** `prometheus.scrape.default`, or `logging`. */
  readonly id: string;
  readonly definition: ComponentDefinition;
  readonly label: string;
  readonly source: Source;
  readonly block: Block;
  readonly references: readonly NodeReference[];
}

/** A reference of one node to another's exports. */
export interface NodeReference extends Span {
  /** Id of the node that is referred to. */
  readonly to: string;
  /** Names behind the id: `["receiver"]`. */
  readonly rest: readonly string[];
}

export interface Graph {
  /** In evaluation order: a node stands behind those it refers to. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Blocks of the language that are no components and not built yet. */
const NOT_YET_BLOCKS = new Set([
  "tracing",
  "http",
  "livedebugging",
  "remotecfg",
  "declare",
  "foreach",
  "import.file",
  "import.string",
  "import.http",
  "import.git",
]);
const MATURITY: Readonly<Record<Stability, number>> = {
  experimental: 0,
  "public-preview": 1,
  "generally-available": 2,
};
const MODULE_BLOCKS = new Set(["argument", "export"]);

/** What the names of blocks stand for. */
export interface Vocabulary {
  readonly library: ObjectValue;
  readonly components: Readonly<Record<string, ComponentLoader>>;
  /** Components less mature than this are refused. */
  readonly stability: Stability;
  /** Blocks without a label that run like components, such as `logging`. */
  readonly singleBlocks: Readonly<Record<string, ComponentDefinition>>;
}

export async function buildGraph(
  sources: readonly Source[],
  vocabulary: Vocabulary,
): Promise<Graph> {
  const builder = new GraphBuilder(vocabulary);
  const bodies: { source: Source; body: readonly Statement[] }[] = [];
  for (const source of sources) {
    const { file, diagnostics } = parseFile(source);
    builder.diagnostics.push(...diagnostics);
    bodies.push({ source, body: file.body });
  }
  if (builder.diagnostics.length === 0) {
    for (const { source, body } of bodies) builder.declareCustomNames(source, body);
    for (const { source, body } of bodies)
      for (const statement of body) await builder.addStatement(source, statement);
    builder.resolveReferences();
  }
  return builder.finish();
}

interface Draft {
  readonly id: string;
  /** Undefined for a component that is not built. */
  readonly definition: ComponentDefinition | undefined;
  readonly label: string;
  readonly source: Source;
  readonly block: Block;
  references: readonly NodeReference[];
}

class GraphBuilder {
  readonly diagnostics: Diagnostic[] = [];
  readonly #vocabulary: Vocabulary;
  readonly #drafts = new Map<string, Draft>();
  /** Names of `declare` blocks and namespaces of imports: what custom components begin with. */
  readonly #customNames = new Set<string>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  declareCustomNames(_source: Source, body: readonly Statement[]): void {
    for (const statement of body) {
      if (
        statement.kind === "block" &&
        (statement.name === "declare" || statement.name.startsWith("import."))
      )
        this.#customNames.add(statement.label);
    }
  }

  async addStatement(source: Source, statement: Statement): Promise<void> {
    if (statement.kind === "attribute") {
      this.#fault(
        source,
        { start: statement.start, end: statement.start + statement.name.length },
        `unrecognized attribute ${statement.name}: only blocks may stand at the top level`,
      );
      return;
    }
    const definition = await this.#definitionOf(source, statement);
    if (definition === "refused") return;
    const id = statement.label === "" ? statement.name : `${statement.name}.${statement.label}`;
    const earlier = this.#drafts.get(id);
    if (earlier !== undefined) {
      const { line, column } = earlier.source.position(earlier.block.start);
      this.#fault(
        source,
        headerOf(statement),
        `block ${id} already declared at ${earlier.source.name}:${line}:${column}`,
      );
      return;
    }
    if (this.#drafts.size >= COMPONENTS_MAX) {
      if (this.#drafts.size === COMPONENTS_MAX)
        this.#fault(source, headerOf(statement), `more than ${COMPONENTS_MAX} components`);
      return;
    }
    this.#drafts.set(id, {
      id,
      definition,
      label: statement.label,
      source,
      block: statement,
      references: [],
    });
  }

  /** The declaration; undefined when the block is fine but not built yet; `refused` when it cannot be a node. */
  async #definitionOf(
    source: Source,
    block: Block,
  ): Promise<ComponentDefinition | undefined | "refused"> {
    const { name } = block;
    const { components, singleBlocks } = this.#vocabulary;
    const header = headerOf(block);
    if (Object.hasOwn(singleBlocks, name)) {
      if (block.label === "") return singleBlocks[name]!;
      this.#fault(
        source,
        header,
        `block ${JSON.stringify(name)} does not support specifying labels`,
      );
      return "refused";
    }
    if (MODULE_BLOCKS.has(name)) {
      this.#fault(source, header, `${name} blocks only allowed inside a module`);
      return "refused";
    }
    const isCustom = this.#customNames.has(name.split(".")[0]!);
    if (NOT_YET_BLOCKS.has(name)) this.diagnostics.push(makeUnsupported(source, header, name));
    else if (Object.hasOwn(components, name)) {
      if (block.label !== "") return this.#ifStable(source, header, await components[name]!());
      this.#fault(source, header, `component ${JSON.stringify(name)} must have a label`);
      return "refused";
    } else if (ALLOY_COMPONENTS.has(name))
      this.diagnostics.push(makeUnsupported(source, header, `component ${name}`));
    else if (isCustom)
      this.diagnostics.push(makeUnsupported(source, header, `custom component ${name}`));
    else {
      const known = [...ALLOY_COMPONENTS, ...NOT_YET_BLOCKS, ...Object.keys(singleBlocks)];
      this.#fault(
        source,
        header,
        `cannot find the definition of component name ${JSON.stringify(name)}${suggest(name, known)}`,
      );
      return "refused";
    }
    return undefined;
  }

  #ifStable(
    source: Source,
    header: Span,
    definition: ComponentDefinition,
  ): ComponentDefinition | "refused" {
    const { stability: wanted } = this.#vocabulary;
    const { name, stability } = definition;
    if (MATURITY[stability] >= MATURITY[wanted]) return definition;
    this.#fault(
      source,
      header,
      `component ${JSON.stringify(name)} is at stability level ${JSON.stringify(stability)}, which is below the minimum allowed stability level ${JSON.stringify(wanted)}; use --stability.level=${stability} to enable it`,
    );
    return "refused";
  }

  resolveReferences(): void {
    for (const draft of this.#drafts.values()) {
      const references: NodeReference[] = [];
      // What is inside a block that is not built may follow rules of its own (`argument.x.value` in a module).
      if (draft.definition === undefined && !ALLOY_COMPONENTS.has(draft.block.name)) continue;
      for (const reference of referencesOf(draft.block.body)) {
        const resolved = this.#resolve(draft, reference);
        if (resolved !== undefined) references.push(resolved);
      }
      draft.references = references;
    }
  }

  #resolve(draft: Draft, reference: Reference): NodeReference | undefined {
    const { path } = reference;
    const found = findNode(path, (id) => this.#drafts.has(id));
    if (found !== undefined) {
      if (found.id === draft.id) {
        this.#fault(draft.source, reference, `cannot reference self: ${draft.id}`);
        return undefined;
      }
      this.#checkExport(draft, reference, found);
      return { to: found.id, rest: found.rest, start: reference.start, end: reference.end };
    }
    if (this.#vocabulary.library.has(path[0]!) || path[0] === "module_path") return undefined;
    const shown = path.join(".");
    this.#fault(
      draft.source,
      reference,
      `component ${JSON.stringify(shown)} does not exist or is out of scope${suggest(path.slice(0, 3).join("."), this.#drafts.keys())}`,
    );
    return undefined;
  }

  #checkExport(
    draft: Draft,
    reference: Reference,
    found: { readonly id: string; readonly rest: readonly string[] },
  ): void {
    const { definition } = this.#drafts.get(found.id)!;
    const [name] = found.rest;
    if (definition === undefined || name === undefined || Object.hasOwn(definition.exports, name))
      return;
    this.#fault(
      draft.source,
      reference,
      `${found.id} does not export ${JSON.stringify(name)}${suggest(name, Object.keys(definition.exports))}`,
    );
  }

  #fault(source: Source, span: Span, message: string): void {
    this.diagnostics.push(makeError(source, span, message));
  }

  finish(): Graph {
    // The logging block comes as early as it can, so that its level holds for the others.
    const drafts = [...this.#drafts.values()].toSorted(
      (x, y) => Number(y.label === "") - Number(x.label === ""),
    );
    const edges = new Map(
      drafts.map(({ id, references }) => [
        id,
        new Set(references.map((reference) => reference.to)),
      ]),
    );
    for (const cycle of findCycles(edges)) {
      for (const id of cycle) {
        const draft = this.#drafts.get(id)!;
        this.#fault(draft.source, headerOf(draft.block), `cycle detected: ${cycle.join(", ")}`);
      }
    }
    const nodes = new Map<string, GraphNode>();
    for (const id of sortTopologically(edges)) {
      const draft = this.#drafts.get(id)!;
      if (draft.definition !== undefined) nodes.set(id, { ...draft, definition: draft.definition });
    }
    return { nodes, diagnostics: this.diagnostics };
  }
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
