/**
 * Carries roll-outs on: looks at the collectors of the stages that have begun, lets the state machine decide, writes the new state and the audit trail in one
 * transaction. All it knows is in the database, so a restart goes on where it was; the time nobody could call in does not count against a collector.
 */
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import { SYSTEM_ACTOR } from "../audit-trail.ts";
import type { Actor, AuditTrail } from "../audit-trail.ts";
import type { ControlDatabase } from "../database.ts";
import type { CollectorRegistry } from "./collector-registry.ts";
import type { Collector } from "./collector.ts";
import type { ConfigurationStore, ConfigurationVersion } from "./configuration-store.ts";
import type { CollectorFigures } from "./fleet-figures.ts";
import { STAGES_MAX } from "./limits.ts";
import { assignStages, DEFAULT_POLICY, nextState } from "./rollout-state.ts";
import type { HealthPolicy, Observation, RolloutEvent, RolloutStage } from "./rollout-state.ts";
import type { Rollout, RolloutMember, RolloutStore } from "./rollout-store.ts";
import type { Selector } from "./selector.ts";

export interface RolloutRunnerOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: CollectorRegistry;
  readonly configurations: ConfigurationStore;
  readonly rollouts: RolloutStore;
  readonly labelsOf: (collector: Collector) => Readonly<Record<string, string>>;
  /** The newest figures of a collector; undefined when there are none. */
  readonly figuresOf: (collector: Collector) => CollectorFigures | undefined;
}

export interface RolloutPlan {
  readonly version: ConfigurationVersion;
  readonly selector: Selector;
  /** At least one; the last one takes all that are left. */
  readonly stages: readonly RolloutStage[];
  readonly policy: HealthPolicy;
}

/** One stage for all, observed for five minutes. */
export const DEFAULT_STAGES: readonly RolloutStage[] = [
  { size: { kind: "percent", value: 100 }, pauseMs: 5 * 60_000 },
];
export { DEFAULT_POLICY };

export class RolloutRunner {
  readonly #options: RolloutRunnerOptions;
  /** Silence before is not the collectors'. */
  readonly #startedMs: number;
  /** When any collector was heard of last before that. */
  readonly #heardBeforeMs: number;

