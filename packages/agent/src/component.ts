/**
 * How a component is declared. The declaration is data: from it come validation with positions and did-you-mean, defaults, reference docs,
 * the UI's view and health. `run` is the only behaviour; the runtime builds the graph, evaluates arguments, and restarts nothing by itself.
 */
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import type { ComponentDrops } from "./live/drop-counters.ts";
import type { InternalHandler } from "./internal-handler.ts";
import type { BlockSchema, ValuesOf } from "./schema.ts";
import type { ScrapePool } from "./scrape-pool.ts";

export type Stability = "experimental" | "public-preview" | "generally-available";

/** `unknown`: not started, because something it refers to has exported nothing yet. */
export type Health = {
  readonly state: "unknown" | "healthy" | "unhealthy" | "exited";
  readonly message: string;
  readonly sinceMs: number;
};

/** What a running component gets from the runtime. */
export interface ComponentContext<Arguments, Exports> {
  /** Full name, such as `prometheus.scrape.default`. */
  readonly id: string;
  readonly label: string;
  /** The arguments now. They change when the configuration is reloaded or something they refer to exports a new value. */
  arguments(): Arguments;
  /**
   * Resolves (with the new arguments) the next time they change, at once when they changed since the last call; rejects when `signal` aborts.
   * Meant for one loop of the component; receivers and other loops read {@link arguments}.
   */
  nextArguments(signal: AbortSignal): Promise<Arguments>;
  /** Publishes exports; dependants are evaluated again. Equal exports are not published twice. */
  setExports(exports: Exports): void;
  setHealth(state: "healthy" | "unhealthy", message: string): void;
  /** Own directory below the agent's storage path; made before `run`. Survives restarts. */
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fileSystem: FileSystem;
  /** Counters and gauges of the component, exposed at `/metrics` with a `component_id` label. */
  readonly metrics: ComponentMetrics;
  /** Where the component tells what it drops, and why. */
  readonly drops: ComponentDrops;
  /** Handlers of in-process addresses by path: an exporter adds its own, a scraper asks them. */
  readonly internalHandlers: Map<string, InternalHandler>;
  /** Where components that scrape tell of their pools, by their id; the host asks when it is asked. */
  readonly scrapePools: Map<string, () => readonly ScrapePool[]>;
}

/** A series that is not touched for `idleMs` is removed from the exposition; without it, it stays as long as the component. */
export interface SeriesOptions {
  readonly idleMs?: number;
}

/** Series are made at the first call with their labels and found again after that; calling each time is fine. */
export interface ComponentMetrics {
  counter(
    name: string,
    help: string,
    labels?: Readonly<Record<string, string>>,
    options?: SeriesOptions,
  ): { add(amount: number): void };
  gauge(
    name: string,
    help: string,
    labels?: Readonly<Record<string, string>>,
    options?: SeriesOptions,
  ): { set(value: number): void; add(amount: number): void };
  /** `buckets` are upper bounds in ascending order, without `+Inf`. */
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: Readonly<Record<string, string>>,
    options?: SeriesOptions,
  ): { observe(value: number): void };
}

export interface ComponentDefinition<
  Schema extends BlockSchema = BlockSchema,
  Exports extends object = object,
> {
  /** As in Alloy: `prometheus.scrape`. */
  readonly name: string;
  readonly stability: Stability;
  /** One sentence for `--help`, the reference and the UI. */
  readonly summary: string;
  /** Attributes and nested blocks, with types, defaults and bounds. */
  readonly arguments: Schema;
  /** Names of exports with what they hold, for docs and completion. */
  readonly exports: Readonly<Record<keyof Exports & string, string>>;
  /** Why the component cannot be part of this program, and what to do instead. Whatever is written in its block is taken, and warned of. */
  readonly outside?: string;
  /**
   * Runs until `signal` aborts and everything it owns is released. Exports that need no work (receivers) are set before the first await.
   * Rejecting is fatal for the component only: it becomes `exited` and unhealthy with the message.
   */
  run(context: ComponentContext<ValuesOf<Schema>, Exports>, signal: AbortSignal): Promise<void>;
  /**
   * Rules between arguments that types cannot say, such as "the timeout must not exceed the interval". Called with decoded arguments before
   * they reach `run`, on load, reload and re-evaluation; also by validation. Answers undefined when all is well. Must not touch the world.
   */
  check?(args: ValuesOf<Schema>): ArgumentFault | undefined;
}

/** What is wrong with arguments that are well typed one by one. */
export interface ArgumentFault {
  /** Attribute or block to point at, such as `scrape_timeout`, `rule[2]` or `endpoint[0].url`; the whole block when absent. */
  readonly at?: string;
  /** Begins with `not supported yet: ` when the arguments are fine and only not built. */
  readonly message: string;
}

export function defineComponent<Schema extends BlockSchema, Exports extends object>(
  definition: ComponentDefinition<Schema, Exports>,
): ComponentDefinition<Schema, Exports> {
  return definition;
}
