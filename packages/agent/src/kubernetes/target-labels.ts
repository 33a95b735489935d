/** Labels that several roles of `discovery.kubernetes` share, named as Prometheus names them. */
import { isIPv4, isIPv6 } from "node:net";
import type { Container, ObjectMeta, Pod, Service } from "./objects.ts";

/** Labels while they are collected; undefined and empty values are no labels. */
export type TargetLabels = Record<string, string | undefined>;

export const META = "__meta_kubernetes_";

/** As Prometheus' SanitizeLabelName: everything else becomes `_`. */
export function sanitizeLabelName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, "_");
}

/** `host:port`, IPv6 in brackets. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Name, labels and annotations of an object of a role, such as `__meta_kubernetes_pod_label_app`. */
export function objectLabels(metadata: ObjectMeta, role: string): TargetLabels {
  return { [`${META}${role}_name`]: metadata.name, ...describedLabels(metadata, role) };
}

/** Labels and annotations without the name, as of namespaces. */
export function describedLabels(metadata: ObjectMeta, role: string): TargetLabels {
  return {
    ...prefixed(metadata.labels, `${META}${role}_label`),
    ...prefixed(metadata.annotations, `${META}${role}_annotation`),
  };
}

/** `PREFIX_KEY` with the value, and `PREFIXpresent_KEY` for those that are empty. */
export function prefixed(
  values: Readonly<Record<string, string>> | undefined,
  prefix: string,
): TargetLabels {
  const labels: TargetLabels = {};
  for (const [key, value] of Object.entries(values ?? {})) {
    const name = sanitizeLabelName(key);
    labels[`${prefix}_${name}`] = value;
    labels[`${prefix}present_${name}`] = "true";
  }
  return labels;
}

/** Labels of a node at a target that is on it: its name and labels, no annotations. */
export function attachedNodeLabels(metadata: ObjectMeta): TargetLabels {
  return {
    [`${META}node_name`]: metadata.name,
    ...prefixed(metadata.labels, `${META}node_label`),
  };
}

export function serviceLabels(service: Service): TargetLabels {
  return {
    [`${META}namespace`]: service.metadata.namespace,
    ...objectLabels(service.metadata, "service"),
  };
}

export function podLabels(pod: Pod): TargetLabels {
  const { status, spec, metadata } = pod;
  const ips = (status.podIPs ?? []).map(({ ip }) => ip ?? "");
  const controller = metadata.ownerReferences?.find((owner) => owner.controller === true);
  const ready = status.conditions?.find((condition) => condition.type === "Ready");
  return {
    [`${META}pod_ip`]: status.podIP,
    [`${META}pod_ipv4`]: ips.find((ip) => isIPv4(ip)),
    [`${META}pod_ipv6`]: ips.find((ip) => isIPv6(ip)),
    [`${META}pod_ready`]: (ready?.status ?? "Unknown").toLowerCase(),
    [`${META}pod_phase`]: status.phase,
    [`${META}pod_node_name`]: spec.nodeName,
    [`${META}pod_host_ip`]: status.hostIP,
    [`${META}pod_uid`]: metadata.uid,
    [`${META}pod_controller_kind`]: controller?.kind,
    [`${META}pod_controller_name`]: controller?.name,
    ...objectLabels(metadata, "pod"),
  };
}

/** Containers of a pod, the init containers behind the others. */
export function containersOf(pod: Pod): { container: Container; isInit: boolean }[] {
  return [
    ...pod.spec.containers.map((container) => ({ container, isInit: false })),
    ...(pod.spec.initContainers ?? []).map((container) => ({ container, isInit: true })),
  ];
}

/** Labels of a container and one of its ports. */
export function containerLabels(
  container: Container,
  options: {
    readonly isInit: boolean;
    readonly port?: { readonly containerPort: number; readonly name?: string };
    readonly protocol?: string | undefined;
  },
): TargetLabels {
  const { isInit, port, protocol } = options;
  return {
    [`${META}pod_container_name`]: container.name,
    [`${META}pod_container_image`]: container.image,
    [`${META}pod_container_init`]: String(isInit),
    [`${META}pod_container_port_name`]: port?.name,
    [`${META}pod_container_port_number`]: port?.containerPort.toString(),
    [`${META}pod_container_port_protocol`]: protocol,
  };
}
