/** Relabelling rules that jobs of prometheus-operator's resources are made of. */
import type { LabelSelector } from "../kubernetes/label-selector.ts";
import { META, sanitizeLabelName } from "../kubernetes/target-labels.ts";
import type { RelabelAction, RelabelConfig } from "../relabel.ts";
import type { PodEndpoint, WrittenRelabeling } from "./resources.ts";

const ANYTHING = "(.+)";

/** First in every job: the rules of the component, then the job's name, so that later rules can still see it. */
export function firstRelabelings(rules: readonly RelabelConfig[]): RelabelConfig[] {
  return [...rules, { sourceLabels: ["job"], targetLabel: "__tmp_prometheus_job_name" }];
}

/** Keeps what a selector matches. Label by label in the order of their names, then the expressions. */
export function selectRelabelings(
  object: "service" | "pod" | "ingress",
  selector: LabelSelector = {},
): RelabelConfig[] {
  const present = (key: string) => `${META}${object}_labelpresent_${sanitizeLabelName(key)}`;
  const both = (key: string) => [`${META}${object}_label_${sanitizeLabelName(key)}`, present(key)];
  const rules: RelabelConfig[] = Object.entries(selector.matchLabels ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ sourceLabels: both(key), action: "keep", regex: `(${value});true` }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const action = operator === "In" || operator === "Exists" ? "keep" : "drop";
    rules.push(
      operator === "In" || operator === "NotIn"
        ? { sourceLabels: both(key), action, regex: `(${values.join("|")});true` }
        : { sourceLabels: [present(key)], action, regex: "true" },
    );
  }
  return rules;
}

/** Keeps targets of the port an endpoint names; `portName` is the label that has the name of a service's port or of a container's. */
export function portRelabelings(
  endpoint: PodEndpoint & { readonly portNumber?: number },
  portName: string,
): RelabelConfig[] {
  const keep = (label: string, regex: string): RelabelConfig[] => [
    { sourceLabels: [label], action: "keep", regex },
  ];
  const { port = "", portNumber = 0, targetPort = "" } = endpoint;
  if (port !== "") return keep(portName, port);
  if (portNumber !== 0) return keep(`${META}pod_container_port_number`, String(portNumber));
  if (targetPort === "" || targetPort === 0) return [];
  const kind = typeof targetPort === "string" ? "name" : "number";
  return keep(`${META}pod_container_port_${kind}`, String(targetPort));
}

/** The label `endpoint`: the port by the name or number it was written with. */
export function endpointRelabelings({ port = "", targetPort = "" }: PodEndpoint): RelabelConfig[] {
  const name = port === "" ? String(targetPort) : port;
  return name === "" ? [] : [{ targetLabel: "endpoint", replacement: name }];
}

/** Leaves out pods that have ended. */
export function runningRelabelings({ filterRunning = true }: PodEndpoint): RelabelConfig[] {
  return filterRunning
    ? [{ sourceLabels: [`${META}pod_phase`], action: "drop", regex: "(Failed|Succeeded)" }]
    : [];
}

/** A label under another name. */
export function copyRelabeling(source: string, target: string): RelabelConfig {
  return { sourceLabels: [source], targetLabel: target };
}

/** Labels of a service or pod that become labels of the target, if it has them. */
export function carryRelabelings(
  object: "service" | "pod",
  names: readonly string[] = [],
): RelabelConfig[] {
  return names.map((name) => ({
    sourceLabels: [`${META}${object}_label_${sanitizeLabelName(name)}`],
    regex: ANYTHING,
    replacement: "${1}",
    targetLabel: sanitizeLabelName(name),
  }));
}

/** The label `job` from a label of the service or pod, where that is there. */
export function jobRelabelings(object: "service" | "pod", jobLabel = ""): RelabelConfig[] {
  if (jobLabel === "") return [];
  const source = `${META}${object}_label_${sanitizeLabelName(jobLabel)}`;
  return [{ sourceLabels: [source], regex: ANYTHING, replacement: "${1}", targetLabel: "job" }];
}

/** Rules of an object. As in Alloy, an empty text stands for the default. */
export function writtenRelabelings(written: readonly WrittenRelabeling[] = []): RelabelConfig[] {
  return written.map((rule) => ({
    action: (rule.action ?? "replace").toLowerCase() as RelabelAction,
    sourceLabels: rule.sourceLabels,
    separator: rule.separator || undefined,
    regex: rule.regex || undefined,
    modulus: rule.modulus,
    targetLabel: rule.targetLabel,
    replacement: rule.replacement || undefined,
  }));
}
