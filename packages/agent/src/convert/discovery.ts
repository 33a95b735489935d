/** Service discovery, as Prometheus, Promtail and the static agent write it: one component for each entry, and targets written out. */
import type { YamlNode } from "../yaml-config.ts";
import { block, code, literal, mapOf } from "./alloy-tree.ts";
import type { Expression, Statement } from "./alloy-tree.ts";
import { numberedLabel } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import {
  bool,
  convertFields,
  duration,
  list,
  nested,
  nestedEach,
  number,
  readMap,
  readTexts,
  text,
} from "./fields.ts";
import type { Fields } from "./fields.ts";
import { PROMETHEUS_HTTP_CLIENT_FIELDS } from "./http-client-fields.ts";

export const DOCKER_FIELDS: Fields = {
  host: text(),
  port: number(),
  host_networking_host: text(),
  match_first_network: bool(),
  refresh_interval: duration(),
  filters: nestedEach("filter", { name: text(), values: list() }),
  ...PROMETHEUS_HTTP_CLIENT_FIELDS,
};

const KUBERNETES_FIELDS: Fields = {
  api_server: text(),
  role: text(),
  kubeconfig_file: text(),
  namespaces: nested("namespaces", { own_namespace: bool(), names: list() }),
  selectors: nestedEach("selectors", { role: text(), label: text(), field: text() }),
  attach_metadata: nested("attach_metadata", { node: bool(), namespace: bool() }),
  ...PROMETHEUS_HTTP_CLIENT_FIELDS,
};

interface DiscoveryKind {
  readonly component: string;
  readonly fields: Fields;
}

/** Kinds with a component here, by the key of their list, without `_sd_configs`. */
const KINDS: Readonly<Record<string, DiscoveryKind>> = {
  dns: {
    component: "discovery.dns",
    fields: { names: list(), type: text(), port: number(), refresh_interval: duration() },
  },
  docker: { component: "discovery.docker", fields: DOCKER_FIELDS },
  file: { component: "discovery.file", fields: { files: list(), refresh_interval: duration() } },
  http: {
    component: "discovery.http",
    fields: { url: text(), refresh_interval: duration(), ...PROMETHEUS_HTTP_CLIENT_FIELDS },
  },
  kubernetes: { component: "discovery.kubernetes", fields: KUBERNETES_FIELDS },
};

/** Kinds that exist elsewhere, with the component each needs. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  aws: "a component for AWS",
  azure: "discovery.azure",
  consul: "discovery.consul",
  consulagent: "discovery.consulagent",
  digitalocean: "discovery.digitalocean",
  dockerswarm: "discovery.dockerswarm",
  ec2: "discovery.ec2",
  ecs: "a component for AWS ECS",
  elasticache: "a component for AWS ElastiCache",
  eureka: "discovery.eureka",
  gce: "discovery.gce",
  hetzner: "discovery.hetzner",
  ionos: "discovery.ionos",
  kuma: "discovery.kuma",
  lightsail: "discovery.lightsail",
  linode: "discovery.linode",
  marathon: "discovery.marathon",
  msk: "a component for AWS MSK",
  nerve: "discovery.nerve",
  nomad: "discovery.nomad",
  oci: "a component for Oracle Cloud",
  openstack: "discovery.openstack",
  outscale: "a component for Outscale",
  ovhcloud: "discovery.ovhcloud",
  puppetdb: "discovery.puppetdb",
  rds: "a component for AWS RDS",
  scaleway: "discovery.scaleway",
  serverset: "discovery.serverset",
  stackit: "a component for STACKIT",
  triton: "discovery.triton",
  uyuni: "discovery.uyuni",
  vultr: "a component for Vultr",
};

export const DISCOVERY_KINDS: readonly string[] = [
  ...Object.keys(KINDS),
  ...Object.keys(NOT_BUILT),
].toSorted();

/** Keys of the lists, `docker_sd_configs` and so on. */
export const DISCOVERY_KEYS: readonly string[] = DISCOVERY_KINDS.map(
  (kind) => `${kind}_sd_configs`,
);

export interface DiscoveryOptions {
  readonly label: string;
  /** Statements to add to a component, such as Promtail's own selector. */
  readonly extra?: (kind: string, entry: YamlNode) => readonly Statement[];
  /** Kinds that are dealt with elsewhere. */
  readonly except?: readonly string[];
}

/** Adds the components of every `…_sd_configs` of a job and gives references to their targets. */
export function convertDiscoveries(
  job: Partial<Record<string, YamlNode>>,
  conversion: Conversion,
  options: DiscoveryOptions,
): readonly Expression[] {
  return DISCOVERY_KINDS.flatMap((kind) => {
    const entries = job[`${kind}_sd_configs`];
    if (entries === undefined || options.except?.includes(kind) === true) return [];
    const known = KINDS[kind];
    if (known === undefined) {
      conversion.leaveOut(NOT_BUILT[kind]!, entries);
      return [];
    }
    return entries.list().map((entry, index) => {
      const label = numberedLabel(index, options.label);
      const body = [
        ...convertFields(entry, known.fields, conversion.log),
        ...(options.extra?.(kind, entry) ?? []),
      ];
      return code(
        `${conversion.add(block(known.component, body, { label, origin: entry }))}.targets`,
      );
    });
  });
}

/** `static_configs` as targets: one for each address and group. */
export function convertStaticTargets(
  groups: YamlNode | undefined,
  options: {
    /** The address of a group without targets. */
    readonly addressWhenNone?: string;
    /** Addresses are hosts with ports, as Prometheus checks. */
    readonly refusesUrls?: boolean;
  },
): readonly Expression[] {
  return (groups?.list() ?? []).flatMap((group) => {
    const { targets, labels } = group.fields(["targets", "labels"]);
    const written = targets === undefined ? [] : readTexts(targets);
    if (options.refusesUrls === true && written.some((address) => address.includes("/")))
      throw targets!.fault(
        "targets are HOST:PORT; the path goes into metrics_path, https into scheme",
      );
    const fallback = options.addressWhenNone === undefined ? [] : [options.addressWhenNone];
    const addresses = written.length === 0 ? fallback : written;
    const common = labels === undefined ? new Map<string, string>() : readMap(labels);
    return addresses.map((address) => targetOf(new Map([...common, ["__address__", address]])));
  });
}

function targetOf(labels: ReadonlyMap<string, string>): Expression {
  return mapOf([...labels].map(([name, value]) => [name, literal(value)]));
}
