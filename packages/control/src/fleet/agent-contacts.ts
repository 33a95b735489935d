/** When each agent was heard of last, by whatever it does with its token: pushes, questions for its configuration. In memory, and in the database from time to time. */
import type { Clock } from "@finch/runtime";
import type { ControlDatabase } from "../database.ts";

export class AgentContacts {
  readonly #database: ControlDatabase;
  readonly #clock: Clock;
  readonly #lastMs = new Map<string, number>();
  readonly #unwritten = new Set<string>();

  constructor(database: ControlDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    for (const row of database.prepare("SELECT * FROM fleet_contacts").all())
      this.#lastMs.set(String(row["resource_id"]), Number(row["last_contact_ms"]));
  }

  /** To be called for registered agents only, which are bounded. */
  note(resourceId: string): void {
    this.#lastMs.set(resourceId, this.#clock.nowMs());
    this.#unwritten.add(resourceId);
  }

  lastMs(resourceId: string): number | undefined {
    return this.#lastMs.get(resourceId);
  }

  /** Writes what is not written; `isRegistered` says whom to go on with. */
  flush(isRegistered: (resourceId: string) => boolean): void {
    const gone = [...this.#lastMs.keys()].filter((resourceId) => !isRegistered(resourceId));
    if (this.#unwritten.size === 0 && gone.length === 0) return;
    const write = this.#database.prepare(
      "INSERT INTO fleet_contacts (resource_id, last_contact_ms) VALUES (?, ?) ON CONFLICT (resource_id) DO UPDATE SET last_contact_ms = excluded.last_contact_ms",
    );
    const remove = this.#database.prepare("DELETE FROM fleet_contacts WHERE resource_id = ?");
    for (const resourceId of gone) {
      this.#lastMs.delete(resourceId);
      this.#unwritten.delete(resourceId);
    }
    this.#database.transaction(() => {
      for (const resourceId of gone) remove.run(resourceId);
      for (const resourceId of this.#unwritten)
        write.run(resourceId, this.#lastMs.get(resourceId)!);
    });
    this.#unwritten.clear();
  }
}
