/** Takes records out of a request, and what is left empty by that. */
import type { Metric, OtlpSignal, OtlpTrees, Span } from "@finch/wire";
import { pointsOf } from "./fields-of-metrics.ts";
import type { ContextName, Subject } from "./subject.ts";
import { resourcesOf, scopesOf, type ScopeItem } from "./walk.ts";

/** Moves `subject` to each record of `context` and drops those of which `isDropped` says so. Metrics without points, scopes and resources without anything go, too. */
export function dropRecords<Signal extends OtlpSignal>(
  request: { readonly signal: Signal; readonly tree: OtlpTrees[Signal] },
  context: ContextName,
  { subject, isDropped }: { readonly subject: Subject; readonly isDropped: () => boolean },
): void {
  const drop = new Dropping(context, subject, isDropped);
  removeIf(resourcesOf(request.signal, request.tree), (item) => {
    subject.resource = item.resource;
    subject.resourceHolder = item;
    if (context === "resource") return isDropped();
    const scopes: ScopeItem[] = scopesOf(item);
    removeIf(scopes, (scope) => drop.scope(scope));
    return scopes.length === 0;
  });
}

class Dropping {
  readonly #context: ContextName;
  readonly #subject: Subject;
  readonly #isDropped: () => boolean;

  constructor(context: ContextName, subject: Subject, isDropped: () => boolean) {
    this.#context = context;
    this.#subject = subject;
    this.#isDropped = isDropped;
  }

  scope(item: ScopeItem): boolean {
    this.#subject.scope = item.scope;
    this.#subject.scopeHolder = item;
    if (this.#context === "scope") return this.#isDropped();
    if ("logRecords" in item) {
      removeIf(item.logRecords, (log) => {
        this.#subject.log = log;
        return this.#isDropped();
      });
      return item.logRecords.length === 0;
    }
    if ("spans" in item) {
      removeIf(item.spans, (span) => this.#span(span));
      return item.spans.length === 0;
    }
    this.#subject.metrics = item.metrics;
    removeIf(item.metrics, (metric) => this.#metric(metric));
    return item.metrics.length === 0;
  }

  /** A span stays when all its events go. */
  #span(span: Span): boolean {
    this.#subject.span = span;
    if (this.#context === "span") return this.#isDropped();
    removeIf(span.events, (event, i) => {
      this.#subject.spanEvent = event;
      this.#subject.spanEventIndex = i;
      return this.#isDropped();
    });
    return false;
  }

  #metric(metric: Metric): boolean {
    this.#subject.metric = metric;
    if (this.#context === "metric") return this.#isDropped();
    const points = pointsOf(metric) ?? [];
    removeIf(points, (point) => {
      this.#subject.point = point;
      return this.#isDropped();
    });
    return points.length === 0;
  }
}

/** In place: trees own their lists. */
function removeIf<Item>(items: Item[], isRemoved: (item: Item, index: number) => boolean): void {
  let kept = 0;
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (!isRemoved(item, i)) items[kept++] = item;
  }
  items.length = kept;
}
