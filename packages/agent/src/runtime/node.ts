/**
 * One component that lives: its arguments, exports, health and task. The agent decides when it starts, gets new arguments and stops; the node knows
 * nothing of other nodes.
 */
import { join } from "node:path";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { ComponentContext, ComponentMetrics, Health } from "../component.ts";
import type { InternalHandler } from "../internal-handler.ts";
import type { LiveDebug } from "../live/live-debug.ts";
import { EdgeReceivers } from "../live/metered-receivers.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import type { ScrapePool } from "../scrape-pool.ts";
import { sameData, toLanguageObject } from "./export-value.ts";
import type { ModuleContext } from "./custom-component.ts";
import type { GraphNode } from "./graph.ts";
import type { ImportContent, ImportLoader } from "./import-content.ts";
import type { ImportContext } from "./import-blocks.ts";
import { COMPONENT_STOP_MS_MAX } from "./limits.ts";
import type { ModuleOptions, ModuleRuntime } from "./module-runtime.ts";

type Arguments = ValuesOf<BlockSchema>;

/** What every node of an agent shares. */
export interface NodeEnvironment {
  readonly storagePath: string;
  readonly clock: Clock;
  readonly fileSystem: FileSystem;
  readonly internalHandlers: Map<string, InternalHandler>;
  readonly scrapePools: Map<string, () => readonly ScrapePool[]>;
  readonly logger: (part: string) => Logger;
  readonly metricsOf: (id: string) => ComponentMetrics;
  /** Called after exports changed. */
  readonly onExports: (id: string) => void;
  readonly live: LiveDebug;
  readonly imports: ImportLoader;
  /** Opens a module below a node. */
  readonly openModule: (id: string, options: ModuleOptions) => ModuleRuntime;
  /** An import has other content; resolves when what depends on it has been changed, rejects when it is refused. */
  readonly publish: (id: string, content: ImportContent) => Promise<void>;
}

interface Waiter {
  readonly resolve: (args: Arguments) => void;
}

const SEVERITY: Readonly<Record<Health["state"], number>> = {
  healthy: 0,
  unknown: 1,
  unhealthy: 2,
  exited: 3,
};

export class ComponentNode {
  /** Among all nodes of the agent: `mod.a/loki.write.b` for one in a module. */
  readonly id: string;
  /** Modules that run below it. */
  readonly modules = new Set<ModuleRuntime>();
  #written: GraphNode;
  readonly #environment: NodeEnvironment;
  readonly #edges: EdgeReceivers;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #arguments: Arguments | undefined;
  /** Values around a template that it refers to. */
  #outer: readonly Value[] = [];
  #isRenewed = false;
  #version = 0;
  #deliveredVersion = 0;
  readonly #waiters = new Set<Waiter>();
  #exports: object | undefined;
  #exportValues: ObjectValue | undefined;
  #task: Promise<void> | undefined;
  #runHealth: Health;
  #evaluationHealth: Health;
  #reportedHealth: Health;

  constructor(id: string, written: GraphNode, environment: NodeEnvironment) {
    this.id = id;
    this.#written = written;
    this.#environment = environment;
    this.#edges = new EdgeReceivers(id, environment.live);
    this.#log = environment.logger(id);
    const sinceMs = environment.clock.nowMs();
    this.#runHealth = { state: "unknown", message: "not started yet", sinceMs };
    this.#evaluationHealth = { state: "healthy", message: "component evaluated", sinceMs };
    this.#reportedHealth = { state: "healthy", message: "", sinceMs };
  }

  /** As written now; replaced on reload. */
  get written(): GraphNode {
    return this.#written;
  }

