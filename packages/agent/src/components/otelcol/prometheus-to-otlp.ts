/**
 * Prometheus samples as OTLP metrics, as the collector's Prometheus receiver makes them: `job` and `instance` become the resource, `target_info` more of
 * it, `otel_scope_*` the scope. Counters are monotonic sums, series of a classic histogram or a summary become one point, native histograms exponential
 * ones, stale markers points without a value; what has no type known is a gauge.
 */
import { isIP } from "node:net";
import { isStaleAt, wordsOf } from "@finch/model";
import type { Labels, MetricMetadata } from "@finch/model";
import { metadataOfSeries } from "@finch/wire";
import type { Attributes, MetricsData, ScopeMetrics } from "@finch/wire";
import { noResource, noScope } from "../../otel/empty-messages.ts";
import type { SampleSet } from "../../receivers.ts";
import { addExemplars } from "./otlp-exemplars.ts";
import { exponentialPoint, explicitPoint } from "./otlp-native-histograms.ts";
import { isPart, keyOf, MetricFamily } from "./otlp-metric-family.ts";
import type { FamilyType, PointPlace } from "./otlp-metric-family.ts";
import type { StartTimes } from "./start-times.ts";

export interface ConversionInputs {
  /** What is known of a family. */
  readonly metadataOf: (family: string) => MetricMetadata | undefined;
  readonly startTimes: StartTimes;
}

/** Labels that are told by the resource and the scope. */
const OUTSIDE: ReadonlySet<string> = new Set([
  "__name__",
  "job",
  "instance",
  "otel_scope_name",
  "otel_scope_version",
]);
const NO_RECORDED_VALUE = 1;

/** The metrics of a set of samples; those without a name are left out. */
export function metricsOfSamples(set: SampleSet, inputs: ConversionInputs): MetricsData {
  const conversion = new Conversion(set, inputs);
  for (let row = 0; row < set.labels.length; row++) conversion.add(row);
  return conversion.finish();
}

interface OpenResource {
  readonly attributes: Attributes;
  readonly scopes: Map<string, OpenScope>;
}

interface OpenScope {
  readonly name: string;
  readonly version: string;
  readonly families: Map<string, MetricFamily>;
}

class Conversion {
  readonly #set: SampleSet;
  readonly #inputs: ConversionInputs;
  readonly #words: Uint32Array;
  readonly #resources = new Map<string, OpenResource>();

  constructor(set: SampleSet, inputs: ConversionInputs) {
    this.#set = set;
    this.#inputs = inputs;
    this.#words = wordsOf(set.values);
  }

  add(row: number): void {
    const labels = this.#set.labels[row]!;
    const name = labels.get("__name__") ?? "";
    if (name === "") return;
    const resource = this.#resourceOf(labels);
    if (name === "target_info") return describeResource(resource, labels);
    const scope = scopeOf(resource, labels);
    const metadata = metadataOfSeries(name, this.#inputs.metadataOf);
    const type = typeOf(metadata, this.#set.histograms?.has(row) === true);
    const isWhole = type === "counter" || type === "gauge" || type === "native";
    const familyName = isWhole ? name : (metadata?.family ?? name);
    let family = scope.families.get(`${type} ${familyName}`);
    if (family === undefined) {
      family = new MetricFamily(familyName, type, metadata);
      scope.families.set(`${type} ${familyName}`, family);
    }
    this.#addTo(family, { row, name, labels, resource });
  }

  #addTo(
    family: MetricFamily,
    {
      row,
      name,
      labels,
      resource,
    }: {
      readonly row: number;
      readonly name: string;
      readonly labels: Labels;
      readonly resource: OpenResource;
    },
  ): void {
    const timeMs = this.#set.timestampsMs[row]!;
    const isStale = isStaleAt(this.#words, row);
    const value = this.#set.values[row]!;
    const place: PointPlace = {
      attributes: attributesOf(labels, family.type),
      timeNs: toNanoseconds(timeMs),
      flags: isStale ? NO_RECORDED_VALUE : 0,
      /** Of the series, or of the distribution that it is a part of. */
      key: `${family.name} ${keyOf(labels, family.type)}`,
      startNs: (counted) =>
        this.#startOf(row, {
          key: `${resource.attributes.get("service.name") as string} ${resource.attributes.get("service.instance.id") as string} ${family.name} ${keyOf(labels, family.type)}`,
          counted,
        }),
    };
    const histogram = this.#set.histograms?.get(row);
    if (histogram !== undefined && family.type === "native")
      return family.addDistribution(
        histogram.customBounds.length > 0
          ? { explicit: explicitPoint(histogram, place) }
          : { exponential: exponentialPoint(histogram, place) },
      );
    if (family.type === "native") return;
    if (family.type === "counter" || family.type === "gauge")
      return family.addNumber(place, isStale ? undefined : value);
    family.addPart(place, { name, labels, value: isStale ? undefined : value });
  }

