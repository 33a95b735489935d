/** The blocks that exporters of OTLP share: `sending_queue` and `retry_on_failure`. */
import type { ArgumentFault } from "../component.ts";
import { block, maybe, oneOf, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";

const BATCH = {
  flush_timeout: optional("duration", 200, "How long what came waits for more.", { min: 0 }),
  min_size: optional("number", 2000, "Items with which it waits no longer.", { min: 0 }),
  max_size: optional("number", 3000, "Most items in a request; 0: no limit.", { min: 0 }),
  sizer: oneOf(["items", "bytes"], "items", 'What sizes count; only "items" is taken.'),
};

const SENDING_QUEUE = {
  enabled: optional("bool", true, "Queue on disk; without it senders wait for the receiver."),
  num_consumers: optional("number", 10, "Requests under way at once.", { min: 1, max: 1000 }),
  queue_size: optional("number", 1000, "What the queue holds, besides its 512 MiB on disk.", {
    min: 1,
  }),
  sizer: oneOf(["requests", "items", "bytes"], "requests", "What queue_size counts."),
  block_on_overflow: optional(
    "bool",
    false,
    "Whether senders wait when the queue is full; else they are told to come again.",
  ),
  wait_for_result: optional("bool", false, "Wait until it is sent; only false is taken."),
  storage: maybe("otel-handler", "The handler of a component that says where the queue stands."),
  batch: block(BATCH, { repeat: "optional", doc: "Joins what is queued into larger requests." }),
};

const RETRY = {
  enabled: optional("bool", true, "Send again what may pass later; else it is dropped."),
  initial_interval: optional("duration", 5000, "First pause.", { min: 1 }),
  randomization_factor: optional("number", 0.5, "Share by which pauses differ.", {
    min: 0,
    max: 1,
  }),
  multiplier: optional("number", 1.5, "Each pause is so much longer than the one before.", {
    min: 1,
  }),
  max_interval: optional("duration", 30_000, "Longest pause.", { min: 1 }),
  max_elapsed_time: maybe(
    "duration",
    "After which a request is dropped; 0: never. Unless it is written nothing is dropped: it waits on disk.",
  ),
};

/** Spread into the schema of an exporter. */
export const SENDER_BLOCKS = {
  sending_queue: block(SENDING_QUEUE, { repeat: "one", doc: "What waits to be sent." }),
  retry_on_failure: block(RETRY, { repeat: "one", doc: "What becomes of requests that fail." }),
};

export type SenderArguments = ValuesOf<typeof SENDER_BLOCKS>;

/** Why the blocks cannot be taken; undefined when they can. */
export function senderFault({ sending_queue: queue }: SenderArguments): ArgumentFault | undefined {
  const at = "sending_queue";
  if (queue.wait_for_result)
    return { at: `${at}.wait_for_result`, message: "not supported yet: wait_for_result = true" };
  if (!queue.enabled && queue.batch !== undefined)
    return { at: `${at}.batch`, message: "batch needs the queue to be enabled" };
  if (queue.batch?.sizer === "bytes")
    return { at: `${at}.batch.sizer`, message: 'not supported yet: sizer = "bytes"' };
  const { min_size: min = 0, max_size: max = 0 } = queue.batch ?? {};
  return max > 0 && min > max
    ? { at: `${at}.batch`, message: "max_size must be at least min_size, or 0" }
    : undefined;
}
