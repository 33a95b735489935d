/** The agent: reads a configuration, runs it, and replaces it as a whole when it is asked to and the new one is in order. */
import { dirname } from "node:path";
import { Source } from "@finch/alloy-syntax";
import type { LibraryEnvironment } from "@finch/alloy-syntax";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { Health, Stability } from "../component.ts";
import { COMPONENTS } from "../components/index.ts";
import type { ComponentLoader } from "../components/index.ts";
import type { FlowGraph } from "../graph-view/flow-graph.ts";
import { AGENT_METRICS_PATH, type InternalHandler } from "../internal-handler.ts";
import { LiveDebug } from "../live/live-debug.ts";
import { AgentHttp, defineHttp } from "../settings/http-block.ts";
import { defineRemotecfg } from "../settings/remotecfg-block.ts";
import { defineLiveDebugging } from "../settings/livedebugging-block.ts";
import { TRACING } from "../settings/tracing-block.ts";
import { uniteScrapePools } from "../scrape-pool.ts";
import type { ScrapePool } from "../scrape-pool.ts";
import { checkGraph } from "./check.ts";
import { ConfigError } from "./config-error.ts";
import { asFiles, readConfig } from "./config-source.ts";
import type { ConfigSource } from "./config-source.ts";
import { libraryOf } from "./environment.ts";
import { buildGraph } from "./build-graph.ts";
import type { Graph, Vocabulary } from "./graph.ts";
import type { ImportContents } from "./import-content.ts";
import { createImportLoader } from "./import-loader.ts";
import { AgentLog, defineLogging } from "./logging.ts";
import type { AgentLogSink } from "./logging.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import type { ShownMetric } from "./metrics-registry.ts";
import { ModuleRuntime } from "./module-runtime.ts";
import type { ModuleEnvironment } from "./module-runtime.ts";
import { buildFamily, ConfigLoads, processFamilies } from "./own-metrics.ts";
import { formatFamilies } from "../unix/family.ts";
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
  /** Whether the host opens the agent's listener with the TLS that the `http` block asks for; no when absent. */
  readonly servesTls?: boolean;
  /** Whether people may watch what passes through components when the configuration does not say; no when absent. */
  readonly liveDebugging?: boolean;
  /** Handlers of in-process addresses, when the host has some of its own. */
  readonly internalHandlers?: Map<string, InternalHandler>;
}

/** A running agent. Dispose it, or abort its signal, to stop it in order. */
export interface Agent extends AsyncDisposable {
  /** In evaluation order; each is followed by those in its modules. */
  components(): readonly ComponentInfo[];
  component(id: string): ComponentInfo | undefined;
  /** The components of one module with what flows between them; empty id: the configuration itself. Undefined when there is no such module. */
  flowGraph(moduleId: string): FlowGraph | undefined;
  /** What flows, what is dropped, and who may watch. */
  readonly live: LiveDebug;
  /** Metrics of one component, without its id in the labels. */
  metricsOf(id: string): readonly ShownMetric[];
  /** Reads the configuration again. A configuration that is refused throws a {@link ConfigError} and changes nothing. */
  reload(): Promise<void>;
  /** Prometheus text format. */
  metricsText(): string;
  /** In-process addresses of exporters, by path such as `/api/v0/component/ID/metrics`. */
  readonly internalHandlers: ReadonlyMap<string, InternalHandler>;
  /** What its components scrape for metrics, by job name. */
  scrapePools(): readonly ScrapePool[];
  /** What one component scrapes. */
  scrapePoolsOf(id: string): readonly ScrapePool[];
  /** What the `http` block says of the listener that the host opens. */
  readonly http: AgentHttp;
  /** The log of the agent, for lines of its host: they follow the `logging` block. */
  logger(part: string): Logger;
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
  readonly http = new AgentHttp();
  readonly live: LiveDebug;
  readonly #options: AgentOptions;
  readonly #log: AgentLog;
  readonly #vocabulary: Vocabulary;
  readonly #metrics: MetricsRegistry;
  readonly #root: ModuleRuntime;
  readonly #scrapePools = new Map<string, () => readonly ScrapePool[]>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #loads = new ConfigLoads();
  readonly #reloads: { add(outcome: "success" | "failure"): void };
  /** One load after the other: the last one that was asked for is the one that stays. */
  #loading: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#metrics = new MetricsRegistry(options.clock);
    this.live = new LiveDebug(options.clock, { isOn: options.liveDebugging ?? false });
    this.#log = new AgentLog(options.logSink, () => options.clock.nowMs());
    this.internalHandlers = options.internalHandlers ?? new Map();
    this.internalHandlers.set(AGENT_METRICS_PATH, () => Promise.resolve(this.metricsText()));
    this.done = this.#finished.promise;
    const { clock, fileSystem, storagePath, environment } = options;
    const library = libraryOf(environment);
    const imports = createImportLoader({
      library,
      fileSystem,
      storagePath,
      names: ["import.file", "import.git", "import.http", "import.string"],
    });
    this.#vocabulary = {
      library,
      components: options.components ?? COMPONENTS,
      stability: options.stability ?? "generally-available",
      singleBlocks: {
        http: defineHttp(this.http, { servesTls: options.servesTls ?? false }),
        livedebugging: defineLiveDebugging(this.live),
        logging: defineLogging(this.#log),
        remotecfg: defineRemotecfg({
          build: (text, known) => this.#buildRemote(text, known),
          storagePath,
          version: environment.version,
          os: environment.os,
        }),
        tracing: TRACING,
      },
      imports,
    };
    const modules: ModuleEnvironment = {
      storagePath,
      clock,
      fileSystem,
      imports,
      library,
      internalHandlers: this.internalHandlers,
      scrapePools: this.#scrapePools,
      live: this.live,
      logger: (part) => this.#log.logger(part),
      metricsOf: (id, isShown) => this.#metrics.ofComponent(id, isShown),
      forget: (id) => {
        this.#metrics.forget(id);
        this.live.forget(id);
      },
    };
    this.#root = new ModuleRuntime("", modules, { onExports: () => {}, onFault: () => {} });
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

