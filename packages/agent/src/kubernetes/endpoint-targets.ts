/**
 * Targets of the roles `endpoints` and `endpointslice`: one for each address and port, with the labels of service and pod behind it, and one for
 * each port of those pods that no endpoint names.
 */
import type {
  EndpointAddress,
  Endpoints,
  EndpointSlice,
  Pod,
  SliceEndpoint,
  SlicePort,
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
  prefixed,
  serviceLabels,
} from "./target-labels.ts";
import type { TargetLabels } from "./target-labels.ts";
import type { RelatedObjects } from "./targets.ts";

/** Which ports of which pods have a target already. */
type SeenPods = Map<Pod, Set<number>>;

/** The label that says which service a slice belongs to. */
const SERVICE_NAME = "kubernetes.io/service-name";

export function* endpointsTargets(
  endpoints: Endpoints,
  related: RelatedObjects,
): Generator<TargetLabels> {
  const { namespace, name } = endpoints.metadata;
  const shared = {
    [`${META}namespace`]: namespace,
    ...objectLabels(endpoints.metadata, "endpoints"),
    ...ownerLabels(namespace, name, related),
  };
  const seen: SeenPods = new Map();
  for (const subset of endpoints.subsets ?? []) {
    for (const port of subset.ports ?? []) {
      const ofPort = {
        [`${META}endpoint_port_name`]: port.name,
        [`${META}endpoint_port_protocol`]: port.protocol,
      };
      const addresses = [
        ...(subset.addresses ?? []).map((address) => ({ address, isReady: true })),
        ...(subset.notReadyAddresses ?? []).map((address) => ({ address, isReady: false })),
      ];
      for (const { address, isReady } of addresses) {
        const pod = podOf(address.targetRef, related);
        yield {
          ...shared,
          ...ofPort,
          __address__: joinHostPort(address.ip, port.port),
          [`${META}endpoint_ready`]: String(isReady),
          ...addressLabels(address, related),
          ...podPortLabels(pod, { port: port.port, protocol: port.protocol }, seen),
        };
      }
    }
  }
  yield* uncoveredPorts(seen, shared);
}

function addressLabels(address: EndpointAddress, related: RelatedObjects): TargetLabels {
  const { targetRef, nodeName, hostname } = address;
  return {
    [`${META}endpoint_address_target_kind`]: targetRef?.kind,
    [`${META}endpoint_address_target_name`]: targetRef?.name,
    [`${META}endpoint_node_name`]: nodeName,
    [`${META}endpoint_hostname`]: hostname,
    ...nodeLabelsOf(targetRef, nodeName, related),
  };
}

export function* endpointSliceTargets(
  slice: EndpointSlice,
  related: RelatedObjects,
): Generator<TargetLabels> {
  const { namespace, labels } = slice.metadata;
  const shared = {
    [`${META}namespace`]: namespace,
    [`${META}endpointslice_address_type`]: slice.addressType,
    ...objectLabels(slice.metadata, "endpointslice"),
    ...ownerLabels(namespace, labels?.[SERVICE_NAME], related),
  };
  const seen: SeenPods = new Map();
  for (const endpoint of slice.endpoints ?? []) {
    const ofEndpoint = sliceEndpointLabels(endpoint, related);
    const pod = podOf(endpoint.targetRef, related);
    for (const port of slice.ports ?? []) {
      for (const address of endpoint.addresses) {
        yield {
          ...shared,
          ...ofEndpoint,
          ...slicePortLabels(port),
          __address__: port.port === undefined ? address : joinHostPort(address, port.port),
          ...podPortLabels(pod, { port: port.port, protocol: undefined }, seen),
        };
      }
    }
  }
  yield* uncoveredPorts(seen, shared);
}

function slicePortLabels(port: SlicePort): TargetLabels {
  return {
    [`${META}endpointslice_port_name`]: port.name,
    [`${META}endpointslice_port_protocol`]: port.protocol,
    [`${META}endpointslice_port`]: port.port?.toString(),
    [`${META}endpointslice_port_app_protocol`]: port.appProtocol,
  };
}

