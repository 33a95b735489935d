/** Contexts of OTTL: which paths and enums a statement may use, and which context a list of statements means. */
import { AGGREGATION_TEMPORALITIES, SEVERITY_NUMBERS, SPAN_KINDS, STATUS_CODES } from "@finch/wire";
import {
  attributesField,
  countField,
  keyedIn,
  textField,
  type Field,
  type Fields,
} from "./fields.ts";
import { LOG_FIELDS } from "./fields-of-logs.ts";
import { DATA_POINT_FIELDS, METRIC_FIELDS } from "./fields-of-metrics.ts";
import { SPAN_EVENT_FIELDS, SPAN_FIELDS } from "./fields-of-traces.ts";
import { map } from "./signature.ts";
import type { ContextName, Subject } from "./subject.ts";
import { toStored, type OttlMap } from "./values.ts";

const resource = (subject: Subject) => subject.resource;
const scope = (subject: Subject) => subject.scope!;

const RESOURCE_FIELDS: Fields = {
  attributes: attributesField(resource, "attributes"),
  dropped_attributes_count: countField(resource, "droppedAttributesCount"),
  schema_url: textField((subject) => subject.resourceHolder, "schemaUrl"),
};

const SCOPE_FIELDS: Fields = {
  name: textField(scope, "name"),
  version: textField(scope, "version"),
  attributes: attributesField(scope, "attributes"),
  dropped_attributes_count: countField(scope, "droppedAttributesCount"),
  schema_url: textField((subject) => subject.scopeHolder!, "schemaUrl"),
};

const CACHE: Field = {
  get: (subject) => subject.cache,
  set: (subject, value) => {
    subject.cache = toStored(map.convert(value)) as OttlMap;
  },
  keyed: keyedIn((subject) => subject.cache),
};

interface Context {
  /** Own paths, without a prefix. */
  readonly fields: Fields;
  /** Contexts it stands in: their paths are used with their name before. */
  readonly outer: readonly ContextName[];
}

const CONTEXT_TABLE: Readonly<Record<ContextName, Context>> = {
  resource: { fields: RESOURCE_FIELDS, outer: [] },
  scope: { fields: SCOPE_FIELDS, outer: ["resource"] },
  span: { fields: SPAN_FIELDS, outer: ["scope", "resource"] },
  spanevent: { fields: SPAN_EVENT_FIELDS, outer: ["span", "scope", "resource"] },
  log: { fields: LOG_FIELDS, outer: ["scope", "resource"] },
  metric: { fields: METRIC_FIELDS, outer: ["scope", "resource"] },
  datapoint: { fields: DATA_POINT_FIELDS, outer: ["metric", "scope", "resource"] },
};

const pathTables = new Map<ContextName, ReadonlyMap<string, Field>>();

/** All paths of a context, dotted, with and without its own name before: `name`, `span.name`, `resource.attributes`. */
export function pathsOf(context: ContextName): ReadonlyMap<string, Field> {
  const known = pathTables.get(context);
  if (known !== undefined) return known;
  const { fields, outer } = CONTEXT_TABLE[context];
  const paths = new Map<string, Field>(Object.entries(fields));
  paths.set("cache", CACHE);
  paths.set(`${context}.cache`, CACHE);
  for (const name of [context, ...outer]) {
    for (const [path, field] of Object.entries(CONTEXT_TABLE[name].fields)) {
      paths.set(`${name}.${path}`, field);
      if (name === "scope") paths.set(`instrumentation_scope.${path}`, field);
    }
  }
  pathTables.set(context, paths);
  return paths;
}

/** The context that a path names first; undefined when it names none. */
export function contextOfPrefix(name: string): ContextName | undefined {
  if (name === "instrumentation_scope") return "scope";
  return name in CONTEXT_TABLE ? (name as ContextName) : undefined;
}

/** The contexts it stands in, innermost first. */
export function outerContextsOf(context: ContextName): readonly ContextName[] {
  return CONTEXT_TABLE[context].outer;
}

const TRACE_ENUMS = numbered([...SPAN_KINDS], [...STATUS_CODES]);
const LOG_ENUMS = numbered(SEVERITY_NUMBERS);
const METRIC_ENUMS = numbered(
  AGGREGATION_TEMPORALITIES,
  ["NONE", "GAUGE", "SUM", "HISTOGRAM", "EXPONENTIAL_HISTOGRAM", "SUMMARY"].map(
    (name) => `METRIC_DATA_TYPE_${name}`,
  ),
  ["FLAG_NONE", "FLAG_NO_RECORDED_VALUE"],
);
const NO_ENUMS: ReadonlyMap<string, bigint> = new Map();

/** Names for numbers, by name. */
export function enumsOf(context: ContextName): ReadonlyMap<string, bigint> {
  if (context === "log") return LOG_ENUMS;
  if (context === "span" || context === "spanevent") return TRACE_ENUMS;
  return context === "metric" || context === "datapoint" ? METRIC_ENUMS : NO_ENUMS;
}

function numbered(...lists: readonly (readonly string[])[]): ReadonlyMap<string, bigint> {
  return new Map(
    lists.flatMap((names) => names.map((name, i): [string, bigint] => [name, BigInt(i)])),
  );
}
