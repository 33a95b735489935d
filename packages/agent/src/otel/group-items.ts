/** Puts spans, log records and data points under resources with some of their attributes. */
import type {
  AnyValue,
  Attributes,
  InstrumentationScope,
  Metric,
  Resource,
  ScopeLogs,
  ScopeMetrics,
  ScopeSpans,
} from "@finch/wire";
import { attributeJson } from "./attribute-values.ts";
import { TelemetryBatch, type AnyBatch } from "./telemetry-batch.ts";

/** Moves `keys` from attributes to resources; what then has equal resources and scopes stands together. Answers the changed batch. */
export function groupBatch(batch: AnyBatch, keys: readonly string[]): AnyBatch {
  switch (batch.signal) {
    case "traces": {
      const groups = new Groups(keys, (place: Place): ScopeSpans => ({ ...place, spans: [] }));
      for (const { resource, scopeSpans, schemaUrl } of batch.takeTree().resourceSpans)
        for (const { spans, ...place } of scopeSpans)
          for (const span of spans)
            groups.find({ resource, schemaUrl }, place, span.attributes).spans.push(span);
      const resourceSpans = groups.all().map(({ scopes, ...rest }) => ({
        ...rest,
        scopeSpans: scopes,
      }));
      return TelemetryBatch.ofTree("traces", { resourceSpans }, batch.client);
    }
    case "logs": {
      const groups = new Groups(keys, (place: Place): ScopeLogs => ({ ...place, logRecords: [] }));
      for (const { resource, scopeLogs, schemaUrl } of batch.takeTree().resourceLogs)
        for (const { logRecords, ...place } of scopeLogs)
          for (const log of logRecords)
            groups.find({ resource, schemaUrl }, place, log.attributes).logRecords.push(log);
      const resourceLogs = groups.all().map(({ scopes, ...rest }) => ({
        ...rest,
        scopeLogs: scopes,
      }));
      return TelemetryBatch.ofTree("logs", { resourceLogs }, batch.client);
    }
    case "metrics": {
      const groups = new Groups(keys, (place: Place): ScopeMetrics => ({ ...place, metrics: [] }));
      for (const { resource, scopeMetrics, schemaUrl } of batch.takeTree().resourceMetrics)
        for (const { metrics, ...place } of scopeMetrics)
          for (const metric of metrics)
            movePoints(metric, (attributes) =>
              groups.find({ resource, schemaUrl }, place, attributes),
            );
      const resourceMetrics = groups.all().map(({ scopes, ...rest }) => ({
        ...rest,
        scopeMetrics: scopes,
      }));
      return TelemetryBatch.ofTree("metrics", { resourceMetrics }, batch.client);
    }
  }
}

const KINDS = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] as const;

/** A metric is parted where its points have different places; points of the same metric come together. */
function movePoints(metric: Metric, placeOf: (attributes: Attributes) => ScopeMetrics): void {
  const kind = KINDS.find((known) => metric[known] !== undefined);
  if (kind === undefined) return;
  const { dataPoints, ...rest } = metric[kind]!;
  for (const point of dataPoints) {
    const { metrics } = placeOf(point.attributes);
    let target = metrics.find((other) => isSame(metric, other, kind));
    if (target === undefined) {
      target = { ...metric, [kind]: { ...rest, dataPoints: [] } };
      metrics.push(target);
    }
    target[kind]!.dataPoints.push(point as never);
  }
}

function isSame(a: Metric, b: Metric, kind: (typeof KINDS)[number]): boolean {
  if (a.name !== b.name || a.unit !== b.unit || b[kind] === undefined) return false;
  const [one, other] = [a[kind]!, b[kind]];
  const temporality = (data: object) =>
    "aggregationTemporality" in data ? data.aggregationTemporality : 0;
  return temporality(one) === temporality(other) && a.sum?.isMonotonic === b.sum?.isMonotonic;
}

interface Place {
  readonly scope: InstrumentationScope;
  readonly schemaUrl: string;
}

interface Origin {
  readonly resource: Resource;
  readonly schemaUrl: string;
}

/** Resources by their attributes, each with its scopes. */
class Groups<Scope> {
  readonly #keys: readonly string[];
  readonly #create: (place: Place) => Scope;
  readonly #groups = new Map<string, { origin: Origin; scopes: Map<string, Scope> }>();

  constructor(keys: readonly string[], create: (place: Place) => Scope) {
    this.#keys = keys;
    this.#create = create;
  }

  /** The scope for an item with these attributes; those that are moved are taken out of them. */
  find({ resource, schemaUrl }: Origin, place: Place, attributes: Attributes): Scope {
    const moved = new Map(resource.attributes);
    for (const key of this.#keys) {
      const value = attributes.get(key);
      if (value === undefined) continue;
      moved.set(key, value);
      attributes.delete(key);
    }
    const id = identity(moved);
    let group = this.#groups.get(id);
    if (group === undefined) {
      const origin = { resource: { ...resource, attributes: moved }, schemaUrl };
      this.#groups.set(id, (group = { origin, scopes: new Map() }));
    }
    const { name, version, attributes: scopeAttributes } = place.scope;
    const scopeId = JSON.stringify([name, version, identity(scopeAttributes)]);
    let scope = group.scopes.get(scopeId);
    if (scope === undefined) group.scopes.set(scopeId, (scope = this.#create(place)));
    return scope;
  }

  all(): { resource: Resource; schemaUrl: string; scopes: Scope[] }[] {
    return [...this.#groups.values()].map(({ origin, scopes }) => ({
      ...origin,
      scopes: [...scopes.values()],
    }));
  }
}

/** The same for equal attributes in any order; an int is not a double. */
function identity(attributes: Attributes): string {
  const parts = [...attributes].map(([key, value]) =>
    JSON.stringify([key, kindOf(value), attributeJson(value)]),
  );
  return parts.toSorted().join();
}

function kindOf(value: AnyValue): string {
  return value instanceof Uint8Array ? "bytes" : typeof value;
}
