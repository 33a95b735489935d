/** Makes the graph of one body: which nodes there are, which refers to which, and in which order they are evaluated. Called by `build-graph.ts`. */
import {
  makeError,
  makeUnsupported,
  makeWarning,
  referencesOf,
  suggest,
} from "@finch/alloy-syntax";
import type { Block, Diagnostic, Source, Span, Statement } from "@finch/alloy-syntax";
import { ALLOY_COMPONENTS } from "../alloy-names.ts";
import type { ComponentDefinition, Stability } from "../component.ts";
import { customDefinition, FOREACH, TEMPLATE } from "./custom-component.ts";
import { alreadyDeclared } from "./declarations.ts";
import type { Declaration, DeclarationScope } from "./declarations.ts";
import { decodeBody, headerOf } from "./decode-body.ts";
import { findCycles, sortTopologically } from "./graph-order.ts";
import { findNode } from "./graph.ts";
import type {
  Graph,
  GraphNode,
  ModuleArgument,
  ModuleExport,
  NodePart,
  NodeReference,
  OuterPath,
  Vocabulary,
} from "./graph.ts";
import type { ImportContent, ImportContents } from "./import-content.ts";
import { IMPORTS } from "./import-blocks.ts";
import { COMPONENTS_MAX } from "./limits.ts";
import { MODULE_SCHEMAS } from "./module-blocks.ts";
import { belowStability, ReferenceResolver } from "./reference-resolver.ts";

/** `root`: a whole configuration; `remote`: one given by a server; `module`: the body of a `declare`; `template`: that of a `foreach`. */
export type BodyKind = "root" | "remote" | "module" | "template";

export interface WrittenBody {
  readonly source: Source;
  readonly body: readonly Statement[];
  readonly modulePath: string;
}

export interface BuildRequest {
  /** Several files make one body. */
  readonly bodies: readonly WrittenBody[];
  readonly kind: BodyKind;
  /** Custom components that can be seen from here. */
  readonly around: DeclarationScope | undefined;
  /** Names that stand for values, of this `foreach` and those around it. */
  readonly variables: ReadonlySet<string>;
  /** Whether a path stands for something around a template. */
  readonly isOuter: (path: readonly string[]) => boolean;
  /** Contents that imports had before. */
  readonly known: ImportContents;
  /** Contents that imports have: nothing is fetched for these. */
  readonly contents: ImportContents;
  readonly depth: number;
}

export interface BuilderOptions {
  readonly vocabulary: Vocabulary;
  readonly request: BuildRequest;
  readonly scope: DeclarationScope;
  readonly rebuild: Graph["rebuild"];
  readonly build: (request: BuildRequest) => Promise<Graph>;
  readonly graphOf: (declaration: Declaration) => Promise<Graph | undefined>;
}

const MATURITY: Readonly<Record<Stability, number>> = {
  experimental: 0,
  "public-preview": 1,
  "generally-available": 2,
};

interface Draft {
  readonly id: string;
  /** Undefined for a component that is not built. */
  readonly definition: ComponentDefinition | undefined;
  readonly part: NodePart;
  readonly written: WrittenBody;
  readonly block: Block;
  references: readonly NodeReference[];
  outerReferences: readonly Span[];
}

type ImportName = keyof typeof IMPORTS;

type Resolved = Pick<Draft, "definition" | "part"> | "refused";

const COMPONENT: NodePart = { kind: "component" };

export class GraphBuilder {
  readonly diagnostics: Diagnostic[] = [];
  readonly modules: Graph[] = [];
  /** Contents of the imports of this body, by id. */
  readonly contents = new Map<string, ImportContent | undefined>();
  readonly #options: BuilderOptions;
  readonly #drafts = new Map<string, Draft>();
  readonly #arguments = new Map<string, ModuleArgument>();
  readonly #exports = new Map<string, ModuleExport>();
  readonly #outerPaths: OuterPath[] = [];
  /** Paths of templates that stand for something around them, by the id of their `foreach`. */
  readonly #templatePaths = new Map<string, readonly OuterPath[]>();

  constructor(options: BuilderOptions) {
    this.#options = options;
  }

