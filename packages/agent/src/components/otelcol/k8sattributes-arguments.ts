/** Arguments of `otelcol.processor.k8sattributes`, and what they mean. */
import { compileRegexp } from "@finch/model";
import type { ArgumentFault } from "../../component.ts";
import { DEFAULT_ASSOCIATIONS } from "../../kubernetes/attribute-source.ts";
import {
  OTEL_ANNOTATIONS,
  POD_METADATA,
  type ExtractionRules,
  type FieldRule,
  type MetadataSource,
} from "../../kubernetes/pod-attributes.ts";
import type { Association } from "../../kubernetes/pod-table.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { OUTPUT_BLOCK } from "../../otel/output.ts";
import { block, moot, oneOf, optional, required, type ValuesOf } from "../../schema.ts";

const SOURCES_MAX = 4;
const FROM: readonly MetadataSource[] = ["pod", "namespace", "node"];

const FIELD_RULE = {
  from: optional("string", "pod", "Whose it is: pod, namespace or node."),
  key: optional("string", "", "Its name."),
  key_regex: optional("string", "", "RE2 pattern of whole names, in place of key."),
  tag_name: optional(
    "string",
    "",
    "The attribute it becomes; may name groups of key_regex, as in $1. By default such as k8s.pod.label.KEY.",
  ),
};

const FILTER = {
  key: required("string", "Name of the field or label."),
  value: required("string", "Its value; of no meaning to exists and does-not-exist."),
  op: optional(
    "string",
    "equals",
    "equals or not-equals; of labels also exists and does-not-exist.",
  ),
};

