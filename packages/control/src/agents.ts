/** The agents: registered, found, changed, removed. Each change stands in the audit trail, and listeners are told of it afterwards. */
import { randomUUID } from "node:crypto";
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import { checkDraft, checkSettings } from "./agent-rules.ts";
import type { AgentDraft, AgentSettings, Node } from "./agent-rules.ts";
import type { Actor, AuditTrail } from "./audit-trail.ts";
import type { ControlDatabase } from "./database.ts";
import { AGENTS_MAX } from "./limits.ts";

export interface Agent extends AgentDraft {
  /** `rid:finch:ID:agent:UUID`; opaque to others. */
  readonly resourceId: string;
  readonly node: Node;
  readonly registeredAtMs: number;
  readonly updatedAtMs: number;
}

export interface AgentChange {
  readonly kind: "registered" | "updated" | "deregistered";
  /** As it is after the change, or was before it went. */
  readonly agent: Agent;
}

export interface AgentRegistryOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  /** The id of the service as of now. */
  readonly serviceId: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Faults: `control/bad-agent`, `control/no-agent`, `control/agent-exists`, `control/too-many-agents`. */
export class AgentRegistry {
  readonly #options: AgentRegistryOptions;
  readonly #find: StatementSync;
  readonly #listeners = new Set<(change: AgentChange) => void>();

  constructor(options: AgentRegistryOptions) {
    this.#options = options;
    this.#find = options.database.prepare("SELECT * FROM agents WHERE resource_id = ?");
  }

  register(actor: Actor, draft: AgentDraft): Agent {
    const { clock, serviceId } = this.#options;
    const { value, left } = checkDraft(draft);
    const agent: Agent = {
      ...value,
      resourceId: `rid:finch:${serviceId()}:agent:${randomUUID()}`,
      registeredAtMs: clock.nowMs(),
      updatedAtMs: clock.nowMs(),
    };
    this.#tellLeft(agent, left);
    this.#change(actor, { kind: "registered", agent }, "agent.register", () => {
      this.#checkRoom(agent.hostname);
      this.#write(agent);
    });
    return agent;
  }

  deregister(actor: Actor, resourceId: string): void {
    const agent = this.get(resourceId);
    this.#change(actor, { kind: "deregistered", agent }, "agent.deregister", () =>
      this.#options.database.prepare("DELETE FROM agents WHERE resource_id = ?").run(resourceId),
    );
  }

  /** Replaces all that can be edited. */
  update(actor: Actor, resourceId: string, settings: AgentSettings): Agent {
    const before = this.get(resourceId);
    const { value, left } = checkSettings(settings);
    const agent: Agent = { ...before, ...value, updatedAtMs: this.#options.clock.nowMs() };
    this.#tellLeft(agent, left);
    this.#change(actor, { kind: "updated", agent }, "agent.update", () => this.#write(agent));
    return agent;
  }

  /** The agent, or `control/no-agent`. */
  get(resourceId: string): Agent {
    const agent = this.find(resourceId);
    if (agent === undefined)
      throw new FinchError("not-found", "control/no-agent", "agent not found");
    return agent;
  }

  find(resourceId: string): Agent | undefined {
    const row = this.#find.get(resourceId);
    return row === undefined ? undefined : agentOf(row);
  }

  /** Oldest first. */
  list(): readonly Agent[] {
    return this.#options.database
      .prepare("SELECT * FROM agents ORDER BY registered_at_ms, hostname")
      .all()
      .map(agentOf);
  }

  /** Calls `listener` after each change, until what this returns is called. It must not throw. */
  onChange(listener: (change: AgentChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #change(actor: Actor, change: AgentChange, action: string, work: () => void): void {
    const { database, audit } = this.#options;
    const { resourceId, hostname } = change.agent;
    database.transaction(() => {
      work();
      audit.record(actor, { action, target: resourceId, details: { hostname } });
    });
    for (const listener of this.#listeners) listener(change);
  }

  #checkRoom(hostname: string): void {
    const { database } = this.#options;
    const taken = database.prepare("SELECT 1 FROM agents WHERE hostname = ?").get(hostname);
    if (taken !== undefined)
      throw new FinchError("conflict", "control/agent-exists", "agent already exists");
    const row = database.prepare("SELECT count(*) AS count FROM agents").get();
    if (Number(row?.["count"]) >= AGENTS_MAX)
      throw new FinchError(
        "limited",
        "control/too-many-agents",
        `there are ${AGENTS_MAX} agents, which is the most; deregister those that are gone`,
      );
  }

  #write(agent: Agent): void {
    this.#options.database
      .prepare(
        `INSERT INTO agents (resource_id, hostname, node, labels, log_sources, metrics, metrics_targets, profiles, registered_at_ms, updated_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (resource_id) DO UPDATE SET labels = excluded.labels, log_sources = excluded.log_sources, metrics = excluded.metrics,
           metrics_targets = excluded.metrics_targets, profiles = excluded.profiles, updated_at_ms = excluded.updated_at_ms`,
      )
      .run(
        agent.resourceId,
        agent.hostname,
        agent.node,
        JSON.stringify(agent.labels),
        JSON.stringify(agent.logSources),
        Number(agent.metrics),
        JSON.stringify(agent.metricsTargets),
        Number(agent.profiles),
        agent.registeredAtMs,
        agent.updatedAtMs,
      );
  }

  #tellLeft({ hostname }: Agent, left: readonly string[]): void {
    if (left.length === 0) return;
    this.#options.log.warn("sources or targets of an agent cannot be used and are left out", {
      hostname,
      left: left.slice(0, LEFT_TOLD_MAX).join(" "),
    });
  }
}

const LEFT_TOLD_MAX = 10;

function agentOf(row: Record<string, SQLOutputValue>): Agent {
  const list = (name: string) => JSON.parse(String(row[name])) as readonly string[];
  return {
    resourceId: String(row["resource_id"]),
    hostname: String(row["hostname"]),
    node: row["node"] === "windows" ? "windows" : "unix",
    labels: list("labels"),
    logSources: list("log_sources"),
    metrics: row["metrics"] === 1,
    metricsTargets: list("metrics_targets"),
    profiles: row["profiles"] === 1,
    registeredAtMs: Number(row["registered_at_ms"]),
    updatedAtMs: Number(row["updated_at_ms"]),
  };
}
