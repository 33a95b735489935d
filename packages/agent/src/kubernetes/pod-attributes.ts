/** Attributes of resources, as OpenTelemetry names them, that a pod, its containers and what owns it give. */
import { compileRegexp, type CompiledRegexp } from "@finch/model";
import { parseImageName } from "./image-name.ts";
import type { ContainerStatus, KubernetesObject, Pod } from "./objects.ts";

/** What can be extracted, by the name of the attribute. */
export const POD_METADATA = [
  "container.id",
  "container.image.name",
  "container.image.repo_digests",
  "container.image.tag",
  "container.image.tags",
  "k8s.cluster.uid",
  "k8s.container.name",
  "k8s.cronjob.name",
  "k8s.cronjob.uid",
  "k8s.daemonset.name",
  "k8s.daemonset.uid",
  "k8s.deployment.name",
  "k8s.deployment.uid",
  "k8s.job.name",
  "k8s.job.uid",
  "k8s.namespace.name",
  "k8s.node.name",
  "k8s.node.uid",
  "k8s.pod.hostname",
  "k8s.pod.ip",
  "k8s.pod.name",
  "k8s.pod.start_time",
  "k8s.pod.uid",
  "k8s.replicaset.name",
  "k8s.replicaset.uid",
  "k8s.statefulset.name",
  "k8s.statefulset.uid",
  "service.instance.id",
  "service.name",
  "service.namespace",
  "service.version",
] as const;

export type MetadataSource = "pod" | "namespace" | "node";

/** Labels or annotations that become attributes. */
export interface FieldRule {
  readonly kind: "label" | "annotation";
  readonly from: MetadataSource;
  /** One of both. */
  readonly key: string;
  readonly keyPattern: CompiledRegexp | undefined;
  /** Empty: `k8s.pod.label.KEY` and the like. May name groups of the pattern. */
  readonly tagName: string;
}

export interface ExtractionRules {
  readonly metadata: ReadonlySet<string>;
  readonly fields: readonly FieldRule[];
}

/** What `otel_annotations` means. */
export const OTEL_ANNOTATIONS: FieldRule = {
  kind: "annotation",
  from: "pod",
  key: "",
  keyPattern: compileRegexp("resource\\.opentelemetry\\.io/(.+)", { anchored: true }),
  tagName: "$1",
};

type Texts = Map<string, string>;

/** What a pod says by itself, without what is found by the names in it. */
export function podAttributes(pod: Pod, rules: ExtractionRules): Texts {
  const { metadata, spec, status } = pod;
  const found: Texts = new Map([
    ["k8s.pod.name", metadata.name],
    ["k8s.pod.uid", metadata.uid ?? ""],
    ["k8s.pod.hostname", spec.hostname ?? ""],
    ["k8s.pod.ip", status.podIP ?? ""],
    ["k8s.pod.start_time", metadata.creationTimestamp ?? ""],
    ["k8s.namespace.name", metadata.namespace ?? ""],
    ["k8s.node.name", spec.nodeName ?? ""],
    ["service.namespace", metadata.namespace ?? ""],
    ["service.name", metadata.name],
  ]);
  for (const { kind = "", name = "", uid = "" } of metadata.ownerReferences ?? [])
    addOwner(found, { kind, name, uid });
  const labels = metadata.labels ?? {};
  const service = labels["app.kubernetes.io/instance"] ?? labels["app.kubernetes.io/name"];
  if (service !== undefined) found.set("service.name", service);
  const version = labels["app.kubernetes.io/version"];
  if (version !== undefined) found.set("service.version", version);
  for (const [key, value] of found) if (value === "" || !rules.metadata.has(key)) found.delete(key);
  for (const [key, value] of fieldAttributes(pod, "pod", rules.fields)) found.set(key, value);
  return found;
}

interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** The name of a Deployment is that of its ReplicaSet without the hash, that of a CronJob that of its Job without the time. */
function addOwner(found: Texts, { kind, name, uid }: Owner): void {
  const prefix = OWNERS[kind];
  if (prefix === undefined) return;
  found.set(`k8s.${prefix}.name`, name);
  found.set(`k8s.${prefix}.uid`, uid);
  const above =
    kind === "ReplicaSet"
      ? { prefix: "deployment", name: /^(.*)-[0-9a-zA-Z]+$/.exec(name)?.[1] }
      : { prefix: "cronjob", name: kind === "Job" ? /^(.*)-[0-9]+$/.exec(name)?.[1] : undefined };
  if (above.name !== undefined) found.set(`k8s.${above.prefix}.name`, above.name);
  found.set("service.name", above.name ?? name);
}

const OWNERS: Readonly<Record<string, string>> = {
  ReplicaSet: "replicaset",
  DaemonSet: "daemonset",
  StatefulSet: "statefulset",
  Job: "job",
};

/** Labels and annotations of one object, by the rules for its kind. */
export function fieldAttributes(
  { metadata }: KubernetesObject,
  from: MetadataSource,
  rules: readonly FieldRule[],
): Texts {
  const found: Texts = new Map();
  for (const rule of rules) {
    if (rule.from !== from) continue;
    const values = (rule.kind === "label" ? metadata.labels : metadata.annotations) ?? {};
    for (const [key, value] of Object.entries(values)) {
      const name = attributeName(rule, key);
      if (name !== undefined) found.set(name, value);
    }
  }
  return found;
}

/** The attribute that a label or annotation becomes; undefined when the rule is not about it. */
function attributeName(
  { kind, from, key: wanted, keyPattern, tagName }: FieldRule,
  key: string,
): string | undefined {
  const byDefault = `k8s.${from}.${kind}.${key}`;
  if (keyPattern === undefined) return key === wanted ? tagName || byDefault : undefined;
  if (!keyPattern.test(key)) return undefined;
  const hasGroups = keyPattern.groupNames.length > 1;
  return hasGroups && tagName !== "" ? keyPattern.replaceAll(key, tagName) : byDefault;
}

export interface ContainerAttributes {
  readonly name: string;
  readonly texts: Texts;
  /** Ids and image digests of its runs, by restart count. */
  readonly runs: ReadonlyMap<number, { readonly id: string; readonly digest: string }>;
  readonly tag: string;
}

/** Containers of a pod, those that run before the others included. */
export function containerAttributes(pod: Pod): readonly ContainerAttributes[] {
  const specs = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const statuses = [
    ...(pod.status.containerStatuses ?? []),
    ...(pod.status.initContainerStatuses ?? []),
  ];
  return specs.map(({ name, image = "" }) => {
    const { repository, tag, digest } = parseImageName(image);
    const version = [tag, digest].filter((part) => part !== "").join("@");
    const instance = [pod.metadata.namespace ?? "", pod.metadata.name, name].join(".");
    return {
      name,
      texts: new Map([
        ["k8s.container.name", name],
        ["container.image.name", repository],
        ["service.instance.id", instance],
        ["service.version", version],
      ]),
      runs: runsOf(statuses.filter((status) => status.name === name)),
      tag: tag || "latest",
    };
  });
}

function runsOf(statuses: readonly ContainerStatus[]) {
  return new Map(
    statuses.map(({ restartCount = 0, containerID = "", imageID = "" }) => [
      restartCount,
      { id: containerID.replace(/^.*:\/\//, ""), digest: digestOf(imageID) },
    ]),
  );
}

/** `repository@sha256:…`, without what the engine puts before it. */
function digestOf(imageId: string): string {
  const image = imageId.replace(/^.*:\/\//, "");
  return image.includes("@") ? image : "";
}
