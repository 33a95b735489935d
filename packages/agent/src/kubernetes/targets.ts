/**
 * Targets of `discovery.kubernetes`: for each role, what Prometheus' kubernetes_sd_configs makes of one object, label for label.
 * @see https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config
 */
import { isIPv6 } from "node:net";
import { endpointsTargets, endpointSliceTargets } from "./endpoint-targets.ts";
import type {
  Endpoints,
  EndpointSlice,
  Ingress,
  KubernetesObject,
  Node,
  Pod,
  Service,
} from "./objects.ts";
import {
  attachedNodeLabels,
  containerLabels,
  containersOf,
  describedLabels,
  joinHostPort,
  META,
  objectLabels,
  podLabels,
  sanitizeLabelName,
  serviceLabels,
} from "./target-labels.ts";
import type { TargetLabels } from "./target-labels.ts";

/** Other objects a target is described with. Each answers undefined when there is none, and when it is not looked for. */
export interface RelatedObjects {
  node(name: string | undefined): Node | undefined;
  namespace(name: string | undefined): KubernetesObject | undefined;
  service(namespace: string | undefined, name: string | undefined): Service | undefined;
  pod(namespace: string | undefined, name: string | undefined): Pod | undefined;
}

/** The targets of one object. */
export type TargetBuilder = (object: never, related: RelatedObjects) => TargetLabels[];

export const ROLES = ["node", "service", "pod", "endpoints", "endpointslice", "ingress"] as const;
export type Role = (typeof ROLES)[number];

export const TARGET_BUILDERS: Readonly<Record<Role, TargetBuilder>> = {
  node: nodeTargets,
  service: serviceTargets,
  pod: podTargets,
  endpoints: (endpoints: Endpoints, related) => [...endpointsTargets(endpoints, related)],
  endpointslice: (slice: EndpointSlice, related) => [...endpointSliceTargets(slice, related)],
  ingress: ingressTargets,
};

/** Which address of a node is used, in order. */
const NODE_ADDRESS_TYPES = ["InternalIP", "ExternalIP", "LegacyHostIP", "Hostname"];

function nodeTargets(node: Node): TargetLabels[] {
  const addresses = new Map<string, string>();
  for (const { type, address } of node.status.addresses ?? [])
    if (!addresses.has(type)) addresses.set(type, address);
  const type = NODE_ADDRESS_TYPES.find((candidate) => addresses.has(candidate));
  if (type === undefined) return [];
  const labels: TargetLabels = {
    ...objectLabels(node.metadata, "node"),
    [`${META}node_provider_id`]: node.spec.providerID,
    __address__: joinHostPort(
      addresses.get(type)!,
      node.status.daemonEndpoints?.kubeletEndpoint?.Port ?? 0,
    ),
    instance: node.metadata.name,
  };
  for (const [name, address] of addresses)
    labels[`${META}node_address_${sanitizeLabelName(name)}`] = address;
  return [labels];
}

function serviceTargets(service: Service, related: RelatedObjects): TargetLabels[] {
  const { metadata, spec } = service;
  const shared = { ...serviceLabels(service), ...namespaceLabels(metadata.namespace, related) };
  const isExternal = spec.type === "ExternalName";
  return (spec.ports ?? []).map((port) => ({
    ...shared,
    __address__: joinHostPort(`${metadata.name}.${metadata.namespace ?? ""}.svc`, port.port),
    [`${META}service_port_name`]: port.name,
    [`${META}service_port_number`]: String(port.port),
    [`${META}service_port_protocol`]: port.protocol,
    [`${META}service_type`]: spec.type,
    [`${META}service_external_name`]: isExternal ? spec.externalName : undefined,
    [`${META}service_cluster_ip`]: isExternal ? undefined : spec.clusterIP,
    [`${META}service_loadbalancer_ip`]:
      spec.type === "LoadBalancer" ? spec.loadBalancerIP : undefined,
  }));
}

function podTargets(pod: Pod, related: RelatedObjects): TargetLabels[] {
  const ip = pod.status.podIP ?? "";
  // A pod that starts or was evicted has no address.
  if (ip === "") return [];
  const node = related.node(pod.spec.nodeName);
  const shared: TargetLabels = {
    ...podLabels(pod),
    [`${META}namespace`]: pod.metadata.namespace,
    ...(node !== undefined && attachedNodeLabels(node.metadata)),
    ...namespaceLabels(pod.metadata.namespace, related),
  };
  const targets: TargetLabels[] = [];
  for (const { container, isInit } of containersOf(pod)) {
    const statuses = isInit ? pod.status.initContainerStatuses : pod.status.containerStatuses;
    const id = statuses?.find((status) => status.name === container.name)?.containerID;
    const ofContainer = { ...shared, [`${META}pod_container_id`]: id };
    const ports = container.ports ?? [];
    if (ports.length === 0)
      targets.push({
        ...ofContainer,
        ...containerLabels(container, { isInit }),
        __address__: isIPv6(ip) ? `[${ip}]` : ip,
      });
    for (const port of ports)
      targets.push({
        ...ofContainer,
        ...containerLabels(container, { isInit, port, protocol: port.protocol }),
        __address__: joinHostPort(ip, port.containerPort),
      });
  }
  return targets;
}

function ingressTargets(ingress: Ingress, related: RelatedObjects): TargetLabels[] {
  const { metadata, spec } = ingress;
  const shared: TargetLabels = {
    ...objectLabels(metadata, "ingress"),
    [`${META}namespace`]: metadata.namespace,
    [`${META}ingress_class_name`]: spec.ingressClassName,
    ...namespaceLabels(metadata.namespace, related),
  };
  const secureHosts = (spec.tls ?? []).flatMap(({ hosts }) => hosts ?? []);
  return (spec.rules ?? []).flatMap((rule) => {
    const host = rule.host ?? "";
    const isSecure = secureHosts.some((pattern) => matchesHost(pattern, host));
    const paths = rule.http?.paths?.map(({ path }) => path ?? "") ?? [""];
    return paths.map((path) => ({
      ...shared,
      __address__: host,
      [`${META}ingress_scheme`]: isSecure ? "https" : "http",
      [`${META}ingress_host`]: host,
      [`${META}ingress_path`]: path === "" ? "/" : path,
    }));
  });
}

/** `*.example.org` stands for one name before the rest. */
function matchesHost(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const [first, ...rest] = pattern.split(".");
  const [, ...hostRest] = host.split(".");
  return first === "*" && rest.join(".") === hostRest.join(".");
}

function namespaceLabels(name: string | undefined, related: RelatedObjects): TargetLabels {
  const namespace = related.namespace(name);
  return namespace === undefined ? {} : describedLabels(namespace.metadata, "namespace");
}
