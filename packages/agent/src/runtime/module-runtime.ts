/**
 * A graph that runs: the whole configuration, or a module in it (a custom component, one item of a `foreach`). It starts nodes, evaluates again
 * what depends on new exports, and replaces its graph.
 *
 * Stop order, on a change for what is gone and at the end for everything: a component stops before those it refers to, so that sources stop
 * first, then processors, and sinks last, when nothing can come any more; each sink then drains to its queue on disk. Components that do not
 * depend on each other stop at the same time.
 */
import { evaluate, formatDiagnosticLine } from "@finch/alloy-syntax";
import type { ObjectValue, Scope, Value } from "@finch/alloy-syntax";
import type { ComponentMetrics } from "../component.ts";
import { flowsOf, nameOf } from "../graph-view/flow-graph.ts";
import type { FlowGraph } from "../graph-view/flow-graph.ts";
import { ConfigError } from "./config-error.ts";
import { checkGraph } from "./check.ts";
import { describeComponent } from "./component-info.ts";
import type { ComponentInfo } from "./component-info.ts";
import { evaluateNode, isExported, scopeOf } from "./evaluate-node.ts";
import type { ModuleInputs } from "./evaluate-node.ts";
import type { Graph } from "./graph.ts";
import { stopGroups } from "./graph-order.ts";
import type { ImportContent } from "./import-content.ts";
import { ComponentNode } from "./node.ts";
import type { NodeEnvironment } from "./node.ts";

export interface ModuleOptions {
  /** Called with all exports whenever one changes. */
  readonly onExports: (exports: ObjectValue) => void;
  /** Called when exports cannot be evaluated, and with an empty text when they can again. */
  readonly onFault: (message: string) => void;
  /** Whether metrics of its components are shown; yes when absent. */
  readonly hasMetrics?: boolean;
  readonly onStop?: () => void;
}

/** What all modules of an agent share. */
export interface ModuleEnvironment extends Pick<
  NodeEnvironment,
  | "storagePath"
  | "clock"
  | "fileSystem"
  | "internalHandlers"
  | "scrapePools"
  | "logger"
  | "imports"
  | "live"
> {
  readonly library: ObjectValue;
  metricsOf(id: string, isShown: boolean): ComponentMetrics;
  /** A component is gone: what is remembered of it goes, too. */
  forget(id: string): void;
}

/** What a module is given from outside. */
export type Inputs = Pick<ModuleInputs, "arguments" | "variables">;

const NO_INPUTS: Inputs = { arguments: new Map(), variables: new Map() };

export class ModuleRuntime {
  /** `mod.a` or `foreach.l/foreach_x_1`; empty for the configuration itself. */
  readonly id: string;
  readonly #environment: ModuleEnvironment;
  readonly #options: ModuleOptions;
  /** Names around it, for a template. */
  readonly #around: (() => Scope) | undefined;
  readonly #nodes = new Map<string, ComponentNode>();
  readonly #dirty = new Set<string>();
  /** Contents that imports have since they were published. */
  readonly #contents = new Map<string, ImportContent>();
  #graph: Graph | undefined;
  #inputs: Inputs = NO_INPUTS;
  #order: readonly string[] = [];
  /** Changing, evaluating and stopping happen one after the other. */
  #work: Promise<void> = Promise.resolve();
  #isFlushPlanned = false;
  #isStopping = false;

  constructor(
    id: string,
    environment: ModuleEnvironment,
    options: ModuleOptions,
    around?: () => Scope,
  ) {
    this.id = id;
    this.#environment = environment;
    this.#options = options;
    this.#around = around;
  }

