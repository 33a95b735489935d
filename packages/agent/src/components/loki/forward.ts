/** Handing entries to every receiver of `forward_to`, and stamping lines whose source has no time of its own. */
import type { LogEntry, LogsReceiver } from "../../receivers.ts";

/** Resolves when every receiver has taken the entries; rejects with the first fault. */
export async function forward(
  receivers: readonly LogsReceiver[],
  entries: readonly LogEntry[],
  signal: AbortSignal,
): Promise<void> {
  if (entries.length === 0) return;
  await Promise.all(receivers.map((receiver) => receiver.append(entries, signal)));
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
