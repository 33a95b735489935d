/** The audit trail: who did what, on what, when and from where. Written in the transaction of the deed itself, so that neither is there without the other. */
import type { StatementSync } from "node:sqlite";
import type { Clock } from "@finch/runtime";
import type { ControlDatabase } from "./database.ts";
import { AUDIT_EVENTS_MAX, AUDIT_PAGE_MAX, AUDIT_TEXT_CHARS_MAX } from "./limits.ts";

/** Who does something, and from where; goes along with every change. */
export interface Actor {
  /** `user:ada`, `certificate:rid:finchctl:8d134b24c2541730`, `token:NAME` or `system`. */
  readonly name: string;
  /** Address of the peer, or empty for what Finch does by itself. */
  readonly origin: string;
}

export interface AuditEntry {
  /** `agent.register`, `secret.rotate`: a noun and what was done to it. */
  readonly action: string;
  /** What it was done to, such as a resource id; empty when it is the service. */
  readonly target: string;
  /** Scalars for a person; never secrets. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditEvent extends Required<AuditEntry> {
  /** Grows with time. */
  readonly id: number;
  readonly atMs: number;
  readonly actor: string;
  readonly origin: string;
}

export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  /** Only events before the one with this id: the last of the page before. */
  readonly beforeId?: number;
  /** 1 to {@link AUDIT_PAGE_MAX}. */
  readonly limit: number;
}

/** Finch itself, for what nobody asked for. */
export const SYSTEM_ACTOR: Actor = { name: "system", origin: "" };

/** Keeps the newest {@link AUDIT_EVENTS_MAX} events. */
export class AuditTrail {
  readonly #database: ControlDatabase;
  readonly #clock: Clock;
  readonly #insert: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: ControlDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#insert = database.prepare(
      "INSERT INTO audit_events (at_ms, actor, action, target, origin, details) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#forget = database.prepare("DELETE FROM audit_events WHERE id <= ?");
  }

  record(actor: Actor, entry: AuditEntry): void {
    this.#database.transaction(() => this.#write(actor, entry));
  }

  /** The same for what changed nothing and may come a thousand times a minute; see {@link ControlDatabase.relaxedTransaction}. */
  note(actor: Actor, entry: AuditEntry): void {
    this.#database.relaxedTransaction(() => this.#write(actor, entry));
  }

  #write(actor: Actor, entry: AuditEntry): void {
    const { lastInsertRowid } = this.#insert.run(
      this.#clock.nowMs(),
      cut(actor.name),
      entry.action,
      cut(entry.target),
      cut(actor.origin),
      JSON.stringify(cutAll(entry.details ?? {})),
    );
    this.#forget.run(Number(lastInsertRowid) - AUDIT_EVENTS_MAX);
  }

  /** Newest first. */
  list(filter: AuditFilter): readonly AuditEvent[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const restrict = (condition: string, value: string | number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    restrict("actor = ?", filter.actor);
    restrict("action = ?", filter.action);
    restrict("target = ?", filter.target);
    restrict("id < ?", filter.beforeId);
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    const limit = Math.max(1, Math.min(filter.limit, AUDIT_PAGE_MAX));
    return this.#database
      .prepare(`SELECT * FROM audit_events ${where} ORDER BY id DESC LIMIT ?`)
      .all(...values, limit)
      .map((row) => ({
        id: Number(row["id"]),
        atMs: Number(row["at_ms"]),
        actor: String(row["actor"]),
        action: String(row["action"]),
        target: String(row["target"]),
        origin: String(row["origin"]),
        details: JSON.parse(String(row["details"])) as AuditEvent["details"],
      }));
  }
}

function cut(text: string): string {
  return text.length <= AUDIT_TEXT_CHARS_MAX ? text : `${text.slice(0, AUDIT_TEXT_CHARS_MAX)}…`;
}

function cutAll(details: AuditEvent["details"]): AuditEvent["details"] {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      typeof value === "string" ? cut(value) : value,
    ]),
  );
}
