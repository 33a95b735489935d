/** `prometheus.scrape`: asks targets for their metrics at intervals and forwards the samples. */
import { parseDuration, type Labels } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { DEFAULT_EXPOSITION_LIMITS, parseExposition } from "@finch/wire";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { createHttpClient, type HttpClient } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { block, maybe, notYet, oneOf, optional, required, type ValuesOf } from "../../schema.ts";
import type { ScrapePool } from "../../scrape-pool.ts";
import { untilAborted } from "../../until-aborted.ts";
import { INTERNAL_ADDRESS } from "./internal-address.ts";
import { acceptHeader, DEFAULT_PROTOCOLS, mediaTypeOf, protocolsFault } from "./scrape-format.ts";
import { runScrapeLoop, type Answer, type LoopOptions } from "./scrape-loop.ts";
import { ScrapeStatus } from "./scrape-status.ts";
import { readTarget, type ScrapeTarget } from "./scrape-target.ts";

/** Largest answer when `body_size_limit` is not set; without a bound one target could take all memory. */
const BODY_BYTES_MAX = 256 << 20;
/** Texts of series a target's cache may hold besides twice those of its last scrape. */
const CACHE_SLACK = 1000;

/** Switches that Alloy has for what is not built; leaving them off, as generated configurations do, is fine. */
const OFF_ONLY = {
  convert_classic_histograms_to_nhcb: optional(
    "bool",
    false,
    "Make native histograms of classic ones.",
  ),
  start_timestamp_zero_ingestion: optional("bool", false, "Write zeros at start timestamps."),
  enable_protobuf_negotiation: optional("bool", false, "Ask for the protobuf format."),
  enable_type_and_unit_labels: optional("bool", false, "Add type and unit as labels."),
  honor_metadata: optional("bool", false, "Send metadata with the samples."),
  scrape_classic_histograms: optional("bool", false, "Keep classic histograms beside native ones."),
  scrape_native_histograms: optional("bool", false, "Read native histograms."),
};

const NOT_YET = {
  native_histogram_bucket_limit: notYet(
    "attribute",
    "Largest number of buckets of a native histogram.",
  ),
  native_histogram_min_bucket_factor: notYet(
    "attribute",
    "Smallest factor between native buckets.",
  ),
  scrape_failure_log_file: notYet("attribute", "File that failed scrapes are logged to."),
};