  async addStatement(written: WrittenBody, statement: Statement): Promise<void> {
    const { source } = written;
    if (statement.kind === "attribute") {
      this.#fault(
        source,
        { start: statement.start, end: statement.start + statement.name.length },
        `unrecognized attribute ${statement.name}: only blocks may stand at the top level`,
      );
      return;
    }
    if (statement.name === "declare") return;
    if (statement.name === "argument" || statement.name === "export")
      return this.#addModuleBlock(source, statement);
    const id = statement.label === "" ? statement.name : `${statement.name}.${statement.label}`;
    const resolved = await this.#resolveBlock(written, statement, id);
    if (resolved === "refused") return;
    const earlier = this.#drafts.get(id);
    if (earlier !== undefined) {
      const first = { source: earlier.written.source, block: earlier.block };
      this.#fault(source, headerOf(statement), alreadyDeclared(id, first));
      return;
    }
    if (this.#drafts.size >= COMPONENTS_MAX) {
      if (this.#drafts.size === COMPONENTS_MAX)
        this.#fault(source, headerOf(statement), `more than ${COMPONENTS_MAX} components`);
      return;
    }
    this.#drafts.set(id, {
      id,
      ...resolved,
      written,
      block: statement,
      references: [],
      outerReferences: [],
    });
  }

  #addModuleBlock(source: Source, block: Block): void {
    const header = headerOf(block);
    const name = block.name as "argument" | "export";
    const known = name === "argument" ? this.#arguments : this.#exports;
    const earlier = known.get(block.label);
    if (this.#options.request.kind !== "module")
      return this.#fault(source, header, `${name} blocks only allowed inside a module`);
    if (block.label === "") return this.#fault(source, header, `${name} block must have a label`);
    if (earlier !== undefined)
      this.#fault(source, header, alreadyDeclared(`${name}.${block.label}`, earlier));
    // The values wait for the module to run; only `optional` must be known before.
    const { values } = decodeBody(block.body, MODULE_SCHEMAS[name], {
      source,
      header,
      evaluateAttribute: (attribute) =>
        attribute.value.kind === "literal" ? attribute.value.value : undefined,
      diagnostics: this.diagnostics,
    });
    if (earlier !== undefined) return;
    if (name === "argument")
      this.#arguments.set(block.label, {
        name: block.label,
        source,
        block,
        isOptional: values["optional"] === true,
      });
    else this.#exports.set(block.label, { name: block.label, source, block, references: [] });
  }

  /** What a block is; `refused` when it cannot be a node. */
  async #resolveBlock(written: WrittenBody, block: Block, id: string): Promise<Resolved> {
    const { name } = block;
    const { components, singleBlocks } = this.#options.vocabulary;
    if (Object.hasOwn(singleBlocks, name)) return this.#resolveSetting(written, block);
    const header = headerOf(block);
    const isOfLanguage = Object.hasOwn(IMPORTS, name) || name === "foreach";
    const isComponent = ALLOY_COMPONENTS.has(name) || Object.hasOwn(components, name);
    if (block.label === "" && isOfLanguage) {
      if (name !== "foreach") this.#checkNames(written.source, block, IMPORTS[name as ImportName]);
      return this.#refuse(written.source, header, `${name} block must have a label`);
    }
    if (block.label === "" && isComponent)
      return this.#refuse(written.source, header, mustHaveLabel(name));
    if (Object.hasOwn(IMPORTS, name)) {
      const part: NodePart = { kind: "import", content: this.contents.get(id) };
      return { definition: IMPORTS[name as keyof typeof IMPORTS], part };
    }
    if (name === "foreach") return this.#resolveForeach(written, block, id);
    if (Object.hasOwn(components, name)) {
      const definition = await components[name]!();
      return this.#isStable(written.source, header, definition)
        ? { definition, part: COMPONENT }
        : "refused";
    }
    if (ALLOY_COMPONENTS.has(name)) {
      this.diagnostics.push(makeUnsupported(written.source, header, `component ${name}`));
      return { definition: undefined, part: COMPONENT };
    }
    return this.#resolveCustom(written, block);
  }

  /** Missing and unknown names in a block that is refused for another reason, so that all is told at once. */
  #checkNames(
    source: Source,
    block: Block,
    definition: Pick<ComponentDefinition, "arguments">,
  ): void {
    decodeBody(block.body, definition.arguments, {
      source,
      header: headerOf(block),
      evaluateAttribute: () => undefined,
      diagnostics: this.diagnostics,
    });
  }

  #resolveSetting({ source }: WrittenBody, block: Block): Resolved {
    const { kind } = this.#options.request;
    const header = headerOf(block);
    if (kind === "module" || kind === "template")
      return this.#refuse(
        source,
        header,
        `${block.name} not allowed in ${kind === "module" ? "module" : "foreach"}`,
      );
    if (kind === "remote")
      return this.#refuse(source, header, `${block.name} not allowed in a remote configuration`);
    if (block.label !== "")
      return this.#refuse(
        source,
        header,
        `block ${JSON.stringify(block.name)} does not support specifying labels`,
      );
    return {
      definition: this.#options.vocabulary.singleBlocks[block.name],
      part: { kind: "setting" },
    };
  }

  async #resolveForeach(written: WrittenBody, block: Block, id: string): Promise<Resolved> {
    const { source } = written;
    const { request, scope } = this.#options;
    const what = `foreach block ${JSON.stringify(block.label)}`;
    if (!this.#isStable(source, headerOf(block), FOREACH, what)) return "refused";
    const templates = block.body.filter((statement) => statement.name === TEMPLATE);
    const [template] = templates;
    if (template?.kind !== "block") {
      this.#checkNames(source, block, FOREACH);
      return this.#refuse(source, headerOf(block), `missing required block "${TEMPLATE}"`);
    }
    if (templates.length > 1)
      return this.#refuse(source, templates[1]!, `block "${TEMPLATE}" may only be specified once`);
    const name = block.body.find((statement) => statement.name === "var");
    const isLiteral =
      name?.kind === "attribute" &&
      name.value.kind === "literal" &&
      typeof name.value.value === "string";
    if (name !== undefined && !isLiteral)
      return this.#refuse(source, name, "var must be written as a string");
    const variable = isLiteral ? String((name.value as { value: unknown }).value) : "";
    const graph = await this.#options.build({
      ...request,
      bodies: [{ ...written, body: template.body }],
      kind: "template",
      around: scope,
      variables: new Set([...request.variables, variable]),
      isOuter: (path) => this.#standsFor(path),
      depth: request.depth + 1,
    });
    this.modules.push(graph);
    this.#templatePaths.set(
      id,
      graph.outerPaths.filter(({ path }) => path[0] !== variable),
    );
    return { definition: FOREACH, part: { kind: "foreach", template: graph } };
  }

  /** Called while templates are built, when the nodes behind them may not be there yet: any block of this body counts. */
  #standsFor(path: readonly string[]): boolean {
    const { request } = this.#options;
    const isWritten = (id: string) =>
      request.bodies.some(({ body }) =>
        body.some(
          (statement) =>
            statement.kind === "block" &&
            (statement.label === "" ? statement.name : `${statement.name}.${statement.label}`) ===
              id,
        ),
      );
    return (
      findNode(path, isWritten) !== undefined ||
      request.variables.has(path[0]!) ||
      (request.kind === "module" && path[0] === "argument") ||
      request.isOuter(path)
    );
  }

  async #resolveCustom({ source }: WrittenBody, block: Block): Promise<Resolved> {
    const { name } = block;
    const { scope, vocabulary } = this.#options;
    const header = headerOf(block);
    const [first, member, ...more] = name.split(".") as [string, ...string[]];
    const namespace = member === undefined ? undefined : scope.namespace(first);
    let declaration = member === undefined ? scope.declaration(first) : undefined;
    if (namespace !== undefined && more.length === 0) {
      if (namespace.content === undefined) {
        if (block.label === "") return this.#refuse(source, header, mustHaveLabel(name));
        const part: NodePart = { kind: "pending", waitsFor: this.#importOf(first) ?? first };
        return { definition: PENDING, part };
      }
      declaration = namespace.content.declarations.get(member!);
    }
    if (declaration === undefined) {
      const known = [
        ...ALLOY_COMPONENTS,
        ...Object.keys(vocabulary.singleBlocks),
        ...Object.keys(IMPORTS),
        "declare",
        "foreach",
        ...scope.names(),
      ];
      return this.#refuse(
        source,
        header,
        `cannot find the definition of component name ${JSON.stringify(name)}${suggest(name, known)}`,
      );
    }
    if (block.label === "") return this.#refuse(source, header, mustHaveLabel(name));
    const graph = await this.#options.graphOf(declaration);
    if (graph === undefined)
      return this.#refuse(source, header, `component ${JSON.stringify(name)} contains itself`);
    return {
      definition: customDefinition(name, graph),
      part: { kind: "custom", declaration, graph },
    };
  }

  #isStable(
    source: Source,
    header: Span,
    { name, stability }: ComponentDefinition,
    what = `component ${JSON.stringify(name)}`,
  ): boolean {
    const wanted = this.#options.vocabulary.stability;
    if (MATURITY[stability] >= MATURITY[wanted]) return true;
    this.#fault(source, header, belowStability(what, stability, wanted));
    return false;
  }

  resolveReferences(): void {
    const resolver = new ReferenceResolver({
      request: this.#options.request,
      library: this.#options.vocabulary.library,
      nodes: this.#drafts,
      arguments: this.#arguments,
      stability: this.#options.vocabulary.stability,
      fault: (source, span, message) => this.#fault(source, span, message),
      warn: (source, span, message) => this.diagnostics.push(makeWarning(source, span, message)),
    });
    for (const draft of this.#drafts.values()) {
      const { references, outer } = resolver.resolveAll(
        draft.written.source,
        [...referencesOf(bodyOf(draft)), ...(this.#templatePaths.get(draft.id) ?? [])],
        { id: draft.id, header: headerOf(draft.block) },
      );
      draft.references = [...this.#importReference(draft), ...references];
      draft.outerReferences = outer;
    }
    for (const [name, written] of this.#exports) {
      const { references } = resolver.resolveAll(written.source, referencesOf(written.block.body));
      this.#exports.set(name, { ...written, references });
    }
    for (const { source, block } of this.#arguments.values())
      resolver.resolveAll(source, referencesOf(block.body));
    this.#outerPaths.push(...resolver.outerPaths);
  }

  /** A custom component comes behind the import that defines it. */
  #importReference({ block, part }: Draft): NodeReference[] {
    if (part.kind !== "custom" && part.kind !== "pending") return [];
    const [namespace] = block.name.split(".");
    if (namespace === block.name || this.#options.scope.namespace(namespace!)?.isHere !== true)
      return [];
    const id = this.#importOf(namespace!);
    return id === undefined ? [] : [{ to: id, rest: [], ...headerOf(block) }];
  }

  #importOf(namespace: string): string | undefined {
    return [...this.contents.keys()].find((id) => id.endsWith(`.${namespace}`));
  }

  #refuse(source: Source, span: Span, message: string): "refused" {
    this.#fault(source, span, message);
    return "refused";
  }

  #fault(source: Source, span: Span, message: string): void {
    this.diagnostics.push(makeError(source, span, message));
  }

  finish(): Graph {
    // Settings come as early as they can, so that the level of logging holds for the others.
    const drafts = [...this.#drafts.values()].toSorted(
      (x, y) => Number(y.part.kind === "setting") - Number(x.part.kind === "setting"),
    );
    const edges = new Map(
      drafts.map(({ id, references }) => [
        id,
        new Set(references.map((reference) => reference.to)),
      ]),
    );
    for (const cycle of findCycles(edges)) {
      for (const id of cycle) {
        const { written, block } = this.#drafts.get(id)!;
        this.#fault(written.source, headerOf(block), `cycle detected: ${cycle.join(", ")}`);
      }
    }
    const nodes = new Map<string, GraphNode>();
    for (const id of sortTopologically(edges)) {
      const node = toNode(this.#drafts.get(id)!);
      if (node !== undefined) nodes.set(id, node);
    }
    const [first] = this.#options.request.bodies;
    return {
      modulePath: first?.modulePath ?? "",
      nodes,
      diagnostics: this.diagnostics,
      arguments: this.#arguments,
      exports: this.#exports,
      modules: this.modules,
      outerPaths: this.#outerPaths,
      rebuild: this.#options.rebuild,
    };
  }
}

/** Stands in for a definition that is not known yet; such a node is neither decoded nor started. */
const PENDING: ComponentDefinition = {
  name: "",
  stability: "generally-available",
  summary: "",
  arguments: {},
  exports: {},
  run: () => Promise.resolve(),
};

function mustHaveLabel(name: string): string {
  return `component ${JSON.stringify(name)} must have a label`;
}

/** What is decoded of a block. */
function bodyOf({ block, part }: Pick<Draft, "block" | "part">): readonly Statement[] {
  return part.kind === "foreach"
    ? block.body.filter((statement) => statement.name !== TEMPLATE)
    : block.body;
}

/** Undefined for what is not built. */
function toNode(draft: Draft): GraphNode | undefined {
  const { id, definition, part, written, block, references, outerReferences } = draft;
  if (definition === undefined) return undefined;
  return {
    id,
    definition,
    part,
    label: block.label,
    source: written.source,
    block,
    body: bodyOf(draft),
    modulePath: written.modulePath,
    references,
    outerReferences,
  };
}
