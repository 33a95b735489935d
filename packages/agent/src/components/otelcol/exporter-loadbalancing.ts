/**
 * `otelcol.exporter.loadbalancing`: shares telemetry out among receivers of OTLP over gRPC, so that all of a trace, or of a service, goes to one. What
 * waits is routed when it is sent, so that receivers may come and go.
 */
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { resolveEndpoints } from "../../otel/endpoint-resolver.ts";
import type { ResolverOptions } from "../../otel/endpoint-resolver.ts";
import { HashRing } from "../../otel/hash-ring.ts";
import { grpcClientFault, grpcUrl, GRPC_CLIENT, openGrpcTransport } from "../../otel/otlp-grpc.ts";
import type { OtlpTransport, SendOutcome } from "../../otel/otlp-transport.ts";
import { routeBatch } from "../../otel/route-batch.ts";
import { runExporter } from "../../otel/run-exporter.ts";
import type { ExporterExports } from "../../otel/run-exporter.ts";
import { senderFault, SENDER_BLOCKS } from "../../otel/sender-schema.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import { block, maybe, notYet, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const RESOLVER = {
  static: block(
    { hostnames: required("list(string)", "HOST or HOST:PORT of each receiver; port 4317.") },
    { repeat: "optional", doc: "A fixed list." },
  ),
  dns: block(
    {
      hostname: required("string", "Name whose addresses are the receivers."),
      interval: optional("duration", 5000, "How often it is looked up.", { min: 100 }),
      timeout: optional("duration", 1000, "Of Alloy; the system's resolver has its own."),
      port: optional("string", "4317", "Port of the receivers."),
    },
    { repeat: "optional", doc: "The addresses of a name." },
  ),
  kubernetes: block(
    {
      service: required("string", "NAME of a service in the agent's namespace, or NAME.NAMESPACE."),
      ports: optional("list(number)", [4317], "Ports of the receivers."),
      timeout: optional("duration", 60_000, "Of Alloy; watches end by themselves here."),
      return_hostnames: optional(
        "bool",
        false,
        "Names in place of addresses; only false is taken.",
      ),
    },
    { repeat: "optional", doc: "The endpoints of a Kubernetes service." },
  ),
  aws_cloud_map: notYet("block", "Instances of AWS Cloud Map."),
};

const ARGUMENTS = {
  routing_key: oneOf(
    ["traceID", "service"],
    "traceID",
    "What goes together: traces and the logs in them, or all of a service. Metrics go by service.",
  ),
  timeout: optional("duration", 5000, "Time for a request; 0: five seconds."),
  resolver: block(RESOLVER, { repeat: "one", doc: "Who may get it.", isRequired: true }),
  protocol: block(
    {
      otlp: block(
        {
          client: block(GRPC_CLIENT, { repeat: "one", doc: "How receivers are spoken to." }),
          queue: notYet(
            "block",
            "A queue for each receiver; the component's own is sending_queue.",
          ),
          retry: notYet("block", "Retries of each receiver; the component's own are in retry."),
        },
        { repeat: "one", doc: "OTLP over gRPC." },
      ),
    },
    { repeat: "one", doc: "How receivers are spoken to." },
  ),
  sending_queue: SENDER_BLOCKS.sending_queue,
  retry: block(
    {
      ...SENDER_BLOCKS.retry_on_failure.schema,
      max_elapsed_time: maybe(
        "duration",
        "After which a request is dropped; 0: never. Five minutes unless it is written: one receiver that is dead must not keep the others from theirs.",
      ),
    },
    { repeat: "one", doc: "What becomes of requests that fail." },
  ),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Sending = Arguments & ValuesOf<typeof SENDER_BLOCKS>;
type Context = ComponentContext<Arguments, ExporterExports>;

const TIMEOUT_MS = 5000;
const ELAPSED_MS_MAX = 300_000;

export const exporterLoadbalancing = defineComponent({
  name: "otelcol.exporter.loadbalancing",
  stability: "generally-available",
  summary: "Shares telemetry out among receivers of OTLP, by trace or by service.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: (context: Context, signal) => {
    const sending = {
      ...context,
      arguments: () => withRetry(context.arguments()),
      nextArguments: async (inner: AbortSignal) => withRetry(await context.nextArguments(inner)),
    } satisfies ComponentContext<Sending, ExporterExports>;
    return runExporter(sending, (values) => Promise.resolve(new Balancer(context, values)), signal);
  },
});

function withRetry(values: Arguments): Sending {
  const { max_elapsed_time: limit = ELAPSED_MS_MAX } = values.retry;
  return { ...values, retry_on_failure: { ...values.retry, max_elapsed_time: limit } };
}

function findFault(values: Arguments): ArgumentFault | undefined {
  const { static: fixed, dns, kubernetes } = values.resolver;
  const given = [fixed, dns, kubernetes].filter((one) => one !== undefined);
  if (given.length !== 1)
    return { at: "resolver", message: "write one of the blocks static, dns and kubernetes" };
  if (kubernetes?.return_hostnames === true)
    return {
      at: "resolver.kubernetes.return_hostnames",
      message: "not supported yet: return_hostnames = true",
    };
  if (fixed?.hostnames.length === 0)
    return { at: "resolver.static.hostnames", message: "name at least one receiver" };
  const fault = grpcClientFault(values.protocol.otlp.client);
  if (fault !== undefined) return { ...fault, at: `protocol.otlp.client.${fault.at}` };
  return senderFault(withRetry(values)) ?? debugMetricsFault(values);
}