export const ARGUMENTS = {
  auth_type: oneOf(
    ["serviceAccount", "kubeConfig"],
    "serviceAccount",
    "How the agent signs in: with the service account of its pod, or as kubectl does.",
  ),
  passthrough: optional(
    "bool",
    false,
    "Only add k8s.pod.ip, for another agent that knows the pods.",
  ),
  wait_for_metadata: optional("bool", false, "Take no telemetry before the pods are known."),
  wait_for_metadata_timeout: optional("duration", 10_000, "How long that may take.", { min: 1 }),
  watch_sync_period: moot("duration", 300_000, "what is watched is never behind"),
  pod_delete_grace_period: optional(
    "duration",
    120_000,
    "How long a deleted pod is known, for telemetry that is on its way.",
  ),
  extract: block(
    {
      metadata: optional(
        "list(string)",
        [
          "container.image.name",
          "container.image.tags",
          "k8s.deployment.name",
          "k8s.namespace.name",
          "k8s.node.name",
          "k8s.pod.name",
          "k8s.pod.start_time",
          "k8s.pod.uid",
        ],
        "Attributes that are added where they are known.",
      ),
      deployment_name_from_replicaset: moot(
        "bool",
        true,
        "the name of a Deployment is always that of its ReplicaSet without the hash",
      ),
      otel_annotations: optional(
        "bool",
        false,
        "Whether annotations resource.opentelemetry.io/NAME become attributes NAME.",
      ),
      label: block(FIELD_RULE, { repeat: "many", doc: "Labels that become attributes." }),
      annotation: block(FIELD_RULE, { repeat: "many", doc: "Annotations that become attributes." }),
    },
    { repeat: "one", doc: "What is added." },
  ),
  filter: block(
    {
      node: optional("string", "", "Only pods of this node."),
      namespace: optional("string", "", "Only pods of this namespace."),
      field: block(FILTER, { repeat: "many", doc: "Only pods with such a field." }),
      label: block(FILTER, { repeat: "many", doc: "Only pods with such a label." }),
    },
    { repeat: "one", doc: "Which pods the API server is asked for." },
  ),
  pod_association: block(
    {
      source: block(
        {
          from: required("string", "resource_attribute, or connection: the sender's address."),
          name: optional("string", "", "Name of the resource attribute."),
        },
        { repeat: "many", doc: "What must be equal; all of it." },
      ),
    },
    {
      repeat: "many",
      doc: "How the pod of a resource is found; the first that the resource has all values for decides.",
    },
  ),
  exclude: block(
    {
      pod: block(
        { name: required("string", "RE2 pattern of names.") },
        { repeat: "many", doc: "Pods that are left out." },
      ),
    },
    {
      repeat: "one",
      doc: "Pods that nothing is added of: jaeger-agent and jaeger-collector by default.",
    },
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

export type Arguments = ValuesOf<typeof ARGUMENTS>;
type FieldBlock = Arguments["extract"]["label"][number];

export function findFault(values: Arguments): ArgumentFault | undefined {
  const unknown = values.extract.metadata.find(
    (name) => !POD_METADATA.some((known) => known === name),
  );
  if (unknown !== undefined)
    return { at: "extract.metadata", message: `${JSON.stringify(unknown)} cannot be extracted` };
  return (
    fieldFault(values) ??
    associationFault(values.pod_association) ??
    filterFault(values.filter) ??
    excludeFault(values.exclude.pod) ??
    debugMetricsFault(values)
  );
}

function fieldFault({ extract }: Arguments): ArgumentFault | undefined {
  for (const kind of ["label", "annotation"] as const)
    for (const [i, rule] of extract[kind].entries()) {
      const at = `extract.${kind}[${i}]`;
      if (!FROM.some((from) => from === rule.from))
        return {
          at: `${at}.from`,
          message: ["deployment", "statefulset", "daemonset", "job"].includes(rule.from)
            ? `not supported yet: from = ${JSON.stringify(rule.from)}`
            : "must be pod, namespace or node",
        };
      if ((rule.key === "") === (rule.key_regex === ""))
        return { at, message: "needs one of key and key_regex" };
      const fault = patternFault(rule.key_regex);
      if (fault !== undefined) return { at: `${at}.key_regex`, message: fault };
    }
  return undefined;
}

function associationFault(associations: Arguments["pod_association"]): ArgumentFault | undefined {
  for (const [i, { source }] of associations.entries()) {
    const at = `pod_association[${i}]`;
    if (source.length === 0 || source.length > SOURCES_MAX)
      return { at, message: `has one to ${SOURCES_MAX} sources` };
    for (const [j, { from, name }] of source.entries()) {
      if (from !== "connection" && from !== "resource_attribute")
        return {
          at: `${at}.source[${j}].from`,
          message: "must be resource_attribute or connection",
        };
      if (from === "resource_attribute" && name === "")
        return { at: `${at}.source[${j}]`, message: "needs the name of the attribute" };
    }
  }
  return undefined;
}

function filterFault({ field, label }: Arguments["filter"]): ArgumentFault | undefined {
  const forFields = ["equals", "not-equals"];
  const i = field.findIndex(({ op }) => !forFields.includes(op));
  if (i >= 0) return { at: `filter.field[${i}].op`, message: "must be equals or not-equals" };
  const j = label.findIndex(({ op }) => ![...forFields, "exists", "does-not-exist"].includes(op));
  if (j < 0) return undefined;
  return {
    at: `filter.label[${j}].op`,
    message: "must be equals, not-equals, exists or does-not-exist",
  };
}

function excludeFault(pods: Arguments["exclude"]["pod"]): ArgumentFault | undefined {
  for (const [i, { name }] of pods.entries()) {
    const message = patternFault(name);
    if (message !== undefined) return { at: `exclude.pod[${i}].name`, message };
  }
  return undefined;
}

function patternFault(pattern: string): string | undefined {
  try {
    compileRegexp(pattern, { anchored: false });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export function rulesOf({ extract }: Arguments): ExtractionRules {
  return {
    metadata: new Set(extract.metadata),
    fields: [
      ...extract.label.map((rule) => fieldRule("label", rule)),
      ...extract.annotation.map((rule) => fieldRule("annotation", rule)),
      ...(extract.otel_annotations ? [OTEL_ANNOTATIONS] : []),
    ],
  };
}

function fieldRule(kind: FieldRule["kind"], rule: FieldBlock): FieldRule {
  return {
    kind,
    from: FROM.find((known) => known === rule.from)!,
    key: rule.key,
    keyPattern:
      rule.key_regex === "" ? undefined : compileRegexp(rule.key_regex, { anchored: true }),
    tagName: rule.tag_name,
  };
}

export function associationsOf({ pod_association: written }: Arguments): readonly Association[] {
  if (written.length === 0) return DEFAULT_ASSOCIATIONS;
  return written.map(({ source }) =>
    source.map(({ from, name }) =>
      from === "connection" ? { from, name: "" } : { from: "resource_attribute", name },
    ),
  );
}

/** Of pods that are left out, by name. */
export function exclusionOf({ exclude }: Arguments): (name: string) => boolean {
  const names =
    exclude.pod.length > 0
      ? exclude.pod.map(({ name }) => name)
      : ["jaeger-agent", "jaeger-collector"];
  const patterns = names.map((name) => compileRegexp(name, { anchored: false }));
  return (name) => patterns.some((pattern) => pattern.test(name));
}

/** As the API server takes them. */
export function selectorsOf({ filter }: Arguments) {
  const fields = filter.field.map(({ key, value, op }) =>
    op === "not-equals" ? `${key}!=${value}` : `${key}=${value}`,
  );
  if (filter.node !== "") fields.push(`spec.nodeName=${filter.node}`);
  const labels = filter.label.map(({ key, value, op }) => {
    if (op === "exists") return key;
    if (op === "does-not-exist") return `!${key}`;
    return op === "not-equals" ? `${key}!=${value}` : `${key}=${value}`;
  });
  return {
    namespace: filter.namespace || undefined,
    fieldSelector: fields.join(",") || undefined,
    labelSelector: labels.join(",") || undefined,
  };
}
