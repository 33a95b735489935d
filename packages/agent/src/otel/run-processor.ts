/** What processors of one batch at a time have in common: an input, work made of the arguments, and the way out. */
import type { OtlpSignal } from "@finch/wire";
import type { ComponentContext } from "../component.ts";
import type { TelemetryConsumer } from "../receivers.ts";
import { untilAborted } from "../until-aborted.ts";
import { createConsumer, emit, type Output } from "./output.ts";
import type { AnyBatch } from "./telemetry-batch.ts";

export interface ProcessorExports {
  readonly input: TelemetryConsumer;
}

/** Makes what goes out of what came in. The batch is its own. */
export type ProcessBatch = (batch: AnyBatch) => AnyBatch;

export const ALL_SIGNALS: readonly OtlpSignal[] = ["traces", "metrics", "logs"];

/** Runs until `signal` aborts; `prepare` is called with the arguments at the start and after each change. */
export async function runProcessor<Arguments extends { readonly output: Partial<Output> }>(
  context: ComponentContext<Arguments, ProcessorExports>,
  signal: AbortSignal,
  prepare: (values: Arguments) => ProcessBatch,
  signals: readonly OtlpSignal[] = ALL_SIGNALS,
): Promise<void> {
  let process = prepare(context.arguments());
  const input = createConsumer(context, signals, async (batch, consumeSignal) => {
    await emit(context, process(batch), consumeSignal);
  });
  context.setExports({ input });
  await untilAborted(signal, async () => {
    process = prepare(await context.nextArguments(signal));
  });
}
