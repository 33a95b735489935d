/**
 * Labels of OTLP points: attributes under their Prometheus names, what the resource and the scope add, and the limits of a series. Attributes whose
 * names become one share a label, their values joined by `;` in the order of the attributes' names.
 */
import { Labels } from "@finch/model";
import { labelNameOf, rulesOf } from "./otlp-names.ts";
import type { OtlpStrategy } from "./otlp-names.ts";
import { formatOtlpValue } from "./otlp-model.ts";
import type { OtlpAttributes, OtlpScopeMetrics } from "./otlp-model.ts";

export interface OtlpLabelOptions {
  readonly strategy: OtlpStrategy;
  /** Resource attributes that every series of the resource gets as labels; `*` takes all. */
  readonly promoteResourceAttributes: readonly string[];
  /** Whether series get `otel_scope_name` and its kind: all of them, or the name and version alone, as Alloy has it. */
  readonly promoteScope: boolean | "name-and-version";
  /** Whether `target_info` keeps the attributes that are `job` and `instance` already. */
  readonly keepIdentifyingAttributes: boolean;
  /** When resources get `target_info`; as Prometheus does it (those with more than their identity) when absent, of all in Alloy. */
  readonly targetInfo?: "always" | "never";
  readonly labelsPerSeriesMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
}

/** Labels, or why there are none. */
export type LabelsOrFault = Labels | string;

const IDENTIFYING = ["service.namespace", "service.name", "service.instance.id"] as const;
/** Label names worked out that are kept for a request; a sender may name any number. */
const NAMES_KEPT_MAX = 10_000;

export class OtlpLabels {
  readonly #options: OtlpLabelOptions;
  readonly #escapes: boolean;
  readonly #names = new Map<string, string | undefined>();
  /** Of the resource at hand. */
  #resource: OtlpAttributes = new Map();
  #promoted = new Map<string, string>();
  #identity = new Map<string, string>();
  #scope = new Map<string, string>();

  constructor(options: OtlpLabelOptions) {
    this.#options = options;
    this.#escapes = rulesOf(options.strategy).escapes;
  }

  setResource(attributes: OtlpAttributes): void {
    this.#resource = attributes;
    this.#identity = identityOf(attributes);
    this.#scope.clear();
    this.#promoted.clear();
    const wanted = this.#options.promoteResourceAttributes;
    for (const [key, value] of attributes) {
      if (!wanted.includes(key) && !wanted.includes("*")) continue;
      const name = this.#nameOf(key);
      if (name !== undefined) this.#promoted.set(name, formatOtlpValue(value));
    }
  }

  setScope({ name, version, schemaUrl, attributes }: OtlpScopeMetrics): void {
    this.#scope.clear();
    const { promoteScope } = this.#options;
    if (promoteScope === false || name === "") return;
    this.#scope.set("otel_scope_name", name);
    this.#scope.set("otel_scope_version", version);
    if (promoteScope === "name-and-version") return;
    for (const [key, value] of attributes) {
      const label = this.#nameOf(`otel_scope_${key}`);
      if (label !== undefined) this.#scope.set(label, formatOtlpValue(value));
    }
    this.#scope.set("otel_scope_schema_url", schemaUrl);
  }

  /** The labels of a point but for those that tell its series apart; or what is wrong with an attribute. */
  ofPoint(attributes: OtlpAttributes): Map<string, string> | string {
    const labels = this.#fromAttributes(attributes, ["__name__"]);
    if (typeof labels === "string") return labels;
    for (const [name, value] of this.#promoted) if (!labels.get(name)) labels.set(name, value);
    for (const [name, value] of this.#identity) labels.set(name, value);
    for (const [name, value] of this.#scope) labels.set(name, value);
    return labels;
  }

  /** The labels of `target_info`, undefined when there is nothing to tell or nothing to tell it of. */
  targetInfo(): LabelsOrFault | undefined {
    const { keepIdentifyingAttributes, targetInfo } = this.#options;
    if (targetInfo === "never") return undefined;
    const ignored = keepIdentifyingAttributes ? [] : IDENTIFYING;
    const tells = [...this.#resource.keys()].some(
      (key) => !(IDENTIFYING as readonly string[]).includes(key),
    );
    if (targetInfo !== "always" && (!tells || this.#identity.size === 0)) return undefined;
    const labels = this.#fromAttributes(this.#resource, ignored);
    if (typeof labels === "string") return labels;
    for (const [name, value] of this.#identity) labels.set(name, value);
    return this.finish(labels, "target_info");
  }

  /** The label set of one series: `base` (which is left as it is), a metric name, and one more label where there is one. */
  finish(
    base: ReadonlyMap<string, string>,
    metricName: string,
    extra?: readonly [name: string, value: string],
  ): LabelsOrFault {
    const pairs: string[] = ["__name__", metricName];
    if (extra !== undefined) pairs.push(extra[0], extra[1]);
    for (const [name, value] of base) {
      if (name !== "__name__" && name !== extra?.[0] && value !== "") pairs.push(name, value);
    }
    const fault = this.#limitFault(pairs);
    return fault ?? Labels.fromPairs(pairs);
  }

  #fromAttributes(
    attributes: OtlpAttributes,
    ignored: readonly string[],
  ): Map<string, string> | string {
    const labels = new Map<string, string>();
    const keys = [...attributes.keys()].filter((key) => !ignored.includes(key));
    if (this.#escapes && keys.length > 1) keys.sort();
    for (const key of keys) {
      const value = formatOtlpValue(attributes.get(key)!);
      const name = this.#nameOf(key);
      if (name === undefined) return `attribute ${JSON.stringify(key)} leaves no name for a label`;
      const before = labels.get(name);
      labels.set(name, before === undefined || before === "" ? value : `${before};${value}`);
    }
    return labels;
  }

  #nameOf(attribute: string): string | undefined {
    if (this.#names.has(attribute)) return this.#names.get(attribute);
    const name = labelNameOf(attribute, this.#options.strategy);
    if (this.#names.size < NAMES_KEPT_MAX) this.#names.set(attribute, name);
    return name;
  }

  #limitFault(pairs: readonly string[]): string | undefined {
    const { labelsPerSeriesMax, labelNameBytesMax, labelValueBytesMax } = this.#options;
    if (pairs.length / 2 > labelsPerSeriesMax)
      return `series has ${pairs.length / 2} labels, ${labelsPerSeriesMax} are allowed`;
    for (let i = 0; i < pairs.length; i += 2) {
      if (isLonger(pairs[i]!, labelNameBytesMax))
        return `label name ${JSON.stringify(pairs[i]!.slice(0, 100))}… is longer than ${labelNameBytesMax} bytes`;
      if (isLonger(pairs[i + 1]!, labelValueBytesMax))
        return `value of label ${JSON.stringify(pairs[i]!)} is longer than ${labelValueBytesMax} bytes`;
    }
    return undefined;
  }
}

function identityOf(attributes: OtlpAttributes): Map<string, string> {
  const identity = new Map<string, string>();
  const [namespaceKey, nameKey, instanceKey] = IDENTIFYING;
  const name = attributes.get(nameKey);
  if (name !== undefined) {
    const namespace = attributes.get(namespaceKey);
    const job = formatOtlpValue(name);
    identity.set("job", namespace === undefined ? job : `${formatOtlpValue(namespace)}/${job}`);
  }
  const instance = attributes.get(instanceKey);
  if (instance !== undefined) identity.set("instance", formatOtlpValue(instance));
  for (const [label, value] of identity) if (value === "") identity.delete(label);
  return identity;
}

function isLonger(text: string, bytesMax: number): boolean {
  return (
    text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)
  );
}
