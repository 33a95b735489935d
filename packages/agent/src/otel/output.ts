/** The `output` block that all `otelcol.*` components share, and the way of a batch out of a component: to every consumer of its signal. */
import { FinchError } from "@finch/runtime";
import type { OtlpSignal } from "@finch/wire";
import type { ComponentContext } from "../component.ts";
import type { TelemetryConsumer } from "../receivers.ts";
import { block, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";
import type { AnyBatch } from "./telemetry-batch.ts";

const OUTPUT = {
  metrics: optional("list(otel-consumer)", [], "Where metrics go: inputs of other components."),
  logs: optional("list(otel-consumer)", [], "Where logs go."),
  traces: optional("list(otel-consumer)", [], "Where traces go."),
};

/** `output { metrics = […] logs = […] traces = […] }`. What no list takes is dropped, as in Alloy. */
export const OUTPUT_BLOCK = block(OUTPUT, {
  repeat: "one",
  doc: "Where telemetry goes, by signal.",
  isRequired: true,
});

export type Output = ValuesOf<typeof OUTPUT>;

type OutputContext = Pick<
  ComponentContext<{ readonly output: Partial<Output> }, object>,
  "arguments" | "drops"
>;

/**
 * Hands a batch, which is spent by this, to all consumers of its signal in the component's `output`. Resolves when every one has taken it; when some
 * refuse it, the others have it all the same, and this rejects with the first fault. A batch without items goes nowhere.
 */
export async function emit(
  context: OutputContext,
  batch: AnyBatch,
  signal: AbortSignal,
): Promise<void> {
  const consumers = context.arguments().output[batch.signal] ?? [];
  if (batch.items === 0) return;
  if (consumers.length === 0) {
    const reason = `output.${batch.signal} is empty`;
    context.drops.count({ kind: UNITS[batch.signal], reason }, batch.items);
    return;
  }
  const [refusal] = await offer(consumers, batch, signal);
  if (refusal !== undefined) throw refusal.reason as Error;
}

/** Who did not take a batch, and what it threw. */
export interface Refusal {
  readonly consumer: TelemetryConsumer;
  readonly reason: unknown;
}

/** Hands a batch, which is spent by this unless it is shared, to several; resolves with those that refused it. */
export async function offer(
  consumers: readonly TelemetryConsumer[],
  batch: AnyBatch,
  signal: AbortSignal,
): Promise<readonly Refusal[]> {
  if (consumers.length > 1) batch.share();
  const results = await Promise.allSettled(
    consumers.map((consumer) => consumer.consume(batch, signal)),
  );
  return results.flatMap((result, index) =>
    result.status === "fulfilled"
      ? []
      : [{ consumer: consumers[index]!, reason: result.reason as unknown }],
  );
}

/** What the items of a signal are called. */
export const UNITS = { traces: "spans", metrics: "samples", logs: "lines" } as const;

/** A consumer that belongs to a component and takes some signals; the others it refuses with what to change. */
export function createConsumer(
  context: Pick<ComponentContext<never, object>, "id">,
  signals: readonly OtlpSignal[],
  consume: (batch: AnyBatch, signal: AbortSignal) => Promise<void>,
): TelemetryConsumer {
  return {
    kind: "otel-consumer",
    owner: context.id,
    signals,
    async consume(batch, signal) {
      if (!signals.includes(batch.signal))
        throw new FinchError(
          "unsupported",
          "agent/otel-signal",
          `${context.id} takes ${signals.join(" and ")}, not ${batch.signal}: take it out of the output.${batch.signal} that names it`,
        );
      await consume(batch, signal);
    },
  };
}