  #startOf(
    row: number,
    { key, counted }: { readonly key: string; readonly counted: number },
  ): bigint {
    const known = this.#set.startTimestampsMs?.[row] ?? 0;
    if (known > 0) return toNanoseconds(known);
    const timeNs = toNanoseconds(this.#set.timestampsMs[row]!);
    return this.#inputs.startTimes.startOf(key, { value: counted, timeNs });
  }

  #resourceOf(labels: Labels): OpenResource {
    const job = labels.get("job") ?? "";
    const instance = labels.get("instance") ?? "";
    const key = JSON.stringify([job, instance]);
    let resource = this.#resources.get(key);
    if (resource === undefined) {
      resource = { attributes: resourceAttributes(job, instance), scopes: new Map() };
      this.#resources.set(key, resource);
    }
    return resource;
  }

  finish(): MetricsData {
    const families = this.#familiesOfRows();
    addExemplars(this.#set.exemplars ?? [], families);
    return {
      resourceMetrics: [...this.#resources.values()].map(({ attributes, scopes }) => ({
        resource: { ...noResource(), attributes },
        scopeMetrics: [...scopes.values()].map(scopeMetricsOf),
        schemaUrl: "",
      })),
    };
  }

  #familiesOfRows(): readonly MetricFamily[] {
    return [...this.#resources.values()].flatMap(({ scopes }) =>
      [...scopes.values()].flatMap((scope) => [...scope.families.values()]),
    );
  }
}

function scopeMetricsOf({ name, version, families }: OpenScope): ScopeMetrics {
  return {
    scope: { ...noScope(), name, version },
    metrics: [...families.values()].map((family) => family.finish()),
    schemaUrl: "",
  };
}

function typeOf(metadata: MetricMetadata | undefined, isNative: boolean): FamilyType {
  if (isNative) return "native";
  switch (metadata?.type) {
    case "counter":
    case "histogram":
    case "summary":
      return metadata.type;
    default:
      return "gauge";
  }
}

/** The instance tells the address of the server, when that is one that others can use. */
function resourceAttributes(job: string, instance: string): Attributes {
  const attributes: Attributes = new Map();
  if (job !== "") attributes.set("service.name", job);
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(instance) ?? [];
  const host = bracketed ?? plain ?? instance;
  if (isTelling(host)) attributes.set("server.address", host);
  if (instance !== "") attributes.set("service.instance.id", instance);
  if (port !== undefined) attributes.set("server.port", port);
  return attributes;
}

function isTelling(host: string): boolean {
  if (host === "" || host === "localhost" || host === "0.0.0.0" || host === "::") return false;
  return isIP(host) === 0 || !(host.startsWith("127.") || host === "::1");
}

function describeResource({ attributes }: OpenResource, labels: Labels): void {
  for (const [name, value] of labels) if (!OUTSIDE.has(name)) attributes.set(name, value);
}

function scopeOf({ scopes }: OpenResource, labels: Labels): OpenScope {
  const name = labels.get("otel_scope_name") ?? "";
  const version = labels.get("otel_scope_version") ?? "";
  const key = JSON.stringify([name, version]);
  let scope = scopes.get(key);
  if (scope === undefined) scopes.set(key, (scope = { name, version, families: new Map() }));
  return scope;
}

function attributesOf(labels: Labels, type: FamilyType): Attributes {
  const attributes: Attributes = new Map();
  for (const [name, value] of labels)
    if (!OUTSIDE.has(name) && !isPart(name, type)) attributes.set(name, value);
  return attributes;
}

function toNanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1_000_000n;
}
