/** A component as people see it: in the web API, on the page, and from the host. Secrets are hidden, long lists are cut and say so. */
import { Capsule, Secret } from "@finch/alloy-syntax";
import { Labels } from "@finch/model";
import type { ComponentDefinition, Health } from "../component.ts";
import { labelNameOf } from "../schema.ts";
import { formatBytes, formatMs } from "../shown-units.ts";
import { nameOf } from "../graph-view/flow-graph.ts";
import { spanOf } from "./check.ts";
import { toLanguageValue } from "./export-value.ts";
import type { GraphNode } from "./graph.ts";
import { SHOWN_ELEMENTS_MAX } from "./limits.ts";
import type { ComponentNode } from "./node.ts";

/** A value as Alloy's web API shows it. */
export type ShownValue =
  | { readonly type: "string" | "capsule" | "function"; readonly value: string }
  | { readonly type: "number"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "null" }
  | { readonly type: "array"; readonly value: readonly ShownValue[] }
  | {
      readonly type: "object";
      readonly value: readonly { readonly key: string; readonly value: ShownValue }[];
    };

/** An attribute or block as Alloy's web API shows it. */
export type ShownStatement =
  | { readonly name: string; readonly type: "attr"; readonly value: ShownValue }
  | {
      readonly name: string;
      readonly type: "block";
      readonly label?: string;
      readonly body: readonly ShownStatement[];
    };

export interface ComponentInfo {
  readonly id: string;
  /** The id within its module: {@link id} itself outside of modules. */
  readonly localId: string;
  /** Id of the module it is in; empty outside of modules. */
  readonly moduleId: string;
  /** Modules that run below it. */
  readonly createdModuleIds: readonly string[];
  /** `prometheus.scrape`. */
  readonly name: string;
  readonly definition: ComponentDefinition;
  readonly label: string;
  /** `FILE:LINE:COLUMN` of its block. */
  readonly place: string;
  /** Where a part of it stands, named as in `ArgumentFault.at`. */
  readonly placeOf: (at: string) => string;
  readonly health: Health;
  readonly referencesTo: readonly string[];
  readonly referencedBy: readonly string[];
  readonly arguments: readonly ShownStatement[];
  readonly exports: readonly ShownStatement[];
}

/** `all`: the nodes of the module it is in. */
export function describeComponent(
  node: ComponentNode,
  all: Iterable<ComponentNode>,
): ComponentInfo {
  const { id, written, health } = node;
  const moduleId = id.slice(0, -written.id.length).replace(/\/$/, "");
  const globalId = (localId: string) => (moduleId === "" ? localId : `${moduleId}/${localId}`);
  const referencedBy = [...all]
    .filter((other) => other.written.references.some((reference) => reference.to === written.id))
    .map((other) => other.id);
  return {
    id,
    localId: written.id,
    moduleId,
    createdModuleIds: [...node.modules].map((module) => module.id),
    name: nameOf(written),
    definition: written.definition,
    label: written.label,
    place: placeOf(written, ""),
    placeOf: (at) => placeOf(written, at),
    health,
    referencesTo: [...new Set(written.references.map((reference) => globalId(reference.to)))],
    referencedBy,
    arguments: showArguments(node),
    exports: [...(node.exportValues ?? [])].map(([name, value]) => ({
      name,
      type: "attr",
      value: showValue(value),
    })),
  };
}

function placeOf(written: GraphNode, at: string): string {
  const { source } = written;
  const { line, column } = source.position(spanOf(written, at).start);
  return `${source.name}:${line}:${column}`;
}

function showArguments(node: ComponentNode): readonly ShownStatement[] {
  return showBody(
    node.written.definition.arguments,
    (node.currentArguments ?? {}) as Readonly<Record<string, unknown>>,
  );
}

function showBody(
  schema: ComponentNode["written"]["definition"]["arguments"],
  values: Readonly<Record<string, unknown>>,
): readonly ShownStatement[] {
  return Object.entries(schema).flatMap(([name, declared]): ShownStatement[] => {
    const value = values[name];
    if (value === undefined || declared.kind === "not-yet" || declared.kind === "label") return [];
    if (declared.kind === "attribute")
      return [{ name, type: "attr", value: showDecoded(declared.type, value) }];
    if (declared.kind === "choice") {
      const choices = declared.choices();
      return (
        value as { readonly name: string; readonly values: Readonly<Record<string, unknown>> }[]
      ).map((chosen) => ({
        name: `${name}.${chosen.name}`,
        type: "block",
        body: showBody(choices[chosen.name]!, chosen.values),
      }));
    }
    const blocks = (declared.repeat === "many" ? value : [value]) as Readonly<
      Record<string, unknown>
    >[];
    const label = labelNameOf(declared.schema);
    return blocks.map((body) => ({
      name,
      type: "block",
      ...(label !== undefined && { label: String(body[label]) }),
      body: showBody(declared.schema, body),
    }));
  });
}

function showDecoded(type: string, value: unknown): ShownValue {
  if (type === "duration" && typeof value === "number")
    return { type: "string", value: formatMs(value) };
  if (type === "bytes" && typeof value === "number" && value >= 1024 && value % 1024 === 0) {
    return { type: "string", value: formatBytes(value) };
  }
  if (type === "relabel-rules") return { type: "capsule", value: 'capsule("RelabelRules")' };
  return showValue(toLanguageValue(value, ""));
}

function showValue(value: ReturnType<typeof toLanguageValue>): ShownValue {
  if (value === null) return { type: "null" };
  if (typeof value === "string") return { type: "string", value: hidePassword(value) };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number" || typeof value === "bigint")
    return { type: "number", value: String(value) };
  if (value instanceof Secret) return { type: "capsule", value: "(secret)" };
  if (value instanceof Capsule)
    return value.content instanceof Labels
      ? showFields(value.content)
      : { type: "capsule", value: `capsule(${JSON.stringify(value.type)})` };
  if (Array.isArray(value))
    return showArray(value as readonly ReturnType<typeof toLanguageValue>[]);
  return value instanceof Map
    ? showFields([...value].map(([key, field]) => [key, field] as const))
    : { type: "function", value: "function" };
}

/** A password inside a URL (`https://user:password@host/`) is a secret, too. */
function hidePassword(text: string): string {
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^/@\s:]*:)[^/@\s]+@/gi, "$1(secret)@");
}

function showArray(elements: readonly ReturnType<typeof toLanguageValue>[]): ShownValue {
  const shown = elements.slice(0, SHOWN_ELEMENTS_MAX).map(showValue);
  const hidden = elements.length - shown.length;
  return {
    type: "array",
    value: hidden === 0 ? shown : [...shown, { type: "string", value: `… and ${hidden} more` }],
  };
}

function showFields(
  fields: Iterable<readonly [string, ReturnType<typeof toLanguageValue>]>,
): ShownValue {
  return {
    type: "object",
    value: [...fields].map(([key, value]) => ({ key, value: showValue(value) })),
  };
}
