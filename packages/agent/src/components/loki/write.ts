/**
 * `loki.write`: pushes entries to Loki endpoints. An entry is taken when it is in the queue on disk; every endpoint reads the queue at its own
 * pace, across restarts. What an endpoint cannot take now waits there and is never dropped for want of a connection.
 */
import { describeError, FinchError } from "@finch/runtime";
import { encodeLokiEntries } from "@finch/wire/loki-push";
import type { LokiStreamEntries } from "@finch/wire/loki-push";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { openDurableQueue } from "../../durable-queue.ts";
import type { DurableQueue } from "../../durable-queue.ts";
import { createHttpClient } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import type { LogEntry, LogsReceiver } from "../../receivers.ts";
import { block, maybe, moot, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { unlessAborted, untilAborted } from "../../until-aborted.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";
import { encodeQueueRecord } from "./write-queue-record.ts";
import { runSender } from "./write-sender.ts";
import type { SenderOptions } from "./write-sender.ts";

const ON_DISK = "entries wait on disk, and go on from there after a stop";
const WOKEN = "the queue is read when something comes";

const QUEUE_CONFIG = {
  capacity: moot("bytes", 10 << 20, "the queue is on disk"),
  min_shards: moot(
    "number",
    1,
    "one sender for an endpoint keeps the entries of a stream in order",
  ),
  drain_timeout: moot("duration", 60_000, ON_DISK),
  block_on_overflow: moot("bool", true, "sources wait when the queue on disk is full"),
};

const ENDPOINT = {
  url: required("string", "Push address, such as http://127.0.0.1:3100/loki/api/v1/push."),
  name: maybe(
    "string",
    "Name in metrics and messages, and of the position in the queue; the URL unless told otherwise.",
  ),
  batch_size: optional("bytes", 1 << 20, "Bytes of entries in a request.", { min: 1 }),
  batch_wait: optional("duration", 1000, "How long to wait for a request to fill."),
  remote_timeout: optional("duration", 10_000, "Time for a request.", { min: 1 }),
  tenant_id: optional("string", "", "X-Scope-OrgID of entries that name no tenant themselves."),
  headers: optional("map(string)", {}, "Headers of every request."),
  min_backoff_period: optional("duration", 500, "First pause after a failure.", { min: 1 }),
  max_backoff_period: optional("duration", 300_000, "Longest pause after a failure.", { min: 1 }),
  max_backoff_retries: maybe(
    "number",
    "Retries after which a request is dropped. Unless it is written nothing is dropped: it waits on disk.",
    { min: 1 },
  ),
  retry_on_http_429: optional("bool", true, "Whether 429 means later rather than never."),
  queue_config: block(QUEUE_CONFIG, {
    repeat: "optional",
    doc: "The queue in Alloy's memory; here there is the one on disk.",
  }),
  ...HTTP_CLIENT_ARGUMENTS,
};

const ARGUMENTS = {
  endpoint: block(ENDPOINT, { repeat: "many", doc: "Where entries are pushed to." }),
  external_labels: optional("map(string)", {}, "Labels of every entry that does not have them."),
  max_streams: optional(
    "number",
    0,
    "Streams in one batch of entries; those beyond are dropped and counted. 0: no limit.",
    { min: 0 },
  ),
  wal: block(
    {
      enabled: moot("bool", true, "the queue is on disk whether this is set or not"),
      max_segment_age: moot(
        "duration",
        3_600_000,
        "entries that are not sent are kept, however old",
      ),
      min_read_frequency: moot("duration", 250, WOKEN),
      max_read_frequency: moot("duration", 1000, WOKEN),
      drain_timeout: moot("duration", 30_000, ON_DISK),
    },
    { repeat: "one", doc: "The queue on disk." },
  ),
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly receiver: LogsReceiver;
}
type Context = ComponentContext<Arguments, Exports>;

/** Unsent entries that are kept on disk; when there are more, sources wait. Enough for a day of a busy machine's logs. */
const QUEUE_BYTES_MAX = 512 << 20;
/** Pause before a queue that cannot be opened is tried again. */
const REOPEN_MS = 5000;

export const write = defineComponent({
  name: "loki.write",
  stability: "generally-available",
  summary: "Pushes log entries to Loki, through a queue on disk.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes entries." },
  check: checkArguments,
  async run(context: Context, signal) {
    let queue = Promise.withResolvers<DurableQueue>();
    let open: DurableQueue | undefined;
    context.setExports({
      receiver: {
        kind: "logs-receiver",
        owner: context.id,
        append: async (entries, appendSignal) =>
          enqueue(
            open ?? (await unlessAborted(queue.promise, appendSignal)),
            context,
            entries,
            appendSignal,
          ),
      },
    });
    // Other endpoints are another set of senders: the queue is opened again for them, with what it holds.
    await untilAborted(signal, async () => {
      await using opened = await openQueue(context, signal);
      open = opened;
      queue.resolve(opened);
      try {
        await send(opened, context, signal);
      } finally {
        open = undefined;
        queue = Promise.withResolvers();
      }
    });
  },
});

