/** Hands one batch of samples to every receiver of a component's `forward_to`. */
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import type { MetricsReceiver, SampleSet } from "../../receivers.ts";

/** Seconds; forwarding takes as long as an fsync when a sink is next. */
const LATENCY_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/** What a fan-out needs of the component's context, whatever its arguments are. */
export type FanOutContext = Pick<
  ComponentContext<unknown, object>,
  "metrics" | "log" | "clock" | "drops"
>;

/**
 * Resolves when every receiver has taken the batch or refused it, with the owners of those that refused. A receiver that refuses does not
 * keep the others from theirs; what it missed is counted and logged. Rejects only when `signal` aborts.
 */
export async function fanOut(
  context: FanOutContext,
  receivers: readonly MetricsReceiver[],
  batch: { readonly samples: SampleSet; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { samples, signal } = batch;
  const isEmpty =
    samples.labels.length === 0 && samples.metadata.length === 0 && samples.exemplars === undefined;
  if (isEmpty || receivers.length === 0) return [];
  const startMs = context.clock.monotonicMs();
  const results = await Promise.allSettled(
    receivers.map((receiver) => receiver.append(samples, signal)),
  );
  signal.throwIfAborted();
  const latency = context.metrics.histogram(
    "prometheus_fanout_latency",
    "Seconds that forwarding a batch took.",
    LATENCY_BUCKETS,
  );
  latency.observe((context.clock.monotonicMs() - startMs) / 1000);
  const refusing: string[] = [];
  for (const [index, result] of results.entries()) {
    const receiver = receivers[index]!.owner;
    if (result.status === "fulfilled") {
      context.metrics
        .counter("prometheus_forwarded_samples_total", "Samples handed to receivers.")
        .add(samples.labels.length);
    } else {
      refusing.push(receiver);
      context.metrics
        .counter(
          "prometheus_forward_failed_samples_total",
          "Samples that a receiver refused; they are lost to it.",
          { receiver },
        )
        .add(samples.labels.length);
      context.drops.count(
        { kind: "samples", reason: `refused by ${receiver}` },
        samples.labels.length,
        () => samples.labels.slice(0, 20).map((labels) => ({ labels: String(labels), text: "" })),
      );
      context.log.error("a receiver refused samples", {
        receiver,
        samples: samples.labels.length,
        error: describeError(result.reason),
      });
    }
  }
  return refusing;
}
