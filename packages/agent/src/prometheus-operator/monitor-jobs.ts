/**
 * Jobs of ServiceMonitors and PodMonitors, one for each endpoint. The order of the rules is that of Alloy and prometheus-operator: what selects, what
 * names namespace, pod and service, what the object carries over, its own rules last.
 */
import { META } from "../kubernetes/target-labels.ts";
import { compileRules } from "../relabel.ts";
import type { RelabelConfig } from "../relabel.ts";
import {
  carryRelabelings,
  copyRelabeling,
  endpointRelabelings,
  firstRelabelings,
  jobRelabelings,
  portRelabelings,
  runningRelabelings,
  selectRelabelings,
  writtenRelabelings,
} from "./relabelings.ts";
import type { PodEndpoint, PodMonitor, ServiceMonitor } from "./resources.ts";
import { badObject, describeObject, jobSettings, selectedNamespaces } from "./scrape-job.ts";
import type { JobMaking, OperatorJob } from "./scrape-job.ts";

export async function serviceMonitorJobs(
  monitor: ServiceMonitor,
  making: JobMaking,
): Promise<OperatorJob[]> {
  const endpoints = monitor.spec.endpoints ?? [];
  return Promise.all(
    endpoints.map(async (endpoint, index) => {
      if (!making.allowsFiles) refuseFiles(endpoint, index);
      const name = `serviceMonitor/${describeObject(monitor)}/${index}`;
      const rules = serviceRelabelings(monitor, endpoint, making);
      return {
        source: {
          kind: "cluster" as const,
          scope: {
            role: making.serviceRole,
            namespaces: selectedNamespaces(monitor.spec.namespaceSelector, monitor),
            attachesNode: monitor.spec.attachMetadata?.node === true,
            attachesNamespace: false,
          },
        },
        relabelings: compileRules(rules, { names: "legacy" }),
        settings: await jobSettings(making, { name, endpoint, limits: monitor.spec }),
      };
    }),
  );
}

/** Whoever may write a ServiceMonitor could have any file of this machine sent to a server of theirs. */
function refuseFiles({ bearerTokenFile, tlsConfig }: PodEndpoint, index: number): void {
  const fields = {
    bearerTokenFile,
    "tlsConfig.caFile": tlsConfig?.caFile,
    "tlsConfig.certFile": tlsConfig?.certFile,
    "tlsConfig.keyFile": tlsConfig?.keyFile,
  };
  const found = Object.entries(fields).find(([, value]) => (value ?? "") !== "");
  if (found !== undefined)
    throw badObject(
      `endpoint ${index} names a file of the agent's machine in ${found[0]}; use a Secret or set allow_arbitrary_file_access`,
    );
}

function serviceRelabelings(
  { spec }: ServiceMonitor,
  endpoint: PodEndpoint,
  { rules, serviceRole }: JobMaking,
): RelabelConfig[] {
  const slice = serviceRole === "endpointslice" ? "endpointslice" : "endpoint";
  const targetRef = (kind: string, label: string): RelabelConfig => ({
    sourceLabels: [`${META}${slice}_address_target_kind`, `${META}${slice}_address_target_name`],
    regex: `${kind};(.*)`,
    replacement: "${1}",
    targetLabel: label,
  });
  return [
    ...firstRelabelings(rules),
    ...selectRelabelings("service", spec.selector),
    ...portRelabelings(endpoint, `${META}${slice}_port_name`),
    targetRef("Node", "node"),
    targetRef("Pod", "pod"),
    copyRelabeling(`${META}namespace`, "namespace"),
    copyRelabeling(`${META}service_name`, "service"),
    copyRelabeling(`${META}pod_container_name`, "container"),
    copyRelabeling(`${META}pod_name`, "pod"),
    ...runningRelabelings(endpoint),
    ...carryRelabelings("service", spec.targetLabels),
    ...carryRelabelings("pod", spec.podTargetLabels),
    copyRelabeling(`${META}service_name`, "job"),
    ...jobRelabelings("service", spec.jobLabel),
    ...endpointRelabelings(endpoint),
    ...writtenRelabelings(endpoint.relabelings),
  ];
}

export async function podMonitorJobs(
  monitor: PodMonitor,
  making: JobMaking,
): Promise<OperatorJob[]> {
  const { spec } = monitor;
  return Promise.all(
    (spec.podMetricsEndpoints ?? []).map(async (endpoint, index) => {
      const name = `podMonitor/${describeObject(monitor)}/${index}`;
      const rules: RelabelConfig[] = [
        ...firstRelabelings(making.rules),
        ...runningRelabelings(endpoint),
        ...selectRelabelings("pod", spec.selector),
        ...portRelabelings(endpoint, `${META}pod_container_port_name`),
        copyRelabeling(`${META}namespace`, "namespace"),
        copyRelabeling(`${META}pod_container_name`, "container"),
        copyRelabeling(`${META}pod_name`, "pod"),
        ...carryRelabelings("pod", spec.podTargetLabels),
        { targetLabel: "job", replacement: describeObject(monitor) },
        ...jobRelabelings("pod", spec.jobLabel),
        ...endpointRelabelings(endpoint),
        ...writtenRelabelings(endpoint.relabelings),
      ];
      return {
        source: {
          kind: "cluster" as const,
          scope: {
            role: "pod" as const,
            namespaces: selectedNamespaces(spec.namespaceSelector, monitor),
            attachesNode: spec.attachMetadata?.node === true,
            attachesNamespace: false,
          },
        },
        relabelings: compileRules(rules, { names: "legacy" }),
        settings: await jobSettings(making, { name, endpoint, limits: spec }),
      };
    }),
  );
}
