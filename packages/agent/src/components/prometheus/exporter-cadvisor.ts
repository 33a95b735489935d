/** `prometheus.exporter.cadvisor`: what the containers of this machine use, from the files of their control groups and what a Docker engine says of them. */
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { CgroupTree } from "../../cadvisor/cgroup-tree.ts";
import { ContainerCatalog } from "../../cadvisor/containers.ts";
import { addContainer, METRIC_KINDS, type MetricKind } from "../../cadvisor/families.ts";
import { addMachine } from "../../cadvisor/machine-families.ts";
import { createDockerClient, parseDockerHost } from "../../docker/engine-client.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS, type HttpClientOptions } from "../../http-client.ts";
import { moot, optional, type ValuesOf } from "../../schema.ts";
import { FamilySet } from "../../unix/family-set.ts";
import { DEFAULT_PATHS, openMachine } from "../../unix/machine.ts";
import type { MachinePaths } from "../../unix/collector.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const CONTAINERD_HOST = "/run/containerd/containerd.sock";
const CONTAINERD_NAMESPACE = "k8s.io";

const ARGUMENTS = {
  docker_host: optional("string", "unix:///var/run/docker.sock", "The Docker engine."),
  use_docker_tls: optional("bool", false, "Speak to the engine over TLS."),
  docker_tls_ca: optional("string", "ca.pem", "File with the certificate authority to trust."),
  docker_tls_cert: optional("string", "cert.pem", "File with the client certificate."),
  docker_tls_key: optional("string", "key.pem", "File with the key of the client certificate."),
  docker_only: optional(
    "bool",
    false,
    "Show containers of the engine and the machine as a whole, and no other control groups.",
  ),
  raw_cgroup_prefix_allowlist: optional(
    "list(string)",
    [],
    "Beginnings of paths of control groups that are shown with docker_only, too.",
  ),
  disable_root_cgroup_stats: optional("bool", false, "Leave out the machine as a whole."),
  store_container_labels: optional(
    "bool",
    true,
    "Show all labels of containers, as `container_label_…`.",
  ),
  allowlisted_container_labels: optional(
    "list(string)",
    [],
    "Labels that are shown without store_container_labels.",
  ),
  env_metadata_allowlist: optional(
    "list(string)",
    [],
    "Beginnings of names of environment variables that are shown, as `container_env_…`.",
  ),
  enabled_metrics: optional(
    "list(string)",
    [],
    `Kinds of metrics; all that are built by default: ${METRIC_KINDS.join(", ")}.`,
  ),
  disabled_metrics: optional(
    "list(string)",
    [],
    "Kinds of metrics to leave out, where enabled_metrics names none.",
  ),
  storage_duration: moot(
    "duration",
    120_000,
    "figures are read when they are asked for, and none are kept",
  ),
  containerd_host: optional(
    "string",
    CONTAINERD_HOST,
    "Only the default so far: containerd is not asked; its containers are shown by their control groups.",
  ),
  containerd_namespace: optional("string", CONTAINERD_NAMESPACE, "Only the default so far."),
  perf_events_config: optional("string", "", "Not supported yet: events of the processor."),
  resctrl_interval: optional("duration", 0, "Not supported yet: resource control of processors."),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

/** Kinds that cAdvisor has besides. */
const OTHER_KINDS = new Set(
  "accelerator advtcp app cpuLoad cpu_topology cpuset disk hugetlb memory_numa perf_event process referenced_memory resctrl sched tcp udp".split(
    " ",
  ),
);
const DOCKER_TIMEOUT_MS = 10_000;

export const exporterCadvisor = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.cadvisor",
  stability: "generally-available",
  summary: "Exposes what containers use, from their control groups and a Docker engine.",
  arguments: ARGUMENTS,
  exports: { targets: "One target." },
  check: findFault,
  run: (context, signal) =>
    runExporter(context, (values) => openCadvisor(context, values, DEFAULT_PATHS), signal),
});

