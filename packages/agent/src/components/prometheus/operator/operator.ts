/**
 * What the `prometheus.operator.*` components do: watch objects of one kind, make scrape jobs of them, find the targets of these in the cluster, and
 * scrape. Watches are shared by all jobs of a component, and open as long as a job needs them.
 */
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../../../component.ts";
import type { KubernetesClient } from "../../../kubernetes/client.ts";
import { ClusterTargets } from "../../../kubernetes/cluster-targets.ts";
import type { TargetScope } from "../../../kubernetes/cluster-targets.ts";
import { formatLabelSelector, selectorOf } from "../../../kubernetes/label-selector.ts";
import type { ObjectCache } from "../../../kubernetes/object-cache.ts";
import { RESOURCES } from "../../../kubernetes/objects.ts";
import type { KubernetesObject } from "../../../kubernetes/objects.ts";
import { SharedWatches } from "../../../kubernetes/shared-watches.ts";
import { OPERATOR_RESOURCES } from "../../../prometheus-operator/resources.ts";
import type { OperatorKind, OperatorObjects } from "../../../prometheus-operator/resources.ts";
import { describeObject } from "../../../prometheus-operator/scrape-job.ts";
import type { JobMaking, OperatorJob } from "../../../prometheus-operator/scrape-job.ts";
import { SecretReader } from "../../../prometheus-operator/secret-reader.ts";
import type { Target } from "../../../receivers.ts";
import { relabelConfigOf } from "../../../relabel-arguments.ts";
import { untilAborted } from "../../../until-aborted.ts";
import { scrapeDefaults } from "./arguments.ts";
import type { OperatorArguments } from "./arguments.ts";
import { RunningJob } from "./running-job.ts";

/** Changes come in bursts: targets are looked at this often at most. */
const PASS_MS_MIN = 1000;
/** Secrets are not watched: what they hold is read again this often, or sooner where an object cannot be used without. */
const RESYNC_MS = 300_000;
const RETRY_MS = 30_000;

/** How jobs are made of the objects of one kind. */
export interface Making<Kind extends OperatorKind> {
  readonly kind: Kind;
  readonly serviceRole: JobMaking["serviceRole"];
  readonly allowsFiles: boolean;
  makeJobs(object: OperatorObjects[Kind], making: JobMaking): Promise<OperatorJob[]>;
  /** What of an object is not supported, while the rest of it is used. */
  limitation?(object: OperatorObjects[Kind]): string | undefined;
}

type Context = ComponentContext<OperatorArguments, object>;

/** Runs until `signal` aborts and all loops have ended. */
export async function runOperator<Kind extends OperatorKind>(
  context: Context,
  about: {
    readonly client: KubernetesClient;
    readonly values: OperatorArguments;
    readonly making: Making<Kind>;
  },
  signal: AbortSignal,
): Promise<void> {
  let news = Promise.withResolvers<void>();
  const onChange = () => news.resolve();
  await using watches = new SharedWatches(about.client, { clock: context.clock, onChange });
  const operator = new Operator(context, { ...about, watches, onChange });
  context.scrapePools.set(context.id, () => operator.describe());
  try {
    await untilAborted(signal, async () => {
      await operator.pass(signal);
      await context.clock.sleep(PASS_MS_MIN, signal);
      const waiting = new AbortController();
      const either = AbortSignal.any([signal, waiting.signal]);
      await Promise.race([news.promise, context.clock.sleep(operator.restMs, either)]);
      waiting.abort(new Error("there is news"));
      news = Promise.withResolvers();
    });
  } finally {
    context.scrapePools.delete(context.id);
    await operator.stop();
  }
}

/** What was made of an object. */
interface Made {
  readonly version: string | undefined;
  readonly madeMs: number;
  readonly jobs: readonly OperatorJob[];
  /** Why it cannot be used (as it is now). */
  readonly fault: string | undefined;
  /** What of it is not used. */
  readonly limitation: string | undefined;
}

