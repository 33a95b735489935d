/**
 * Keeps up with all objects of one kind: lists them in pages, then watches from the list's resourceVersion, with bookmarks, over the end of watches
 * and lost connections. When the server no longer knows the version (410), it lists again.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { isExpired, KubernetesFault, toFault } from "./client.ts";
import type { KubernetesAction, KubernetesClient } from "./client.ts";
import { resourcePath } from "./objects.ts";
import type { KubernetesObject, Resource } from "./objects.ts";

/** What is followed. */
export interface WatchScope {
  readonly resource: Resource;
  /** Undefined: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Told about objects, one call at a time and in order. */
export interface WatchHandler<Item extends KubernetesObject> {
  /** All there are; an object that is not among them is gone. */
  replace(items: readonly Item[], resourceVersion: string): Promise<void>;
  /** `isDeleted`: with its last state. */
  change(item: Item, about: { readonly isDeleted: boolean }): Promise<void>;
  /** The server cannot be asked now; it is tried again. Called with undefined when it answers again. */
  fault(error: unknown): void;
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Goes on behind this resourceVersion without a list, if the server still knows it. */
  readonly fromVersion?: string | undefined;
}

/** Objects of one page; client-go's number. */
const PAGE_OBJECTS = 500;
/** The server ends a watch after this long; each a little different, so that not all come back at once. */
const WATCH_SECONDS_MIN = 300;
const WATCH_SECONDS_MAX = 600;
/** A server that has not ended a watch this long after it should is not there any more. */
const WATCH_GRACE_MS = 30_000;
const RETRY_MS_MIN = 800;
const RETRY_MS_MAX = 30_000;
/** Longest pause that a server may ask for. */
const RETRY_AFTER_MS_MAX = 300_000;
/** etcd takes 1.5 MiB an object; without a limit a server gone mad fills the memory. */
const EVENT_BYTES_MAX = 16 << 20;

/** Runs until `signal` aborts; never rejects for what the server does. */
export async function watchResource<Item extends KubernetesObject>(
  client: KubernetesClient,
  scope: WatchScope,
  handler: WatchHandler<Item>,
  options: WatchOptions,
): Promise<void> {
  await new Watcher(client, scope, handler, options).run();
}

class Watcher<Item extends KubernetesObject> {
  readonly #client: KubernetesClient;
  readonly #scope: WatchScope;
  readonly #handler: WatchHandler<Item>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #version: string | undefined;
  #root = 0;
  #retryMs = RETRY_MS_MIN;

