/**
 * Makes graphs of parsed files. It loads declarations and the content of imports, but starts nothing. Everything wrong that can be known
 * without running is reported, with its place; what is wrong with arguments is found by `check.ts`.
 */
import { makeError, parseFile } from "@finch/alloy-syntax";
import type { Diagnostic } from "@finch/alloy-syntax";
import { describeError, FinchError } from "@finch/runtime";
import { ConfigError } from "./config-error.ts";
import { headerOf } from "./decode-body.ts";
import { alreadyDeclared, DeclarationScope } from "./declarations.ts";
import type { Declaration } from "./declarations.ts";
import { GraphBuilder } from "./graph-builder.ts";
import type { BodyKind, BuildRequest, WrittenBody } from "./graph-builder.ts";
import type { Graph, Vocabulary } from "./graph.ts";
import { importId, isImport } from "./import-content.ts";
import type {
  ImportContent,
  ImportContents,
  ImportedFile,
  WrittenImport,
} from "./import-content.ts";
import { MODULE_DEPTH_MAX } from "./limits.ts";

export interface RootOptions {
  /** `remote`: what a server gives; it has no settings of the agent. */
  readonly kind?: Extract<BodyKind, "root" | "remote">;
  /** Content of imports that cannot be fetched now, or not without running: what they had before. */
  readonly known?: ImportContents;
}

export async function buildGraph(
  files: readonly ImportedFile[],
  vocabulary: Vocabulary,
  { kind = "root", known = new Map() }: RootOptions = {},
): Promise<Graph> {
  const bodies: WrittenBody[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const { source, modulePath } of files) {
    const parsed = parseFile(source);
    diagnostics.push(...parsed.diagnostics);
    bodies.push({ source, body: parsed.file.body, modulePath });
  }
  if (diagnostics.length > 0) return emptyGraph(diagnostics);
  return new BodyBuilder(vocabulary).build({
    bodies,
    kind,
    around: undefined,
    variables: new Set(),
    isOuter: () => false,
    known,
    contents: new Map(),
    depth: 0,
  });
}

function emptyGraph(diagnostics: readonly Diagnostic[]): Graph {
  const graph: Graph = {
    modulePath: "",
    nodes: new Map(),
    diagnostics,
    arguments: new Map(),
    exports: new Map(),
    modules: [],
    outerPaths: [],
    rebuild: () => Promise.resolve(graph),
  };
  return graph;
}

