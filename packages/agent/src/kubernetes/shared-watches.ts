/** Watches that several users share: one for each kind, namespace and selector, open as long as somebody uses it. */
import type { Clock } from "@finch/runtime";
import type { KubernetesClient } from "./client.ts";
import { ObjectCache } from "./object-cache.ts";
import type { KubernetesObject } from "./objects.ts";
import { watchResource } from "./watch.ts";
import type { WatchScope } from "./watch.ts";

interface OpenWatch {
  readonly cache: ObjectCache<KubernetesObject>;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class SharedWatches implements AsyncDisposable {
  readonly #client: KubernetesClient;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #open = new Map<string, OpenWatch>();

  constructor(
    client: KubernetesClient,
    options: { readonly clock: Clock; readonly onChange: () => void },
  ) {
    this.#client = client;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
  }

  /** The objects of a scope, watched from the first call on. */
  cache<Item extends KubernetesObject>(scope: WatchScope): ObjectCache<Item> {
    const { resource, namespace = "", labelSelector = "", fieldSelector = "" } = scope;
    const key = [resource.roots[0], resource.plural, namespace, labelSelector, fieldSelector].join(
      "\u0000",
    );
    let watch = this.#open.get(key);
    if (watch === undefined) {
      const cache = new ObjectCache(this.#onChange);
      const abort = new AbortController();
      const ended = watchResource(this.#client, scope, cache, {
        clock: this.#clock,
        signal: abort.signal,
      });
      watch = { cache, abort, ended };
      this.#open.set(key, watch);
    }
    return watch.cache as unknown as ObjectCache<Item>;
  }

  /** Why the server cannot be asked for some of what is watched; each reason once. */
  get troubles(): readonly string[] {
    return [...new Set([...this.#open.values()].flatMap(({ cache }) => cache.trouble ?? []))];
  }

  /** Ends the watches of caches that nobody uses any more. */
  async keepOnly(used: ReadonlySet<ObjectCache<KubernetesObject>>): Promise<void> {
    const ending = [...this.#open].filter(([, { cache }]) => !used.has(cache));
    for (const [key, { abort }] of ending) {
      this.#open.delete(key);
      abort.abort(new Error("the watch is not used any more"));
    }
    await Promise.all(ending.map(([, { ended }]) => ended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keepOnly(new Set());
  }
}