  constructor(
    client: KubernetesClient,
    scope: WatchScope,
    handler: WatchHandler<Item>,
    options: WatchOptions,
  ) {
    this.#client = client;
    this.#scope = scope;
    this.#handler = handler;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#version = options.fromVersion;
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const startedMs = this.#clock.monotonicMs();
      try {
        if (this.#version === undefined) this.#version = await this.#list();
        await this.#watch();
        // Some proxies end a watch at once; without a pause that would be a loop.
        if (this.#clock.monotonicMs() - startedMs < RETRY_MS_MIN) await this.#pause(undefined);
        else this.#retryMs = RETRY_MS_MIN;
      } catch (error) {
        if (this.#signal.aborted) return;
        if (isExpired(error)) this.#version = undefined;
        else this.#handler.fault(error);
        await this.#pause(error);
      }
    }
  }

  async #pause(error: unknown): Promise<void> {
    const askedMs = error instanceof FinchError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const waitMs = Math.max(
      Math.min(RETRY_AFTER_MS_MAX, askedMs),
      this.#retryMs * (0.5 + Math.random() / 2),
    );
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    await this.#clock.sleep(waitMs, this.#signal).catch(() => {});
  }

  #action(verb: "list" | "watch"): KubernetesAction {
    return { verb, resource: this.#scope.resource.plural, namespace: this.#scope.namespace };
  }

  #path(): string {
    const { resource, namespace } = this.#scope;
    return resourcePath(resource.roots[this.#root]!, resource, namespace);
  }

  #query(): Record<string, string | undefined> {
    const { labelSelector, fieldSelector } = this.#scope;
    return { labelSelector, fieldSelector };
  }

  /** Hands all objects on; the resourceVersion to watch from. */
  async #list(): Promise<string> {
    const { items, version } = await this.#listPages(PAGE_OBJECTS).catch((error: unknown) => {
      // The pages took longer than the server keeps their version: all at once, then.
      if (isExpired(error)) return this.#listPages(undefined);
      throw error;
    });
    this.#retryMs = RETRY_MS_MIN;
    await this.#handler.replace(items, version);
    return version;
  }

  async #listPages(limit: number | undefined): Promise<{ items: Item[]; version: string }> {
    const items: Item[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await this.#listPage(limit, next);
      for (const item of page.items ?? []) items.push(slim(item));
      next = page.metadata?.continue;
      if (next === undefined || next === "")
        return { items, version: page.metadata?.resourceVersion ?? "0" };
    }
  }

  async #listPage(limit: number | undefined, next: string | undefined): Promise<ListPage<Item>> {
    const query = { ...this.#query(), limit: limit?.toString(), continue: next };
    for (;;) {
      try {
        return (await this.#client.get({
          action: this.#action("list"),
          path: this.#path(),
          query,
          signal: this.#signal,
        })) as ListPage<Item>;
      } catch (error) {
        const isMissing = error instanceof KubernetesFault && error.status === 404;
        if (!isMissing || this.#root + 1 >= this.#scope.resource.roots.length) throw error;
        this.#root++;
      }
    }
  }

  /** Until the server ends the watch. */
  async #watch(): Promise<void> {
    const seconds = Math.round(
      WATCH_SECONDS_MIN + Math.random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN),
    );
    const overdue = new AbortController();
    const signal = AbortSignal.any([this.#signal, overdue.signal]);
    const timer = this.#clock.sleep(seconds * 1000 + WATCH_GRACE_MS, signal).then(
      () =>
        overdue.abort(new FinchError("timeout", "agent/kubernetes-watch", "a watch went quiet")),
      () => {},
    );
    try {
      const body = await this.#client.open({
        action: this.#action("watch"),
        path: this.#path(),
        query: {
          ...this.#query(),
          watch: "true",
          allowWatchBookmarks: "true",
          resourceVersion: this.#version,
          timeoutSeconds: String(seconds),
        },
        signal,
      });
      this.#handler.fault(undefined);
      for await (const event of readJsonLines(body)) await this.#take(event as WatchEvent<Item>);
    } finally {
      overdue.abort();
      await timer;
    }
  }

  async #take(event: WatchEvent<Item>): Promise<void> {
    if (event.type === "ERROR") {
      const status = event.object as { readonly code?: number };
      throw toFault(this.#action("watch"), status.code ?? 500, JSON.stringify(event.object));
    }
    const item = slim(event.object as Item);
    if (event.type !== "BOOKMARK")
      await this.#handler.change(item, { isDeleted: event.type === "DELETED" });
    this.#version = item.metadata.resourceVersion ?? this.#version;
    this.#retryMs = RETRY_MS_MIN;
  }
}

interface ListPage<Item> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly Item[] | null;
}

interface WatchEvent<Item> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Item | object;
}

/** Without who changed which field: that is a third of an object, and read by nobody here. */
function slim<Item extends KubernetesObject>(item: Item): Item {
  const { managedFields: _, ...metadata } = item.metadata as Item["metadata"] & {
    readonly managedFields?: unknown;
  };
  return { ...item, metadata };
}

/** One decoded value a line. Rejects when a line is too long or is not JSON. */
async function* readJsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      pending.push(chunk.subarray(start, end));
      const line = Buffer.concat(pending).toString();
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.trim() !== "") yield JSON.parse(line);
    }
    if (start === chunk.byteLength) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.byteLength - start;
    if (pendingBytes > EVENT_BYTES_MAX)
      throw new FinchError(
        "too-large",
        "agent/kubernetes-watch",
        `an event of a watch is larger than ${EVENT_BYTES_MAX} bytes`,
      );
  }
}
