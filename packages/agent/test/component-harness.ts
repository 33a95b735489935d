/** Runs one component outside a graph: arguments by hand, exports and health to look at, a real directory. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import type { ComponentContext, ComponentDefinition } from "../src/component.ts";
import type { DroppedSample, DropPlace } from "../src/live/drop-counters.ts";
import type { LogEntry, LogsReceiver } from "../src/receivers.ts";
import type { BlockSchema, ValuesOf } from "../src/schema.ts";

/** What a component said that it dropped. */
export interface ToldDrop {
  readonly place: DropPlace;
  readonly amount: number;
  readonly samples: readonly DroppedSample[];
}

export interface RunningComponent<Values, Exports> extends AsyncDisposable {
  readonly exports: Exports;
  readonly health: { readonly state: string; readonly message: string };
  readonly counters: ReadonlyMap<string, number>;
  readonly drops: readonly ToldDrop[];
  change(values: Values): void;
}

/** A directory of its own for a test, removed at the end. */
export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "finch-component-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function startComponent<Schema extends BlockSchema, Exports extends object>(
  definition: ComponentDefinition<Schema, Exports>,
  values: ValuesOf<Schema>,
  dataDirectory: string,
): RunningComponent<ValuesOf<Schema>, Exports> {
  const stop = new AbortController();
  let current = values;
  let changed = Promise.withResolvers<ValuesOf<Schema>>();
  let exports = {} as Exports;
  let health = { state: "unknown", message: "" };
  const counters = new Map<string, number>();
  const drops: ToldDrop[] = [];
  const count = (name: string, labels: object) => {
    const key = `${name}${JSON.stringify(labels)}`;
    const add = (amount: number) => void counters.set(key, (counters.get(key) ?? 0) + amount);
    return { add, set: (value: number) => void counters.set(key, value), observe: add };
  };
  const context: ComponentContext<ValuesOf<Schema>, Exports> = {
    id: `${definition.name}.test`,
    label: "test",
    arguments: () => current,
    nextArguments: (signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        void changed.promise.then(resolve);
      }),
    setExports: (next) => void (exports = next),
    setHealth: (state, message) => void (health = { state, message }),
    dataDirectory,
    clock: systemClock,
    log: silentLogger,
    fileSystem: nodeFileSystem,
    metrics: {
      counter: (name, _help, labels = {}) => count(name, labels),
      gauge: (name, _help, labels = {}) => count(name, labels),
      histogram: (name, _help, _buckets, labels = {}) => count(name, labels),
    },
    drops: {
      count: (place, amount, samples) =>
        void drops.push({ place, amount, samples: samples?.() ?? [] }),
    },
    internalHandlers: new Map(),
    scrapePools: new Map(),
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
    counters,
    drops,
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

/** A receiver that keeps what it gets; `until` waits for a condition on it. */
export function collectingReceiver(): LogsReceiver & {
  readonly entries: LogEntry[];
  until(condition: (entries: readonly LogEntry[]) => boolean): Promise<void>;
} {
  const entries: LogEntry[] = [];
  let arrived = Promise.withResolvers<void>();
  return {
    kind: "logs-receiver",
    owner: "test",
    entries,
    append(batch) {
      entries.push(...batch);
      arrived.resolve();
      arrived = Promise.withResolvers();
      return Promise.resolve();
    },
    async until(condition) {
      while (!condition(entries)) await arrived.promise;
    },
  };
}
