/**
 * The collectors of the fleet, in memory and in the database. What became of a version is on disk before the collector is answered, for it says so once. The rest it would say
 * again, so that no fsync is worth it; the time of its last contact alone is written together with others' by {@link CollectorRegistry.flush}.
 */
import type { SQLOutputValue } from "node:sqlite";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { ControlDatabase } from "../database.ts";
import type { RemoteStatus } from "./collector-messages.ts";
import { isSameButTime, isSameReport } from "./collector.ts";
import type { Collector } from "./collector.ts";
import { COLLECTOR_KEPT_MS, COLLECTORS_MAX } from "./limits.ts";

const COLUMNS = [
  "id",
  "resource_id",
  "name",
  "attributes",
  "first_contact_ms",
  "last_contact_ms",
  "gone_at_ms",
  "told_hash",
  "given_hash",
  "ignored_hash",
  "status",
  "status_error",
  "status_at_ms",
  "applied_hash",
  "failed_hash",
  "effective_hash",
] as const;

export class CollectorRegistry {
  readonly #database: ControlDatabase;
  readonly #collectors = new Map<string, Collector>();
  /** Ids whose last contact is not on disk yet. */
  readonly #unwritten = new Set<string>();
  readonly #upsert;
  readonly #remove;

  constructor(database: ControlDatabase) {
    this.#database = database;
    for (const row of database.prepare("SELECT * FROM fleet_collectors").all()) {
      const collector = collectorOf(row);
      this.#collectors.set(collector.id, collector);
    }
    const updates = COLUMNS.slice(1).map((column) => `${column} = excluded.${column}`);
    this.#upsert = database.prepare(
      `INSERT INTO fleet_collectors (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map(() => "?").join(", ")})
       ON CONFLICT (id) DO UPDATE SET ${updates.join(", ")}`,
    );
    this.#remove = database.prepare("DELETE FROM fleet_collectors WHERE id = ?");
  }

  get(id: string): Collector | undefined {
    return this.#collectors.get(id);
  }

  all(): Iterable<Collector> {
    return this.#collectors.values();
  }

  /** Keeps what a call made of a collector; a new one beyond {@link COLLECTORS_MAX} is a fault. */
  put(collector: Collector): void {
    const before = this.#collectors.get(collector.id);
    if (before === undefined && this.#collectors.size >= COLLECTORS_MAX) throw tooMany();
    if (before !== undefined && isSameButTime(before, collector)) {
      this.#unwritten.add(collector.id);
    } else {
      const isReport =
        before === undefined ? collector.status !== "unset" : !isSameReport(before, collector);
      const write = () => this.#write(collector);
      if (isReport) this.#database.transaction(write);
      else this.#database.relaxedTransaction(write);
    }
    this.#collectors.set(collector.id, collector);
  }

  remove(id: string): void {
    this.#unwritten.delete(id);
    this.#remove.run(id);
    this.#collectors.delete(id);
  }

  /** Writes the times of the last contacts, and forgets who was not heard of for {@link COLLECTOR_KEPT_MS}. */
  flush(clock: Clock): void {
    const oldest = clock.nowMs() - COLLECTOR_KEPT_MS;
    const forgotten = [...this.#collectors.values()].filter(
      ({ lastContactMs }) => lastContactMs < oldest,
    );
    if (this.#unwritten.size === 0 && forgotten.length === 0) return;
    this.#database.transaction(() => {
      for (const { id } of forgotten) this.remove(id);
      for (const id of this.#unwritten) this.#write(this.#collectors.get(id)!);
    });
    this.#unwritten.clear();
  }

  #write(collector: Collector): void {
    this.#upsert.run(
      collector.id,
      collector.resourceId,
      collector.name,
      JSON.stringify(collector.attributes),
      collector.firstContactMs,
      collector.lastContactMs,
      collector.goneAtMs ?? null,
      collector.toldHash,
      collector.givenHash,
      collector.ignoredHash,
      collector.status,
      collector.statusError,
      collector.statusAtMs ?? null,
      collector.appliedHash,
      collector.failedHash,
      collector.effectiveHash ?? null,
    );
  }
}

function collectorOf(row: Readonly<Record<string, SQLOutputValue>>): Collector {
  const numberOrNone = (value: unknown) => (value === null ? undefined : Number(value));
  const effectiveHash = row["effective_hash"];
  return {
    id: String(row["id"]),
    resourceId: String(row["resource_id"]),
    name: String(row["name"]),
    attributes: JSON.parse(String(row["attributes"])) as Collector["attributes"],
    firstContactMs: Number(row["first_contact_ms"]),
    lastContactMs: Number(row["last_contact_ms"]),
    goneAtMs: numberOrNone(row["gone_at_ms"]),
    toldHash: String(row["told_hash"]),
    givenHash: String(row["given_hash"]),
    ignoredHash: String(row["ignored_hash"]),
    status: String(row["status"]) as RemoteStatus,
    statusError: String(row["status_error"]),
    statusAtMs: numberOrNone(row["status_at_ms"]),
    appliedHash: String(row["applied_hash"]),
    failedHash: String(row["failed_hash"]),
    effectiveHash: typeof effectiveHash === "string" ? effectiveHash : undefined,
  };
}

function tooMany(): FinchError {
  return new FinchError(
    "limited",
    "control/too-many-collectors",
    `${COLLECTORS_MAX} collectors are known, no more are taken: forget those that are gone`,
    { retryAfterSeconds: 60 },
  );
}