function sliceEndpointLabels(endpoint: SliceEndpoint, related: RelatedObjects): TargetLabels {
  const { conditions, targetRef } = endpoint;
  const labels: TargetLabels = {
    [`${META}endpointslice_endpoint_conditions_ready`]: conditions?.ready?.toString(),
    [`${META}endpointslice_endpoint_conditions_serving`]: conditions?.serving?.toString(),
    [`${META}endpointslice_endpoint_conditions_terminating`]: conditions?.terminating?.toString(),
    [`${META}endpointslice_endpoint_hostname`]: endpoint.hostname,
    [`${META}endpointslice_endpoint_node_name`]: endpoint.nodeName,
    [`${META}endpointslice_endpoint_zone`]: endpoint.zone,
    [`${META}endpointslice_address_target_kind`]: targetRef?.kind,
    [`${META}endpointslice_address_target_name`]: targetRef?.name,
    ...nodeLabelsOf(targetRef, endpoint.nodeName, related),
  };
  const topology = prefixed(
    endpoint.deprecatedTopology ?? endpoint.topology,
    `${META}endpointslice_endpoint_topology`,
  );
  for (const [name, value] of Object.entries(topology)) {
    // The one place where Prometheus writes `_present_` with a line before it.
    labels[name.replace("_topologypresent_", "_topology_present_")] = value;
  }
  return labels;
}

/** Labels of the service an object belongs to, and of its namespace. */
function ownerLabels(
  namespace: string | undefined,
  serviceName: string | undefined,
  related: RelatedObjects,
): TargetLabels {
  const service = related.service(namespace, serviceName);
  const described = related.namespace(namespace);
  return {
    ...(service !== undefined && serviceLabels(service)),
    ...(described !== undefined && describedLabels(described.metadata, "namespace")),
  };
}

function nodeLabelsOf(
  targetRef: { readonly kind?: string; readonly name?: string } | undefined,
  nodeName: string | undefined,
  related: RelatedObjects,
): TargetLabels {
  const node = related.node(targetRef?.kind === "Node" ? targetRef.name : nodeName);
  return node === undefined ? {} : attachedNodeLabels(node.metadata);
}

function podOf(
  reference:
    | { readonly kind?: string; readonly namespace?: string; readonly name?: string }
    | undefined,
  related: RelatedObjects,
): Pod | undefined {
  return reference?.kind === "Pod" ? related.pod(reference.namespace, reference.name) : undefined;
}

/** Labels of the pod behind an endpoint and of the container that has the port. The protocol is the container's unless one is given. */
function podPortLabels(
  pod: Pod | undefined,
  endpoint: { readonly port: number | undefined; readonly protocol: string | undefined },
  seen: SeenPods,
): TargetLabels {
  if (pod === undefined) return {};
  let ports = seen.get(pod);
  if (ports === undefined) seen.set(pod, (ports = new Set()));
  let labels = podLabels(pod);
  if (endpoint.port === undefined) return labels;
  ports.add(endpoint.port);
  for (const { container, isInit } of containersOf(pod)) {
    const port = container.ports?.find(({ containerPort }) => containerPort === endpoint.port);
    if (port === undefined) continue;
    const protocol = endpoint.protocol ?? port.protocol;
    labels = { ...labels, ...containerLabels(container, { isInit, port, protocol }) };
  }
  return labels;
}

/** Ports of the pods that have none among the endpoints. */
function* uncoveredPorts(seen: SeenPods, shared: TargetLabels): Generator<TargetLabels> {
  for (const [pod, ports] of seen) {
    const ip = pod.status.podIP ?? "";
    if (ip === "") continue;
    for (const { container, isInit } of containersOf(pod)) {
      for (const port of container.ports ?? []) {
        if (ports.has(port.containerPort)) continue;
        yield {
          ...shared,
          __address__: joinHostPort(ip, port.containerPort),
          ...podLabels(pod),
          ...containerLabels(container, { isInit, port, protocol: port.protocol }),
        };
      }
    }
  }
}