/** `paths`: where the machine's files are; others in tests. */
export async function openCadvisor(
  context: Pick<ComponentContext<Arguments, ExporterExports>, "id" | "clock" | "log">,
  values: Arguments,
  paths: MachinePaths,
): Promise<OpenExporter> {
  const client = await createDockerClient(values.docker_host, {
    http: httpOptions(values),
    timeoutMs: DOCKER_TIMEOUT_MS,
  });
  const machine = openMachine({ paths, nowMs: () => context.clock.nowMs() });
  const catalog = new ContainerCatalog(client, {
    dockerOnly: values.docker_only,
    withoutRoot: values.disable_root_cgroup_stats,
    prefixes: values.raw_cgroup_prefix_allowlist,
    labels: values.store_container_labels ? undefined : values.allowlisted_container_labels,
    environment: values.env_metadata_allowlist,
  });
  const kinds = kindsOf(values);
  let told: string | undefined;
  return {
    targets: [exporterTarget(context, "cadvisor")],
    scrape: async ({ signal }) => {
      const tree = new CgroupTree(machine);
      const containers = await catalog.select(tree, signal);
      if (catalog.trouble !== undefined && catalog.trouble !== told)
        context.log.warn("the Docker engine does not answer: containers have no names", {
          host: values.docker_host,
          error: catalog.trouble,
        });
      told = catalog.trouble;
      const families = new FamilySet();
      addMachine(families, machine);
      for (const container of containers)
        addContainer(families, container, { tree, machine, kinds });
      families
        .take(
          "gauge",
          "container_scrape_error",
          "1 if there was an error while getting container metrics, 0 otherwise",
        )
        .add(catalog.trouble === undefined ? 0 : 1);
      return families.text();
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await machine[Symbol.asyncDispose]();
    },
  };
}

function httpOptions(values: Arguments): HttpClientOptions {
  if (!values.use_docker_tls) return DEFAULT_HTTP_CLIENT_OPTIONS;
  return {
    ...DEFAULT_HTTP_CLIENT_OPTIONS,
    tls: {
      caPem: undefined,
      caFile: values.docker_tls_ca,
      certPem: undefined,
      certFile: values.docker_tls_cert,
      keyPem: undefined,
      keyFile: values.docker_tls_key,
      serverName: undefined,
      insecureSkipVerify: false,
      minVersion: undefined,
    },
  };
}

function kindsOf(values: Arguments): ReadonlySet<MetricKind> {
  const { enabled_metrics: enabled, disabled_metrics: disabled } = values;
  return new Set(
    METRIC_KINDS.filter((kind) =>
      enabled.length > 0 ? enabled.includes(kind) : !disabled.includes(kind),
    ),
  );
}

function findFault(values: Arguments): ArgumentFault | undefined {
  try {
    parseDockerHost(values.docker_host, { hasTls: values.use_docker_tls });
  } catch (error) {
    return { at: "docker_host", message: describeError(error) };
  }
  const kinds: readonly string[] = METRIC_KINDS;
  for (const name of ["enabled_metrics", "disabled_metrics"] as const)
    for (const kind of values[name]) {
      if (kinds.includes(kind)) continue;
      if (!OTHER_KINDS.has(kind))
        return {
          at: name,
          message: `unknown kind of metrics ${JSON.stringify(kind)}; there are ${kinds.join(", ")}`,
        };
      // What is not built is left out in any case.
      if (name === "enabled_metrics")
        return { at: name, message: `not supported yet: metrics of kind ${kind}` };
    }
  const unbuilt = {
    containerd_host: values.containerd_host !== CONTAINERD_HOST,
    containerd_namespace: values.containerd_namespace !== CONTAINERD_NAMESPACE,
    perf_events_config: values.perf_events_config !== "",
    resctrl_interval: values.resctrl_interval !== 0,
  };
  const at = Object.entries(unbuilt).find(([, isWritten]) => isWritten)?.[0];
  return at === undefined ? undefined : { at, message: `not supported yet: ${at}` };
}
