/**
 * `otelcol.processor.memory_limiter`: refuses telemetry while the agent uses too much memory, so that senders try again later. Looked at are the heap
 * and the buffers of the process; from the soft limit on, memory is collected before anything is refused.
 */
import { totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, emit, OUTPUT_BLOCK, UNITS } from "../../otel/output.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";

const ARGUMENTS = {
  check_interval: required("duration", "How often the memory is looked at.", { min: 10 }),
  limit: optional("bytes", 0, "Memory that the agent may use; this or limit_percentage."),
  spike_limit: maybe(
    "bytes",
    "What may come between two looks: telemetry is refused from limit - spike_limit on; a fifth of the limit unless it is written.",
  ),
  limit_percentage: optional("number", 0, "The limit in percent of all memory there is.", {
    min: 0,
    max: 100,
  }),
  spike_limit_percentage: optional("number", 0, "The spike limit in percent of all memory.", {
    min: 0,
    max: 100,
  }),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;

/** Collections of memory are at least this far apart: each stops everything for a while. */
const COLLECT_PAUSE_MS = 10_000;

/** What the component asks of the process. */
export interface ProcessMemory {
  usedBytes(): number;
  /** Of the machine, or of the control group where that has less. */
  totalBytes(): number;
  /** Frees what is not used. */
  collect(): void;
}

const OWN_MEMORY: ProcessMemory = {
  usedBytes: () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  totalBytes: () => Math.min(totalmem(), process.constrainedMemory() || Infinity),
  collect: () => {
    setFlagsFromString("--expose-gc");
    (runInNewContext("gc") as () => void)();
  },
};

export const memoryLimiter = createMemoryLimiter(OWN_MEMORY);

/** The component, over a process or what stands in for one. */
export function createMemoryLimiter(memory: ProcessMemory) {
  return defineComponent({
    name: "otelcol.processor.memory_limiter",
    stability: "generally-available",
    summary: "Refuses telemetry while the agent uses too much memory.",
    arguments: ARGUMENTS,
    exports: { input: "Takes traces, metrics and logs." },
    check: findFault,
    run: async (context: Context, signal) => {
      const gate = new MemoryGate(context, memory);
      const input = createConsumer(context, ["traces", "metrics", "logs"], async (batch, inner) => {
        const { items } = batch;
        if (gate.isShut) {
          countItems(context, "refused", { unit: UNITS[batch.signal], items });
          throw new FinchError(
            "unavailable",
            "agent/otel-memory-limit",
            `${context.id} takes nothing: ${gate.why}`,
            { retryAfterSeconds: Math.ceil(context.arguments().check_interval / 1000) },
          );
        }
        await emit(context, batch, inner);
        countItems(context, "accepted", { unit: UNITS[batch.signal], items });
      });
      context.setExports({ input });
      gate.look();
      await untilAborted(signal, async () => {
        await periodOrChange(context, context.arguments().check_interval, signal);
        gate.look();
      });
    },
  });
}

function countItems(
  { metrics }: Context,
  what: "accepted" | "refused",
  { unit, items }: { readonly unit: string; readonly items: number },
): void {
  const name = { spans: "spans", samples: "metric_points", lines: "log_records" }[unit] ?? unit;
  metrics.counter(`otelcol_processor_${what}_${name}_total`, `Items that were ${what}.`).add(items);
}

function findFault(values: Arguments): ArgumentFault | undefined {
  const { limit, spike_limit: spike, limit_percentage: percent } = values;
  if (limit > 0 && percent > 0)
    return { at: "limit_percentage", message: "give either limit or limit_percentage" };
  if (limit === 0 && percent === 0)
    return { message: "either limit or limit_percentage must be set to greater than zero" };
  if (limit > 0 && spike !== undefined && spike >= limit)
    return { at: "spike_limit", message: "spike_limit must be less than limit" };
  if (percent > 0 && values.spike_limit_percentage >= percent)
    return {
      at: "spike_limit_percentage",
      message: "spike_limit_percentage must be less than limit_percentage",
    };
  return debugMetricsFault(values);
}

class MemoryGate {
  isShut = false;
  why = "";
  readonly #context: Context;
  readonly #memory: ProcessMemory;
  #collectedMs = -Infinity;

  constructor(context: Context, memory: ProcessMemory) {
    this.#context = context;
    this.#memory = memory;
  }

  look(): void {
    const softBytes = this.#softLimit();
    let usedBytes = this.#memory.usedBytes();
    const nowMs = this.#context.clock.monotonicMs();
    if (usedBytes > softBytes && nowMs - this.#collectedMs >= COLLECT_PAUSE_MS) {
      this.#memory.collect();
      this.#collectedMs = nowMs;
      usedBytes = this.#memory.usedBytes();
    }
    const wasShut = this.isShut;
    this.isShut = usedBytes > softBytes;
    if (this.isShut)
      this.why = `the agent uses ${toMebibytes(usedBytes)} of memory, more than ${toMebibytes(softBytes)}`;
    if (this.isShut === wasShut) return;
    if (this.isShut) {
      this.#context.setHealth("unhealthy", this.why);
      this.#context.log.warn("telemetry is refused until there is memory", {
        usedBytes,
        softBytes,
      });
    } else this.#context.setHealth("healthy", "memory is below the limit again");
  }

  #softLimit(): number {
    const { limit, spike_limit: spike, limit_percentage: percent } = this.#context.arguments();
    if (limit > 0) return limit - (spike ?? limit / 5);
    const totalBytes = this.#memory.totalBytes();
    const spikePercent = this.#context.arguments().spike_limit_percentage || percent / 5;
    return ((percent - spikePercent) / 100) * totalBytes;
  }
}

function toMebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
