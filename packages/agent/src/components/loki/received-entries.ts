/** What sources that others push to have in common: the labels of what comes, and its way to the receivers, which is part of the answer. */
import { Labels } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import type { HttpRequest } from "@finch/runtime/http";
import type { LogEntry, LogsReceiver } from "../../receivers.ts";
import { createRelabeler, type RelabelRule } from "../../relabel.ts";
import { forward } from "./forward.ts";
import { TENANT_LABEL } from "./stage-labels.ts";

const RETRY_AFTER_SECONDS = 5;

/** What becomes of sent labels; undefined when rules drop them or leave nothing. Without rules there may be none: a stage can give some. */
export function createLabeler(options: {
  /** They win over what is sent. */
  readonly fixed: Readonly<Record<string, string>>;
  readonly rules: readonly RelabelRule[] | undefined;
  /** Empty when the sender names none. */
  readonly tenant: string;
}): (sent: Labels) => Labels | undefined {
  const { fixed, rules, tenant } = options;
  const relabel = rules === undefined ? undefined : createRelabeler(rules);
  return (sent) => {
    const merged = Labels.fromObject({ ...sent.toObject(), ...fixed });
    const relabelled = relabel === undefined ? merged : relabel(merged);
    if (relabelled === undefined || (relabel !== undefined && relabelled.size === 0))
      return undefined;
    const visible = relabelled.drop(
      new Set([...relabelled].map(([name]) => name).filter((name) => name.startsWith("__"))),
    );
    return tenant === "" ? visible : visible.with(TENANT_LABEL, tenant);
  };
}

/** Resolves when every receiver has taken all entries; rejects with `agent/receive-not-taken`, for the sender to try again. */
export async function handOver(
  to: {
    readonly forward_to: readonly LogsReceiver[];
    readonly http: { readonly server_write_timeout: number };
  },
  entries: readonly LogEntry[],
  request: HttpRequest,
): Promise<void> {
  const timeoutMs = to.http.server_write_timeout;
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await forward(to.forward_to, entries, AbortSignal.any([request.signal, deadline]));
  } catch (error) {
    if (request.signal.aborted) throw error;
    const why = deadline.aborted
      ? `receivers did not take the entries within ${timeoutMs} ms`
      : `the entries are not taken: ${describeError(error)}`;
    throw new FinchError("unavailable", "agent/receive-not-taken", why, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      cause: error,
    });
  }
}
