/**
 * The scrape loops of one job: started, kept and ended as targets and settings come and go. For `prometheus.scrape`, and for components that make
 * jobs of their own, such as `prometheus.operator.servicemonitors`.
 */
import { parseDuration, type Labels } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { schemaOfFactor } from "@finch/wire/exposition";
import type { ComponentContext } from "../../component.ts";
import { createHttpClient, type HttpClient } from "../../http-client.ts";
import { httpClientOptions } from "../../http-client-schema.ts";
import type { RelabelRule } from "../../relabel.ts";
import { defaultsOf } from "../../schema.ts";
import type { ScrapePool } from "../../scrape-pool.ts";
import { ARGUMENTS, timeoutOf, type Arguments } from "./scrape-arguments.ts";
import { openScrapeFailureLog, type ScrapeFailureLog } from "./scrape-failure-log.ts";
import { runScrapeLoop, type LoopOptions } from "./scrape-loop.ts";
import { ask } from "./scrape-request.ts";
import { ScrapeStatus } from "./scrape-status.ts";
import { readTarget, type ScrapeTarget } from "./scrape-target.ts";

/** What scraping needs of a component, whatever its arguments are. */
export type ScrapeContext = Pick<
  ComponentContext<unknown, object>,
  "clock" | "log" | "metrics" | "fileSystem" | "internalHandlers" | "setHealth" | "drops"
>;

/** The arguments of `prometheus.scrape`, and what only jobs of other components have. */
export interface ScrapeJob extends Arguments {
  /** Applied to every sample, with the labels of its target. */
  readonly metricRelabelings: readonly RelabelRule[];
}

const { targets: _targets, forward_to: _forwardTo, ...OPTIONAL_ARGUMENTS } = ARGUMENTS;

/** A job of which nothing is said but targets and receivers. */
export const DEFAULT_JOB: Omit<ScrapeJob, "targets" | "forward_to"> = {
  ...defaultsOf(OPTIONAL_ARGUMENTS),
  metricRelabelings: [],
};

export interface ReconciledTargets {
  /** Targets that are scraped. */
  readonly count: number;
  /** Targets that cannot be scraped; the log says why. */
  readonly bad: number;
}

interface RunningLoop {
  readonly status: ScrapeStatus;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** The running loops by target. New settings keep the loops of targets that stay, unless anything else changed. */
export class ScrapeLoops {
  readonly #context: ScrapeContext;
  /** Value of the job label where the settings name none. */
  readonly #job: string;
  readonly #running = new Map<string, RunningLoop>();
  #client: HttpClient | undefined;
  #failures: ScrapeFailureLog | undefined;
  #settings: string | undefined;
  #name: string;
  #receivers: ScrapeJob["forward_to"] = [];

  constructor(context: ScrapeContext, job: string) {
    this.#context = context;
    this.#job = job;
    this.#name = job;
  }

  /** Starts and ends loops; resolves when those that end have said so downstream. One call at a time. */
  async reconcile(values: ScrapeJob): Promise<ReconciledTargets> {
    const { targets: _, forward_to, ...rest } = values;
    this.#name = values.job_name ?? this.#job;
    const { wanted, bad } = this.#readTargets(values);
    const isOver = values.target_limit > 0 && wanted.size > values.target_limit;
    const settings = JSON.stringify({ ...rest, isOver }, revealSecrets);
    const isSame = settings === this.#settings && sameMembers(forward_to, this.#receivers);
    if (!isSame) await this.stop();
    this.#settings = settings;
    this.#receivers = forward_to;
    this.#client ??= await createHttpClient(httpClientOptions(values));
    this.#failures ??= await this.#openFailureLog(values);
    await this.#end([...this.#running.keys()].filter((key) => !wanted.has(key)));
    const refusal = isOver ? tooManyTargets(wanted.size, values.target_limit) : undefined;
    if (refusal !== undefined)
      this.#context.drops.count({ kind: "targets", reason: "target_limit" }, wanted.size, () =>
        [...wanted.values()].map(({ labels }) => ({ labels: String(labels), text: "" })),
      );
    for (const [key, target] of wanted)
      if (!this.#running.has(key)) this.#start(target, { values, refusal });
    return { count: this.#running.size, bad };
  }

  describe(): ScrapePool {
    return {
      name: this.#name,
      targets: [...this.#running.values()].map(({ status }) => status.report()),
    };
  }

  async stop(): Promise<void> {
    await this.#end([...this.#running.keys()]);
    await this.#failures?.close();
    this.#failures = undefined;
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  /** A log that cannot be opened is told and done without, as in Prometheus. */
  async #openFailureLog(values: ScrapeJob): Promise<ScrapeFailureLog | undefined> {
    const path = values.scrape_failure_log_file;
    if (path === "") return undefined;
    const { clock, fileSystem, log } = this.#context;
    try {
      return await openScrapeFailureLog(path, {
        fileSystem,
        log,
        nowMs: () => clock.nowMs(),
        job: this.#name,
      });
    } catch (error) {
      log.error("scrape_failure_log_file cannot be opened", { path, error: describeError(error) });
      return undefined;
    }
  }

  #readTargets(values: ScrapeJob): {
    readonly wanted: ReadonlyMap<string, ScrapeTarget>;
    readonly bad: number;
  } {
    const { log } = this.#context;
    const defaults = {
      job: this.#name,
      scheme: values.scheme,
      metricsPath: values.metrics_path,
      params: values.params ?? {},
      intervalMs: values.scrape_interval,
      timeoutMs: timeoutOf(values),
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
    return { wanted, bad };
  }

  #start(
    target: ScrapeTarget,
    about: { readonly values: ScrapeJob; readonly refusal: FinchError | undefined },
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
      failures: this.#failures,
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
  if (typeof value === "bigint") return String(value);
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
  readonly context: ScrapeContext;
  readonly target: ScrapeTarget;
  readonly status: ScrapeStatus;
  readonly failures: ScrapeFailureLog | undefined;
  readonly values: ScrapeJob;
  readonly ask: LoopOptions["ask"];
  readonly refusal: FinchError | undefined;
}): LoopOptions {
  const { context, target, status, failures, values, ask: askTarget, refusal } = about;
  return {
    target,
    context,
    refusal,
    onScraped: (outcome) => {
      status.note(outcome);
      if (outcome.error !== "") failures?.note(target.url, outcome.error);
    },
    ask: askTarget,
    receivers: values.forward_to,
    settings: {
      honorLabels: values.honor_labels,
      addsTypeAndUnit: values.enable_type_and_unit_labels,
      honorTimestamps: values.honor_timestamps,
      trackTimestampsStaleness: values.track_timestamps_staleness,
      extraMetrics: values.extra_metrics,
      sampleLimit: values.sample_limit,
      labelLimit: values.label_limit,
      labelNameLengthLimit: values.label_name_length_limit,
      labelValueLengthLimit: values.label_value_length_limit,
      nativeBucketLimit: values.native_histogram_bucket_limit,
      nativeSchemaMax: schemaOfFactor(values.native_histogram_min_bucket_factor),
      metricRelabelings: values.metricRelabelings,
    },
  };
}
