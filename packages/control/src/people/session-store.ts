/** Sessions of people in browsers. The browser holds a random token, the database its hash; a session ends when it is not used for long, and at the latest at its age. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@finch/runtime";
import type { ControlDatabase } from "../database.ts";
import { SEEN_INTERVAL_MS, SESSIONS_PER_USER_MAX, USER_AGENT_CHARS_MAX } from "./people-limits.ts";
import { hashSecretText, makeSecretText } from "./secret-text.ts";

export interface SessionLimits {
  /** A session that is not used for so long has ended. */
  readonly idleMsMax: number;
  /** So long after sign-in it ends whatever happens. */
  readonly ageMsMax: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  idleMsMax: 24 * 3_600_000,
  ageMsMax: 30 * 24 * 3_600_000,
};

export interface Session {
  /** Names it in lists; opens nothing. */
  readonly id: string;
  readonly userId: string;
  /** Where it was begun from. */
  readonly address: string;
  readonly userAgent: string;
  readonly createdAtMs: number;
  /** To a minute. */
  readonly seenAtMs: number;
}

export class SessionStore {
  readonly #database: ControlDatabase;
  readonly #clock: Clock;
  readonly limits: SessionLimits;

  constructor(database: ControlDatabase, clock: Clock, limits: SessionLimits) {
    this.#database = database;
    this.#clock = clock;
    this.limits = limits;
  }

  /** A session of that user with the token that opens it, which is told here and never again. */
  begin(
    userId: string,
    from: { readonly address: string; readonly userAgent: string },
  ): { readonly session: Session; readonly token: string } {
    const token = makeSecretText("");
    const nowMs = this.#clock.nowMs();
    const session: Session = {
      id: randomUUID(),
      userId,
      address: from.address,
      userAgent: from.userAgent.slice(0, USER_AGENT_CHARS_MAX),
      createdAtMs: nowMs,
      seenAtMs: nowMs,
    };
    this.#database.transaction(() => {
      this.#forgetEnded();
      this.#database
        .prepare(
          "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? ORDER BY seen_at_ms DESC LIMIT -1 OFFSET ?)",
        )
        .run(userId, SESSIONS_PER_USER_MAX - 1);
      this.#database
        .prepare(
          "INSERT INTO sessions (id, token_hash, user_id, address, user_agent, created_at_ms, seen_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          session.id,
          hashSecretText(token),
          userId,
          session.address,
          session.userAgent,
          nowMs,
          nowMs,
        );
    });
    return { session, token };
  }

  /** The session that a token opens; undefined when it has ended. Its use is noted. */
  find(token: string): Session | undefined {
    const find = this.#database.prepare("SELECT * FROM sessions WHERE token_hash = ?");
    const session = toSession(find.get(hashSecretText(token)));
    if (session === undefined || !this.#isAlive(session)) return undefined;
    const nowMs = this.#clock.nowMs();
    if (nowMs - session.seenAtMs < SEEN_INTERVAL_MS) return session;
    this.#database
      .prepare("UPDATE sessions SET seen_at_ms = ? WHERE id = ?")
      .run(nowMs, session.id);
    return { ...session, seenAtMs: nowMs };
  }

  /** Those of a user that have not ended, the last used first. */
  list(userId: string): readonly Session[] {
    return this.#database
      .prepare("SELECT * FROM sessions WHERE user_id = ? ORDER BY seen_at_ms DESC, id")
      .all(userId)
      .map((row) => toSession(row)!)
      .filter((session) => this.#isAlive(session));
  }

  /** Whether there was one of that user. */
  end(userId: string, sessionId: string): boolean {
    const end = this.#database.prepare("DELETE FROM sessions WHERE user_id = ? AND id = ?");
    return end.run(userId, sessionId).changes > 0;
  }

  /** All of a user but one, which may be none. */
  endOthers(userId: string, keptId: string): void {
    this.#database
      .prepare("DELETE FROM sessions WHERE user_id = ? AND id <> ?")
      .run(userId, keptId);
  }

  #isAlive({ createdAtMs, seenAtMs }: Session): boolean {
    const { idleMsMax, ageMsMax } = this.limits;
    const nowMs = this.#clock.nowMs();
    return nowMs - seenAtMs < idleMsMax && nowMs - createdAtMs < ageMsMax;
  }

  #forgetEnded(): void {
    const { idleMsMax, ageMsMax } = this.limits;
    const nowMs = this.#clock.nowMs();
    this.#database
      .prepare("DELETE FROM sessions WHERE seen_at_ms <= ? OR created_at_ms <= ?")
      .run(nowMs - idleMsMax, nowMs - ageMsMax);
  }
}

function toSession(row: Record<string, unknown> | undefined): Session | undefined {
  if (row === undefined) return undefined;
  return {
    id: String(row["id"]),
    userId: String(row["user_id"]),
    address: String(row["address"]),
    userAgent: String(row["user_agent"]),
    createdAtMs: Number(row["created_at_ms"]),
    seenAtMs: Number(row["seen_at_ms"]),
  };
}
