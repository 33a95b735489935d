/** Handing entries to every receiver of `forward_to`, and stamping lines whose source has no time of its own. */
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import type { LogEntry, LogsReceiver } from "../../receivers.ts";

/** Entries that were not taken are offered again after this. */
const RETRY_MS = 1000;

/** Resolves when every receiver has taken the entries; rejects with the first fault. */
export async function forward(
  receivers: readonly LogsReceiver[],
  entries: readonly LogEntry[],
  signal: AbortSignal,
): Promise<void> {
  if (entries.length === 0) return;
  await Promise.all(receivers.map((receiver) => receiver.append(entries, signal)));
}

/**
 * For entries that are read and nowhere else: they are offered again until every receiver of `forward_to` takes them, and the component is unhealthy
 * meanwhile. Whether it was; rejects only when `signal` aborts.
 */
export async function forwardUntilTaken(
  context: Pick<
    ComponentContext<{ readonly forward_to: readonly LogsReceiver[] }, object>,
    "arguments" | "setHealth" | "clock"
  >,
  entries: readonly LogEntry[],
  signal: AbortSignal,
): Promise<boolean> {
  for (let wasRefused = false; ; wasRefused = true) {
    try {
      await forward(context.arguments().forward_to, entries, signal);
      return wasRefused;
    } catch (error) {
      signal.throwIfAborted();
      context.setHealth("unhealthy", `lines are not taken: ${describeError(error)}`);
      await context.clock.sleep(RETRY_MS, signal);
    }
  }
}

/** A clock that never gives the same nanosecond twice: equal lines read in one microsecond stay two entries. */
export function uniqueNanoseconds(nowNs: () => bigint): () => bigint {
  let last = 0n;
  return () => {
    const now = nowNs();
    last = now > last ? now : last + 1n;
    return last;
  };
}