function resolverOptions({ resolver }: Arguments): ResolverOptions {
  const { static: fixed, dns, kubernetes } = resolver;
  if (fixed !== undefined) return { kind: "static", hostnames: fixed.hostnames };
  if (dns !== undefined)
    return { kind: "dns", hostname: dns.hostname, port: dns.port, intervalMs: dns.interval };
  return { kind: "kubernetes", service: kubernetes!.service, ports: kubernetes!.ports };
}

/** Sends each batch to who it belongs to; one that belongs to several is divided first. */
class Balancer implements OtlpTransport {
  readonly #context: Context;
  readonly #values: Arguments;
  readonly #stop = new AbortController();
  readonly #transports = new Map<string, Promise<OtlpTransport>>();
  /** Parts, with the ring they were made by: another ring may want them otherwise. */
  readonly #routed = new WeakMap<
    AnyBatch,
    { readonly ring: HashRing; readonly endpoint: string }
  >();
  #ring: HashRing | undefined;
  #endpoints: readonly string[] = [];

  constructor(context: Context, values: Arguments) {
    this.#context = context;
    this.#values = values;
    void this.#resolve();
  }

  async #resolve(): Promise<void> {
    const context = this.#context;
    const { clock, log } = context;
    const { signal } = this.#stop;
    const handler = {
      onEndpoints: (endpoints: readonly string[]) => this.#use(endpoints),
      onFault: (message: string | undefined) => {
        if (message !== undefined) context.setHealth("unhealthy", message);
      },
    };
    for (let isOver = false; !isOver && !signal.aborted;) {
      try {
        await resolveEndpoints(resolverOptions(this.#values), handler, { clock, signal });
        isOver = true;
      } catch (error) {
        if (signal.aborted) return;
        context.setHealth("unhealthy", describeError(error));
        log.error("receivers cannot be found; trying again", { error: describeError(error) });
        await clock.sleep(TIMEOUT_MS, signal).catch(() => {});
      }
    }
  }

  #use(endpoints: readonly string[]): void {
    const context = this.#context;
    const { log, metrics } = context;
    metrics.gauge("otelcol_loadbalancer_num_backends", "Receivers.").set(endpoints.length);
    if (endpoints.toSorted().join() === this.#endpoints.toSorted().join()) return;
    this.#endpoints = endpoints;
    this.#ring = new HashRing(endpoints);
    log.info("receivers changed", { endpoints: endpoints.join(" ") });
    context.setHealth("healthy", `${endpoints.length} receivers`);
    for (const [endpoint, transport] of this.#transports) {
      if (endpoints.includes(endpoint)) continue;
      this.#transports.delete(endpoint);
      void transport.then((gone) => gone[Symbol.dispose]());
    }
  }

  async send(batch: AnyBatch, signal: AbortSignal): Promise<SendOutcome> {
    const ring = this.#ring;
    if (ring === undefined || this.#endpoints.length === 0)
      return { kind: "later", why: "there is no receiver" };
    const known = this.#routed.get(batch);
    if (known?.ring === ring) return this.#sendTo(known.endpoint, batch, signal);
    const parts = routeBatch(batch, this.#values.routing_key, (key) => ring.endpointFor(key) ?? "");
    for (const [endpoint, part] of parts) this.#routed.set(part, { ring, endpoint });
    if (parts.size > 1) return { kind: "divided", parts: [...parts.values()] };
    const [endpoint] = parts.keys();
    if (endpoint === undefined) return { kind: "sent", rejected: 0, message: "" };
    this.#routed.set(batch, { ring, endpoint });
    return this.#sendTo(endpoint, batch, signal);
  }

  async #sendTo(endpoint: string, batch: AnyBatch, signal: AbortSignal): Promise<SendOutcome> {
    const { client } = this.#values.protocol.otlp;
    if (grpcUrl(endpoint, client) === undefined)
      return { kind: "later", why: `${endpoint} is no address` };
    let transport = this.#transports.get(endpoint);
    if (transport === undefined) {
      transport = openGrpcTransport(endpoint, client, this.#values.timeout || TIMEOUT_MS);
      this.#transports.set(endpoint, transport);
    }
    try {
      const outcome = await (await transport).send(batch, signal);
      const isTaken = outcome.kind === "sent";
      this.#context.metrics
        .counter("otelcol_loadbalancer_backend_outcome_total", "Requests by what came of them.", {
          endpoint,
          success: String(isTaken),
        })
        .add(1);
      return outcome;
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      // Its TLS cannot be loaded: that may be mended.
      this.#transports.delete(endpoint);
      return { kind: "later", why: describeError(error) };
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const transport of this.#transports.values())
      void transport.then(
        (open) => open[Symbol.dispose](),
        () => {},
      );
  }
}
