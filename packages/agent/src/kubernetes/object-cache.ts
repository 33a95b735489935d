/** All objects of one kind, as `watchResource` keeps them up to date. */
import { describeError } from "@finch/runtime";
import { KubernetesFault } from "./client.ts";
import type { KubernetesObject } from "./objects.ts";
import type { WatchHandler } from "./watch.ts";

export class ObjectCache<Item extends KubernetesObject> implements WatchHandler<Item> {
  /** By {@link keyOf}. An object that changes is replaced, never written to. */
  readonly objects = new Map<string, Item>();
  /** The first list is complete. */
  isSynced = false;
  /** Why the server cannot be asked now. */
  trouble: string | undefined;
  /** The server knows no such kind of object (404), as before its definition is installed. */
  isUnknownKind = false;
  readonly #onChange: () => void;
  /** Made when it is asked for, and anew after a change. */
  #uids: Map<string, Item> | undefined;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get(namespace: string | undefined, name: string): Item | undefined {
    return this.objects.get(keyOf({ name, ...(namespace !== undefined && { namespace }) }));
  }

  /** The object with this uid, looked for among all. */
  byUid(uid: string): Item | undefined {
    if (this.#uids === undefined) {
      this.#uids = new Map();
      for (const item of this.objects.values())
        if (item.metadata.uid !== undefined) this.#uids.set(item.metadata.uid, item);
    }
    return this.#uids.get(uid);
  }

  replace(items: readonly Item[]): Promise<void> {
    const before = new Map(this.objects);
    this.objects.clear();
    for (const item of items) {
      const key = keyOf(item.metadata);
      const known = before.get(key);
      const isSame = known?.metadata.resourceVersion === item.metadata.resourceVersion;
      this.objects.set(key, isSame && known !== undefined ? known : item);
    }
    this.isSynced = true;
    this.#uids = undefined;
    this.#onChange();
    return Promise.resolve();
  }

  change(item: Item, { isDeleted }: { readonly isDeleted: boolean }): Promise<void> {
    if (isDeleted) this.objects.delete(keyOf(item.metadata));
    else this.objects.set(keyOf(item.metadata), item);
    this.#uids = undefined;
    this.#onChange();
    return Promise.resolve();
  }

  fault(error: unknown): void {
    this.isUnknownKind = error instanceof KubernetesFault && error.status === 404;
    const trouble = error === undefined ? undefined : describeError(error);
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    this.#onChange();
  }
}

/** `namespace/name`, or `/name` of what is in no namespace. */
function keyOf(metadata: { readonly namespace?: string; readonly name: string }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
