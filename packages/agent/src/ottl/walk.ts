/** Goes over the records of a request, each with what it stands in, as statements see them. */
import type {
  InstrumentationScope,
  Metric,
  OtlpSignal,
  OtlpTrees,
  Resource,
  ResourceLogs,
  ResourceMetrics,
  ResourceSpans,
  ScopeLogs,
  ScopeMetrics,
  ScopeSpans,
} from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { pointsOf } from "./fields-of-metrics.ts";
import type { ContextName, Subject } from "./subject.ts";

/** Metrics that statements may add to those of one scope: a copy_metric without a condition copies its copies. */
const ADDED_METRICS_MAX = 10_000;

type ResourceItem = ResourceSpans | ResourceMetrics | ResourceLogs;
export type ScopeItem = ScopeSpans | ScopeMetrics | ScopeLogs;

/** The resources of a request. */
export function resourcesOf<Signal extends OtlpSignal>(
  signal: Signal,
  tree: OtlpTrees[Signal],
): ResourceItem[] {
  const trees = { [signal]: tree } as Partial<OtlpTrees>;
  return (
    trees.traces?.resourceSpans ?? trees.metrics?.resourceMetrics ?? trees.logs?.resourceLogs ?? []
  );
}

export function scopesOf(item: ResourceItem): ScopeItem[] {
  if ("scopeSpans" in item) return item.scopeSpans;
  return "scopeMetrics" in item ? item.scopeMetrics : item.scopeLogs;
}

/** A subject that stands nowhere yet. */
export function createSubject(nowNs: () => bigint): Subject {
  const resource: Resource = { attributes: new Map(), droppedAttributesCount: 0, entityRefs: [] };
  return {
    nowNs,
    cache: new Map(),
    resource,
    resourceHolder: { schemaUrl: "" },
    scope: undefined,
    scopeHolder: undefined,
    span: undefined,
    spanEvent: undefined,
    spanEventIndex: 0,
    log: undefined,
    metric: undefined,
    metrics: [],
    point: undefined,
  };
}

/** Moves `subject` to every record of `context` and calls `visit` there, in order. Records of other signals have none. */
export function walk<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  context: ContextName,
  { subject, visit }: { readonly subject: Subject; readonly visit: () => void },
): void {
  for (const item of resourcesOf(request.signal, request.tree)) {
    subject.resource = item.resource;
    subject.resourceHolder = item;
    if (context === "resource") {
      visit();
      continue;
    }
    for (const scopeItem of scopesOf(item)) {
      const scope: InstrumentationScope = scopeItem.scope;
      subject.scope = scope;
      subject.scopeHolder = scopeItem;
      if (context === "scope") visit();
      else walkScope(scopeItem, context, { subject, visit });
    }
  }
}

interface Walk {
  readonly subject: Subject;
  readonly visit: () => void;
}

function walkScope(item: ScopeItem, context: ContextName, { subject, visit }: Walk): void {
  if ("logRecords" in item) {
    for (const log of item.logRecords) {
      subject.log = log;
      visit();
    }
  } else if ("spans" in item) {
    for (const span of item.spans) {
      subject.span = span;
      if (context === "span") visit();
      else walkEvents({ subject, visit });
    }
  } else walkMetrics(item.metrics, context, { subject, visit });
}

function walkEvents({ subject, visit }: Walk): void {
  for (const [i, event] of subject.span!.events.entries()) {
    subject.spanEvent = event;
    subject.spanEventIndex = i;
    visit();
  }
}

/** Metrics that are added on the way are visited, too. */
function walkMetrics(metrics: Metric[], context: ContextName, { subject, visit }: Walk): void {
  const lengthMax = metrics.length + ADDED_METRICS_MAX;
  subject.metrics = metrics;
  for (const metric of metrics) {
    if (metrics.length > lengthMax)
      throw new OttlRunFault(`statements added more than ${ADDED_METRICS_MAX} metrics`);
    subject.metric = metric;
    if (context === "metric") {
      visit();
      continue;
    }
    for (const point of pointsOf(metric) ?? []) {
      subject.point = point;
      visit();
    }
  }
}
