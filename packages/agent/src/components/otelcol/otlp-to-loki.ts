/**
 * Log records as Loki entries, as the collector's translator for Loki makes them (pkg/translator/loki of opentelemetry-collector-contrib): labels
 * `exporter`, `job`, `instance` and `level`, those that hints ask for, and the rest in the line, as JSON or logfmt, unless a hint asks for the body alone.
 */
import { formatGoFloat, Labels } from "@finch/model";
import { formatOtlpJson, formatOtlpValue, SEVERITY_NUMBERS } from "@finch/wire";
import type { AnyValue, Attributes, InstrumentationScope, LogRecord } from "@finch/wire";
import type { LogEntry } from "../../receivers.ts";
import { readLogfmt } from "../loki/logfmt.ts";
import { writeLogfmt } from "./logfmt-writer.ts";
import type { LogfmtPair } from "./logfmt-writer.ts";

const ATTRIBUTE_HINT = "loki.attribute.labels";
const RESOURCE_HINT = "loki.resource.labels";
const TENANT_HINT = "loki.tenant";
const FORMAT_HINT = "loki.format";
const HINTS: ReadonlySet<string> = new Set([
  ATTRIBUTE_HINT,
  RESOURCE_HINT,
  TENANT_HINT,
  FORMAT_HINT,
]);
const LEVEL = "level";

export interface RecordOrigin {
  readonly resource: Attributes;
  readonly scope: InstrumentationScope;
  /** For records without a time. */
  readonly nowNs: bigint;
}

/** The entry, or why there is none. The record is not changed. */
export function lokiEntryOf(record: LogRecord, origin: RecordOrigin): LogEntry | string {
  const attributes = withLevel(record);
  const { resource } = origin;
  const format = formatOtlpValue(
    resource.get(FORMAT_HINT) ?? attributes.get(FORMAT_HINT) ?? "json",
  );
  const promoted = promotedLabels(attributes, resource);
  const rest = {
    ...record,
    attributes: without(attributes, promoted),
    resource: without(resource, promoted),
    scope: origin.scope,
  };
  const line = lineOf(rest, format);
  if (line === undefined) return `invalid format ${format}. Expected one of: json, logfmt, raw`;
  const labels: Record<string, string> = {};
  for (const [name, value] of promoted) labels[labelNameOf(name)] = value;
  return {
    labels: Labels.fromObject(labels),
    timestampNs: record.timeUnixNano || record.observedTimeUnixNano || origin.nowNs,
    line,
    structuredMetadata: Labels.EMPTY,
  };
}

/** The record's attributes, with its severity as `level` that is hinted at as a label. */
function withLevel({ attributes, severityNumber }: LogRecord): Attributes {
  if (severityNumber === 0) return attributes;
  const own = new Map(attributes);
  const hint = own.get(ATTRIBUTE_HINT);
  if (hint === undefined) own.set(ATTRIBUTE_HINT, LEVEL);
  else if (typeof hint === "string") own.set(ATTRIBUTE_HINT, `${hint},${LEVEL}`);
  else if (Array.isArray(hint)) own.set(ATTRIBUTE_HINT, [...hint, LEVEL]);
  const name = SEVERITY_NUMBERS[severityNumber] ?? "";
  if (!own.has(LEVEL)) own.set(LEVEL, name.replace("SEVERITY_NUMBER_", ""));
  return own;
}

function promotedLabels(attributes: Attributes, resource: Attributes): ReadonlyMap<string, string> {
  const labels = new Map([["exporter", "OTLP"]]);
  const service = resource.get("service.name");
  const namespace = resource.get("service.namespace");
  if (service !== undefined) {
    const name = formatOtlpValue(service);
    labels.set("job", namespace === undefined ? name : `${formatOtlpValue(namespace)}/${name}`);
  }
  const instance = resource.get("service.instance.id");
  if (instance !== undefined) labels.set("instance", formatOtlpValue(instance));
  promote(labels, resource, resource.get(RESOURCE_HINT));
  promote(labels, resource, attributes.get(RESOURCE_HINT));
  promote(labels, attributes, attributes.get(ATTRIBUTE_HINT));
  const tenant = resource.get(TENANT_HINT);
  if (tenant !== undefined) promote(labels, resource, tenant);
  else promote(labels, attributes, attributes.get(TENANT_HINT));
  return labels;
}

function promote(labels: Map<string, string>, from: Attributes, hint: AnyValue | undefined): void {
  if (hint === undefined) return;
  const names = Array.isArray(hint) ? hint.map(formatOtlpValue) : formatOtlpValue(hint).split(",");
  for (const name of names.map((one) => one.trim())) {
    const value = from.has(name) ? from.get(name) : nested(from, name);
    if (value !== undefined) labels.set(name, formatOtlpValue(value));
  }
}

