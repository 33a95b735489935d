/** Answers have the shape that Prometheus' own description of its API gives them. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";
import { POOLS } from "./scrape-pools.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const GOLDEN = join(SHARED, "conformance", "prometheus", "api", "openapi_3.1_golden.yaml");
const FEATURES = join(SHARED, "conformance", "prometheus", "api", "features.json");
const skip = !existsSync(GOLDEN) && "no description of the API here: set FINCH_SHARED";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly prefixItems?: readonly Schema[];
}

interface Description {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** What does not fit, as paths with reasons. */
function faultsOf(value: unknown, schema: Schema, all: Description, path = "$"): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1)!;
    return faultsOf(value, all.components.schemas[name]!, all, path);
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    const tries = choices.map((choice) => faultsOf(value, choice, all, path));
    return tries.some((faults) => faults.length === 0) ? [] : [`${path}: fits no choice`];
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path}: not one of them`];
  switch (schema.type) {
    case "object":
      return faultsOfObject(value, schema, all, path);
    case "array":
      if (!Array.isArray(value)) return [`${path}: no array`];
      return value.flatMap((element, index) =>
        faultsOf(element, schema.items ?? {}, all, `${path}[${index}]`),
      );
    case "integer":
      return Number.isInteger(value) ? [] : [`${path}: no integer`];
    case "number":
    case "boolean":
    case "string":
      if (typeof value !== schema.type) return [`${path}: no ${schema.type}`];
      if (schema.format === "date-time" && Number.isNaN(Date.parse(value as string)))
        return [`${path}: no time`];
      return [];
    default:
      return [];
  }
}

function faultsOfObject(value: unknown, schema: Schema, all: Description, path: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [`${path}: no object`];
  const faults: string[] = [];
  for (const name of schema.required ?? [])
    if (!(name in value)) faults.push(`${path}.${name}: missing`);
  for (const [name, field] of Object.entries(value)) {
    const known = schema.properties?.[name];
    const { additionalProperties: more } = schema;
    if (known !== undefined) faults.push(...faultsOf(field, known, all, `${path}.${name}`));
    else if (more === false) faults.push(`${path}.${name}: unknown`);
    else if (typeof more === "object")
      faults.push(...faultsOf(field, more, all, `${path}.${name}`));
  }
  return faults;
}

const RANGE = `start=${NOW_MS / 1000 - 60}&end=${NOW_MS / 1000}&step=15`;

/** Requests by the name of the schema of their answer. */
const ANSWERS: readonly (readonly [schema: string, request: string])[] = [
  ["QueryOutputBody", "/query?query=up"],
  ["QueryOutputBody", "/query?query=1"],
  ["QueryRangeOutputBody", `/query_range?query=up&${RANGE}`],
  ["FormatQueryOutputBody", "/format_query?query=up"],
  ["ParseQueryOutputBody", "/parse_query?query=up"],
  ["QueryExemplarsOutputBody", "/query_exemplars?query=up"],
  ["SeriesOutputBody", "/series?match[]=up"],
  ["LabelsOutputBody", "/labels?limit=1"],
  ["LabelValuesOutputBody", "/label/job/values"],
  ["MetadataOutputBody", "/metadata"],
  ["RulesOutputBody", "/rules"],
  ["AlertsOutputBody", "/alerts"],
  ["AlertmanagersOutputBody", "/alertmanagers"],
  ["TargetsOutputBody", "/targets"],
  ["TargetMetadataOutputBody", "/targets/metadata"],
  ["ScrapePoolsOutputBody", "/scrape_pools"],
  ["StatusTSDBOutputBody", "/status/tsdb"],
  ["StatusConfigOutputBody", "/status/config"],
  ["StatusFlagsOutputBody", "/status/flags"],
  ["StatusRuntimeInfoOutputBody", "/status/runtimeinfo"],
  ["StatusBuildInfoOutputBody", "/status/buildinfo"],
  ["StatusWALReplayOutputBody", "/status/walreplay"],
  ["FeaturesOutputBody", "/features"],
  ["NotificationsOutputBody", "/notifications"],
  ["Error", "/query?query=("],
  ["Error", "/series"],
];

test("each answer fits its schema", { skip }, async () => {
  const description = parse(readFileSync(GOLDEN, "utf8")) as Description;
  await using api = await openApi({}, NOW_MS, { scrapePools: () => POOLS });
  const rows = [[{ __name__: "up", job: "a", instance: "x:1" }, 5, 1]] as const;
  await api.post("/api/v1/write", encode(rows), WRITE_HEADERS);
  for (const [name, request] of ANSWERS) {
    const schema = description.components.schemas[name];
    assert.ok(schema !== undefined, name);
    const answer = await api.get(`/api/v1${request}`);
    assert.deepEqual(faultsOf(JSON.parse(answer.text), schema, description), [], request);
  }
});

test("features are named as Prometheus names them", { skip }, async () => {
  await using api = await openApi();
  type Features = Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  const theirs = JSON.parse(readFileSync(FEATURES, "utf8")) as Features;
  const ours = (JSON.parse((await api.get("/api/v1/features")).text) as { data: Features }).data;
  for (const [category, switches] of Object.entries(ours)) {
    const unknown = Object.keys(switches).filter((name) => !(name in theirs[category]!));
    assert.deepEqual(unknown, [], category);
  }
});
