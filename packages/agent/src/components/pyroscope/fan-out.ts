/** Hands profiles to every receiver of a component's `forward_to`. */
import { describeError, FinchError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import { countProfiles } from "../../receivers.ts";
import type { ProfileSeries, ProfilesReceiver } from "../../receivers.ts";

/** Seconds. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type FanOutContext = Pick<
  ComponentContext<unknown, object>,
  "metrics" | "log" | "clock" | "drops"
>;

/**
 * Resolves when every receiver has taken the profiles. One that refuses does not keep the others from theirs; what it missed is counted and logged, and the
 * first such refusal is what the promise rejects with, so that whoever sent the profiles can be told.
 */
export async function fanOut(
  context: FanOutContext,
  receivers: readonly ProfilesReceiver[],
  { series, signal }: { readonly series: readonly ProfileSeries[]; readonly signal: AbortSignal },
): Promise<void> {
  const count = countProfiles(series);
  if (count === 0 || receivers.length === 0) return;
  const startMs = context.clock.monotonicMs();
  const results = await Promise.allSettled(
    receivers.map((receiver) => receiver.append(series, signal)),
  );
  context.metrics
    .histogram(
      "pyroscope_fanout_latency",
      "Seconds that forwarding profiles took.",
      LATENCY_BUCKETS,
    )
    .observe((context.clock.monotonicMs() - startMs) / 1000);
  const refusals = results.flatMap((result, index) =>
    result.status === "fulfilled"
      ? []
      : [{ receiver: receivers[index]!.owner, reason: result.reason as unknown }],
  );
  context.metrics
    .counter("pyroscope_forwarded_entries_total", "Profiles handed to receivers.")
    .add(count * (receivers.length - refusals.length));
  for (const refusal of refusals) tellRefusal(context, series, { ...refusal, count });
  signal.throwIfAborted();
  if (refusals.length > 0) throw asFault(refusals[0]!);
}

function tellRefusal(
  context: FanOutContext,
  series: readonly ProfileSeries[],
  about: { readonly receiver: string; readonly reason: unknown; readonly count: number },
): void {
  const { receiver, reason, count } = about;
  const error = describeError(reason);
  context.drops.count({ kind: "profiles", reason: `refused by ${receiver}` }, count, () =>
    series.slice(0, 20).map(({ labels }) => ({ labels: String(labels), text: error })),
  );
  context.log.error("a receiver refused profiles", { receiver, profiles: count, error });
}

function asFault({
  receiver,
  reason,
}: {
  readonly receiver: string;
  readonly reason: unknown;
}): FinchError {
  if (reason instanceof FinchError) return reason;
  return new FinchError(
    "unavailable",
    "agent/profiles-not-taken",
    `not taken by ${receiver}: ${describeError(reason)}`,
  );
}
