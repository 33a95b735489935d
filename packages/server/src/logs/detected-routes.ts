/**
 * `detected_labels`, `detected_fields` and `detected_field/NAME/values` of Loki's HTTP API: what Grafana's Logs Drilldown builds its lists from.
 * Fields are those of the newest lines that a query finds, as many as `line_limit` says.
 */
import { createFieldDetector, parseQuery } from "@finch/logql";
import type { DetectedField } from "@finch/logql";
import { parseFloatText } from "@finch/model";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LogStore } from "@finch/store";
import { withTimeout } from "../query-gate.ts";
import { isInternalLabel, readScope } from "./label-routes.ts";
import { badRequest, checkEntryLimit, readCount, readQueryRange } from "./parameters.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import { textRoute } from "./text-route.ts";

interface DetectedContext extends LogsQueryContext {
  readonly store: LogStore;
}

const LINES_DEFAULT = 100;
const FIELDS_DEFAULT = 1000;

export function detectedRoutes(context: DetectedContext): readonly HttpRoute[] {
  return [
    textRoute("/loki/api/v1/detected_labels", (request) => answerLabels(context, request)),
    textRoute("/loki/api/v1/detected_fields", (request) => answerFields(context, request)),
    textRoute("/loki/api/v1/detected_field/:name/values", (request) =>
      answerFieldValues(context, request),
    ),
  ];
}

async function answerLabels(context: DetectedContext, request: HttpRequest): Promise<HttpReply> {
  const { store, gate, limits } = context;
  const scope = await readScope(context, request);
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const names = await store.labelNames(scope);
  const detectedLabels = [];
  for (const label of names) {
    if (isInternalLabel(label)) continue;
    limited.signal.throwIfAborted();
    const values = await store.labelValues(label, scope);
    if (isRelevant(label, values)) detectedLabels.push({ label, cardinality: values.length });
  }
  return jsonReply(200, detectedLabels.length > 0 ? { detectedLabels } : {});
}

/** Labels that people choose by whatever their values are. */
const ALWAYS_RELEVANT = new Set(["cluster", "namespace", "instance", "pod"]);
const UUID = /^(?:urn:uuid:)?\{?[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}\}?$/i;

/** Labels that have nothing but numbers and UUIDs are ids, which nobody chooses from; 0 and 1 alone are a switch. */
function isRelevant(label: string, values: readonly string[]): boolean {
  if (values.length === 0) return false;
  if (ALWAYS_RELEVANT.has(label) || values.every((value) => value === "0" || value === "1"))
    return true;
  return !values.every((value) => parseFloatText(value) !== undefined || UUID.test(value));
}

async function answerFields(context: DetectedContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const limit = readLimit(parameters);
  const found = await detectFields(context, request, { fieldsMax: limit });
  const fields = found.map(({ name, type, values, parsers, jsonPath }) => ({
    label: name,
    type,
    cardinality: values.size,
    parsers: parsers.length > 0 ? parsers : null,
    ...(jsonPath !== undefined && { jsonPath }),
  }));
  return jsonReply(200, { fields, limit });
}

async function answerFieldValues(
  context: DetectedContext,
  request: HttpRequest,
): Promise<HttpReply> {
  const limit = readLimit(await request.readParameters());
  const only = request.params["name"]!;
  const [field] = await detectFields(context, request, { fieldsMax: 1, only });
  const values = field === undefined ? [] : [...field.values].slice(0, limit);
  return jsonReply(200, { values: values.toSorted(), limit });
}

/** `limit`, which older clients call `field_limit`. */
function readLimit(parameters: URLSearchParams): number {
  return readCount(parameters, "limit", readCount(parameters, "field_limit", FIELDS_DEFAULT));
}

async function detectFields(
  context: DetectedContext,
  request: HttpRequest,
  wanted: { readonly fieldsMax: number; readonly only?: string },
): Promise<readonly DetectedField[]> {
  const { engine, source, gate, clock, limits } = context;
  const parameters = await request.readParameters();
  const range = readQueryRange(parameters, clock.nowMs(), limits);
  const query = parseQuery(parameters.get("query") ?? "");
  if (query.kind !== "log") throw badRequest("only log selector is supported");
  const limit = readCount(parameters, "line_limit", LINES_DEFAULT);
  checkEntryLimit(limit, limits);
  using limited = withTimeout(request.signal, limits.queryTimeoutMs, "query timed out");
  using _place = await gate.enter(limited.signal);
  const answer = await engine.rangeQuery({
    source,
    query,
    ...range,
    stepNs: 1_000_000_000n,
    limit,
    direction: "backward",
    signal: limited.signal,
  });
  const detector = createFieldDetector(wanted);
  if (answer.type === "streams") {
    for (const { labels, entries } of answer.streams) {
      for (const entry of entries) detector.add(labels, entry);
    }
  }
  return detector.fields();
}
