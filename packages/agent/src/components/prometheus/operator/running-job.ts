/** One job of an operator component while it runs: its targets relabelled, its loops, and the server it asks for targets, if that is where they come from. */
import { formatDuration, Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import { createHttpClient } from "../../../http-client.ts";
import { listHttpTargets } from "../../../http-targets.ts";
import type { OperatorJob, TargetSource } from "../../../prometheus-operator/scrape-job.ts";
import type { MetricsReceiver, Target } from "../../../receivers.ts";
import { relabel } from "../../../relabel.ts";
import { sameData } from "../../../runtime/export-value.ts";
import type { ScrapePool } from "../../../scrape-pool.ts";
import { untilAborted } from "../../../until-aborted.ts";
import { timeoutOf } from "../scrape-arguments.ts";
import { ScrapeLoops } from "../scrape-loops.ts";
import type { ScrapeContext } from "../scrape-loops.ts";

export class RunningJob {
  readonly #context: ScrapeContext;
  readonly #onChange: () => void;
  readonly #loops: ScrapeLoops;
  #job: OperatorJob;
  /** By target as it was found; those that are dropped become undefined. */
  #relabelled = new Map<Target, Target | undefined>();
  #listed: readonly Target[] | undefined;
  #listTrouble: string | undefined;
  #scrapeTrouble: string | undefined;
  #lister: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined;

  /** `onChange` is called when a server has listed other targets. */
  constructor(context: ScrapeContext, job: OperatorJob, onChange: () => void) {
    this.#context = context;
    this.#job = job;
    this.#onChange = onChange;
    this.#loops = new ScrapeLoops(context, job.settings.job_name);
    this.#startLister(job.source);
  }

  /** What the server listed that the job asks for targets; undefined before its first answer. */
  get listed(): readonly Target[] | undefined {
    return this.#listed;
  }

  /** Why targets cannot be listed, or nothing can be scraped. */
  get trouble(): string | undefined {
    return this.#listTrouble ?? this.#scrapeTrouble;
  }

  /** Takes on new settings; loops go on where these are the same. */
  async update(job: OperatorJob): Promise<void> {
    if (job === this.#job) return;
    const isSameSource = sameData(job.source, this.#job.source);
    this.#job = job;
    this.#relabelled = new Map();
    if (isSameSource) return;
    await this.#stopLister();
    this.#startLister(job.source);
  }

  /** Scrapes these targets from now on. How many there are; none when nothing can be scraped, as with a certificate that cannot be read. */
  async reconcile(
    targets: readonly Target[],
    receivers: readonly MetricsReceiver[],
  ): Promise<number> {
    const job = { ...this.#job.settings, targets: this.#relabel(targets), forward_to: receivers };
    try {
      const { count } = await this.#loops.reconcile(job);
      this.#scrapeTrouble = undefined;
      return count;
    } catch (error) {
      const trouble = describeError(error);
      if (trouble !== this.#scrapeTrouble)
        this.#context.log.error("a job cannot run", { job: job.job_name, error: trouble });
      this.#scrapeTrouble = trouble;
      return 0;
    }
  }

  #relabel(targets: readonly Target[]): Target[] {
    const before = this.#relabelled;
    this.#relabelled = new Map();
    const kept: Target[] = [];
    for (const target of targets) {
      const outcome = before.has(target)
        ? before.get(target)
        : relabel(withDefaults(target, this.#job), this.#job.relabelings);
      this.#relabelled.set(target, outcome);
      if (outcome !== undefined) kept.push(outcome);
    }
    return kept;
  }

  describe(): ScrapePool {
    return this.#loops.describe();
  }

  async stop(): Promise<void> {
    await this.#stopLister();
    await this.#loops.stop();
  }

  #startLister(source: TargetSource): void {
    if (source.kind !== "http") return;
    const abort = new AbortController();
    this.#lister = { abort, ended: this.#list(source, abort.signal) };
  }

  async #stopLister(): Promise<void> {
    this.#lister?.abort.abort(new Error("the job has ended"));
    await this.#lister?.ended;
    this.#lister = undefined;
    this.#listed = undefined;
    this.#listTrouble = undefined;
  }

  async #list(
    source: Extract<TargetSource, { readonly kind: "http" }>,
    signal: AbortSignal,
  ): Promise<void> {
    await untilAborted(signal, async () => {
      try {
        using client = await createHttpClient(source.client);
        this.#listed = await listHttpTargets(client, source, signal);
        this.#listTrouble = undefined;
      } catch (error) {
        signal.throwIfAborted();
        this.#listTrouble = describeError(error);
      }
      this.#onChange();
      await this.#context.clock.sleep(source.intervalMs, signal);
    });
  }
}

/** With the labels that Prometheus gives a target before it is relabelled. */
function withDefaults(target: Target, { settings }: OperatorJob): Labels {
  const params = Object.entries(
    (settings.params ?? {}) as Readonly<Record<string, readonly string[]>>,
  );
  const defaults: [string, string][] = [
    ["job", settings.job_name],
    ["__scheme__", settings.scheme],
    ["__metrics_path__", settings.metrics_path],
    ["__scrape_interval__", formatDuration(settings.scrape_interval)],
    ["__scrape_timeout__", formatDuration(timeoutOf(settings))],
    ...params.map(([name, [first = ""]]): [string, string] => [`__param_${name}`, first]),
  ];
  const missing = defaults.filter(([name, value]) => value !== "" && target.get(name) === "");
  return Labels.fromPairs([...target, ...missing].flat());
}
