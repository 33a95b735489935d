/** `otelcol.processor.tail_sampling`: keeps whole traces or none of them, by what is in them. Traces wait in memory, and are lost in a crash. */
import { describeError } from "@finch/runtime";
import { encodeOtlpTree, type ResourceSpans } from "@finch/wire";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, emit, OUTPUT_BLOCK } from "../../otel/output.ts";
import type { ProcessorExports } from "../../otel/run-processor.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import { FaultLog } from "../../ottl/fault-log.ts";
import { moot, optional, type ValuesOf } from "../../schema.ts";
import { compilePolicies } from "../../tail-sampling/policies.ts";
import { findPolicyFault, POLICY_BLOCKS } from "../../tail-sampling/policy-arguments.ts";
import {
  TailSampler,
  type SamplerEvents,
  type SamplerOptions,
} from "../../tail-sampling/sampler.ts";
import { periodOrChange, untilAborted, unlessAborted } from "../../until-aborted.ts";

/** How often it is looked for traces whose time has come. */
const TICK_MS = 1000;
/** How long the last traces may take at a stop. */
const FLUSH_MS = 5000;

const ARGUMENTS = {
  policy: POLICY_BLOCKS,
  decision_wait: optional(
    "duration",
    30_000,
    "Time from the first span of a trace to the decision.",
    {
      min: 1,
    },
  ),
  decision_wait_after_root_received: optional(
    "duration",
    0,
    "Time from the root span to the decision, where that is earlier; 0s for none.",
  ),
  num_traces: optional("number", 50_000, "Traces that wait at most.", { min: 1 }),
  block_on_overflow: optional(
    "bool",
    false,
    "Whether senders wait when there are too many traces; the oldest is dropped otherwise.",
  ),
  expected_new_traces_per_sec: moot("number", 0, "no room is set aside"),
  num_shards: moot("number", 1, "traces are decided about in one process"),
  sample_on_first_match: optional(
    "bool",
    false,
    "Whether no policy is asked after one that samples.",
  ),
  drop_pending_traces_on_shutdown: optional(
    "bool",
    false,
    "Whether traces that wait are dropped at a stop; they are decided about as they are otherwise.",
  ),
  maximum_trace_size_bytes: optional("number", 0, "Larger traces are dropped; 0 for any size.", {
    min: 0,
  }),
  decision_cache: optional(
    "any",
    new Map(),
    "How many decisions are remembered besides the last num_traces: { sampled_cache_size = N, non_sampled_cache_size = N }.",
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ProcessorExports>;

export const processorTailSampling = defineComponent<typeof ARGUMENTS, ProcessorExports>({
  name: "otelcol.processor.tail_sampling",
  stability: "generally-available",
  summary: "Keeps traces by policies, when all of their spans have come.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces." },
  check: findFault,
  run,
});

const CACHE_SIZES = ["sampled_cache_size", "non_sampled_cache_size"];

function findFault(values: Arguments): ArgumentFault | undefined {
  const { decision_cache: cache } = values;
  const isCache =
    cache instanceof Map &&
    [...cache].every(([key, size]) => CACHE_SIZES.includes(key) && Number(size) >= 0);
  if (!isCache)
    return { at: "decision_cache", message: `is an object of ${CACHE_SIZES.join(" and ")}` };
  return findPolicyFault(values.policy) ?? debugMetricsFault(values);
}

function optionsOf(values: Arguments): SamplerOptions {
  const cache = values.decision_cache as ReadonlyMap<string, unknown>;
  return {
    decisionWaitMs: values.decision_wait,
    afterRootMs: values.decision_wait_after_root_received,
    tracesMax: values.num_traces,
    stopsAtFirstMatch: values.sample_on_first_match,
    traceBytesMax: values.maximum_trace_size_bytes,
    sampledMemory: Number(cache.get("sampled_cache_size") ?? 0),
    notSampledMemory: Number(cache.get("non_sampled_cache_size") ?? 0),
  };
}

async function run(context: Context, signal: AbortSignal): Promise<void> {
  const { clock } = context;
  const faults = new FaultLog(context);
  const sampler = new TailSampler(optionsOf(context.arguments()), eventsOf(context, faults));
  const configure = () => {
    sampler.options = optionsOf(context.arguments());
    sampler.policies = compilePolicies(context.arguments().policy, {
      nowMs: () => clock.monotonicMs(),
      nowNs: () => clock.nowNs(),
      faults,
    });
  };
  let room = Promise.withResolvers<void>();
  const pass = async (spans: ResourceSpans[], passSignal: AbortSignal) => {
    if (spans.length > 0) await emit(context, toBatch(spans), passSignal);
  };
  const input = createConsumer(context, ["traces"], async (batch, consumeSignal) => {
    if (batch.signal !== "traces") return;
    const isFull = () => sampler.pendingCount >= context.arguments().num_traces;
    while (context.arguments().block_on_overflow && isFull())
      await unlessAborted(room.promise, consumeSignal);
    await pass(sampler.take(batch.takeTree(), clock.monotonicMs()), consumeSignal);
  });
  const decide = async (passSignal: AbortSignal, { isLast = false } = {}) => {
    const going = sampler.decide(clock.monotonicMs(), { isLast });
    room.resolve();
    room = Promise.withResolvers();
    await passOrTell(context, going, (spans) => pass(spans, passSignal));
  };
  configure();
  context.setExports({ input });
  await untilAborted(signal, async () => {
    const before = context.arguments();
    await periodOrChange(context, Math.min(TICK_MS, before.decision_wait), signal);
    if (context.arguments() !== before) configure();
    await decide(signal);
  });
  if (!context.arguments().drop_pending_traces_on_shutdown)
    await decide(AbortSignal.timeout(FLUSH_MS), { isLast: true });
}

/** Spans share resources with others that were in their request: their bytes are made at once. */
function toBatch(resourceSpans: ResourceSpans[]): TelemetryBatch<"traces"> {
  const items = spanCount(resourceSpans);
  return TelemetryBatch.ofBytes("traces", {
    bytes: encodeOtlpTree("traces", { resourceSpans }),
    items,
  });
}

function spanCount(resourceSpans: readonly ResourceSpans[]): number {
  let count = 0;
  for (const { scopeSpans } of resourceSpans)
    for (const { spans } of scopeSpans) count += spans.length;
  return count;
}

/** Nobody waits for these spans any more: what is refused is told of. */
async function passOrTell(
  context: Context,
  spans: ResourceSpans[],
  pass: (spans: ResourceSpans[]) => Promise<void>,
): Promise<void> {
  try {
    await pass(spans);
  } catch (error) {
    context.log.error("sampled traces were refused, and are dropped", {
      error: describeError(error),
    });
    context.drops.count({ kind: "spans", reason: "refused behind it" }, spanCount(spans));
  }
}

const PREFIX = "otelcol_processor_tail_sampling";

function eventsOf({ metrics, drops }: Context, faults: FaultLog): SamplerEvents {
  const count = (name: string, help: string, labels = {}) =>
    metrics.counter(`${PREFIX}_${name}_total`, help, labels).add(1);
  return {
    decided({ spanCount: spans }, isSampled) {
      const labels = { sampled: String(isSampled) };
      count("global_count_traces_sampled", "Traces that were decided about.", labels);
      if (!isSampled) drops.count({ kind: "spans", reason: "not sampled" }, spans);
    },
    judged(policy, decision) {
      const isSampled = decision === "sampled" || decision === "inverted-sampled";
      const labels = { policy, sampled: String(isSampled) };
      count("count_traces_sampled", "Traces that a policy was asked about.", labels);
    },
    failed(policy, fault) {
      count("sampling_policy_evaluation_error", "Policies that failed at a trace.");
      faults.report(policy, fault);
    },
    dropped(spans, reason) {
      count("sampling_trace_dropped_too_early", "Traces that were dropped without a decision.");
      drops.count({ kind: "spans", reason }, spans);
    },
    late(spans, isSampled) {
      count("late_parts", "Parts of traces that came after the decision.");
      if (!isSampled) drops.count({ kind: "spans", reason: "not sampled" }, spans);
    },
  };
}