  /** Replaces the graph and what it is given. Resolves when all nodes have been evaluated. */
  apply(graph: Graph, inputs: Inputs = NO_INPUTS): Promise<void> {
    return this.#inTurn(async () => {
      this.#inputs = inputs;
      await this.#apply(await this.#withContents(graph));
    });
  }

  /** What was published holds for imports whose content comes from what runs. */
  async #withContents(graph: Graph): Promise<Graph> {
    const contents = new Map<string, ImportContent>();
    for (const [id, node] of graph.nodes) {
      const published = this.#contents.get(id);
      if (node.part.kind !== "import") continue;
      if (node.part.content === undefined && published !== undefined) contents.set(id, published);
    }
    for (const id of this.#contents.keys()) if (!contents.has(id)) this.#contents.delete(id);
    if (contents.size === 0) return graph;
    const rebuilt = await graph.rebuild(contents);
    // Old content that does not fit any more is left out; the import says what is wrong with it when it publishes.
    return this.#errorsOf(rebuilt).length === 0 ? rebuilt : graph;
  }

  #errorsOf(graph: Graph) {
    const diagnostics = checkGraph(graph, this.#environment.library);
    return diagnostics.filter(({ severity }) => severity === "error");
  }

  /** Content of an import has changed: the graph is made anew, and replaced unless there is something wrong with it. */
  #publish(id: string, content: ImportContent): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#graph === undefined || this.#isStopping) return;
      const contents = new Map<string, ImportContent>();
      for (const [nodeId, { part }] of this.#graph.nodes)
        if (part.kind === "import" && part.content !== undefined)
          contents.set(nodeId, part.content);
      contents.set(id, content);
      const graph = await this.#graph.rebuild(contents);
      const errors = this.#errorsOf(graph);
      if (errors.length > 0) throw new ConfigError(errors);
      this.#contents.set(id, content);
      await this.#apply(graph);
    });
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(step);
    this.#work = turn.catch(() => {});
    return turn;
  }

  /**
   * What is gone stops first, so that its ports and files are free; but what those that stay still send to stops last, when they have their new
   * arguments, so that nothing is lost between. What stays keeps its state.
   */
  async #apply(graph: Graph): Promise<void> {
    if (this.#isStopping) return;
    const gone = new Set(
      [...this.#nodes].filter(([id]) => !graph.nodes.has(id)).map(([, node]) => node),
    );
    const stillUsed = this.#usedBy([...this.#nodes.values()].filter((node) => !gone.has(node)));
    await this.#stopNodes([...gone].filter((node) => !stillUsed.has(node)));
    this.#graph = graph;
    this.#order = [...graph.nodes.keys()];
    for (const [id, written] of graph.nodes) {
      const node = this.#nodes.get(id);
      if (node !== undefined) node.written = written;
      else this.#nodes.set(id, this.#makeNode(id, graph));
    }
    await this.#evaluate(this.#order);
    await this.#stopNodes([...gone].filter((node) => stillUsed.has(node)));
  }

  /** What these nodes refer to, directly or through others. */
  #usedBy(nodes: readonly ComponentNode[]): ReadonlySet<ComponentNode> {
    const used = new Set<ComponentNode>();
    const visit = (node: ComponentNode) => {
      for (const reference of node.written.references) {
        const to = this.#nodes.get(reference.to);
        if (to === undefined || used.has(to)) continue;
        used.add(to);
        visit(to);
      }
    };
    for (const node of nodes) visit(node);
    return used;
  }

  #makeNode(localId: string, graph: Graph): ComponentNode {
    const environment = this.#environment;
    const isShown = this.#options.hasMetrics ?? true;
    const id = this.id === "" ? localId : `${this.id}/${localId}`;
    const node: ComponentNode = new ComponentNode(id, graph.nodes.get(localId)!, {
      ...environment,
      metricsOf: (component) => environment.metricsOf(component, isShown),
      onExports: (changed) => this.#onExports(changed),
      openModule: (module, options) => {
        const around = node.written.part.kind === "foreach" ? () => this.#scopeOf(node) : undefined;
        const hasMetrics = isShown && (options.hasMetrics ?? true);
        return new ModuleRuntime(module, environment, { ...options, hasMetrics }, around);
      },
      publish: (changed, content) => this.#publish(changed, content),
    });
    return node;
  }

  #moduleInputs(): ModuleInputs {
    return {
      ...this.#inputs,
      graph: this.#graph!,
      nodes: this.#nodes,
      library: this.#environment.library,
      around: this.#around?.(),
    };
  }

  #scopeOf(node: ComponentNode): Scope {
    return scopeOf(node.written, this.#moduleInputs());
  }

  /** Evaluates nodes in the order given; those evaluated for the first time start. */
  async #evaluate(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const node = this.#nodes.get(id);
      if (node === undefined || this.#isStopping) continue;
      this.#dirty.delete(id);
      evaluateNode(node, this.#moduleInputs());
      if (!node.isStarted && node.currentArguments !== undefined) await node.start();
    }
    if (!this.#isStopping) this.#evaluateExports();
  }

  #evaluateExports(): void {
    const { exports } = this.#graph!;
    if (exports.size === 0) return;
    const values = new Map<string, Value>();
    const faults: string[] = [];
    const inputs = this.#moduleInputs();
    for (const { name, block, source, references } of exports.values()) {
      const [attribute] = block.body;
      const isThere = references.every((reference) => isExported(this.#nodes, reference));
      if (attribute?.kind !== "attribute" || !isThere) continue;
      const scope = scopeOf({ modulePath: this.#graph!.modulePath }, inputs);
      const result = evaluate(attribute.value, source, scope);
      if (result.ok) values.set(name, result.value);
      else faults.push(formatDiagnosticLine(result.diagnostic));
    }
    this.#options.onFault(faults.join("; "));
    if (values.size > 0) this.#options.onExports(values);
  }

  /** Marks dependants; they are evaluated together, once the exports of this turn of the event loop are all there. */
  #onExports(changed: string): void {
    for (const [id, node] of this.#nodes) {
      if (node.written.references.some((reference) => reference.to === changed))
        this.#dirty.add(id);
    }
    const changesExports = [...(this.#graph?.exports.values() ?? [])].some(({ references }) =>
      references.some((reference) => reference.to === changed),
    );
    if (this.#isFlushPlanned || (this.#dirty.size === 0 && !changesExports)) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      if (this.#isStopping) return;
      void this.#inTurn(() => this.#evaluate(this.#order.filter((id) => this.#dirty.has(id))));
    });
  }

  async #stopNodes(nodes: readonly ComponentNode[]): Promise<void> {
    const byId = new Map(nodes.map((node) => [node.written.id, node]));
    const edges = new Map(
      [...byId].map(([id, node]) => [
        id,
        new Set(
          node.written.references.map((reference) => reference.to).filter((to) => byId.has(to)),
        ),
      ]),
    );
    for (const group of stopGroups(edges)) {
      await Promise.all(group.map((id) => byId.get(id)!.stop()));
      for (const id of group) {
        this.#nodes.delete(id);
        this.#environment.forget(byId.get(id)!.id);
      }
    }
  }

  /** Stops all nodes, in order. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#inTurn(() => this.#stopNodes([...this.#nodes.values()]));
    this.#options.onStop?.();
  }

  has(localId: string): boolean {
    return this.#nodes.has(localId);
  }

  /** Contents of imports as they are in use. */
  contents(): ReadonlyMap<string, ImportContent> {
    const contents = new Map<string, ImportContent>();
    for (const [id, { part }] of this.#graph?.nodes ?? [])
      if (part.kind === "import" && part.content !== undefined) contents.set(id, part.content);
    return contents;
  }

  /** All nodes, each followed by those in its modules. */
  components(): readonly ComponentInfo[] {
    return this.#order.flatMap((id) => {
      const node = this.#nodes.get(id);
      if (node === undefined) return [];
      const inner = [...node.modules].flatMap((module) => module.components());
      return [describeComponent(node, this.#nodes.values()), ...inner];
    });
  }

  /** This module or one below. */
  module(id: string): ModuleRuntime | undefined {
    if (id === this.id) return this;
    for (const node of this.#nodes.values())
      for (const module of node.modules) {
        const found =
          id === module.id || id.startsWith(`${module.id}/`) ? module.module(id) : undefined;
        if (found !== undefined) return found;
      }
    return undefined;
  }

  /** The nodes of this module, by their full ids, and what flows between them. */
  flowGraph(): FlowGraph {
    const nodes = this.#order.flatMap((id) => this.#nodes.get(id) ?? []);
    const fullId = (id: string) => this.#nodes.get(id)!.id;
    return {
      nodes: nodes.map(({ id, written }) => ({ id, name: nameOf(written), label: written.label })),
      edges: nodes
        .flatMap(({ written }) => flowsOf(written, (id) => this.#nodes.get(id)?.written))
        .map(({ from, to, kind }) => ({ from: fullId(from), to: fullId(to), kind })),
    };
  }

  /** A node of this module or one below, by its full id. */
  component(id: string): ComponentInfo | undefined {
    for (const node of this.#nodes.values()) {
      if (node.id === id) return describeComponent(node, this.#nodes.values());
      for (const module of node.modules)
        if (id.startsWith(`${module.id}/`)) return module.component(id);
    }
    return undefined;
  }

  /** Every node, those of modules included. */
  *nodes(): Iterable<ComponentNode> {
    for (const node of this.#nodes.values()) {
      yield node;
      for (const module of node.modules) yield* module.nodes();
    }
  }
}
