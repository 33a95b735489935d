/**
 * `otelcol.processor.batch`: joins what comes into larger batches, by signal and by metadata. Batches are joined as bytes. Senders wait until theirs is
 * handed on, so that nothing that was acknowledged is in memory alone; what is held is bounded. What the components behind refuse is offered again, and
 * at a stop all is handed on.
 */
import { FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, OUTPUT_BLOCK } from "../../otel/output.ts";
import type { AnyBatch, ClientInfo } from "../../otel/telemetry-batch.ts";
import { NO_CLIENT } from "../../otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";
import { BatchShard } from "./batch-shard.ts";

const ARGUMENTS = {
  timeout: optional(
    "duration",
    200,
    "How long what came waits for more, while more comes: after 20 ms without any it goes, for its senders wait. 0: it is handed on at once.",
    { min: 0 },
  ),
  send_batch_size: optional(
    "number",
    2000,
    "Spans, data points or log records with which a batch is full; 0: it is handed on at once.",
    { min: 0 },
  ),
  send_batch_max_size: optional(
    "number",
    3000,
    "Most of them in a batch: larger ones are split; 0: no limit.",
    { min: 0 },
  ),
  metadata_keys: optional(
    "list(string)",
    [],
    "Metadata of clients (headers) by which batches are kept apart.",
  ),
  metadata_cardinality_limit: optional(
    "number",
    1000,
    "Combinations of that metadata which are kept apart at a time; 0: no limit.",
    { min: 0 },
  ),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

export type BatchArguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<BatchArguments, { readonly input: TelemetryConsumer }>;

/** How long a stop may hand on what is held. */
const FLUSH_MS_MAX = 3000;

export const processorBatch = defineComponent({
  name: "otelcol.processor.batch",
  stability: "generally-available",
  summary: "Joins telemetry of OpenTelemetry into larger batches.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: async (context: Context, signal) => {
    const shards = new Map<string, BatchShard>();
    const stop = new AbortController();
    const input = createConsumer(context, ["traces", "metrics", "logs"], (batch, consumeSignal) =>
      shardOf(context, shards, { batch, stop: stop.signal }).add(batch, consumeSignal),
    );
    context.setExports({ input });
    await untilStopped(context, signal);
    // Sources have stopped by now, and the components behind have not.
    const deadline = setTimeout(() => stop.abort(), FLUSH_MS_MAX);
    await Promise.all([...shards.values()].map((shard) => shard.drain()));
    clearTimeout(deadline);
  },
});

function findFault(values: BatchArguments): ArgumentFault | undefined {
  const { send_batch_size: size, send_batch_max_size: sizeMax, metadata_keys: keys } = values;
  if (sizeMax > 0 && sizeMax < size)
    return {
      at: "send_batch_max_size",
      message: "send_batch_max_size must be greater or equal to send_batch_size when not 0",
    };
  const lower = keys.map((key) => key.toLowerCase());
  const twice = lower.find((key, index) => lower.indexOf(key) !== index);
  if (twice !== undefined)
    return { at: "metadata_keys", message: `the key ${JSON.stringify(twice)} stands twice` };
  return debugMetricsFault(values);
}

/** The shard of a batch; one is made when there is none, and goes when it is empty. */
function shardOf(
  context: Context,
  shards: Map<string, BatchShard>,
  { batch, stop }: { readonly batch: AnyBatch; readonly stop: AbortSignal },
): BatchShard {
  const { metadata_keys: keys, metadata_cardinality_limit: limit } = context.arguments();
  const client = keys.length === 0 ? NO_CLIENT : clientOf(batch.client, keys);
  const key = `${batch.signal} ${JSON.stringify([...client.metadata])}`;
  const known = shards.get(key);
  if (known !== undefined) return known;
  // Each combination may have a shard for each signal.
  if (keys.length > 0 && limit > 0 && shards.size >= limit * 3)
    throw new FinchError(
      "limited",
      "agent/otel-batch-metadata",
      `more than ${limit} combinations of ${keys.join(", ")} at a time: raise metadata_cardinality_limit, or name other metadata_keys`,
      { retryAfterSeconds: 1 },
    );
  const shard = new BatchShard(
    context,
    { signal: batch.signal, client, stop },
    () => void shards.delete(key),
  );
  shards.set(key, shard);
  return shard;
}

function clientOf({ metadata }: ClientInfo, keys: readonly string[]): ClientInfo {
  const kept = keys
    .map((key) => key.toLowerCase())
    .map((key) => [key, metadata.get(key) ?? []] as const);
  return { metadata: new Map(kept), address: "" };
}