/** `http.status` is also the `status` in a map `http`. */
function nested(from: Attributes, path: string): AnyValue | undefined {
  const dot = path.indexOf(".");
  if (dot < 0) return from.get(path);
  const inner = from.get(path.slice(0, dot));
  return inner instanceof Map ? nested(inner, path.slice(dot + 1)) : undefined;
}

function without(attributes: Attributes, promoted: ReadonlyMap<string, string>): Attributes {
  const rest: Attributes = new Map();
  for (const [key, value] of attributes)
    if (!HINTS.has(key) && !promoted.has(key)) rest.set(key, value);
  return rest;
}

/** Dots and the like become underscores, one for one. */
function labelNameOf(attribute: string): string {
  const name = attribute.replaceAll(/[^a-zA-Z0-9]/g, "_");
  if (/^[0-9]/.test(name)) return `key_${name}`;
  return name.startsWith("_") && !name.startsWith("__") ? `key${name}` : name;
}

type Rest = LogRecord & { readonly resource: Attributes; readonly scope: InstrumentationScope };

function lineOf(rest: Rest, format: string): string | undefined {
  if (format === "json") return jsonLine(rest);
  if (format === "logfmt") return writeLogfmt(logfmtPairs(rest));
  return format === "raw" ? formatOtlpValue(rest.body) : undefined;
}

function jsonLine(rest: Rest): string {
  const { scope } = rest;
  const version = scope.version === "" ? {} : { version: scope.version };
  const fields: Record<string, string> = {};
  const add = (name: string, json: string, isThere: boolean) => {
    if (isThere) fields[name] = json;
  };
  add("body", formatOtlpJson(rest.body), rest.body !== null);
  add("traceid", `"${hexOf(rest.traceId)}"`, hasId(rest.traceId));
  add("spanid", `"${hexOf(rest.spanId)}"`, hasId(rest.spanId));
  add("severity", formatOtlpJson(rest.severityText), rest.severityText !== "");
  add("flags", String(rest.flags), rest.flags !== 0);
  add("attributes", formatOtlpJson(rest.attributes), rest.attributes.size > 0);
  add("resources", formatOtlpJson(rest.resource), rest.resource.size > 0);
  const shownScope = new Map(Object.entries({ name: scope.name, ...version }));
  add("instrumentation_scope", formatOtlpJson(shownScope), scope.name !== "");
  return `{${Object.entries(fields)
    .map(([name, json]) => `"${name}":${json}`)
    .join(",")}}`;
}

function logfmtPairs(rest: Rest): LogfmtPair[] {
  const pairs = bodyPairs(rest.body);
  const put = (key: string, value: string) => {
    const known = pairs.findIndex(([one]) => one === key);
    if (known < 0) pairs.push([key, value]);
    else pairs[known] = [key, value];
  };
  if (hasId(rest.traceId)) put("traceID", hexOf(rest.traceId));
  if (hasId(rest.spanId)) put("spanID", hexOf(rest.spanId));
  if (rest.severityText !== "") put("severity", rest.severityText);
  if (rest.flags !== 0) put("flags", String(rest.flags));
  for (const [key, value] of rest.attributes) pairs.push(...valuePairs(`attribute_${key}`, value));
  for (const [key, value] of rest.resource) pairs.push(...valuePairs(`resource_${key}`, value));
  const { name, version } = rest.scope;
  if (name !== "") pairs.push(["instrumentation_scope_name", name]);
  if (name !== "" && version !== "") pairs.push(["instrumentation_scope_version", version]);
  return pairs;
}

/** A body that is logfmt is taken apart; any other text is `msg`. */
function bodyPairs(body: AnyValue): LogfmtPair[] {
  if (body === null) return [];
  if (typeof body !== "string") return valuePairs(bodyKey(body), body);
  const pairs: LogfmtPair[] = [];
  readLogfmt(body, (key, value) => pairs.push([key, value]));
  const isLogfmt = body.includes("=") && pairs.every(([key]) => key !== "");
  return isLogfmt && pairs.length > 0 ? pairs : [["msg", body]];
}

function bodyKey(body: AnyValue): string {
  if (body instanceof Map) return "";
  return Array.isArray(body) ? "body" : "msg";
}

function valuePairs(key: string, value: AnyValue): LogfmtPair[] {
  const below = key === "" ? "" : `${key}_`;
  if (value === null) return [];
  if (value instanceof Map)
    return [...value].flatMap(([name, one]) => valuePairs(`${below}${name}`, one));
  if (Array.isArray(value))
    return value.flatMap((one, index) => valuePairs(`${below}${index}`, one));
  if (typeof value === "number") return [[key, formatGoFloat(value)]];
  return [[key, value instanceof Uint8Array ? textOf(value) : formatOtlpValue(value)]];
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

function hexOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}

function hasId(id: Uint8Array): boolean {
  return id.some((byte) => byte !== 0);
}