  constructor(options: RolloutRunnerOptions) {
    this.#options = options;
    this.#startedMs = options.clock.nowMs();
    this.#heardBeforeMs = Math.max(
      0,
      ...[...options.registry.all()].map(({ lastContactMs }) => lastContactMs),
    );
  }

  /** Begins with the first stage at once. A roll-out that is under way to one of the same collectors is a `conflict`. */
  start(plan: RolloutPlan, actor: Actor): Rollout {
    const { database, audit, clock, rollouts } = this.#options;
    if (plan.stages.length === 0 || plan.stages.length > STAGES_MAX) throw badStages();
    const nowMs = clock.nowMs();
    const ids = this.#orderedMatches(plan.selector, this.thereSince(plan.policy));
    this.#refuseOverlap(ids);
    const stages = assignStages(plan.stages, ids.length);
    const rollout = database.transaction(() => {
      const inserted = rollouts.insert(
        {
          versionId: plan.version.id,
          selector: plan.selector,
          stages: plan.stages,
          policy: plan.policy,
          author: actor.name,
          createdAtMs: nowMs,
          state: { kind: "applying", stage: 0, sinceMs: nowMs, reason: "" },
        },
        ids.map((collectorId, at) => ({ collectorId, stage: stages[at]! })),
      );
      this.#beginStage(inserted, 0);
      rollouts.forgetOldest();
      audit.record(actor, {
        action: "fleet.rollout.start",
        target: plan.version.configuration,
        details: {
          rollout: inserted.id,
          version: plan.version.number,
          selector: plan.selector.text,
          collectors: ids.length,
          stages: plan.stages.length,
        },
      });
      return inserted;
    });
    rollouts.refresh();
    this.advance();
    return rollouts.get(rollout.id)!;
  }

  /** What a person decides; an event that changes nothing is a `conflict`. */
  command(id: number, event: Exclude<RolloutEvent, { kind: "observed" }>, actor: Actor): Rollout {
    const rollout = this.#options.rollouts.get(id);
    if (rollout === undefined)
      throw new FinchError("not-found", "control/no-rollout", `there is no roll-out ${id}`);
    if (!this.#take(rollout, event, actor))
      throw new FinchError(
        "conflict",
        "control/rollout-state",
        `the roll-out ${id} is ${rollout.state.kind}: ${event.kind} changes nothing`,
      );
    return this.#options.rollouts.get(id)!;
  }

  /** Looks at every roll-out under way. */
  advance(): void {
    for (const rollout of this.#options.rollouts.open()) {
      const observation = this.observe(rollout);
      this.#take(rollout, { kind: "observed", observation }, SYSTEM_ACTOR);
    }
  }

  /** The collectors that count, of the stages that have begun. */
  observe(rollout: Rollout): Observation {
    const { registry, rollouts, configurations } = this.#options;
    const { hash } = configurations.byId(rollout.versionId);
    const unhealthy: { id: string; why: string }[] = [];
    let waiting = 0;
    for (const member of rollouts.members(rollout.id)) {
      if (member.stage > rollout.state.stage) continue;
      const collector = registry.get(member.collectorId);
      if (collector === undefined || collector.goneAtMs !== undefined) continue;
      // Whoever was away says nothing by silence, but a refusal is one.
      if (!member.isCounted && collector.failedHash !== hash) continue;
      const why = this.#whyUnhealthy(collector, member, { rollout, hash });
      if (why !== undefined) unhealthy.push({ id: collector.id, why });
      else if (collector.appliedHash !== hash) waiting++;
    }
    return { unhealthy, waiting };
  }

  /** Who was heard of since then is there. After a start all have some time to call in again. */
  thereSince({ silentAfterMs }: Pick<HealthPolicy, "silentAfterMs">): number {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#startedMs > silentAfterMs) return nowMs - silentAfterMs;
    return Math.min(nowMs, this.#heardBeforeMs) - silentAfterMs;
  }

  #whyUnhealthy(
    collector: Collector,
    member: RolloutMember,
    { rollout, hash }: { readonly rollout: Rollout; readonly hash: string },
  ): string | undefined {
    const { policy, state } = rollout;
    const nowMs = this.#options.clock.nowMs();
    if (collector.failedHash === hash) return `refused it: ${firstLine(collector.statusError)}`;
    const heardMs = Math.max(collector.lastContactMs, this.#startedMs);
    if (nowMs - heardMs > policy.silentAfterMs)
      return `has not been heard of for ${Math.round((nowMs - heardMs) / 1000)} s`;
    const isApplied = collector.appliedHash === hash;
    const waitedMs = nowMs - Math.max(state.sinceMs, this.#startedMs);
    if (!isApplied && state.kind === "applying" && waitedMs > policy.applyTimeoutMs)
      return `has not applied it within ${Math.round(policy.applyTimeoutMs / 1000)} s`;
    return isApplied ? this.#whyUnwell(collector, member, policy) : undefined;
  }

  #whyUnwell(
    collector: Collector,
    member: RolloutMember,
    { errorShareMax }: HealthPolicy,
  ): string | undefined {
    const figures = this.#options.figuresOf(collector);
    const { errorShare = 0, unhealthyComponents = 0 } = figures ?? {};
    if (errorShare > Math.max(errorShareMax, 2 * (member.errorShareBefore ?? 0)))
      return `loses ${(errorShare * 100).toFixed(1)} % of what it should hand on`;
    const more = unhealthyComponents - (member.unhealthyBefore ?? 0);
    return more > 0 ? `has ${more} unhealthy components more than before` : undefined;
  }

  /** Whether the state changed. */
  #take(rollout: Rollout, event: RolloutEvent, actor: Actor): boolean {
    const { database, audit, clock, log, rollouts, configurations } = this.#options;
    const { stages, policy, state: before } = rollout;
    const state = nextState(before, event, { stages, policy, nowMs: clock.nowMs() });
    if (state === before) return false;
    const version = configurations.byId(rollout.versionId);
    const details = {
      rollout: rollout.id,
      version: version.number,
      stage: state.stage + 1,
      ...(state.reason !== "" && { reason: state.reason }),
    };
    database.transaction(() => {
      rollouts.writeState(rollout.id, state);
      if (state.stage > before.stage) this.#beginStage(rollout, state.stage);
      const action = `fleet.rollout.${state.kind}`;
      audit.record(actor, { action, target: version.configuration, details });
    });
    rollouts.refresh();
    const fields = { configuration: version.configuration, ...details };
    if (state.kind === "rolled-back") log.warn(`roll-out ${state.kind}`, fields);
    else log.info(`roll-out ${state.kind}`, fields);
    return true;
  }

  /** Notes who is there and how well, to tell later what the version changed. */
  #beginStage(rollout: Rollout, stage: number): void {
    const { registry, rollouts, figuresOf } = this.#options;
    const sinceMs = this.thereSince(rollout.policy);
    for (const member of rollouts.members(rollout.id)) {
      if (member.stage !== stage) continue;
      const collector = registry.get(member.collectorId);
      const figures = collector === undefined ? undefined : figuresOf(collector);
      rollouts.writeMember(rollout.id, {
        ...member,
        isCounted: collector !== undefined && isThere(collector, sinceMs),
        errorShareBefore: figures?.errorShare,
        unhealthyBefore: figures?.unhealthyComponents,
      });
    }
  }

  /** Who is there comes first: a stage of machines that are off would show nothing. */
  #orderedMatches(selector: Selector, sinceMs: number): readonly string[] {
    const { registry, labelsOf } = this.#options;
    const matching = [...registry.all()].filter((one) => selector.matches(labelsOf(one)));
    const rank = (collector: Collector) => (isThere(collector, sinceMs) ? 0 : 1);
    return matching
      .toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }

  #refuseOverlap(ids: readonly string[]): void {
    const wanted = new Set(ids);
    for (const { id } of this.#options.rollouts.open()) {
      const both = this.#options.rollouts
        .members(id)
        .find(({ collectorId }) => wanted.has(collectorId));
      if (both === undefined) continue;
      throw new FinchError(
        "conflict",
        "control/rollout-under-way",
        `the roll-out ${id} is under way and has ${both.collectorId} among its collectors: wait for it, or roll it back`,
      );
    }
  }
}

/** Whether a collector calls in, as far as is known. */
export function isThere(collector: Collector, sinceMs: number): boolean {
  return collector.goneAtMs === undefined && collector.lastContactMs >= sinceMs;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!.slice(0, 200);
}

function badStages(): FinchError {
  return new FinchError(
    "invalid",
    "control/bad-stages",
    `a roll-out has 1 to ${STAGES_MAX} stages, such as {"percent": 10, "pauseSeconds": 600}`,
  );
}
