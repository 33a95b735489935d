/** Holds traces until their time has come, asks the policies, and says what goes on. */
import type { ResourceSpans, TracesData } from "@finch/wire";
import { OttlRunFault } from "../ottl/fault.ts";
import { bytesOf, type Decision, type NamedPolicy } from "./policies.ts";
import { DecisionMemory, splitByTrace, type PendingTrace, type TracePart } from "./trace-buffer.ts";

export interface SamplerOptions {
  readonly decisionWaitMs: number;
  /** 0: the root changes nothing. */
  readonly afterRootMs: number;
  readonly tracesMax: number;
  readonly stopsAtFirstMatch: boolean;
  /** 0: of any size. */
  readonly traceBytesMax: number;
  readonly sampledMemory: number;
  readonly notSampledMemory: number;
}

/** Told about what happens, for metrics. */
export interface SamplerEvents {
  decided(trace: PendingTrace, isSampled: boolean): void;
  /** By one policy. */
  judged(policy: string, decision: Decision): void;
  failed(policy: string, fault: OttlRunFault): void;
  /** Without a decision, since there are too many or it is too large. */
  dropped(spans: number, reason: string): void;
  /** Spans of a trace that was decided about before. */
  late(spans: number, isSampled: boolean): void;
}

export class TailSampler {
  policies: readonly NamedPolicy[] = [];
  options: SamplerOptions;
  readonly #events: SamplerEvents;
  /** In order of arrival. */
  readonly #pending = new Map<string, PendingTrace>();
  readonly #recent: DecisionMemory;
  readonly #sampled: DecisionMemory;
  readonly #notSampled: DecisionMemory;

  constructor(options: SamplerOptions, events: SamplerEvents) {
    this.options = options;
    this.#events = events;
    this.#recent = new DecisionMemory(options.tracesMax);
    this.#sampled = new DecisionMemory(options.sampledMemory);
    this.#notSampled = new DecisionMemory(options.notSampledMemory);
  }

  /** Traces that wait. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Takes the spans of a request; answers those of traces that are sampled already, to go on at once. */
  take(tree: TracesData, nowMs: number): ResourceSpans[] {
    const going: ResourceSpans[] = [];
    for (const part of splitByTrace(tree)) {
      const before = this.#decisionFor(part.id);
      if (before === undefined) this.#hold(part, nowMs);
      else {
        this.#events.late(part.spanCount, before);
        if (before) going.push(...part.resourceSpans);
      }
    }
    return going;
  }

  #decisionFor(id: string): boolean | undefined {
    if (this.#pending.has(id)) return undefined;
    return this.#recent.get(id) ?? this.#sampled.get(id) ?? this.#notSampled.get(id);
  }

  #hold({ id, resourceSpans, spanCount, hasRoot }: TracePart, nowMs: number): void {
    const { decisionWaitMs, afterRootMs, tracesMax, traceBytesMax } = this.options;
    let trace = this.#pending.get(id);
    if (trace === undefined) {
      if (this.#pending.size >= tracesMax) this.#dropOldest();
      const dueMs = nowMs + decisionWaitMs;
      trace = { id, resourceSpans: [], spanCount: 0, dueMs };
      this.#pending.set(id, trace);
    }
    trace.resourceSpans.push(...resourceSpans);
    trace.spanCount += spanCount;
    if (hasRoot && afterRootMs > 0) trace.dueMs = Math.min(trace.dueMs, nowMs + afterRootMs);
    if (traceBytesMax > 0 && bytesOf(trace) > traceBytesMax) {
      this.#pending.delete(id);
      this.#remember(id, false);
      this.#events.dropped(trace.spanCount, "maximum_trace_size_bytes");
    }
  }

  #dropOldest(): void {
    const oldest = this.#pending.values().next().value!;
    this.#pending.delete(oldest.id);
    this.#events.dropped(oldest.spanCount, "num_traces");
  }

  /** Decides about all traces whose time has come (about all there are with `isLast`); answers the spans of those that are sampled. */
  decide(nowMs: number, { isLast = false } = {}): ResourceSpans[] {
    const going: ResourceSpans[] = [];
    for (const [id, trace] of this.#pending) {
      if (trace.dueMs > nowMs && !isLast) continue;
      this.#pending.delete(id);
      const isSampled = this.#judge(trace);
      this.#remember(id, isSampled);
      this.#events.decided(trace, isSampled);
      if (isSampled) going.push(...trace.resourceSpans);
    }
    return going;
  }

  #remember(id: string, isSampled: boolean): void {
    this.#recent.set(id, isSampled);
    (isSampled ? this.#sampled : this.#notSampled).set(id, isSampled);
  }

  /** Dropped counts above all, then an inverted "no", then a "yes", then an inverted "yes" that nobody contradicts. */
  #judge(trace: PendingTrace): boolean {
    const decisions = new Set<Decision>();
    for (const { name, decide } of this.policies) {
      const decision = this.#ask(name, decide, trace);
      if (decision === undefined) continue;
      decisions.add(decision);
      if (decision === "dropped") return false;
      if (decision === "sampled" && this.options.stopsAtFirstMatch) break;
    }
    if (decisions.has("inverted-not-sampled")) return false;
    if (decisions.has("sampled")) return true;
    return decisions.has("inverted-sampled") && !decisions.has("not-sampled");
  }

  #ask(name: string, decide: NamedPolicy["decide"], trace: PendingTrace): Decision | undefined {
    try {
      const decision = decide(trace);
      this.#events.judged(name, decision);
      return decision;
    } catch (error) {
      if (!(error instanceof OttlRunFault)) throw error;
      this.#events.failed(name, error);
      return undefined;
    }
  }
}