const ARGUMENTS = {
  targets: required("list(target)", "Targets to scrape."),
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  job_name: maybe("string", "Value of the job label; the component's id when absent."),
  scrape_interval: optional("duration", 60_000, "How often each target is scraped.", { min: 1 }),
  scrape_timeout: optional(
    "duration",
    10_000,
    "How long a scrape may take; not longer than the interval.",
    { min: 1 },
  ),
  metrics_path: optional("string", "/metrics", "Path of targets that name none."),
  scheme: oneOf(["http", "https"], "http", "Protocol of targets that name none."),
  params: maybe("any", "Query parameters: a map of lists of strings."),
  honor_labels: optional("bool", false, "Labels of samples win over those of the target."),
  honor_timestamps: optional(
    "bool",
    true,
    "Timestamps of samples win over the time of the scrape.",
  ),
  track_timestamps_staleness: optional(
    "bool",
    false,
    "End series with timestamps of their own as well.",
  ),
  extra_metrics: optional(
    "bool",
    false,
    "Report the time-out, the sample limit and the size of the answer too.",
  ),
  enable_compression: optional("bool", true, "Ask for gzip."),
  scrape_protocols: optional(
    "list(string)",
    DEFAULT_PROTOCOLS,
    "Formats to ask for, the most wanted first.",
  ),
  scrape_fallback_protocol: optional(
    "string",
    "PrometheusText0.0.4",
    "Format of answers that do not say.",
  ),
  sample_limit: optional("number", 0, "Most samples in a scrape.", { min: 0 }),
  target_limit: optional("number", 0, "Most targets; with more, every scrape fails.", { min: 0 }),
  label_limit: optional("number", 0, "Most labels of a sample.", { min: 0 }),
  label_name_length_limit: optional("number", 0, "Longest label name, in bytes.", { min: 0 }),
  label_value_length_limit: optional("number", 0, "Longest label value, in bytes.", { min: 0 }),
  body_size_limit: optional("bytes", 0, "Largest answer, after decompression.", { min: 0 }),
  clustering: block(
    { enabled: required("bool", "Whether targets are shared among agents.") },
    { repeat: "optional", doc: "Clustering." },
  ),
  metric_name_validation_scheme: optional(
    "string",
    "legacy",
    "Which metric names are valid; only legacy so far.",
  ),
  metric_name_escaping_scheme: optional(
    "string",
    "underscores",
    "How other names are asked for; only underscores so far.",
  ),
  ...HTTP_CLIENT_ARGUMENTS,
  ...OFF_ONLY,
  ...NOT_YET,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, Record<never, never>>;

export const scrape = defineComponent<typeof ARGUMENTS, Record<never, never>>({
  name: "prometheus.scrape",
  stability: "generally-available",
  summary: "Scrapes metrics from targets and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: findFault,
  run: async (context, signal) => {
    let values = context.arguments();
    const loops = new Loops(context);
    context.scrapePools.set(context.id, () => loops.describe());
    try {
      await untilAborted(signal, async () => {
        await loops.reconcile(values);
        values = await context.nextArguments(signal);
      });
    } finally {
      context.scrapePools.delete(context.id);
      await loops.stop();
    }
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.scrape_timeout > values.scrape_interval) {
    const message = `scrape_timeout (${values.scrape_timeout} ms) is longer than scrape_interval (${values.scrape_interval} ms)`;
    return { at: "scrape_timeout", message };
  }
  const protocols = protocolsFault(values.scrape_protocols);
  if (protocols !== undefined) return { at: "scrape_protocols", message: protocols };
  const fallback = protocolsFault([normalProtocol(values.scrape_fallback_protocol)]);
  if (fallback !== undefined) return { at: "scrape_fallback_protocol", message: fallback };
  if (values.params !== undefined && paramsOf(values.params) === undefined) {
    return { at: "params", message: "params must be a map of lists of strings" };
  }
  const on = (Object.keys(OFF_ONLY) as (keyof typeof OFF_ONLY)[]).find((name) => values[name]);
  if (on !== undefined) return { at: on, message: `not supported yet: ${on} = true` };
  if (values.metric_name_validation_scheme !== "legacy") {
    return {
      at: "metric_name_validation_scheme",
      message: `not supported yet: ${values.metric_name_validation_scheme}`,
    };
  }
  if (values.metric_name_escaping_scheme !== "underscores") {
    return {
      at: "metric_name_escaping_scheme",
      message: `not supported yet: ${values.metric_name_escaping_scheme}`,
    };
  }
  if (values.clustering?.enabled === true)
    return { at: "clustering", message: "not supported yet: clustering" };
  try {
    httpClientOptions(values);
    return undefined;
  } catch (error) {
    return { message: describeError(error) };
  }
}

/** Alloy's reference writes the versions with underscores. */
function normalProtocol(name: string): string {
  return name.replaceAll("_", ".");
}

function paramsOf(value: unknown): Readonly<Record<string, readonly string[]>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const isList = (list: unknown) =>
    Array.isArray(list) && list.every((item) => typeof item === "string");
  return Object.values(value).every(isList)
    ? (value as Readonly<Record<string, readonly string[]>>)
    : undefined;
}

interface RunningLoop {
  readonly status: ScrapeStatus;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** The running loops by target. New arguments keep the loops of targets that stay, unless anything else changed. */
class Loops {
  readonly #context: Context;
  readonly #running = new Map<string, RunningLoop>();
  #client: HttpClient | undefined;
  #settings: string | undefined;
  #receivers: Arguments["forward_to"] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  async reconcile(values: Arguments): Promise<void> {
    const { targets: _targets, forward_to, ...rest } = values;
    const wanted = this.#readTargets(values);
    const isOver = values.target_limit > 0 && wanted.size > values.target_limit;
    const settings = JSON.stringify({ ...rest, isOver }, revealSecrets);
    const isSame = settings === this.#settings && sameMembers(forward_to, this.#receivers);
    if (!isSame) await this.stop();
    this.#settings = settings;
    this.#receivers = forward_to;
    this.#client ??= await createHttpClient(httpClientOptions(values));
    await this.#end([...this.#running.keys()].filter((key) => !wanted.has(key)));
    const refusal = isOver ? tooManyTargets(wanted.size, values.target_limit) : undefined;
    for (const [key, target] of wanted)
      if (!this.#running.has(key)) this.#start(target, { values, refusal });
    const gauge = this.#context.metrics.gauge(
      "prometheus_scrape_targets_gauge",
      "Targets that are scraped.",
    );
    gauge.set(this.#running.size);
  }

  describe(): ScrapePool {
    const name = this.#context.arguments().job_name ?? this.#context.id;
    return { name, targets: [...this.#running.values()].map(({ status }) => status.report()) };
  }

  async stop(): Promise<void> {
    await this.#end([...this.#running.keys()]);
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  #readTargets(values: Arguments): ReadonlyMap<string, ScrapeTarget> {
    const { id, log } = this.#context;
    const defaults = {
      job: values.job_name ?? id,
      scheme: values.scheme,
      metricsPath: values.metrics_path,
      params: paramsOf(values.params ?? {}) ?? {},
      intervalMs: values.scrape_interval,
      timeoutMs: values.scrape_timeout,
    };
    const wanted = new Map<string, ScrapeTarget>();
    let bad = 0;
    for (const labels of values.targets) {
      try {
        const target = readTarget(labels, defaults, parseDuration);
        wanted.set(target.key, target);
      } catch (error) {
        bad++;
        log.error("a target is left out", { error: describeError(error) });
      }
    }
    if (bad === 0) this.#context.setHealth("healthy", `scrapes ${wanted.size} targets`);
    else
      this.#context.setHealth(
        "unhealthy",
        `scrapes ${wanted.size} targets; ${bad} cannot be scraped, see the log`,
      );
    return wanted;
  }

  #start(
    target: ScrapeTarget,
    about: { readonly values: Arguments; readonly refusal: FinchError | undefined },
  ): void {
    const context = this.#context;
    const abort = new AbortController();
    const status = new ScrapeStatus(target);
    const cache = new Map<string, Labels>();
    const client = this.#client!;
    const options = loopOptions({
      ...about,
      context,
      target,
      status,
      ask: (signal) => ask({ context, client, target, values: about.values, cache }, signal),
    });
    const ended = runScrapeLoop(options, abort.signal).catch((error: unknown) => {
      context.log.error("a scrape loop ended", { target: target.url, error: describeError(error) });
      context.setHealth(
        "unhealthy",
        `the scrape loop of ${target.url} ended: ${describeError(error)}`,
      );
    });
    this.#running.set(target.key, { abort, ended, status });
  }

  async #end(keys: readonly string[]): Promise<void> {
    const ending = keys.map((key) => this.#running.get(key)!);
    for (const key of keys) this.#running.delete(key);
    for (const loop of ending)
      loop.abort.abort(
        new FinchError("canceled", "agent/scrape-ended", "the target is no longer scraped"),
      );
    await Promise.all(ending.map((loop) => loop.ended));
  }
}

function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((member, index) => member === b[index]);
}

/** Secrets print as `(secret)`, so that a changed one would look unchanged; this string never leaves the component. */
function revealSecrets(_key: string, value: unknown): unknown {
  const isSecret =
    typeof value === "object" &&
    value !== null &&
    "reveal" in value &&
    typeof value.reveal === "function";
  return isSecret ? (value as { reveal(): string }).reveal() : value;
}

function tooManyTargets(count: number, limit: number): FinchError {
  return new FinchError(
    "limited",
    "agent/target-limit",
    `there are ${count} targets, more than target_limit ${limit}`,
  );
}

function loopOptions(about: {
  readonly context: Context;
  readonly target: ScrapeTarget;
  readonly status: ScrapeStatus;
  readonly values: Arguments;
  readonly ask: LoopOptions["ask"];
  readonly refusal: FinchError | undefined;
}): LoopOptions {
  const { context, target, status, values, ask: askTarget, refusal } = about;
  return {
    target,
    context,
    refusal,
    onScraped: (outcome) => status.note(outcome),
    ask: askTarget,
    receivers: values.forward_to,
    settings: {
      honorLabels: values.honor_labels,
      honorTimestamps: values.honor_timestamps,
      trackTimestampsStaleness: values.track_timestamps_staleness,
      extraMetrics: values.extra_metrics,
      sampleLimit: values.sample_limit,
      labelLimit: values.label_limit,
      labelNameLengthLimit: values.label_name_length_limit,
      labelValueLengthLimit: values.label_value_length_limit,
    },
  };
}

interface Asking {
  readonly context: Context;
  readonly client: HttpClient;
  readonly target: ScrapeTarget;
  readonly values: Arguments;
  /** Labels by their text, kept from scrape to scrape. */
  readonly cache: Map<string, Labels>;
}

async function ask(asking: Asking, signal: AbortSignal): Promise<Answer> {
  const { target, values, cache } = asking;
  const { body, contentType } =
    target.address === INTERNAL_ADDRESS
      ? await askInProcess(asking, signal)
      : await askOverHttp(asking, signal);
  const exposition = parseExposition(body, {
    contentType: mediaTypeOf(contentType, normalProtocol(values.scrape_fallback_protocol)),
    limits: {
      ...DEFAULT_EXPOSITION_LIMITS,
      textBytesMax: values.body_size_limit || BODY_BYTES_MAX,
    },
    cache,
  });
  // Texts of series that are gone stay in the cache until they outnumber those that are there.
  if (cache.size > 2 * exposition.count + CACHE_SLACK) cache.clear();
  return { exposition, bodyBytes: body.byteLength };
}

interface RawAnswer {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
}

async function askInProcess({ context, target }: Asking, signal: AbortSignal): Promise<RawAnswer> {
  const handler = context.internalHandlers.get(target.metricsPath);
  if (handler === undefined) {
    throw new FinchError(
      "not-found",
      "agent/exporter-missing",
      `no running component serves ${target.metricsPath}`,
    );
  }
  const waiting = new AbortController();
  const timeOut = context.clock
    .sleep(target.timeoutMs, AbortSignal.any([signal, waiting.signal]))
    .then(() => {
      throw new FinchError(
        "timeout",
        "agent/scrape-timeout",
        `no answer from ${target.metricsPath} within ${target.timeoutMs} ms`,
      );
    });
  try {
    const answer = handler({
      query: new URL(target.url).searchParams,
      timeoutMs: target.timeoutMs,
      signal: AbortSignal.any([signal, waiting.signal]),
    });
    const text = await Promise.race([answer, timeOut]);
    return { body: Buffer.from(text), contentType: "text/plain; version=0.0.4" };
  } finally {
    waiting.abort();
  }
}

async function askOverHttp(
  { client, target, values }: Asking,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const response = await client.request({
    method: "GET",
    url: target.url,
    headers: {
      accept: acceptHeader(values.scrape_protocols),
      "accept-encoding": values.enable_compression ? "gzip" : "identity",
      "user-agent": "Finch",
      "x-prometheus-scrape-timeout-seconds": String(target.timeoutMs / 1000),
    },
    timeoutMs: target.timeoutMs,
    signal,
    responseBytesMax: values.body_size_limit || BODY_BYTES_MAX,
  });
  if (response.status !== 200) {
    throw new FinchError(
      "unavailable",
      "agent/scrape-status",
      `${target.url} answered with status ${response.status}`,
    );
  }
  return { body: response.body, contentType: response.headers["content-type"] };
}
