/**
 * The component runtime: loads a configuration, starts its components, evaluates again what depends on new exports, and reloads.
 *
 * Stop order, on reload for what is gone and at the end for everything: a component stops before those it refers to, so that sources stop
 * first, then processors, and sinks last, when nothing can come any more; each sink then drains to its queue on disk. Components that
 * do not depend on each other stop at the same time.
 */
import type { LibraryEnvironment } from "@finch/alloy-syntax";
import type { Clock, FileSystem } from "@finch/runtime";
import type { Health, Stability } from "../component.ts";
import { COMPONENTS } from "../components/index.ts";
import type { ComponentLoader } from "../components/index.ts";
import { AGENT_METRICS_PATH, type InternalHandler } from "../internal-handler.ts";
import { uniteScrapePools } from "../scrape-pool.ts";
import type { ScrapePool } from "../scrape-pool.ts";
import { checkGraph } from "./check.ts";
import { ConfigError } from "./config-error.ts";
import { readConfig } from "./config-source.ts";
import type { ConfigSource } from "./config-source.ts";
import { libraryOf } from "./environment.ts";
import { evaluateNode } from "./evaluate-node.ts";
import { buildGraph } from "./graph.ts";
import type { Graph, Vocabulary } from "./graph.ts";
import { stopGroups } from "./graph-order.ts";
import { AgentLog, defineLogging } from "./logging.ts";
import type { AgentLogSink } from "./logging.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import { ComponentNode } from "./node.ts";
import { buildFamily, ConfigLoads, processFamilies } from "./own-metrics.ts";
import { formatFamilies } from "../unix/family.ts";
import { describeComponent } from "./component-info.ts";
import type { ComponentInfo } from "./component-info.ts";

export interface AgentOptions {
  readonly source: ConfigSource;
  /** Each component has a directory of its own below. */
  readonly storagePath: string;
  readonly clock: Clock;
  /** Where log events go; the second argument is what the `logging` block says. */
  readonly logSink: AgentLogSink;
  readonly fileSystem: FileSystem;
  readonly environment: LibraryEnvironment;
  /** Aborting it stops the agent. */
  readonly signal: AbortSignal;
  /** The components there are; all that Finch builds unless a test says otherwise. */
  readonly components?: Readonly<Record<string, ComponentLoader>>;
  /** Components less mature than this are refused; `generally-available` when absent. */
  readonly stability?: Stability;
  /** Handlers of in-process addresses, when the host has some of its own. */
  readonly internalHandlers?: Map<string, InternalHandler>;
}

/** A running agent. Dispose it, or abort its signal, to stop it in order. */
export interface Agent extends AsyncDisposable {
  /** In evaluation order. */
  components(): readonly ComponentInfo[];
  component(id: string): ComponentInfo | undefined;
  /** Reads the configuration again. A configuration that is refused throws a {@link ConfigError} and changes nothing. */
  reload(): Promise<void>;
  /** Prometheus text format. */
  metricsText(): string;
  /** In-process addresses of exporters, by path such as `/api/v0/component/ID/metrics`. */
  readonly internalHandlers: ReadonlyMap<string, InternalHandler>;
  /** What its components scrape, by job name. */
  scrapePools(): readonly ScrapePool[];
  /** Resolves when the agent has stopped. */
  readonly done: Promise<void>;
}

