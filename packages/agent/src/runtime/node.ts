/**
 * One component that lives: its arguments, exports, health and task. The agent decides when it starts, gets new arguments and stops; the node knows
 * nothing of other nodes.
 */
import { join } from "node:path";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { describeError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { ComponentContext, ComponentMetrics, Health } from "../component.ts";
import type { InternalHandler } from "../internal-handler.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import type { ScrapePool } from "../scrape-pool.ts";
import { sameData, toLanguageObject } from "./export-value.ts";
import type { GraphNode } from "./graph.ts";
import { COMPONENT_STOP_MS_MAX } from "./limits.ts";

type Arguments = ValuesOf<BlockSchema>;

/** What every node of an agent shares. */
export interface NodeEnvironment {
  readonly storagePath: string;
  readonly clock: Clock;
  readonly fileSystem: FileSystem;
  readonly internalHandlers: Map<string, InternalHandler>;
  readonly scrapePools: Map<string, () => ScrapePool>;
  readonly logger: (part: string) => Logger;
  readonly metricsOf: (id: string) => ComponentMetrics;
  /** Called after exports changed. */
  readonly onExports: (id: string) => void;
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
  /** As written now; replaced on reload. */
  written: GraphNode;
  readonly #environment: NodeEnvironment;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #arguments: Arguments | undefined;
  #version = 0;
  #deliveredVersion = 0;
  readonly #waiters = new Set<Waiter>();
  #exports: object | undefined;
  #exportValues: ObjectValue | undefined;
  #task: Promise<void> | undefined;
  #runHealth: Health;
  #evaluationHealth: Health;
  #reportedHealth: Health;

  constructor(written: GraphNode, environment: NodeEnvironment) {
    this.written = written;
    this.#environment = environment;
    this.#log = environment.logger(written.id);
    const sinceMs = environment.clock.nowMs();
    this.#runHealth = { state: "unknown", message: "not started yet", sinceMs };
    this.#evaluationHealth = { state: "healthy", message: "component evaluated", sinceMs };
    this.#reportedHealth = { state: "healthy", message: "", sinceMs };
  }

  get id(): string {
    return this.written.id;
  }

  get isStarted(): boolean {
    return this.#task !== undefined;
  }

  get currentArguments(): Arguments | undefined {
    return this.#arguments;
  }

  get currentExports(): object | undefined {
    return this.#exports;
  }

  /** Exports as the language sees them; undefined until there are any. A component that exports nothing has an empty object. */
  get exportValues(): ObjectValue | undefined {
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

  /** Gives the component its arguments; those that are equal to the last ones change nothing. The first ones are followed by {@link start}. */
  setArguments(args: Arguments): void {
    if (this.#evaluationHealth.state !== "healthy")
      this.#evaluationHealth = this.#health("healthy", "component evaluated");
    if (this.#arguments !== undefined && sameData(this.#arguments, args)) return;
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
    this.#task = this.#run(this.#context(dataDirectory));
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

  #context(dataDirectory: string): ComponentContext<Arguments, object> {
    const { clock, fileSystem, internalHandlers, scrapePools, metricsOf } = this.#environment;
    return {
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
      internalHandlers,
      scrapePools,
    };
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
    this.#exportValues = toLanguageObject(exports);
    this.#environment.onExports(this.id);
  }

  /** Ends the task and waits for it, within a bound; what does not end by then is left behind and named in the log. */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("the component is being stopped", "AbortError"));
    if (this.#task === undefined) return;
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

const NO_EXPORTS: ObjectValue = new Map<string, Value>();