/** Builds one body after another; a declaration is built when something is made of it, or at the end. */
export class BodyBuilder {
  readonly #vocabulary: Vocabulary;
  /** Declarations whose graphs are being made: one that needs itself would never end. */
  readonly #building = new Set<Declaration>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  async build(request: BuildRequest): Promise<Graph> {
    const scope = new DeclarationScope(request.around);
    const builder = new GraphBuilder({
      vocabulary: this.#vocabulary,
      request,
      scope,
      rebuild: (contents) => new BodyBuilder(this.#vocabulary).build({ ...request, contents }),
      build: (inner) => this.build(inner),
      graphOf: (declaration) => this.#graphOf(declaration, request.depth),
    });
    if (request.depth > MODULE_DEPTH_MAX) {
      const { source, body } = request.bodies[0]!;
      const at = body[0] ?? { start: 0, end: 0 };
      builder.diagnostics.push(
        makeError(source, at, `modules are nested deeper than ${MODULE_DEPTH_MAX}`),
      );
      return builder.finish();
    }
    for (const written of request.bodies) this.#declare(written, scope, builder.diagnostics);
    for (const { source, body, modulePath } of request.bodies)
      for (const statement of body) {
        if (!isImport(statement)) continue;
        const content = await this.#contentOf(
          { block: statement, source, modulePath },
          request,
          builder.diagnostics,
        );
        builder.contents.set(importId(statement), content);
        scope.namespaces.set(
          statement.label,
          content === undefined ? undefined : this.#namespaceOf(content, builder.diagnostics),
        );
      }
    for (const written of request.bodies)
      for (const statement of written.body) await builder.addStatement(written, statement);
    await this.#buildDeclared(scope, builder, request.depth);
    builder.resolveReferences();
    return builder.finish();
  }

  /** Graphs of all that is declared or imported, so that what is wrong in there is told even when it is not used. */
  async #buildDeclared(
    scope: DeclarationScope,
    builder: GraphBuilder,
    depth: number,
  ): Promise<void> {
    for (const one of withNamespaces(scope))
      for (const declaration of one.declarations.values()) {
        const graph = await this.#graphOf(declaration, depth);
        if (graph !== undefined) builder.modules.push(graph);
      }
  }

  /** Undefined while it is being made: it contains itself. */
  async #graphOf(declaration: Declaration, depth: number): Promise<Graph | undefined> {
    if (declaration.graph !== undefined) return declaration.graph;
    if (this.#building.has(declaration)) return undefined;
    this.#building.add(declaration);
    declaration.graph = await this.build({
      bodies: [
        {
          source: declaration.source,
          body: declaration.block.body,
          modulePath: declaration.modulePath,
        },
      ],
      kind: "module",
      around: declaration.scope,
      variables: new Set(),
      isOuter: () => false,
      known: new Map(),
      contents: new Map(),
      depth: depth + 1,
    });
    this.#building.delete(declaration);
    return declaration.graph;
  }

  #declare(
    { source, body, modulePath }: WrittenBody,
    scope: DeclarationScope,
    diagnostics: Diagnostic[],
  ): void {
    for (const block of body) {
      if (block.kind !== "block" || block.name !== "declare") continue;
      const earlier = scope.declarations.get(block.label);
      if (block.label === "")
        diagnostics.push(makeError(source, headerOf(block), "declare block must have a label"));
      else if (
        Object.hasOwn(this.#vocabulary.singleBlocks, block.label) ||
        RESERVED.has(block.label)
      )
        diagnostics.push(
          makeError(
            source,
            headerOf(block),
            `a custom component cannot be called ${JSON.stringify(block.label)}: that is a block of the language`,
          ),
        );
      else if (earlier === undefined)
        scope.declarations.set(block.label, {
          name: block.label,
          source,
          block,
          modulePath,
          scope,
          graph: undefined,
        });
      else
        diagnostics.push(
          makeError(source, headerOf(block), alreadyDeclared(`declare.${block.label}`, earlier)),
        );
    }
  }

  async #contentOf(
    written: WrittenImport,
    request: BuildRequest,
    diagnostics: Diagnostic[],
  ): Promise<ImportContent | undefined> {
    const id = importId(written.block);
    const given = request.contents.get(id);
    if (given !== undefined) return given;
    const known = request.known.get(id);
    try {
      return (await this.#vocabulary.imports.load(written, known)) ?? known;
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      const header = headerOf(written.block);
      if (error instanceof ConfigError) diagnostics.push(...error.diagnostics);
      else
        diagnostics.push(
          makeError(written.source, header, `cannot import: ${describeError(error)}`),
        );
      return undefined;
    }
  }

  #namespaceOf(content: ImportContent, diagnostics: Diagnostic[]): DeclarationScope {
    const scope = new DeclarationScope(undefined);
    for (const { source, modulePath } of content.files) {
      const parsed = parseFile(source);
      diagnostics.push(...parsed.diagnostics);
      const written = { source, body: parsed.file.body, modulePath };
      this.#declare(written, scope, diagnostics);
      for (const statement of parsed.file.body) {
        if (isImport(statement)) {
          const nested = content.nested.get(importId(statement));
          scope.namespaces.set(
            statement.label,
            nested === undefined ? undefined : this.#namespaceOf(nested, diagnostics),
          );
        } else if (statement.name !== "declare")
          diagnostics.push(
            makeError(
              source,
              { start: statement.start, end: statement.start + statement.name.length },
              `only declare and import blocks are allowed in a module, got ${statement.name}`,
            ),
          );
      }
    }
    return scope;
  }
}

/** A scope and all that is imported into it, directly or through imports. */
function withNamespaces(scope: DeclarationScope): readonly DeclarationScope[] {
  const inside = [...scope.namespaces.values()].filter((content) => content !== undefined);
  return [scope, ...inside.flatMap(withNamespaces)];
}

const RESERVED = new Set(["declare", "argument", "export", "foreach"]);