function checkArguments(values: Arguments): ArgumentFault | undefined {
  const names = new Set<string>();
  for (const [index, endpoint] of values.endpoint.entries()) {
    const at = `endpoint[${index}]`;
    const protocol = URL.parse(endpoint.url)?.protocol;
    if (protocol !== "http:" && protocol !== "https:")
      return {
        at: `${at}.url`,
        message: `${JSON.stringify(endpoint.url)} is not an http or https URL, such as http://127.0.0.1:3100/loki/api/v1/push`,
      };
    const name = endpoint.name ?? endpoint.url;
    if (names.has(name))
      return {
        at,
        message: `two endpoints are called ${JSON.stringify(name)}; give each a name of its own`,
      };
    names.add(name);
    try {
      httpClientOptions(endpoint);
    } catch (error) {
      if (error instanceof FinchError) return { at, message: describeError(error) };
      throw error;
    }
  }
  return undefined;
}

/** Opens the queue, again and again while the disk does not let it: a component that gave up would keep its sources waiting for ever. */
async function openQueue(context: Context, signal: AbortSignal): Promise<DurableQueue> {
  for (;;) {
    try {
      return await openDurableQueue({
        directory: context.dataDirectory,
        fileSystem: context.fileSystem,
        log: context.log,
        bytesMax: QUEUE_BYTES_MAX,
        senders: context.arguments().endpoint.map((endpoint) => endpoint.name ?? endpoint.url),
      });
    } catch (error) {
      const shown = describeError(error);
      context.setHealth("unhealthy", `the queue cannot be opened: ${shown}`);
      context.log.error("the queue cannot be opened; trying again", { error: shown });
      await context.clock.sleep(REOPEN_MS, signal);
    }
  }
}

/** Runs a sender for every endpoint until the component stops or its arguments change. */
async function send(queue: DurableQueue, context: Context, signal: AbortSignal): Promise<void> {
  const changed = new AbortController();
  const either = AbortSignal.any([signal, changed.signal]);
  const watch = context.nextArguments(either).then(
    () => changed.abort(),
    () => {},
  );
  const senders = context.arguments().endpoint.map(async (endpoint) => {
    using client = await createHttpClient(httpClientOptions(endpoint));
    await runSender(senderOptions(endpoint), queue, client, context, either);
  });
  try {
    await Promise.all([...senders, watch]);
  } finally {
    changed.abort();
    await Promise.allSettled(senders);
  }
}

function senderOptions(endpoint: Arguments["endpoint"][number]): SenderOptions {
  return {
    name: endpoint.name ?? endpoint.url,
    url: endpoint.url,
    tenant: endpoint.tenant_id,
    headers: endpoint.headers,
    batchBytesMax: endpoint.batch_size,
    batchWaitMs: endpoint.batch_wait,
    timeoutMs: endpoint.remote_timeout,
    backoffMsMin: endpoint.min_backoff_period,
    backoffMsMax: endpoint.max_backoff_period,
    retryOn429: endpoint.retry_on_http_429,
    retriesMax: endpoint.max_backoff_retries,
  };
}

async function enqueue(
  queue: DurableQueue,
  context: Context,
  entries: readonly LogEntry[],
  signal: AbortSignal,
): Promise<void> {
  const { external_labels: external, max_streams: streamsMax } = context.arguments();
  for (const [tenant, grouped] of streamsOf(external).group(entries)) {
    const streams = [...grouped].map(([{ labels }, some]) => ({ labels, entries: some }));
    const kept = withinLimit(streams, streamsMax, context);
    const message = encodeLokiEntries(kept);
    await queue.push(encodeQueueRecord({ tenant, entries: countEntries(kept), message }), signal);
  }
}

/** What was found out of the streams, as long as the arguments stay the same. */
const knownStreams = new WeakMap<object, OutgoingStreams>();

function streamsOf(external: Readonly<Record<string, string>>): OutgoingStreams {
  let streams = knownStreams.get(external);
  if (streams === undefined) knownStreams.set(external, (streams = new OutgoingStreams(external)));
  return streams;
}

/** Refusing the batch instead would make its source offer it again for ever. */
function withinLimit(
  streams: readonly LokiStreamEntries[],
  streamsMax: number,
  context: Context,
): readonly LokiStreamEntries[] {
  if (streamsMax === 0 || streams.length <= streamsMax) return streams;
  const dropped = countEntries(streams.slice(streamsMax));
  context.metrics
    .counter("loki_write_dropped_entries_total", "Entries given up.", {
      host: "",
      tenant: "",
      reason: "stream_limited",
    })
    .add(dropped);
  context.drops.count({ kind: "lines", reason: "stream_limited" }, dropped, () =>
    streams
      .slice(streamsMax, streamsMax + 20)
      .map(({ labels }) => ({ labels: String(labels), text: "" })),
  );
  context.log.error("entries of streams beyond max_streams are dropped", {
    entries: dropped,
    streams: streams.length,
    max_streams: streamsMax,
  });
  return streams.slice(0, streamsMax);
}

function countEntries(streams: readonly LokiStreamEntries[]): number {
  return streams.reduce((sum, stream) => sum + stream.entries.length, 0);
}
