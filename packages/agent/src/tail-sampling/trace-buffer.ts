/** Spans by trace, until a trace is decided about. */
import type { ResourceSpans, ScopeSpans, Span, TracesData } from "@finch/wire";

/** A trace as far as it has come. */
export interface PendingTrace {
  /** In small hexadecimal digits. */
  readonly id: string;
  readonly resourceSpans: ResourceSpans[];
  spanCount: number;
  /** When it is decided about. */
  dueMs: number;
}

/** Spans of one trace in a request, with copies of what they stand in. Resources are shared among the traces of a request, and must not be changed. */
export interface TracePart {
  readonly id: string;
  readonly resourceSpans: ResourceSpans[];
  readonly spanCount: number;
  readonly hasRoot: boolean;
}

/** A request by trace. It takes the tree over. */
export function splitByTrace(tree: TracesData): readonly TracePart[] {
  const parts = new Map<string, { part: ResourceSpans[]; count: number; hasRoot: boolean }>();
  for (const item of tree.resourceSpans)
    for (const scope of item.scopeSpans) {
      const scopes = new Map<string, ScopeSpans>();
      for (const span of scope.spans) {
        const id = Buffer.from(span.traceId).toString("hex");
        let known = parts.get(id);
        if (known === undefined) parts.set(id, (known = { part: [], count: 0, hasRoot: false }));
        let target = scopes.get(id);
        if (target === undefined) {
          target = { ...scope, spans: [] };
          scopes.set(id, target);
          scopesFor(known.part, item).push(target);
        }
        target.spans.push(span);
        known.count++;
        known.hasRoot ||= isRoot(span);
      }
    }
  return [...parts].map(([id, { part, count, hasRoot }]) => ({
    id,
    resourceSpans: part,
    spanCount: count,
    hasRoot,
  }));
}

/** The scopes of the same resource: it is the last that was added, if it was. */
function scopesFor(part: ResourceSpans[], item: ResourceSpans): ScopeSpans[] {
  const last = part.at(-1);
  if (last?.resource === item.resource) return last.scopeSpans;
  const added = { ...item, scopeSpans: [] };
  part.push(added);
  return added.scopeSpans;
}

function isRoot({ parentSpanId }: Span): boolean {
  return parentSpanId.every((byte) => byte === 0);
}

/** Spans of a trace, one by one. */
export function spansOf({ resourceSpans }: Pick<PendingTrace, "resourceSpans">): readonly Span[] {
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** The last decisions about so many traces. */
export class DecisionMemory {
  readonly #decisions = new Map<string, boolean>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Undefined for traces that are not known, or no longer. One that is asked for stays longer. */
  get(id: string): boolean | undefined {
    const decision = this.#decisions.get(id);
    if (decision !== undefined) this.set(id, decision);
    return decision;
  }

  set(id: string, isSampled: boolean): void {
    this.#decisions.delete(id);
    if (this.#sizeMax === 0) return;
    if (this.#decisions.size >= this.#sizeMax)
      this.#decisions.delete(this.#decisions.keys().next().value!);
    this.#decisions.set(id, isSampled);
  }
}
