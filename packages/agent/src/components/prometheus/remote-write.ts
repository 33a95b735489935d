/**
 * `prometheus.remote_write`: takes samples into a queue on disk and sends them to every endpoint. A batch is taken when it is durable; what
 * was taken reaches each endpoint at least once, over restarts and crashes, unless it grows too old or the queue too large.
 */
import { createHash } from "node:crypto";
import { Labels, type MetricMetadata } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { metadataOfSeries } from "@finch/wire/remote-write";
import { awsAuthentication, SIGV4_ARGUMENTS } from "../../aws/sigv4-arguments.ts";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { openDurableQueue, type DurableQueue } from "../../durable-queue.ts";
import { createHttpClient, type HttpClient, type HttpClientOptions } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import type { MetricsReceiver, SampleSet } from "../../receivers.ts";
import { compileRuleBlocks, RULE_BLOCKS, ruleFault } from "../../relabel-arguments.ts";
import { createRelabeler } from "../../relabel.ts";
import {
  block,
  maybe,
  moot,
  notYet,
  oneOf,
  optional,
  required,
  type ValuesOf,
} from "../../schema.ts";
import { unlessAborted, untilAborted } from "../../until-aborted.ts";
import { Endpoint, type EndpointOptions } from "./remote-write-endpoint.ts";
import { encodeRecord, withoutMetaLabels } from "./remote-write-record.ts";
import { SampleBuilder } from "./sample-builder.ts";

/** Disk that unsent samples may take; with a dead endpoint it would fill otherwise. */
const QUEUE_BYTES_MAX = 512 << 20;
/** From here on an endpoint that cannot be reached gives up its oldest samples, so that new ones need not wait. */
const QUEUE_BYTES_HIGH = Math.floor(QUEUE_BYTES_MAX * 0.9);
/** Metric families whose metadata is kept; names made from user input would fill the memory otherwise. */
const METADATA_MAX = 20_000;
/** How long a stopping sender goes on with what is queued, such as the markers that end series; the rest waits for the next start. */
const FLUSH_MS_MAX = 500;
/** How long a sender pauses after a fault of the disk before it goes on. */
const FAULT_PAUSE_MS = 5000;

const QUEUE_CONFIG = {
  capacity: optional("number", 10_000, "Samples an endpoint holds in memory.", { min: 1 }),
  max_samples_per_send: optional("number", 2000, "Most samples in a request.", { min: 1 }),
  batch_send_deadline: optional("duration", 5000, "Longest wait for a request to fill.", {
    min: 0,
  }),
  min_backoff: optional("duration", 30, "First wait after a failed request.", { min: 1 }),
  max_backoff: optional("duration", 5000, "Longest wait after a failed request.", { min: 1 }),
  min_shards: optional("number", 1, "Fewest requests under way at once.", { min: 1 }),
  max_shards: optional(
    "number",
    50,
    "Most requests under way at once, while there is more than they can send.",
    { min: 1 },
  ),
  retry_on_http_429: optional("bool", true, "Send again what was answered with 429."),
  sample_age_limit: optional(
    "duration",
    0,
    "Samples older than this are dropped unsent; 0 keeps them.",
    { min: 0 },
  ),
};

const METADATA_CONFIG = {
  send: optional("bool", true, "Send type, help and unit of metrics."),
  send_interval: optional("duration", 60_000, "How often metadata is sent.", { min: 1 }),
  max_samples_per_send: optional("number", 2000, "Most metrics in a request.", { min: 1 }),
};

