/** Roll-outs in the database: what, to whom, in which stages, and how far. */
import type { ControlDatabase } from "../database.ts";
import { ROLLOUTS_KEPT_MAX } from "./limits.ts";
import { isOpen } from "./rollout-state.ts";
import type { HealthPolicy, RolloutStage, RolloutState } from "./rollout-state.ts";
import { parseSelector } from "./selector.ts";
import type { Selector } from "./selector.ts";

export interface Rollout {
  /** Grows: of two roll-outs that meet a collector the later one counts. */
  readonly id: number;
  readonly versionId: number;
  readonly selector: Selector;
  readonly stages: readonly RolloutStage[];
  readonly policy: HealthPolicy;
  readonly author: string;
  readonly createdAtMs: number;
  readonly state: RolloutState;
}

/** A collector that matched when the roll-out began. */
export interface RolloutMember {
  readonly collectorId: string;
  readonly stage: number;
  /** Whether it was there when its stage began: one that was not says nothing of the version's health. */
  readonly isCounted: boolean;
  /** What its figures were then; undefined when there were none. */
  readonly errorShareBefore: number | undefined;
  readonly unhealthyBefore: number | undefined;
}

export class RolloutStore {
  readonly #database: ControlDatabase;
  /** Newest first: every roll-out that decides what a collector gets, and no other. */
  #deciding: readonly Rollout[];
  /** Of those, as far as they were asked for. */
  readonly #members = new Map<number, readonly RolloutMember[]>();
  readonly #stageOf = new Map<number, ReadonlyMap<string, number>>();

  constructor(database: ControlDatabase) {
    this.#database = database;
    this.#deciding = this.#readDeciding();
  }

  /** Newest first. */
  list(): readonly Rollout[] {
    return this.#select("ORDER BY id DESC");
  }

  get(id: number): Rollout | undefined {
    return this.#select("WHERE id = ?", id)[0];
  }

  open(): readonly Rollout[] {
    return this.#deciding.filter(({ state }) => isOpen(state));
  }

  /** By stage, then by id. */
  members(id: number): readonly RolloutMember[] {
    const kept = this.#members.get(id);
    if (kept !== undefined) return kept;
    const members = this.#readMembers(id);
    if (this.#deciding.some((rollout) => rollout.id === id)) this.#members.set(id, members);
    return members;
  }

  #readMembers(id: number): readonly RolloutMember[] {
    const numberOrNone = (value: unknown) => (value === null ? undefined : Number(value));
    return this.#database
      .prepare(
        "SELECT * FROM fleet_rollout_members WHERE rollout_id = ? ORDER BY stage, collector_id",
      )
      .all(id)
      .map((row) => ({
        collectorId: String(row["collector_id"]),
        stage: Number(row["stage"]),
        isCounted: row["is_counted"] === 1,
        errorShareBefore: numberOrNone(row["error_share_before"]),
        unhealthyBefore: numberOrNone(row["unhealthy_before"]),
      }));
  }

  insert(
    rollout: Omit<Rollout, "id">,
    members: readonly Pick<RolloutMember, "collectorId" | "stage">[],
  ): Rollout {
    const { state } = rollout;
    const { lastInsertRowid } = this.#database
      .prepare(
        "INSERT INTO fleet_rollouts (version_id, selector, stages, policy, author, created_at_ms, state, stage, since_ms, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        rollout.versionId,
        rollout.selector.text,
        JSON.stringify(rollout.stages),
        JSON.stringify(rollout.policy),
        rollout.author,
        rollout.createdAtMs,
        state.kind,
        state.stage,
        state.sinceMs,
        state.reason,
      );
    const id = Number(lastInsertRowid);
    const insertMember = this.#database.prepare(
      "INSERT INTO fleet_rollout_members (rollout_id, collector_id, stage, is_counted) VALUES (?, ?, ?, 0)",
    );
    for (const { collectorId, stage } of members) insertMember.run(id, collectorId, stage);
    return { ...rollout, id };
  }

  writeState(id: number, state: RolloutState): void {
    this.#database
      .prepare(
        "UPDATE fleet_rollouts SET state = ?, stage = ?, since_ms = ?, reason = ? WHERE id = ?",
      )
      .run(state.kind, state.stage, state.sinceMs, state.reason, id);
  }

  writeMember(rolloutId: number, member: RolloutMember): void {
    this.#database
      .prepare(
        "UPDATE fleet_rollout_members SET is_counted = ?, error_share_before = ?, unhealthy_before = ? WHERE rollout_id = ? AND collector_id = ?",
      )
      .run(
        member.isCounted ? 1 : 0,
        member.errorShareBefore ?? null,
        member.unhealthyBefore ?? null,
        rolloutId,
        member.collectorId,
      );
  }

  /** To be called after each transaction that wrote. */
  refresh(): void {
    this.#deciding = this.#readDeciding();
    this.#members.clear();
    this.#stageOf.clear();
  }

  /** Removes what decides nothing, beyond the newest; to be called within a transaction. */
  forgetOldest(): void {
    const deciding = new Set(this.#readDeciding().map(({ id }) => id));
    const remove = this.#database.prepare("DELETE FROM fleet_rollouts WHERE id = ?");
    for (const { id } of this.list().slice(ROLLOUTS_KEPT_MAX))
      if (!deciding.has(id)) remove.run(id);
  }

  /**
   * The version a collector should have: that of the newest roll-out that has reached it. One that is complete reaches whoever matches, later ones too; one that is
   * open reaches its members up to its stage; one that was rolled back nobody.
   */
  versionFor(collectorId: string, labels: Readonly<Record<string, string>>): number | undefined {
    return this.#deciding.find((rollout) => {
      if (rollout.state.kind === "completed") return rollout.selector.matches(labels);
      const stage = this.#stagesOf(rollout.id).get(collectorId);
      return stage !== undefined && stage <= rollout.state.stage;
    })?.versionId;
  }

  #stagesOf(id: number): ReadonlyMap<string, number> {
    const kept = this.#stageOf.get(id);
    if (kept !== undefined) return kept;
    const stages = new Map(this.members(id).map(({ collectorId, stage }) => [collectorId, stage]));
    this.#stageOf.set(id, stages);
    return stages;
  }

  /** A complete one is hidden by a later complete one with the same selector. */
  #readDeciding(): readonly Rollout[] {
    const hidden = new Set<string>();
    return this.#select("WHERE state <> 'rolled-back' ORDER BY id DESC").filter(
      ({ state, selector }) => {
        if (state.kind !== "completed") return true;
        const isHidden = hidden.has(selector.text);
        hidden.add(selector.text);
        return !isHidden;
      },
    );
  }

  #select(rest: string, ...values: number[]): readonly Rollout[] {
    return this.#database
      .prepare(`SELECT * FROM fleet_rollouts ${rest}`)
      .all(...values)
      .map(rolloutOf);
  }
}

function rolloutOf(row: Readonly<Record<string, unknown>>): Rollout {
  return {
    id: Number(row["id"]),
    versionId: Number(row["version_id"]),
    selector: parseSelector(String(row["selector"])),
    stages: JSON.parse(String(row["stages"])) as readonly RolloutStage[],
    policy: JSON.parse(String(row["policy"])) as HealthPolicy,
    author: String(row["author"]),
    createdAtMs: Number(row["created_at_ms"]),
    state: {
      kind: String(row["state"]) as RolloutState["kind"],
      stage: Number(row["stage"]),
      sinceMs: Number(row["since_ms"]),
      reason: String(row["reason"]),
    },
  };
}
