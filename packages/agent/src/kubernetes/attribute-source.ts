/** Finds the pod that telemetry comes from, and adds what is known of it to the resource. */
import { isIP } from "node:net";
import type { AnyValue, Attributes } from "@finch/wire";
import type { ObjectCache } from "./object-cache.ts";
import type { KubernetesObject, Node } from "./objects.ts";
import { fieldAttributes, type ExtractionRules, type MetadataSource } from "./pod-attributes.ts";
import { identifierOf, type Association, type KnownPod, type PodTable } from "./pod-table.ts";

/** Caches of what is looked up by what pods name; undefined where nothing is asked of it. */
export interface RelatedCaches {
  readonly namespaces: ObjectCache<KubernetesObject> | undefined;
  readonly nodes: ObjectCache<Node> | undefined;
  readonly replicaSets: ObjectCache<KubernetesObject> | undefined;
  readonly jobs: ObjectCache<KubernetesObject> | undefined;
}

export interface AttributeSourceOptions {
  readonly pods: PodTable;
  readonly rules: ExtractionRules;
  /** In order; the first whose sources all have values decides. */
  readonly associations: readonly Association[];
  readonly related: RelatedCaches;
}

/** Associations where none are written: by address, whoever names it. */
export const DEFAULT_ASSOCIATIONS: readonly Association[] = [
  [{ from: "resource_attribute", name: "k8s.pod.ip" }],
  [{ from: "connection", name: "" }],
  [{ from: "resource_attribute", name: "host.name" }],
];

/** What `passthrough` does: the address of the sender, for whoever knows the pods. */
export function addSenderAddress(
  attributes: Attributes,
  address: string,
  associations: readonly Association[],
): void {
  const identified = identify(attributes, address, associations);
  const isByConnection = identified?.association.some(({ from }) => from === "connection") === true;
  if (isByConnection) setMissing(attributes, "k8s.pod.ip", plainAddress(address));
}

export class AttributeSource {
  readonly #options: AttributeSourceOptions;

  constructor(options: AttributeSourceOptions) {
    this.#options = options;
  }

  /** Adds what is missing; answers whether the pod is known. */
  complete(attributes: Attributes, address: string): boolean {
    const { pods, rules, associations } = this.#options;
    if (rules.metadata.has("k8s.pod.ip")) addSenderAddress(attributes, address, associations);
    const identified = identify(attributes, address, associations);
    const pod = identified === undefined ? undefined : pods.find(identified.id);
    if (pod !== undefined) {
      for (const [key, value] of pod.attributes) setMissing(attributes, key, value);
      addContainer(attributes, pod, rules);
      this.#addOwners(attributes, pod);
    }
    this.#addRelated(attributes, pod);
    return pod !== undefined;
  }

  #addOwners(attributes: Attributes, pod: KnownPod): void {
    const { rules, related } = this.#options;
    const add = (
      key: string,
      cache: ObjectCache<KubernetesObject> | undefined,
      kinds: { readonly of: string; readonly above: string },
    ) => {
      if (!rules.metadata.has(key) || cache === undefined) return;
      const uid = pod.owners.get(kinds.of);
      const owner = uid === undefined ? undefined : cache.byUid(uid);
      const above = owner?.metadata.ownerReferences?.find(({ kind }) => kind === kinds.above);
      setMissing(attributes, key, above?.uid);
    };
    add("k8s.deployment.uid", related.replicaSets, { of: "ReplicaSet", above: "Deployment" });
    add("k8s.cronjob.uid", related.jobs, { of: "Job", above: "CronJob" });
  }

  /** Of namespace and node, which the resource may name by itself. */
  #addRelated(attributes: Attributes, pod: KnownPod | undefined): void {
    const { rules, related } = this.#options;
    const namespaceName = pod?.namespace || textOf(attributes, "k8s.namespace.name");
    const nodeName = pod?.nodeName || textOf(attributes, "k8s.node.name");
    if (namespaceName !== "" && rules.metadata.has("service.namespace"))
      setMissing(attributes, "service.namespace", namespaceName);
    this.#addFields(attributes, "namespace", related.namespaces?.get(undefined, namespaceName));
    const node = related.nodes?.get(undefined, nodeName);
    this.#addFields(attributes, "node", node);
    if (rules.metadata.has("k8s.node.uid"))
      setMissing(attributes, "k8s.node.uid", node?.metadata.uid);
    if (rules.metadata.has("k8s.cluster.uid") && pod !== undefined)
      setMissing(
        attributes,
        "k8s.cluster.uid",
        related.namespaces?.get(undefined, "kube-system")?.metadata.uid,
      );
  }

  #addFields(
    attributes: Attributes,
    from: MetadataSource,
    object: KubernetesObject | undefined,
  ): void {
    if (object === undefined) return;
    for (const [key, value] of fieldAttributes(object, from, this.#options.rules.fields))
      setMissing(attributes, key, value);
  }
}

/** The first association that the resource and the sender have all values for. */
function identify(
  attributes: Attributes,
  address: string,
  associations: readonly Association[],
): { readonly association: Association; readonly id: string } | undefined {
  for (const association of associations) {
    const values = association.map(({ from, name }) => {
      if (from === "connection") return plainAddress(address);
      const value = textOf(attributes, name);
      // A host name identifies a pod only where it is the pod's address.
      return name === "host.name" && isIP(value) === 0 ? "" : value;
    });
    if (values.every((value) => value !== ""))
      return { association, id: identifierOf(association, values) };
  }
  return undefined;
}

/** Without what tells IPv4 in IPv6. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:/i, "");
}

function textOf(attributes: Attributes, key: string): string {
  const value = attributes.get(key);
  return typeof value === "string" ? value : "";
}

/** What telemetry says by itself counts. */
function setMissing(attributes: Attributes, key: string, value: AnyValue | undefined): void {
  if (value === undefined || value === "") return;
  const before = attributes.get(key);
  if (before === undefined || before === null || before === "") attributes.set(key, value);
}

function addContainer(attributes: Attributes, pod: KnownPod, { metadata }: ExtractionRules): void {
  const name = textOf(attributes, "k8s.container.name");
  const id = textOf(attributes, "container.id");
  const container = pod.containers.find((one) => {
    if (name !== "") return one.name === name;
    if (id !== "") return [...one.runs.values()].some((run) => run.id === id);
    return pod.containers.length === 1;
  });
  if (container === undefined) return;
  for (const [key, value] of container.texts)
    if (metadata.has(key)) setMissing(attributes, key, value);
  if (metadata.has("container.image.tag"))
    setMissing(attributes, "container.image.tag", container.tag);
  if (metadata.has("container.image.tags"))
    setMissing(attributes, "container.image.tags", [container.tag]);
  const count = attributes.get("k8s.container.restart_count");
  const restarts =
    count === undefined ? Math.max(...container.runs.keys()) : Number(count as bigint | string);
  const run = container.runs.get(restarts);
  if (run === undefined) return;
  if (metadata.has("container.id")) setMissing(attributes, "container.id", run.id);
  if (metadata.has("container.image.repo_digests") && run.digest !== "")
    setMissing(attributes, "container.image.repo_digests", [run.digest]);
}