const ENDPOINT = {
  url: required("string", "Where to send to."),
  name: maybe("string", "Name in logs and metrics; must be unique."),
  remote_timeout: optional("duration", 30_000, "How long a request may take.", { min: 1 }),
  headers: optional("map(string)", {}, "Headers added to each request."),
  protobuf_message: oneOf(
    ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"],
    "prometheus.WriteRequest",
    "Message sent: that of remote write 1.0 or of 2.0.",
  ),
  send_exemplars: optional("bool", true, "Send exemplars."),
  send_native_histograms: optional("bool", false, "Send native histograms."),
  round_robin_dns: optional("bool", false, "Connect to every address of the host in turn."),
  queue_config: block(QUEUE_CONFIG, { repeat: "one", doc: "How samples are batched and retried." }),
  metadata_config: block(METADATA_CONFIG, { repeat: "one", doc: "How metadata is sent." }),
  write_relabel_config: RULE_BLOCKS,
  sigv4: block(SIGV4_ARGUMENTS, {
    repeat: "optional",
    doc: "Signatures of AWS, for Amazon Managed Service for Prometheus.",
  }),
  azuread: notYet("block", "Azure AD authentication."),
  google_iam: notYet("block", "Google Cloud authentication."),
  ...HTTP_CLIENT_ARGUMENTS,
};

const SENT_GOES = "samples leave the disk as soon as all endpoints have them";

const WAL = {
  truncate_frequency: moot("duration", 7_200_000, SENT_GOES),
  min_keepalive_time: moot("duration", 300_000, SENT_GOES),
  max_keepalive_time: optional(
    "duration",
    28_800_000,
    "Samples older than this are dropped unsent.",
    { min: 1 },
  ),
};

