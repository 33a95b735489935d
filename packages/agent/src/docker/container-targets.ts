/**
 * Targets of containers, by the rules of Prometheus' docker_sd: one for each network and TCP port of a container, or one with a fallback port where it
 * exposes none. Pure; the component asks the engine.
 */
import { Labels } from "@finch/model";
import type { Target } from "../receivers.ts";
import type { DockerContainer, DockerNetwork, DockerNetworkUse } from "./engine-client.ts";

const PREFIX = "__meta_docker_";

export interface ContainerTargetOptions {
  /** Port of containers that expose none. */
  readonly port: number;
  /** Address of containers that use the host's network. */
  readonly hostNetworkingHost: string;
  /** Take the first network by name alone. */
  readonly matchFirstNetwork: boolean;
}

export function containerTargets(
  containers: readonly DockerContainer[],
  networks: readonly DockerNetwork[],
  options: ContainerTargetOptions,
): readonly Target[] {
  const byId = new Map(containers.map((container) => [container.id, container]));
  const labelsOf = new Map(networks.map((network) => [network.id, networkLabels(network)]));
  const targets: Target[] = [];
  for (const container of containers) {
    if (container.names.length === 0) continue;
    const common = commonLabels(container);
    for (const use of usedNetworks(container, byId, options.matchFirstNetwork)) {
      const labels = { ...common, ...labelsOf.get(use.networkId) };
      targets.push(...targetsIn(use, container, labels, options));
    }
  }
  return targets;
}

type LabelObject = Readonly<Record<string, string>>;

function commonLabels(container: DockerContainer): LabelObject {
  const labels: Record<string, string> = {
    [`${PREFIX}container_id`]: container.id,
    [`${PREFIX}container_name`]: container.names[0]!,
    [`${PREFIX}container_network_mode`]: container.networkMode ?? "",
  };
  for (const [name, value] of Object.entries(container.labels))
    labels[`${PREFIX}container_label_${sanitized(name)}`] = value;
  return labels;
}

function networkLabels(network: DockerNetwork): LabelObject {
  const labels: Record<string, string> = {
    [`${PREFIX}network_id`]: network.id,
    [`${PREFIX}network_name`]: network.name,
    [`${PREFIX}network_scope`]: network.scope,
    [`${PREFIX}network_internal`]: String(network.isInternal),
    [`${PREFIX}network_ingress`]: String(network.isIngress),
  };
  for (const [name, value] of Object.entries(network.labels))
    labels[`${PREFIX}network_label_${sanitized(name)}`] = value;
  return labels;
}

function sanitized(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/gu, "_");
}

/** A container without a network of its own may use another's (`container:ID`), which may use another's. */
function usedNetworks(
  container: DockerContainer,
  byId: ReadonlyMap<string, DockerContainer>,
  matchFirstNetwork: boolean,
): readonly DockerNetworkUse[] {
  const visited = new Set<string>();
  let owner: DockerContainer | undefined = container;
  while (owner !== undefined && !visited.has(owner.id)) {
    visited.add(owner.id);
    const names = Object.keys(owner.networks ?? {}).toSorted(byBytes);
    if (names.length > 0)
      return (matchFirstNetwork ? names.slice(0, 1) : names).map((name) => owner!.networks![name]!);
    owner = byId.get(/^container:(.*)$/s.exec(owner.networkMode ?? "")?.[1] ?? "");
  }
  // Podman lists no networks for some containers at all; without a target nobody would read their logs.
  return container.networks === undefined ? [{ networkId: "", ipAddress: "" }] : [];
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function targetsIn(
  use: DockerNetworkUse,
  container: DockerContainer,
  labels: LabelObject,
  options: ContainerTargetOptions,
): readonly Target[] {
  const own = { [`${PREFIX}network_ip`]: use.ipAddress, ...labels };
  const ports = container.ports.filter(({ type }) => type === "tcp");
  if (ports.length === 0) {
    const address =
      container.networkMode === "host"
        ? options.hostNetworkingHost
        : joinHostPort(use.ipAddress, options.port);
    return [Labels.fromObject({ ...own, __address__: address })];
  }
  return ports.map((port) =>
    Labels.fromObject({
      ...own,
      [`${PREFIX}port_private`]: String(port.privatePort),
      ...(port.publicPort > 0 && {
        [`${PREFIX}port_public`]: String(port.publicPort),
        [`${PREFIX}port_public_ip`]: port.ip,
      }),
      __address__: joinHostPort(use.ipAddress, port.privatePort),
    }),
  );
}

/** As Go's net.JoinHostPort: an address with colons stands in brackets. */
function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