/** Starts an agent; throws a {@link ConfigError} when the configuration is refused. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const runtime = new AgentRuntime(options);
  await runtime.load();
  if (options.signal.aborted) await runtime.stop();
  else options.signal.addEventListener("abort", () => void runtime.stop(), { once: true });
  return runtime;
}

class AgentRuntime implements Agent {
  readonly internalHandlers: Map<string, InternalHandler>;
  readonly done: Promise<void>;
  readonly #options: AgentOptions;
  readonly #log: AgentLog;
  readonly #vocabulary: Vocabulary;
  readonly #metrics: MetricsRegistry;
  readonly #nodes = new Map<string, ComponentNode>();
  readonly #scrapePools = new Map<string, () => ScrapePool>();
  readonly #dirty = new Set<string>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #loads = new ConfigLoads();
  readonly #reloads: { add(outcome: "success" | "failure"): void };
  #order: readonly string[] = [];
  /** Loading, evaluating and stopping happen one after the other. */
  #work: Promise<void> = Promise.resolve();
  #isFlushPlanned = false;
  #isStopping = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#metrics = new MetricsRegistry(options.clock);
    this.#log = new AgentLog(options.logSink, () => options.clock.nowMs());
    this.internalHandlers = options.internalHandlers ?? new Map();
    this.internalHandlers.set(AGENT_METRICS_PATH, () => Promise.resolve(this.metricsText()));
    this.done = this.#finished.promise;
    this.#vocabulary = {
      library: libraryOf(options.environment),
      components: options.components ?? COMPONENTS,
      stability: options.stability ?? "generally-available",
      singleBlocks: { logging: defineLogging(this.#log) },
    };
    const own = this.#metrics.ofComponent("agent");
    this.#reloads = {
      add: (outcome) =>
        own
          .counter("finch_agent_config_loads_total", "Configurations loaded, by outcome.", {
            outcome,
          })
          .add(1),
    };
  }

  async load(): Promise<void> {
    const graph = await this.#readGraph();
    await this.#inTurn(() => this.#apply(graph));
  }

  async reload(): Promise<void> {
    if (this.#isStopping) return;
    const graph = await this.#readGraph();
    await this.#inTurn(() => this.#apply(graph));
    this.#log.logger("agent").info("configuration reloaded", { components: this.#nodes.size });
  }

  async #readGraph(): Promise<Graph> {
    try {
      const sources = await readConfig(this.#options.source, this.#options.fileSystem);
      const graph = await buildGraph(sources, this.#vocabulary);
      const diagnostics = checkGraph(graph, this.#vocabulary.library);
      if (diagnostics.some((diagnostic) => diagnostic.severity === "error"))
        throw new ConfigError(diagnostics);
      this.#reloads.add("success");
      this.#loads.succeeded(sources, this.#options.clock.nowMs());
      return graph;
    } catch (error) {
      this.#reloads.add("failure");
      this.#loads.failed();
      throw error;
    }
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(step);
    this.#work = turn.catch(() => {});
    return turn;
  }

  /**
   * Replaces the graph. What is gone stops first, so that its ports and files are free; but what those that stay still send to stops last, when
   * they have their new arguments, so that nothing is lost between. What stays keeps its state.
   */
  async #apply(graph: Graph): Promise<void> {
    if (this.#isStopping) return;
    const gone = new Set([...this.#nodes.values()].filter((node) => !graph.nodes.has(node.id)));
    const stillUsed = this.#usedBy([...this.#nodes.values()].filter((node) => !gone.has(node)));
    await this.#stopNodes([...gone].filter((node) => !stillUsed.has(node)));
    this.#order = [...graph.nodes.keys()];
    for (const [id, written] of graph.nodes) {
      const node = this.#nodes.get(id);
      if (node !== undefined) node.written = written;
      else this.#nodes.set(id, this.#makeNode(id, graph));
    }
    if (!this.#nodes.has("logging")) this.#log.setWriteTo([]);
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

  #makeNode(id: string, graph: Graph): ComponentNode {
    const { storagePath, clock, fileSystem } = this.#options;
    return new ComponentNode(graph.nodes.get(id)!, {
      storagePath,
      clock,
      fileSystem,
      internalHandlers: this.internalHandlers,
      scrapePools: this.#scrapePools,
      logger: (part) => this.#log.logger(part),
      metricsOf: (component) => this.#metrics.ofComponent(component),
      onExports: (changed) => this.#onExports(changed),
    });
  }

  /** Evaluates nodes in the order given; those evaluated for the first time start. */
  async #evaluate(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const node = this.#nodes.get(id);
      if (node === undefined || this.#isStopping) continue;
      this.#dirty.delete(id);
      evaluateNode(node, { nodes: this.#nodes, library: this.#vocabulary.library });
      if (!node.isStarted && node.currentArguments !== undefined) await node.start();
    }
  }

  /** Marks dependants; they are evaluated together, once the exports of this turn of the event loop are all there. */
  #onExports(changed: string): void {
    for (const node of this.#nodes.values()) {
      if (node.written.references.some((reference) => reference.to === changed))
        this.#dirty.add(node.id);
    }
    if (this.#isFlushPlanned || this.#dirty.size === 0) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      if (this.#isStopping) return;
      void this.#inTurn(() => this.#evaluate(this.#order.filter((id) => this.#dirty.has(id))));
    });
  }

  async #stopNodes(nodes: readonly ComponentNode[]): Promise<void> {
    const edges = new Map(
      nodes.map((node) => [
        node.id,
        new Set(
          node.written.references
            .map((reference) => reference.to)
            .filter((to) => nodes.some((other) => other.id === to)),
        ),
      ]),
    );
    for (const group of stopGroups(edges)) {
      await Promise.all(group.map((id) => this.#nodes.get(id)!.stop()));
      for (const id of group) {
        this.#nodes.delete(id);
        this.#metrics.forget(id);
      }
    }
  }

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      await this.#inTurn(() => this.#stopNodes([...this.#nodes.values()]));
      this.#finished.resolve();
    }
    await this.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  components(): readonly ComponentInfo[] {
    return this.#order.flatMap((id) => this.component(id) ?? []);
  }

  component(id: string): ComponentInfo | undefined {
    const node = this.#nodes.get(id);
    return node === undefined ? undefined : describeComponent(node, this.#nodes.values());
  }

  scrapePools(): readonly ScrapePool[] {
    return uniteScrapePools([...this.#scrapePools.values()].map((describe) => describe()));
  }

  metricsText(): string {
    const counts = new Map<Health["state"], number>(
      ["healthy", "unhealthy", "unknown", "exited"].map((state) => [state as Health["state"], 0]),
    );
    for (const node of this.#nodes.values())
      counts.set(node.health.state, counts.get(node.health.state)! + 1);
    const lines = [...counts].map(
      ([state, count]) =>
        `alloy_component_controller_running_components{health_type="${state}"} ${count}`,
    );
    const own = formatFamilies([
      buildFamily(this.#options.environment),
      ...this.#loads.families(),
      ...processFamilies(this.#options.clock.nowMs()),
    ]);
    return `${own}# HELP alloy_component_controller_running_components Components by health.\n# TYPE alloy_component_controller_running_components gauge\n${lines.join("\n")}\n${this.#metrics.text()}`;
  }
}