const ARGUMENTS = {
  external_labels: optional("map(string)", {}, "Labels added to every sample that lacks them."),
  endpoint: block(ENDPOINT, { repeat: "many", doc: "Where samples are sent." }),
  wal: block(WAL, { repeat: "one", doc: "The queue on disk." }),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type EndpointArguments = Arguments["endpoint"][number];
interface Exports {
  readonly receiver: MetricsReceiver;
}
type Context = ComponentContext<Arguments, Exports>;

export const remoteWrite = defineComponent<typeof ARGUMENTS, Exports>({
  name: "prometheus.remote_write",
  stability: "generally-available",
  summary: "Sends samples to Prometheus-compatible endpoints, with a queue on disk.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes samples to send." },
  check: findFault,
  run: async (context, signal) => {
    const sink = new Sink(context);
    context.setExports({ receiver: sink });
    try {
      // A component that gave up, on a disk that is full at the start for instance, would keep its sources waiting for ever.
      await sink.keepGoing(signal, () => sink.session(context.arguments(), signal));
    } finally {
      sink.close();
    }
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const names = values.endpoint.map(nameOf);
  for (const [index, endpoint] of values.endpoint.entries()) {
    const at = `endpoint[${index}]`;
    const fault = endpointFault(endpoint);
    if (fault !== undefined)
      return { at: fault.at === undefined ? at : `${at}.${fault.at}`, message: fault.message };
    if (names.indexOf(names[index]!) !== index)
      return { at, message: `two endpoints are called ${names[index]!}; give them a name each` };
  }
  return undefined;
}

function endpointFault(endpoint: EndpointArguments): ArgumentFault | undefined {
  const url = URL.parse(endpoint.url);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return { at: "url", message: `${JSON.stringify(endpoint.url)} is not an http or https URL` };
  }
  const { queue_config: queue } = endpoint;
  if (endpoint.round_robin_dns)
    return { at: "round_robin_dns", message: "not supported yet: round_robin_dns = true" };
  if (queue.min_shards > queue.max_shards)
    return { at: "queue_config.min_shards", message: "min_shards is more than max_shards" };
  if (queue.min_backoff > queue.max_backoff)
    return { at: "queue_config.min_backoff", message: "min_backoff is longer than max_backoff" };
  try {
    clientOptions(endpoint);
  } catch (error) {
    return { message: describeError(error) };
  }
  return ruleFault(endpoint.write_relabel_config, "write_relabel_config");
}

/** Throws a FinchError when ways to authenticate exclude each other. */
function clientOptions(endpoint: EndpointArguments): HttpClientOptions {
  const options = httpClientOptions(endpoint);
  if (endpoint.sigv4 === undefined) return options;
  if (options.authentication.kind !== "none")
    throw new FinchError(
      "invalid",
      "agent/http-arguments",
      "at most one of sigv4, basic_auth, authorization, oauth2, bearer_token and bearer_token_file may be given",
    );
  return { ...options, authentication: awsAuthentication(endpoint.sigv4) };
}

/** Stable over restarts, since the position in the queue is stored under it. */
function nameOf(endpoint: EndpointArguments): string {
  return endpoint.name ?? createHash("sha256").update(endpoint.url).digest("hex").slice(0, 6);
}

/** The receiver, and the queue and senders behind it while a session runs. */
class Sink implements MetricsReceiver {
  readonly kind = "metrics-receiver";
  readonly owner: string;
  readonly #context: Context;
  readonly #metadata = new Map<string, MetricMetadata>();
  #open = Promise.withResolvers<OpenQueue>();

  constructor(context: Context) {
    this.owner = context.id;
    this.#context = context;
    this.#open.promise.catch(() => {});
  }

  async append(samples: SampleSet, signal: AbortSignal): Promise<void> {
    const open = await unlessAborted(this.#open.promise, signal);
    for (const metadata of samples.metadata) {
      if (this.#metadata.size < METADATA_MAX || this.#metadata.has(metadata.family))
        this.#metadata.set(metadata.family, metadata);
    }
    const { metrics } = this.#context;
    metrics
      .counter("prometheus_remote_storage_samples_in_total", "Samples that came in.")
      .add(samples.labels.length);
    await Promise.all(open.encode(samples).map((record) => open.queue.push(record, signal)));
    metrics
      .counter(
        "prometheus_remote_write_wal_samples_appended_total",
        "Samples that are durable in the queue.",
      )
      .add(samples.labels.length);
    metrics
      .gauge("prometheus_remote_write_wal_storage_bytes", "Size of the queue on disk.")
      .set(open.queue.bytes());
  }

  /** Opens everything, sends until the arguments change or `signal` aborts, and closes it. */
  async session(values: Arguments, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    await using stack = new AsyncDisposableStack();
    const queue = stack.use(
      await openDurableQueue({
        directory: context.dataDirectory,
        fileSystem: context.fileSystem,
        log: context.log,
        bytesMax: QUEUE_BYTES_MAX,
        senders: values.endpoint.map(nameOf),
      }),
    );
    const clients: HttpClient[] = [];
    for (const endpoint of values.endpoint) {
      clients.push(stack.use(await createHttpClient(clientOptions(endpoint))));
    }
    const ending = new AbortController();
    const running: Promise<void>[] = [];
    // Goes before the clients and the queue, which the senders use to the end.
    stack.defer(async () => {
      this.#open = Promise.withResolvers();
      this.#open.promise.catch(() => {});
      ending.abort(
        new FinchError("canceled", "agent/remote-write-ended", "remote write is stopping"),
      );
      await Promise.all(running);
    });
    const ends = AbortSignal.any([signal, ending.signal]);
    for (const [index, endpoint] of values.endpoint.entries()) {
      const client = clients[index]!;
      running.push(...this.#startEndpoint({ endpoint, values, client, queue, signal: ends }));
    }
    this.#open.resolve({ queue, encode: makeEncoder(values) });
    context.setHealth("healthy", `sends to ${values.endpoint.length} endpoints`);
    await context.nextArguments(signal);
  }

  close(): void {
    this.#open.reject(
      new FinchError("unavailable", "agent/remote-write-closed", `${this.owner} is stopped`),
    );
  }

  #startEndpoint(about: {
    readonly endpoint: EndpointArguments;
    readonly values: Arguments;
    readonly client: HttpClient;
    readonly queue: DurableQueue;
    readonly signal: AbortSignal;
  }): readonly Promise<void>[] {
    const { endpoint, values, client, queue, signal } = about;
    const context = this.#context;
    const sender = new Endpoint(optionsOf(endpoint, values), {
      context,
      client,
      queue,
      queueBytesHigh: QUEUE_BYTES_HIGH,
      metadataOf: (name) => metadataOfSeries(name, (family) => this.#metadata.get(family)),
    });
    const sending = this.keepGoing(signal, () => sender.run(signal));
    const loops = [sending.then(() => sender.flush(FLUSH_MS_MAX))];
    const { send, send_interval, max_samples_per_send } = endpoint.metadata_config;
    if (send) {
      loops.push(
        this.keepGoing(signal, async () => {
          await context.clock.sleep(send_interval, signal);
          await sender.sendMetadata([...this.#metadata.values()], {
            perRequestMax: max_samples_per_send,
            signal,
          });
        }),
      );
    }
    return loops;
  }

  /** Runs `step` until `signal` aborts; a fault is reported and pauses it, since the data waits safely on disk. */
  async keepGoing(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    const context = this.#context;
    await untilAborted(signal, async () => {
      try {
        await step();
      } catch (error) {
        if (signal.aborted) return;
        context.log.error("remote write failed and goes on after a pause", {
          error: describeError(error),
        });
        context.setHealth("unhealthy", describeError(error));
        await context.clock.sleep(FAULT_PAUSE_MS, signal);
      }
    });
  }
}

interface OpenQueue {
  readonly queue: DurableQueue;
  readonly encode: (samples: SampleSet) => readonly Uint8Array[];
}

/** Makes records of at most as many samples as the strictest endpoint takes in one request. */
function makeEncoder(values: Arguments): (samples: SampleSet) => readonly Uint8Array[] {
  const perRecord = Math.min(
    ...values.endpoint.map((endpoint) => endpoint.queue_config.max_samples_per_send),
    2000,
  );
  // Rules may look at labels that are never sent, so these stay until the rules have run.
  const needsRewrite = values.endpoint.some((endpoint) => endpoint.write_relabel_config.length > 0);
  const external = Object.entries(values.external_labels);
  const known = new WeakMap<Labels, { readonly labels: Labels | undefined }>();
  const finish = (labels: Labels): Labels | undefined => {
    let found = known.get(labels);
    if (found === undefined) {
      const complete = withExternalLabels(labels, external);
      known.set(
        labels,
        (found = { labels: needsRewrite ? complete : withoutMetaLabels(complete) }),
      );
    }
    return found.labels;
  };
  return (samples) => {
    const records: Uint8Array[] = [];
    let builder = new SampleBuilder();
    for (let i = 0; i < samples.labels.length; i++) {
      const labels = finish(samples.labels[i]!);
      if (labels !== undefined) builder.copy(labels, samples, i);
      if (builder.count === perRecord) {
        records.push(encodeRecord(builder.build([]), { needsRewrite }));
        builder = new SampleBuilder();
      }
    }
    // With the last samples, or behind them: receivers take exemplars only of series they know.
    for (const { labels, exemplar } of samples.exemplars ?? []) {
      const finished = finish(labels);
      if (finished !== undefined) builder.addExemplar(finished, exemplar);
    }
    if (!builder.isEmpty) records.push(encodeRecord(builder.build([]), { needsRewrite }));
    return records;
  };
}

function withExternalLabels(
  labels: Labels,
  external: readonly (readonly [string, string])[],
): Labels {
  const added = external.filter(([name, value]) => value !== "" && !labels.has(name));
  return added.length === 0 ? labels : Labels.fromPairs([...labels.pairs, ...added.flat()]);
}

function optionsOf(endpoint: EndpointArguments, values: Arguments): EndpointOptions {
  const { queue_config: queue, write_relabel_config: rules } = endpoint;
  const limits = [values.wal.max_keepalive_time, queue.sample_age_limit].filter((ms) => ms > 0);
  return {
    name: nameOf(endpoint),
    url: endpoint.url,
    headers: endpoint.headers,
    timeoutMs: endpoint.remote_timeout,
    version: endpoint.protobuf_message === "prometheus.WriteRequest" ? "1.0" : "2.0",
    sendsHistograms: endpoint.send_native_histograms,
    sendsExemplars: endpoint.send_exemplars,
    shardsMin: queue.min_shards,
    shardsMax: queue.max_shards,
    samplesPerRequestMax: queue.max_samples_per_send,
    capacity: queue.capacity,
    batchDeadlineMs: queue.batch_send_deadline,
    backoffMinMs: queue.min_backoff,
    backoffMaxMs: queue.max_backoff,
    retryOn429: queue.retry_on_http_429,
    sampleAgeMaxMs: Math.min(...limits, Infinity),
    relabel: rules.length === 0 ? undefined : createRelabeler(compileRuleBlocks(rules)),
  };
}
