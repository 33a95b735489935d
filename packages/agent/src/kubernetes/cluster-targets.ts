/** Targets that the objects of a cluster make, for one role: from caches of these objects, worked out anew only where one of them has changed. */
import { Labels } from "@finch/model";
import type { Target } from "../receivers.ts";
import type { ObjectCache } from "./object-cache.ts";
import type { KubernetesObject, Node, Pod, RESOURCES, Service } from "./objects.ts";
import type { TargetLabels } from "./target-labels.ts";
import { TARGET_BUILDERS } from "./targets.ts";
import type { RelatedObjects, Role } from "./targets.ts";

/** Which objects become targets, and what else describes these. */
export interface TargetScope {
  readonly role: Role;
  /** Undefined stands for all. Of no meaning to nodes, which are in none. */
  readonly namespaces: readonly (string | undefined)[];
  readonly attachesNode: boolean;
  readonly attachesNamespace: boolean;
}

/** Kinds of objects each role asks the server for, the first of which becomes targets. */
export const KINDS_OF_ROLE: Readonly<Record<Role, readonly Role[]>> = {
  node: ["node"],
  service: ["service"],
  pod: ["pod"],
  endpoints: ["endpoints", "service", "pod"],
  endpointslice: ["endpointslice", "service", "pod"],
  ingress: ["ingress"],
};

/** Whether targets of a role can be on a node. */
export function attachesNodes(role: Role): boolean {
  return role === "pod" || role === "endpoints" || role === "endpointslice";
}

type Cache = ObjectCache<KubernetesObject>;

/** A target's labels are kept as long as nothing they were made of has changed. */
interface Group {
  readonly parts: readonly { readonly find: () => unknown; readonly found: unknown }[];
  readonly targets: readonly Target[];
}

export class ClusterTargets {
  /** All that the targets are made of. */
  readonly caches: readonly Cache[];
  readonly #role: Role;
  /** One a namespace: caches of the kinds that {@link KINDS_OF_ROLE} names, in its order. */
  readonly #spaces: readonly (readonly Cache[])[];
  readonly #nodes: Cache | undefined;
  readonly #namespaces: Cache | undefined;
  readonly #groups = new WeakMap<KubernetesObject, Group>();

  /** `open` is called once for each kind and namespace. */
  constructor(
    scope: TargetScope,
    open: (kind: keyof typeof RESOURCES, namespace: string | undefined) => Cache,
  ) {
    const { role, namespaces, attachesNode, attachesNamespace } = scope;
    this.#role = role;
    this.#spaces = (role === "node" ? [undefined] : namespaces).map((namespace) =>
      KINDS_OF_ROLE[role].map((kind) => open(kind, namespace)),
    );
    if (attachesNode && attachesNodes(role)) this.#nodes = open("node", undefined);
    if (attachesNamespace && role !== "node") this.#namespaces = open("namespace", undefined);
    this.caches = [...this.#spaces.flat(), this.#nodes ?? [], this.#namespaces ?? []].flat();
  }

  /** Whether all there is has been listed. */
  get isSynced(): boolean {
    return this.caches.every(({ isSynced }) => isSynced);
  }

  targets(): Target[] {
    const targets: Target[] = [];
    for (const caches of this.#spaces) {
      const [subjects, services, pods] = caches;
      for (const subject of subjects!.objects.values())
        targets.push(...this.#targetsOf(subject, services, pods));
    }
    return targets;
  }

  #targetsOf(
    subject: KubernetesObject,
    services: Cache | undefined,
    pods: Cache | undefined,
  ): readonly Target[] {
    const known = this.#groups.get(subject);
    if (known?.parts.every(({ find, found }) => find() === found) === true) return known.targets;
    const parts: { find: () => unknown; found: unknown }[] = [];
    const lookUp = <Item>(
      cache: Cache | undefined,
      namespace: string | undefined,
      name: string | undefined,
    ) => {
      if (cache === undefined || name === undefined) return undefined;
      const find = () => cache.get(namespace, name);
      const found = find();
      parts.push({ find, found });
      return found as Item | undefined;
    };
    const related: RelatedObjects = {
      node: (name) => lookUp<Node>(this.#nodes, undefined, name),
      namespace: (name) => lookUp<KubernetesObject>(this.#namespaces, undefined, name),
      service: (namespace, name) => lookUp<Service>(services, namespace, name),
      pod: (namespace, name) => lookUp<Pod>(pods, namespace, name),
    };
    const targets = TARGET_BUILDERS[this.#role](subject as never, related).map(toTarget);
    this.#groups.set(subject, { parts, targets });
    return targets;
  }
}

function toTarget(labels: TargetLabels): Target {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(labels))
    if (value !== undefined) pairs.push(name, value);
  return Labels.fromPairs(pairs);
}