  load(): Promise<void> {
    const turn = this.#loading.then(async () => {
      if (this.#isStopping) return;
      const graph = await this.#readGraph();
      if (!graph.nodes.has("logging")) this.#log.setWriteTo([]);
      this.http.expect(graph.nodes.has("http"));
      await this.#root.apply(graph);
    });
    this.#loading = turn.catch(() => {});
    return turn;
  }

  async reload(): Promise<void> {
    await this.load();
    if (!this.#isStopping)
      this.#log
        .logger("agent")
        .info("configuration reloaded", { components: this.components().length });
  }

  async #readGraph(): Promise<Graph> {
    try {
      const sources = await readConfig(this.#options.source, this.#options.fileSystem);
      const graph = await buildGraph(asFiles(sources), this.#vocabulary, {
        known: this.#root.contents(),
      });
      const diagnostics = checkGraph(graph, this.#vocabulary.library);
      const errors = diagnostics.filter(({ severity }) => severity === "error");
      if (errors.length > 0) throw new ConfigError(errors);
      for (const { source, start, message } of diagnostics) {
        const { line, column } = source.position(start);
        this.#log.logger("agent").warn(message, { at: `${source.name}:${line}:${column}` });
      }
      this.#reloads.add("success");
      this.#loads.succeeded(sources, this.#options.clock.nowMs());
      return graph;
    } catch (error) {
      this.#reloads.add("failure");
      this.#loads.failed();
      throw error;
    }
  }

  async #buildRemote(text: string, known: ImportContents): Promise<Graph> {
    const source = new Source("remotecfg", text);
    const { path } = { path: "", ...this.#options.source };
    const files = [{ source, modulePath: dirname(path) }];
    const graph = await buildGraph(files, this.#vocabulary, { kind: "remote", known });
    const errors = checkGraph(graph, this.#vocabulary.library).filter(
      ({ severity }) => severity === "error",
    );
    if (errors.length > 0) throw new ConfigError(errors);
    return graph;
  }

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      await this.#root.stop();
      this.#finished.resolve();
    }
    await this.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  components(): readonly ComponentInfo[] {
    return this.#root.components();
  }

  component(id: string): ComponentInfo | undefined {
    return this.#root.component(id);
  }

  flowGraph(moduleId: string): FlowGraph | undefined {
    return this.#root.module(moduleId)?.flowGraph();
  }

  metricsOf(id: string): readonly ShownMetric[] {
    return this.#metrics.shown(id);
  }

  scrapePools(): readonly ScrapePool[] {
    const pools = [...this.#scrapePools.values()].flatMap((describe) => describe());
    return uniteScrapePools(pools.filter(({ scrapes }) => scrapes === undefined));
  }

  logger(part: string): Logger {
    return this.#log.logger(part);
  }

  scrapePoolsOf(id: string): readonly ScrapePool[] {
    return this.#scrapePools.get(id)?.() ?? [];
  }

  metricsText(): string {
    const counts = new Map<Health["state"], number>(
      ["healthy", "unhealthy", "unknown", "exited"].map((state) => [state as Health["state"], 0]),
    );
    for (const node of this.#root.nodes())
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