class Operator<Kind extends OperatorKind> {
  readonly #context: Context;
  readonly #values: OperatorArguments;
  readonly #client: KubernetesClient;
  readonly #making: Making<Kind>;
  readonly #watches: SharedWatches;
  readonly #onChange: () => void;
  /** One a namespace. */
  readonly #objects: readonly ObjectCache<OperatorObjects[Kind]>[];
  readonly #startedMs: number;
  #made = new Map<string, Made>();
  readonly #running = new Map<string, RunningJob>();
  #clusters = new Map<string, ClusterTargets>();

  constructor(
    context: Context,
    about: {
      readonly client: KubernetesClient;
      readonly values: OperatorArguments;
      readonly making: Making<Kind>;
      readonly watches: SharedWatches;
      readonly onChange: () => void;
    },
  ) {
    const { values, watches, making } = about;
    this.#context = context;
    this.#values = values;
    this.#client = about.client;
    this.#making = making;
    this.#watches = watches;
    this.#onChange = about.onChange;
    this.#startedMs = context.clock.monotonicMs();
    const namespaces = values.namespaces.length === 0 ? [undefined] : values.namespaces;
    this.#objects = namespaces.map((namespace) =>
      watches.cache<OperatorObjects[Kind]>({
        resource: OPERATOR_RESOURCES[making.kind],
        namespace,
        labelSelector: formatLabelSelector(selectorOf(values.selector)),
      }),
    );
  }

  /** How long nothing has to be done unless something changes. */
  get restMs(): number {
    const isSynced = this.#objects.every((cache) => cache.isSynced);
    if (!isSynced) return this.#values.informer_sync_timeout;
    return [...this.#made.values()].some(({ fault }) => fault !== undefined) ? RETRY_MS : RESYNC_MS;
  }

  describe() {
    return [...this.#running.values()].map((job) => job.describe());
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((job) => job.stop()));
    this.#running.clear();
  }

  /** Brings jobs and their targets up to what the objects say. */
  async pass(signal: AbortSignal): Promise<void> {
    if (this.#objects.every((cache) => cache.isSynced)) {
      await this.#makeJobs(signal);
      const targets = await this.#reconcile();
      this.#reportSynced(targets);
    }
    this.#reportTroubles();
  }

  async #makeJobs(signal: AbortSignal): Promise<void> {
    const before = this.#made;
    const made = new Map<string, Made>();
    for (const cache of this.#objects)
      for (const object of cache.objects.values()) {
        const key = describeObject(object);
        const known = before.get(key);
        made.set(
          key,
          this.#isFresh(known, object) ? known : await this.#make(object, known, signal),
        );
      }
    this.#made = made;
  }

  #isFresh(known: Made | undefined, { metadata }: KubernetesObject): known is Made {
    if (known === undefined || known.version !== metadata.resourceVersion) return false;
    const restMs = known.fault === undefined ? RESYNC_MS : RETRY_MS;
    return this.#context.clock.monotonicMs() - known.madeMs < restMs;
  }

  async #make(
    object: OperatorObjects[Kind],
    known: Made | undefined,
    signal: AbortSignal,
  ): Promise<Made> {
    const { kind, serviceRole, allowsFiles } = this.#making;
    const limitation = this.#making.limitation?.(object);
    const { namespace = "", resourceVersion: version } = object.metadata;
    const madeMs = this.#context.clock.monotonicMs();
    try {
      const jobs = await this.#making.makeJobs(object, {
        rules: this.#values.rule.map(relabelConfigOf),
        defaults: scrapeDefaults(this.#values),
        serviceRole,
        allowsFiles,
        secrets: new SecretReader(this.#client, namespace, signal),
      });
      return { version, madeMs, jobs, fault: undefined, limitation };
    } catch (error) {
      signal.throwIfAborted();
      const fault = describeError(error);
      const isSame = known !== undefined && known.version === version;
      if (!isSame || known.fault !== fault)
        this.#context.log.error("an object cannot be used", {
          kind,
          object: describeObject(object),
          error: fault,
        });
      // What ran goes on when only its Secret cannot be read now.
      return { version, madeMs, jobs: isSame ? known.jobs : [], fault, limitation };
    }
  }

  /** How many targets are scraped. */
  async #reconcile(): Promise<number> {
    const jobs = new Map<string, OperatorJob>();
    for (const made of this.#made.values())
      for (const job of made.jobs) jobs.set(job.settings.job_name, job);
    const ending = [...this.#running].filter(([name]) => !jobs.has(name));
    for (const [name] of ending) this.#running.delete(name);
    await Promise.all(ending.map(([, job]) => job.stop()));
    const clusters = new Map<string, ClusterTargets>();
    const counts = await Promise.all(
      [...jobs.values()].map((job) => this.#reconcileJob(job, clusters)),
    );
    this.#clusters = clusters;
    const used = new Set<ObjectCache<KubernetesObject>>(
      this.#objects as unknown as ObjectCache<KubernetesObject>[],
    );
    for (const { caches } of clusters.values()) for (const cache of caches) used.add(cache);
    await this.#watches.keepOnly(used);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #reconcileJob(job: OperatorJob, clusters: Map<string, ClusterTargets>): Promise<number> {
    const name = job.settings.job_name;
    let running = this.#running.get(name);
    if (running === undefined) {
      running = new RunningJob(this.#context, job, this.#onChange);
      this.#running.set(name, running);
    }
    const targets = this.#targetsOf(job, running, clusters);
    await running.update(job);
    if (targets === undefined) return running.describe().targets.length;
    return running.reconcile(targets, this.#values.forward_to);
  }

  /** Undefined as long as they are not known. */
  #targetsOf(
    { source }: OperatorJob,
    running: RunningJob,
    clusters: Map<string, ClusterTargets>,
  ): readonly Target[] | undefined {
    if (source.kind === "static") return source.targets;
    if (source.kind === "http") return running.listed;
    const key = JSON.stringify(source.scope);
    const cluster = clusters.get(key) ?? this.#clusters.get(key) ?? this.#openCluster(source.scope);
    clusters.set(key, cluster);
    return cluster.isSynced ? cluster.targets() : undefined;
  }

  #openCluster(scope: TargetScope): ClusterTargets {
    return new ClusterTargets(scope, (kind, namespace) =>
      this.#watches.cache({ resource: RESOURCES[kind], namespace }),
    );
  }

  #reportSynced(targets: number): void {
    const { plural } = OPERATOR_RESOURCES[this.#making.kind];
    const faults = [
      ...[...this.#made].map(([name, { fault, limitation }]) => ({
        name,
        fault: fault ?? limitation,
      })),
      ...[...this.#running].map(([name, { trouble }]) => ({ name, fault: trouble })),
    ].filter(({ fault }) => fault !== undefined);
    const [first] = faults;
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more, see the log)` : "";
    const about = first === undefined ? "" : `; ${first.name}: ${first.fault}${more}`;
    this.#context.setHealth(
      "healthy",
      `${this.#made.size} ${plural}, ${this.#running.size} jobs, ${targets} targets${about}`,
    );
    this.#context.metrics
      .gauge("prometheus_scrape_targets_gauge", "Targets that are scraped.")
      .set(targets);
  }

  #reportTroubles(): void {
    const { plural, roots } = OPERATOR_RESOURCES[this.#making.kind];
    const { troubles } = this.#watches;
    if (this.#objects.some((cache) => cache.isUnknownKind))
      this.#context.setHealth(
        "unhealthy",
        `the cluster knows no ${plural} (${roots[0]!.replace("/apis/", "")}): install the custom resource definitions of prometheus-operator; it is asked again`,
      );
    else if (troubles.length > 0) this.#context.setHealth("unhealthy", troubles.join("; "));
    else if (!this.#objects.every((cache) => cache.isSynced)) {
      const waitedMs = this.#context.clock.monotonicMs() - this.#startedMs;
      if (waitedMs >= this.#values.informer_sync_timeout)
        this.#context.setHealth(
          "unhealthy",
          `the API server has not listed ${plural} within ${Math.round(waitedMs / 1000)} s; it is asked again`,
        );
    }
  }
}
