/** The users in the database. Rules about them are in `user-admin.ts`; here is what a row means. */
import type { SQLOutputValue } from "node:sqlite";
import type { ControlDatabase } from "../database.ts";
import type { Role } from "./roles.ts";

export interface User {
  readonly id: string;
  /** What they sign in with; letters of either case are the same. */
  readonly name: string;
  /** As people know them; empty when nobody said. */
  readonly fullName: string;
  readonly role: Role;
  /** A selector that limits what they read; empty for everything. */
  readonly readScope: string;
  /** Undefined for those who sign in with a provider alone. */
  readonly passwordHash: string | undefined;
  /** The first administrator, who still has the password that everybody knows. */
  readonly isInitial: boolean;
  readonly isDisabled: boolean;
  /** The OpenID provider that knows them and its name for them; both empty for others. */
  readonly provider: string;
  readonly subject: string;
  readonly createdAtMs: number;
  readonly signedInAtMs: number | undefined;
}

export class UserStore {
  readonly #database: ControlDatabase;

  constructor(database: ControlDatabase) {
    this.#database = database;
  }

  get(id: string): User | undefined {
    return toUser(this.#database.prepare("SELECT * FROM users WHERE id = ?").get(id));
  }

  findByName(name: string): User | undefined {
    return toUser(this.#database.prepare("SELECT * FROM users WHERE name = ?").get(name));
  }

  findBySubject(provider: string, subject: string): User | undefined {
    const find = this.#database.prepare("SELECT * FROM users WHERE provider = ? AND subject = ?");
    return toUser(find.get(provider, subject));
  }

  /** In order of names. */
  list(): readonly User[] {
    return this.#database
      .prepare("SELECT * FROM users ORDER BY name")
      .all()
      .map((row) => toUser(row)!);
  }

  /** Whether the first administrator has still to set a password. */
  hasInitial(): boolean {
    const find = this.#database.prepare("SELECT 1 FROM users WHERE is_initial = 1 LIMIT 1");
    return find.get() !== undefined;
  }

  count(): number {
    return Number(this.#database.prepare("SELECT count(*) AS users FROM users").get()!["users"]);
  }

  insert(user: User): void {
    this.#database
      .prepare(
        `INSERT INTO users (name, full_name, role, read_scope, password_hash, is_initial, is_disabled, provider, subject, signed_in_at_ms, created_at_ms, id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(...valuesOf(user), user.createdAtMs, user.id);
  }

  /** Writes all of a user that is there. */
  update(user: User): void {
    this.#database
      .prepare(
        `UPDATE users SET name = ?, full_name = ?, role = ?, read_scope = ?, password_hash = ?, is_initial = ?, is_disabled = ?, provider = ?, subject = ?,
        signed_in_at_ms = ? WHERE id = ?`,
      )
      .run(...valuesOf(user), user.id);
  }

  /** Their sessions and tokens go along. */
  remove(id: string): void {
    this.#database.prepare("DELETE FROM users WHERE id = ?").run(id);
  }
}

function valuesOf(user: User): (string | number | null)[] {
  return [
    user.name,
    user.fullName,
    user.role,
    user.readScope,
    user.passwordHash ?? null,
    Number(user.isInitial),
    Number(user.isDisabled),
    user.provider,
    user.subject,
    user.signedInAtMs ?? null,
  ];
}

function toUser(row: Record<string, SQLOutputValue> | undefined): User | undefined {
  if (row === undefined) return undefined;
  return {
    id: String(row["id"]),
    name: String(row["name"]),
    fullName: String(row["full_name"]),
    role: row["role"] as Role,
    readScope: String(row["read_scope"]),
    passwordHash: row["password_hash"] === null ? undefined : String(row["password_hash"]),
    isInitial: row["is_initial"] === 1,
    isDisabled: row["is_disabled"] === 1,
    provider: String(row["provider"]),
    subject: String(row["subject"]),
    createdAtMs: Number(row["created_at_ms"]),
    signedInAtMs: row["signed_in_at_ms"] === null ? undefined : Number(row["signed_in_at_ms"]),
  };
}
