/**
 * The fleet: collectors that call in by `remotecfg`, Finch's own and Alloy alike, the configurations that are meant for them, and the roll-outs that bring the one to
 * the other. Made by `finch`, which mounts its routes and runs it.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { GrpcMethod, Route } from "@finch/runtime/http";
import type { Actor, AuditTrail } from "../audit-trail.ts";
import type { ControlDatabase } from "../database.ts";
import type { AgentContacts } from "./agent-contacts.ts";
import { CollectorRegistry } from "./collector-registry.ts";
import { collectorGrpcMethods, collectorRoutes } from "./collector-routes.ts";
import type { AuthenticateAgent } from "./collector-routes.ts";
import { CollectorService } from "./collector-service.ts";
import { viewOf } from "./collector-view.ts";
import type { CollectorView } from "./collector-view.ts";
import type { Collector } from "./collector.ts";
import { ConfigurationStore } from "./configuration-store.ts";
import type { ConfigurationVersion, ValidateConfiguration } from "./configuration-store.ts";
import type { CollectorFigures, ReadFigures } from "./fleet-figures.ts";
import { isThere, RolloutRunner } from "./rollout-runner.ts";
import { DEFAULT_POLICY } from "./rollout-state.ts";
import { RolloutStore } from "./rollout-store.ts";

export interface FleetOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Logger;
  readonly authenticate: AuthenticateAgent;
  /** Told by whoever verifies a token; the fleet writes them down. */
  readonly contacts: AgentContacts;
  /** What is known of an agent: its host as `host` and its labels; undefined for one that is not registered. */
  readonly agentLabels: (resourceId: string) => Readonly<Record<string, string>> | undefined;
  readonly validate: ValidateConfiguration;
  /** Undefined when there is nowhere to read them. */
  readonly readFigures: ReadFigures | undefined;
}

/** How often roll-outs are looked at, and figures are read. */
const LOOK_MS = 5000;
const FIGURES_MS = 30_000;

export class Fleet {
  readonly configurations: ConfigurationStore;
  readonly rollouts: RolloutStore;
  readonly runner: RolloutRunner;
  /** Of `collector.v1.CollectorService`, for the port where agents call in. */
  readonly collectorRoutes: readonly Route[];
  readonly grpcMethods: readonly GrpcMethod[];
  readonly #options: FleetOptions;
  readonly #registry: CollectorRegistry;
  readonly #watchers = new Set<() => void>();
  #figures: ReadonlyMap<string, CollectorFigures> = new Map();
  #figuresReadMs = -Infinity;

  constructor(options: FleetOptions) {
    const { database, clock } = options;
    this.#options = options;
    this.#registry = new CollectorRegistry(database);
    this.configurations = new ConfigurationStore(options);
    this.rollouts = new RolloutStore(database);
    this.runner = new RolloutRunner({
      ...options,
      registry: this.#registry,
      configurations: this.configurations,
      rollouts: this.rollouts,
      labelsOf: (collector) => this.labelsOf(collector),
      figuresOf: ({ resourceId }) => this.#figures.get(resourceId),
    });
    const service = new CollectorService({
      registry: this.#registry,
      clock,
      isRegistered: (resourceId) => options.agentLabels(resourceId) !== undefined,
      configurationOf: (collector) => {
        const version = this.#wantedBy(collector);
        if (version === undefined) return undefined;
        return { text: this.configurations.textOf(version), hash: version.hash };
      },
      onContact: () => this.#onContact(),
    });
    const wire = { service, authenticate: options.authenticate };
    this.collectorRoutes = collectorRoutes(wire);
    this.grpcMethods = collectorGrpcMethods(wire);
  }

  /** Looks after roll-outs, figures and the times of contacts until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.look(signal);
      } catch (error) {
        if (!(error instanceof FinchError)) throw error;
        log.error("roll-outs cannot be carried on", { error: describeError(error) });
      }
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
    this.#flush();
  }

  /** One turn of {@link run}. */
  async look(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#figuresReadMs >= FIGURES_MS) await this.#readFigures(signal);
    this.#flush();
    this.runner.advance();
    this.#tell();
  }

  /** By id. */
  collectors(): readonly CollectorView[] {
    const sinceMs = this.runner.thereSince(DEFAULT_POLICY);
    return [...this.#registry.all()]
      .map((collector) => this.#view(collector, sinceMs))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  collector(id: string): CollectorView | undefined {
    const found = this.#registry.get(id);
    return found === undefined
      ? undefined
      : this.#view(found, this.runner.thereSince(DEFAULT_POLICY));
  }

  /** One that still calls in is back with its next call. */
  forget(id: string, actor: Actor): void {
    const { database, audit } = this.#options;
    database.transaction(() => {
      this.#registry.remove(id);
      audit.record(actor, { action: "fleet.collector.forget", target: id });
    });
    this.#tell();
  }

  /** Calls `watcher` after each change, until what it returns is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Figures about the fleet for `/metrics`. */
  families(): readonly MetricFamily[] {
    const collectors = this.collectors();
    const count = (
      name: string,
      help: string,
      { label, values }: { readonly label: string; readonly values: readonly string[] },
    ): MetricFamily => {
      const counts = Object.entries(Object.groupBy(values, (value) => value));
      const samples = counts.map(([value, all]) => ({
        labels: { [label]: value },
        value: all?.length ?? 0,
      }));
      return { name, type: "gauge", help, samples };
    };
    return [
      count("finch_fleet_collectors", "Collectors, by whether they call in.", {
        label: "contact",
        values: collectors.map(({ contact }) => contact),
      }),
      count(
        "finch_fleet_collectors_drift",
        "Collectors, by what they run against what they should.",
        {
          label: "drift",
          values: collectors.map(({ drift }) => drift),
        },
      ),
      count("finch_fleet_rollouts_open", "Roll-outs that are under way or paused, by state.", {
        label: "state",
        values: this.rollouts.open().map(({ state }) => state.kind),
      }),
    ];
  }

  /** What is known of its agent counts more than what it says of itself. */
  labelsOf(collector: Collector): Readonly<Record<string, string>> {
    const { id, resourceId, name, attributes } = collector;
    return {
      ...attributes,
      ...(name !== "" && { name }),
      ...this.#options.agentLabels(resourceId),
      id,
      rid: resourceId,
    };
  }

  #flush(): void {
    this.#registry.flush(this.#options.clock);
    const { contacts, agentLabels } = this.#options;
    contacts.flush((resourceId) => agentLabels(resourceId) !== undefined);
  }

  #view(collector: Collector, sinceMs: number): CollectorView {
    return viewOf(collector, {
      labels: this.labelsOf(collector),
      wanted: this.#wantedBy(collector),
      isThere: isThere(collector, sinceMs),
      figures: this.#figures.get(collector.resourceId),
    });
  }

  #wantedBy(collector: Collector): ConfigurationVersion | undefined {
    const id = this.rollouts.versionFor(collector.id, this.labelsOf(collector));
    return id === undefined ? undefined : this.configurations.byId(id);
  }

  #onContact(): void {
    if (this.rollouts.open().length > 0) this.runner.advance();
    this.#tell();
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Old figures are better than none for a while, not for ever. */
  async #readFigures(signal: AbortSignal): Promise<void> {
    const { readFigures, clock, log } = this.#options;
    if (readFigures === undefined) return;
    this.#figuresReadMs = clock.monotonicMs();
    try {
      this.#figures = await readFigures(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof FinchError)) throw error;
      this.#figures = new Map();
      log.warn("figures of collectors cannot be read", { error: describeError(error) });
    }
  }
}
