/**
 * Pods by what identifies them in telemetry: address, uid, names, ids of containers. A pod that is deleted is known a while longer, since telemetry
 * of it is still on its way.
 */
import type { Clock } from "@finch/runtime";
import { describeError } from "@finch/runtime";
import type { Pod } from "./objects.ts";
import {
  containerAttributes,
  podAttributes,
  type ContainerAttributes,
  type ExtractionRules,
} from "./pod-attributes.ts";
import type { WatchHandler } from "./watch.ts";

/** Where an identifier of a pod comes from. */
export interface AssociationSource {
  /** `connection`: the address that telemetry came from. */
  readonly from: "connection" | "resource_attribute";
  /** Of a resource attribute. */
  readonly name: string;
}

/** Sources that all must fit. */
export type Association = readonly AssociationSource[];

/** What is kept of a pod. */
export interface KnownPod {
  readonly namespace: string;
  /** Empty until it is scheduled. */
  readonly nodeName: string;
  /** RFC 3339; empty until it runs. */
  readonly startTime: string;
  /** Uids of what owns it, by kind. */
  readonly owners: ReadonlyMap<string, string>;
  readonly attributes: ReadonlyMap<string, string>;
  readonly containers: readonly ContainerAttributes[];
  readonly ids: readonly string[];
}

export interface PodTableOptions {
  readonly rules: ExtractionRules;
  readonly associations: readonly Association[];
  /** Pods that are left out, by name. */
  readonly isExcluded: (name: string) => boolean;
  readonly graceMs: number;
  readonly clock: Clock;
  readonly onChange: () => void;
}

export class PodTable implements WatchHandler<Pod> {
  /** The first list is complete. */
  isSynced = false;
  /** Why the server cannot be asked now. */
  trouble: string | undefined;
  readonly #options: PodTableOptions;
  readonly #byId = new Map<string, KnownPod>();
  readonly #byUid = new Map<string, KnownPod>();
  /** Pods that are gone, in order of their end. */
  readonly #gone: { readonly known: KnownPod; readonly atMs: number }[] = [];

  constructor(options: PodTableOptions) {
    this.#options = options;
  }

  /** Pods that telemetry is associated with. */
  get size(): number {
    return this.#byUid.size;
  }

  /** The pod of an identifier, see {@link identifierOf}. */
  find(id: string): KnownPod | undefined {
    this.#forgetGone();
    return this.#byId.get(id);
  }

  replace(items: readonly Pod[]): Promise<void> {
    const uids = new Set(items.map(uidOf));
    for (const [uid, known] of this.#byUid) if (!uids.has(uid)) this.#end(uid, known);
    for (const item of items) this.#put(item);
    this.isSynced = true;
    this.#options.onChange();
    return Promise.resolve();
  }

  change(item: Pod, { isDeleted }: { readonly isDeleted: boolean }): Promise<void> {
    const known = this.#byUid.get(uidOf(item));
    if (!isDeleted) this.#put(item);
    else if (known !== undefined) this.#end(uidOf(item), known);
    this.#options.onChange();
    return Promise.resolve();
  }

  fault(error: unknown): void {
    this.trouble = error === undefined ? undefined : describeError(error);
    this.#options.onChange();
  }

  #put(pod: Pod): void {
    this.#forgetGone();
    const uid = uidOf(pod);
    const before = this.#byUid.get(uid);
    const ignored = pod.metadata.annotations?.["opentelemetry.io/k8s-processor/ignore"];
    const isLeftOut =
      ignored?.trim().toLowerCase() === "true" || this.#options.isExcluded(pod.metadata.name);
    if (before !== undefined) this.#forget(before);
    if (isLeftOut) {
      this.#byUid.delete(uid);
      return;
    }
    const known = this.#know(pod);
    this.#byUid.set(uid, known);
    for (const id of known.ids) {
      // Of two pods with one address, such as one that ends and one that begins, the younger counts.
      const other = this.#byId.get(id);
      const isOlder = known.startTime < (other?.startTime ?? "");
      if (other === undefined || !isOlder) this.#byId.set(id, known);
    }
  }

  #know(pod: Pod): KnownPod {
    const { rules, associations } = this.#options;
    const attributes = podAttributes(pod, rules);
    const containers = containerAttributes(pod);
    const ids = associations.flatMap((association) =>
      identifiersOf(association, { pod, attributes, containers }),
    );
    const owners = (pod.metadata.ownerReferences ?? []).map(
      ({ kind = "", uid = "" }) => [kind, uid] as const,
    );
    return {
      namespace: pod.metadata.namespace ?? "",
      nodeName: pod.spec.nodeName ?? "",
      startTime: pod.status.startTime ?? "",
      owners: new Map(owners),
      attributes,
      containers,
      ids,
    };
  }

  #end(uid: string, known: KnownPod): void {
    this.#byUid.delete(uid);
    this.#gone.push({ known, atMs: this.#options.clock.nowMs() });
  }

  #forgetGone(): void {
    const limitMs = this.#options.clock.nowMs() - this.#options.graceMs;
    while (this.#gone.length > 0 && this.#gone[0]!.atMs <= limitMs)
      this.#forget(this.#gone.shift()!.known);
  }

  #forget(known: KnownPod): void {
    for (const id of known.ids) if (this.#byId.get(id) === known) this.#byId.delete(id);
  }
}

function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** What values of sources make: equal for telemetry and pod. */
export function identifierOf(association: Association, values: readonly string[]): string {
  return association
    .map(({ from, name }, i) => `${from}\u0000${name}\u0000${values[i]!}`)
    .join("\u0001");
}

interface DescribedPod extends Pick<KnownPod, "attributes" | "containers"> {
  readonly pod: Pod;
}

/** None when the pod lacks one of the values; one a container where the id of a container is asked for. */
function identifiersOf(association: Association, described: DescribedPod): readonly string[] {
  let ids: string[][] = [[]];
  for (const source of association) {
    const values = valuesOf(source, described).filter((value) => value !== "");
    ids = ids.flatMap((before) => values.map((value) => [...before, value]));
  }
  return ids.map((values) => identifierOf(association, values));
}

function valuesOf(
  { from, name }: AssociationSource,
  { pod, attributes, containers }: DescribedPod,
): readonly string[] {
  const { metadata, spec, status } = pod;
  // Pods in the network of their node share its address.
  const address = spec.hostNetwork === true ? "" : (status.podIP ?? "");
  if (from === "connection") return [address];
  switch (name) {
    case "k8s.pod.ip":
    case "host.name":
      return [address];
    case "k8s.pod.uid":
      return [metadata.uid ?? ""];
    case "k8s.pod.name":
      return [metadata.name];
    case "k8s.namespace.name":
      return [metadata.namespace ?? ""];
    case "container.id":
      return containers.flatMap(({ runs }) => [...runs.values()].map(({ id }) => id));
    default:
      return [attributes.get(name) ?? ""];
  }
}
