/**
 * Stages that change labels and structured metadata: `labels`, `label_drop`, `label_keep`, `static_labels`, `structured_metadata`,
 * `structured_metadata_drop`, `tenant`.
 */
import { compileRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { Stage } from "./process-stage.ts";

/** The label that `loki.write` turns into the tenant header. */
export const TENANT_LABEL = "__tenant_id__";
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function checkNames(stage: string, names: readonly string[]): void {
  for (const name of names) {
    if (!LABEL_NAME.test(name))
      throw new FinchError(
        "invalid",
        "agent/bad-stage",
        `${stage}: ${JSON.stringify(name)} is not a label name`,
      );
  }
}

export const LABELS_STAGE = {
  values: required(
    "any",
    "Label names and the extracted name of each; an empty one or null means the same name.",
  ),
  source_type: oneOf(
    ["extracted", "structured_metadata"],
    "extracted",
    "Where the values come from.",
  ),
} as const;

export function labelsStage(values: ValuesOf<typeof LABELS_STAGE>): Stage {
  const sources = mapping("stage.labels", values.values);
  checkNames(
    "stage.labels",
    sources.map(([name]) => name),
  );
  return eachEntry((entry) => {
    for (const [name, source] of sources) {
      const text =
        values.source_type === "extracted"
          ? textOf(entry.extracted.get(source))
          : entry.metadata.has(source)
            ? entry.metadata.get(source)
            : undefined;
      if (text !== undefined && text.isWellFormed()) entry.setLabel(name, text);
    }
  });
}

export const LABEL_NAMES_STAGE = { values: required("list(string)", "Label names.") } as const;

export function labelDropStage(values: ValuesOf<typeof LABEL_NAMES_STAGE>): Stage {
  return eachEntry((entry) => {
    for (const name of values.values) entry.dropLabel(name);
  });
}

export function labelKeepStage(values: ValuesOf<typeof LABEL_NAMES_STAGE>): Stage {
  const kept = new Set(values.values);
  return eachEntry((entry) => {
    for (const [name] of entry.labels) if (!kept.has(name)) entry.dropLabel(name);
  });
}

export function structuredMetadataDropStage(values: ValuesOf<typeof LABEL_NAMES_STAGE>): Stage {
  return eachEntry((entry) => {
    for (const name of values.values) if (entry.metadata.has(name)) entry.setMetadata(name, "");
  });
}

export const STATIC_LABELS_STAGE = {
  values: required("any", "Label names and their values; empty ones and null are passed over."),
} as const;

export function staticLabelsStage(values: ValuesOf<typeof STATIC_LABELS_STAGE>): Stage {
  const labels = Object.entries(objectOf("stage.static_labels", values.values)).flatMap(
    ([name, value]) => {
      const text = textOf(value);
      return text === undefined || text === "" ? [] : [[name, text] as const];
    },
  );
  checkNames(
    "stage.static_labels",
    labels.map(([name]) => name),
  );
  return eachEntry((entry) => {
    for (const [name, value] of labels) entry.setLabel(name, value);
  });
}

export const STRUCTURED_METADATA_STAGE = {
  values: maybe(
    "any",
    "Metadata names and the extracted name or label of each; an empty one means the same name.",
  ),
  regex: optional(
    "string",
    "",
    "RE2 pattern; extracted names and labels in which it is found become metadata of that name.",
  ),
} as const;

/** Labels that become metadata are labels no more. */
export function structuredMetadataStage(values: ValuesOf<typeof STRUCTURED_METADATA_STAGE>): Stage {
  const sources = mapping("stage.structured_metadata", values.values ?? {});
  const pattern =
    values.regex === "" ? undefined : compileRegexp(values.regex, { anchored: false });
  return eachEntry((entry) => {
    // What the values name as labels is gone before the pattern looks at labels, but the pattern looks at all that was extracted.
    if (pattern !== undefined)
      for (const [name, value] of entry.extracted) {
        const text = pattern.test(name) ? textOf(value) : undefined;
        if (text !== undefined) entry.setMetadata(name, text);
      }
    for (const [name, source] of sources) {
      const text = entry.labels.get(source) || textOf(entry.extracted.get(source));
      if (text !== undefined) entry.setMetadata(name, text);
      entry.dropLabel(source);
    }
    if (pattern === undefined) return;
    for (const [name, value] of entry.labels) {
      if (!pattern.test(name)) continue;
      entry.setMetadata(name, value);
      entry.dropLabel(name);
    }
  });
}

export const TENANT_STAGE = {
  value: maybe("string", "The tenant."),
  source: maybe("string", "Extracted value that is the tenant."),
  label: maybe("string", "Label that is the tenant."),
} as const;

export function tenantStage(values: ValuesOf<typeof TENANT_STAGE>): Stage {
  const given = [values.value, values.source, values.label].filter((value) => value !== undefined);
  if (given.length !== 1)
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      "stage.tenant: give exactly one of value, source and label",
    );
  return eachEntry((entry) => {
    const tenant =
      values.value ??
      (values.source === undefined
        ? entry.labels.get(values.label!)
        : textOf(entry.extracted.get(values.source)));
    if (tenant !== undefined && tenant !== "") entry.setLabel(TENANT_LABEL, tenant);
  });
}

function mapping(stage: string, value: unknown): (readonly [name: string, source: string])[] {
  return Object.entries(objectOf(stage, value)).map(([name, source]) => {
    if (source !== null && source !== undefined && typeof source !== "string") {
      throw new FinchError(
        "invalid",
        "agent/bad-stage",
        `${stage}: the value of ${JSON.stringify(name)} must be a string or null`,
      );
    }
    return [name, source || name] as const;
  });
}

function objectOf(stage: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value instanceof Map
      ? (Object.fromEntries(value) as Record<string, unknown>)
      : (value as Record<string, unknown>);
  }
  throw new FinchError("invalid", "agent/bad-stage", `${stage}: values must be an object`);
}
