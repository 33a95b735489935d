/**
 * PodLogs objects (monitoring.grafana.com/v1alpha2) and the containers they select, with the labels that Alloy gives them.
 * @see https://grafana.com/docs/alloy/latest/reference/components/loki/loki.source.podlogs/#podlogs-custom-resource
 */
import { Labels } from "@finch/model";
import type { WrittenRelabeling } from "../prometheus-operator/resources.ts";
import type { Target } from "../receivers.ts";
import { relabel } from "../relabel.ts";
import type { RelabelRule } from "../relabel.ts";
import { matchesSelector } from "./label-selector.ts";
import type { LabelSelector } from "./label-selector.ts";
import type { KubernetesObject, Pod } from "./objects.ts";
import { containersOf, describedLabels, META, objectLabels, podLabels } from "./target-labels.ts";
import type { TargetLabels } from "./target-labels.ts";

export interface PodLogsObject extends KubernetesObject {
  readonly spec: {
    readonly selector?: LabelSelector;
    readonly namespaceSelector?: LabelSelector;
    readonly relabelings?: readonly WrittenRelabeling[];
  };
}

export interface PodLogsTarget {
  /** After the object's rules, with the labels that say which container it is. */
  readonly target: Target;
  /** Of the lines. */
  readonly labels: Labels;
}

/** Containers of a pod, init containers first; none when the object does not select the pod. `rules` are its relabelings. Throws when a selector is none. */
export function podLogsTargets(
  podLogs: PodLogsObject,
  pod: Pod,
  about: {
    readonly namespace: KubernetesObject;
    readonly rules: readonly RelabelRule[];
    readonly keepsMeta: boolean;
  },
): PodLogsTarget[] {
  const { selector = {}, namespaceSelector = {} } = podLogs.spec;
  const isSelected =
    matchesSelector(selector, pod.metadata.labels) &&
    matchesSelector(namespaceSelector, about.namespace.metadata.labels);
  if (!isSelected) return [];
  const shared = sharedLabels(podLogs, pod, about.namespace);
  const containers = containersOf(pod).toSorted((a, b) => Number(b.isInit) - Number(a.isInit));
  return containers.flatMap(({ container, isInit }) => {
    const { namespace = "", name } = podLogs.metadata;
    const labels: TargetLabels = {
      ...shared,
      [`${META}pod_container_init`]: String(isInit),
      [`${META}pod_container_name`]: container.name,
      [`${META}pod_container_image`]: container.image,
      __pod_container_name__: container.name,
      instance: `${pod.metadata.namespace}/${pod.metadata.name}:${container.name}`,
      job: `${namespace}/${name}`,
    };
    return relabelled(labels, { job: `${namespace}/${name}:${container.name}`, ...about });
  });
}

function sharedLabels(podLogs: PodLogsObject, pod: Pod, namespace: KubernetesObject): TargetLabels {
  return {
    ...objectLabels(podLogs.metadata, "podlogs"),
    [`${META}podlogs_namespace`]: podLogs.metadata.namespace,
    ...describedLabels(namespace.metadata, "namespace"),
    ...podLabels(pod),
    // Alloy gives the address once.
    [`${META}pod_ipv4`]: undefined,
    [`${META}pod_ipv6`]: undefined,
    [`${META}namespace`]: pod.metadata.namespace,
    __pod_namespace__: pod.metadata.namespace,
    __pod_name__: pod.metadata.name,
    __pod_uid__: pod.metadata.uid,
  };
}

function relabelled(
  labels: TargetLabels,
  about: {
    readonly rules: readonly RelabelRule[];
    readonly job: string;
    readonly keepsMeta: boolean;
  },
): PodLogsTarget[] {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(labels))
    if (value !== undefined) pairs.push(name, value);
  const target = relabel(Labels.fromPairs(pairs), about.rules);
  if (target === undefined || target.size === 0) return [];
  const shown = [...target].filter(
    ([name]) => !name.startsWith("__") || (about.keepsMeta && name.startsWith("__meta_")),
  );
  const own = Labels.fromPairs(shown.flat());
  const withJob = own.get("job") === "" ? own.with("job", about.job) : own;
  const instance = labels["instance"] ?? "";
  return [
    {
      target,
      labels: withJob.get("instance") === "" ? withJob.with("instance", instance) : withJob,
    },
  ];
}
