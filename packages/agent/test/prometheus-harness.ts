/** For the tests of the metrics components: defaults of a schema, a receiver that keeps what it gets, a clock that is moved by hand. */
import { isStaleAt, wordsOf, type MetricMetadata } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock, type Clock, type Logger } from "@finch/runtime";
import type { ComponentContext, ComponentDefinition, ComponentMetrics } from "../src/component.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import type { MetricsReceiver, SampleSet } from "../src/receivers.ts";
import type { BlockSchema, ValuesOf } from "../src/schema.ts";
import type { ScrapePool } from "../src/scrape-pool.ts";

/** What a schema decodes to when nothing is written; `changes` are laid over it, blocks included. */
export function valuesOf<Schema extends BlockSchema>(
  schema: Schema,
  changes: object,
): ValuesOf<Schema> {
  const values: Record<string, unknown> = {};
  const given = changes as Record<string, unknown>;
  for (const [name, member] of Object.entries(schema)) {
    const change = given[name];
    if (member.kind === "attribute") values[name] = name in given ? change : member.default;
    else if (member.kind === "label") values[name] = change;
    else if (member.kind !== "block") values[name] = undefined;
    else if (member.repeat === "one")
      values[name] = valuesOf(member.schema, (change ?? {}) as object);
    else if (member.repeat === "many")
      values[name] = ((change ?? []) as object[]).map((one) => valuesOf(member.schema, one));
    else
      values[name] = change === undefined ? undefined : valuesOf(member.schema, change as object);
  }
  for (const name of Object.keys(given))
    if (!(name in schema)) throw new Error(`no argument ${name}`);
  return values as ValuesOf<Schema>;
}

export interface Running<Values, Exports> extends AsyncDisposable {
  readonly exports: Exports;
  readonly health: { readonly state: string; readonly message: string };
  /** By name and labels, `name{"label":"value"}`. */
  readonly figures: ReadonlyMap<string, number>;
  /** `3 samples: sample_limit`. */
  readonly dropped: readonly string[];
  scrapePools(): readonly ScrapePool[];
  change(values: Values): void;
}

/** Sums and last values, under name and labels. */
function metricsInto(figures: Map<string, number>): ComponentMetrics {
  const figure = (name: string, labels: object) => {
    const key = Object.keys(labels).length === 0 ? name : name + JSON.stringify(labels);
    const add = (amount: number) => void figures.set(key, (figures.get(key) ?? 0) + amount);
    return { add, set: (value: number) => void figures.set(key, value), observe: add };
  };
  return {
    counter: (name, _help, labels = {}) => figure(name, labels),
    gauge: (name, _help, labels = {}) => figure(name, labels),
    histogram: (name, _help, _buckets, labels = {}) => figure(name, labels),
  };
}

export function runComponent<Schema extends BlockSchema, Exports extends object>(
  definition: ComponentDefinition<Schema, Exports>,
  about: {
    readonly values: ValuesOf<Schema>;
    readonly directory?: string;
    readonly clock?: Clock;
    readonly handlers?: Map<string, InternalHandler>;
    readonly log?: Logger;
  },
): Running<ValuesOf<Schema>, Exports> {
  const stop = new AbortController();
  let current = about.values;
  let changed = Promise.withResolvers<ValuesOf<Schema>>();
  let exports = {} as Exports;
  let health = { state: "unknown", message: "" };
  const figures = new Map<string, number>();
  const scrapePools = new Map<string, () => readonly ScrapePool[]>();
  const dropped: string[] = [];
  const context: ComponentContext<ValuesOf<Schema>, Exports> = {
    id: `${definition.name}.test`,
    label: "test",
    arguments: () => current,
    nextArguments: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) reject(signal.reason as Error);
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        void changed.promise.then(resolve);
      }),
    setExports: (next) => void (exports = next),
    setHealth: (state, message) => void (health = { state, message }),
    dataDirectory: about.directory ?? "/nowhere",
    clock: about.clock ?? systemClock,
    log: about.log ?? silentLogger,
    fileSystem: nodeFileSystem,
    metrics: metricsInto(figures),
    drops: {
      count: ({ kind, reason }, amount) => void dropped.push(`${amount} ${kind}: ${reason}`),
    },
    internalHandlers: about.handlers ?? new Map(),
    scrapePools,
  };
  const ended = definition.run(context, stop.signal);
  ended.catch(() => {});
  return {
    get exports() {
      return exports;
    },
    get health() {
      return health;
    },
    figures,
    dropped,
    scrapePools: () => [...scrapePools.values()].flatMap((describe) => describe()),
    change(next) {
      current = next;
      changed.resolve(next);
      changed = Promise.withResolvers();
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await ended;
    },
  };
}

/** One line for each sample, `name{labels} value @time`, `stale` for the marker. */
export function linesOf(samples: SampleSet): string[] {
  const words = wordsOf(samples.values);
  return samples.labels.map((labels, row) => {
    const value = isStaleAt(words, row) ? "stale" : String(samples.values[row]);
    return `${labels.toString()} ${value} @${samples.timestampsMs[row]}`;
  });
}

export interface CollectingReceiver extends MetricsReceiver {
  readonly batches: SampleSet[];
  readonly metadata: MetricMetadata[];
  /** Waits for the batch with this index. */
  batch(index: number): Promise<SampleSet>;
}

export function collectingReceiver(): CollectingReceiver {
  const batches: SampleSet[] = [];
  let arrived = Promise.withResolvers<void>();
  return {
    kind: "metrics-receiver",
    owner: "test",
    batches,
    metadata: [],
    append(samples) {
      batches.push(samples);
      this.metadata.push(...samples.metadata);
      arrived.resolve();
      arrived = Promise.withResolvers();
      return Promise.resolve();
    },
    async batch(index) {
      while (batches.length <= index) await arrived.promise;
      return batches[index]!;
    },
  };
}

export interface HandClock extends Clock {
  /** Moves on to when the next sleeper wakes; waits for one when nobody sleeps. */
  tick(): Promise<void>;
  readonly sleptMs: readonly number[];
}

/** A clock that stands still until it is told to move. */
export function handClock(startMs: number): HandClock {
  let now = startMs;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const sleptMs: number[] = [];
  let asleep = Promise.withResolvers<void>();
  return {
    sleptMs,
    nowMs: () => now,
    nowNs: () => BigInt(now) * 1_000_000n,
    monotonicMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason as Error);
          return;
        }
        sleptMs.push(ms);
        const sleeper = { at: now + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener(
          "abort",
          () => {
            if (sleepers.includes(sleeper)) sleepers.splice(sleepers.indexOf(sleeper), 1);
            reject(signal.reason as Error);
          },
          { once: true },
        );
        asleep.resolve();
        asleep = Promise.withResolvers();
      }),
    async tick() {
      while (sleepers.length === 0) await asleep.promise;
      sleepers.sort((a, b) => a.at - b.at);
      const next = sleepers.shift()!;
      now = Math.max(now, next.at);
      next.wake();
    },
  };
}