  set written(written: GraphNode) {
    if (this.#written === written) return;
    this.#written = written;
    // What it runs may be another module, though its arguments are the same.
    this.#isRenewed ||= written.part.kind !== "component" && written.part.kind !== "setting";
  }

  get isStarted(): boolean {
    return this.#task !== undefined;
  }

  get currentArguments(): Arguments | undefined {
    return this.#arguments;
  }

  /** Exports as the language sees them; undefined until there are any. A component that exports nothing has an empty object. */
  get exportValues(): ObjectValue | undefined {
    if (this.written.part.kind === "pending") return undefined;
    if (Object.keys(this.written.definition.exports).length === 0) return NO_EXPORTS;
    return this.#exportValues;
  }

  /** The worst of how it runs, how its arguments were evaluated, and what it says itself. */
  get health(): Health {
    const all = [this.#runHealth, this.#evaluationHealth, this.#reportedHealth];
    const worst = all.reduce((a, b) => (SEVERITY[b.state] > SEVERITY[a.state] ? b : a));
    // When all is well, what the component says of itself tells more than that it runs.
    return worst.state === "healthy" && this.#reportedHealth.message !== ""
      ? this.#reportedHealth
      : worst;
  }

  setWaiting(message: string): void {
    if (!this.isStarted && this.#runHealth.message !== message)
      this.#runHealth = this.#health("unknown", message);
  }

  setEvaluationFault(message: string): void {
    if (this.#evaluationHealth.message === message) return;
    this.#evaluationHealth = this.#health("unhealthy", message);
    this.#log.error("component evaluation failed", { error: message });
  }

  /**
   * Gives the component its arguments; those that are equal to the last ones change nothing. The first ones are followed by {@link start}.
   * `outer`: values that a template refers to.
   */
  setArguments(decoded: Arguments, outer: readonly Value[] = []): void {
    const args = this.#edges.wrapIn(decoded, this.written.definition.arguments);
    if (this.#evaluationHealth.state !== "healthy")
      this.#evaluationHealth = this.#health("healthy", "component evaluated");
    const isSame =
      this.#arguments !== undefined &&
      !this.#isRenewed &&
      sameData(this.#arguments, args) &&
      sameData(this.#outer, outer);
    if (isSame) return;
    this.#isRenewed = false;
    this.#outer = outer;
    this.#arguments = args;
    this.#version++;
    if (this.#waiters.size === 0) return;
    this.#deliveredVersion = this.#version;
    for (const waiter of this.#waiters) waiter.resolve(args);
    this.#waiters.clear();
  }

  /** Begins the task. Resolves when `run` was called: exports that need no work are set by then. */
  async start(): Promise<void> {
    const dataDirectory = join(this.#environment.storagePath, this.id);
    this.#deliveredVersion = this.#version;
    try {
      await this.#environment.fileSystem.makeDirectory(dataDirectory);
    } catch (error) {
      this.#runHealth = this.#health(
        "exited",
        `cannot make the data directory ${dataDirectory}: ${describeError(error)}`,
      );
      this.#task = Promise.resolve();
      return;
    }
    this.#runHealth = this.#health("healthy", "started component");
    const ready = Promise.withResolvers<void>();
    this.#task = this.#run(this.#context(dataDirectory, ready.resolve));
    if (this.#runsModules) await Promise.race([ready.promise, this.#task]);
  }

  get #runsModules(): boolean {
    const { kind } = this.written.part;
    return kind === "custom" || kind === "foreach";
  }

  async #run(context: ComponentContext<Arguments, object>): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.written.definition.run(context, signal);
      const message = signal.aborted ? "component shut down normally" : "component ended by itself";
      this.#runHealth = this.#health("exited", message);
      if (!signal.aborted) this.#log.warn(message);
    } catch (error) {
      this.#runHealth = this.#health("exited", describeError(error));
      if (!signal.aborted) this.#log.error("component failed", { error: describeError(error) });
    }
  }

  #health(state: Health["state"], message: string): Health {
    return { state, message, sinceMs: this.#environment.clock.nowMs() };
  }

  #context(dataDirectory: string, ready: () => void): ModuleContext & ImportContext {
    const { clock, fileSystem, internalHandlers, live, scrapePools, metricsOf } = this.#environment;
    return {
      part: () => this.written.part,
      written: () => this.written,
      openModule: (id, options) => this.#openModule(id, options),
      imports: this.#environment.imports,
      publish: (content) => this.#environment.publish(this.written.id, content),
      ready,
      id: this.id,
      label: this.written.label,
      arguments: () => this.#arguments!,
      nextArguments: (signal) => this.#nextArguments(signal),
      setExports: (exports) => this.#setExports(exports),
      setHealth: (state, message) => {
        if (this.#reportedHealth.state === state && this.#reportedHealth.message === message)
          return;
        this.#reportedHealth = this.#health(state, message);
      },
      dataDirectory,
      clock,
      log: this.#log,
      fileSystem,
      metrics: metricsOf(this.id),
      drops: live.dropsOf(this.id),
      internalHandlers,
      scrapePools,
    };
  }

  #openModule(id: string, options: ModuleOptions): ModuleRuntime {
    const module = this.#environment.openModule(id, {
      ...options,
      onStop: () => this.modules.delete(module),
    });
    this.modules.add(module);
    return module;
  }

  #nextArguments(signal: AbortSignal): Promise<Arguments> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#version > this.#deliveredVersion) {
      this.#deliveredVersion = this.#version;
      return Promise.resolve(this.#arguments!);
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        resolve: (args) => {
          signal.removeEventListener("abort", onAbort);
          resolve(args);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #setExports(exports: object): void {
    if (this.#exports !== undefined && sameData(this.#exports, exports)) return;
    this.#exports = exports;
    this.#exportValues =
      exports instanceof Map ? (exports as ObjectValue) : toLanguageObject(exports);
    const { live } = this.#environment;
    if (live.isWatched) live.passTargets(this.id, targetsIn(exports));
    this.#environment.onExports(this.written.id);
  }

  /** Ends the task and waits for it, within a bound; what does not end by then is left behind and named in the log. */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("the component is being stopped", "AbortError"));
    if (this.#task === undefined) return;
    // Each node in a module has its own limit.
    if (this.#runsModules || this.modules.size > 0) return this.#task;
    const deadline = new AbortController();
    const timeout = this.#environment.clock.sleep(COMPONENT_STOP_MS_MAX, deadline.signal).then(
      () => true,
      () => false,
    );
    const isLate = await Promise.race([this.#task.then(() => false), timeout]);
    deadline.abort();
    if (isLate)
      this.#log.error("component did not stop in time", { limitMs: COMPONENT_STOP_MS_MAX });
  }
}

/** Targets that a component exports as `targets` or `output`. */
function targetsIn(exports: object): readonly Labels[] {
  const { targets, output } = exports as { readonly targets?: unknown; readonly output?: unknown };
  const list = targets ?? output;
  return Array.isArray(list) ? list.filter((one) => one instanceof Labels) : [];
}

const NO_EXPORTS: ObjectValue = new Map<string, Value>();
