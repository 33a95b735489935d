/** API tokens: what programs show in place of a person. Each belongs to a user, may do no more than they, and is kept as a hash. */
import { randomUUID } from "node:crypto";
import type { Clock } from "@finch/runtime";
import type { ControlDatabase } from "../database.ts";
import { SEEN_INTERVAL_MS } from "./people-limits.ts";
import type { Permission } from "./roles.ts";
import { hashSecretText, makeSecretText } from "./secret-text.ts";

/** By it those who look for leaked secrets know what they found. */
export const TOKEN_PREFIX = "finch_";

export interface ApiToken {
  /** Names it in lists; opens nothing. */
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
  /** A selector that limits what it reads; empty for all its user may. */
  readonly readScope: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  /** To a minute. */
  readonly usedAtMs: number | undefined;
  readonly usedFrom: string;
}

export class TokenStore {
  readonly #database: ControlDatabase;
  readonly #clock: Clock;

  constructor(database: ControlDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** A token with the text that opens it, which is told here and never again. */
  create(wanted: Pick<ApiToken, "userId" | "name" | "permissions" | "readScope" | "expiresAtMs">): {
    readonly token: ApiToken;
    readonly text: string;
  } {
    const text = makeSecretText(TOKEN_PREFIX);
    const token: ApiToken = {
      ...wanted,
      id: randomUUID(),
      createdAtMs: this.#clock.nowMs(),
      usedAtMs: undefined,
      usedFrom: "",
    };
    this.#database
      .prepare(
        "INSERT INTO api_tokens (id, token_hash, user_id, name, permissions, read_scope, created_at_ms, expires_at_ms, used_at_ms, used_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, '')",
      )
      .run(
        token.id,
        hashSecretText(text),
        token.userId,
        token.name,
        JSON.stringify(token.permissions),
        token.readScope,
        token.createdAtMs,
        token.expiresAtMs ?? null,
      );
    return { token, text };
  }

  /** The token with that text; undefined when there is none or it has expired. Its use is noted. */
  find(text: string, address: string): ApiToken | undefined {
    if (!text.startsWith(TOKEN_PREFIX)) return undefined;
    const find = this.#database.prepare("SELECT * FROM api_tokens WHERE token_hash = ?");
    const token = toToken(find.get(hashSecretText(text)));
    const nowMs = this.#clock.nowMs();
    if (token === undefined || nowMs >= (token.expiresAtMs ?? Infinity)) return undefined;
    const isNoted = token.usedFrom === address && nowMs - (token.usedAtMs ?? 0) < SEEN_INTERVAL_MS;
    if (!isNoted)
      this.#database
        .prepare("UPDATE api_tokens SET used_at_ms = ?, used_from = ? WHERE id = ?")
        .run(nowMs, address, token.id);
    return token;
  }

  /** Of a user or, without one, of all; in order of names. */
  list(userId?: string): readonly ApiToken[] {
    const all = "SELECT * FROM api_tokens";
    const rows =
      userId === undefined
        ? this.#database.prepare(`${all} ORDER BY name, id`).all()
        : this.#database.prepare(`${all} WHERE user_id = ? ORDER BY name, id`).all(userId);
    return rows.map((row) => toToken(row)!);
  }

  get(id: string): ApiToken | undefined {
    return toToken(this.#database.prepare("SELECT * FROM api_tokens WHERE id = ?").get(id));
  }

  remove(id: string): void {
    this.#database.prepare("DELETE FROM api_tokens WHERE id = ?").run(id);
  }
}

function toToken(row: Record<string, unknown> | undefined): ApiToken | undefined {
  if (row === undefined) return undefined;
  const optional = (value: unknown) => (value === null ? undefined : Number(value));
  return {
    id: String(row["id"]),
    userId: String(row["user_id"]),
    name: String(row["name"]),
    permissions: JSON.parse(String(row["permissions"])) as Permission[],
    readScope: String(row["read_scope"]),
    createdAtMs: Number(row["created_at_ms"]),
    expiresAtMs: optional(row["expires_at_ms"]),
    usedAtMs: optional(row["used_at_ms"]),
    usedFrom: String(row["used_from"]),
  };
}
