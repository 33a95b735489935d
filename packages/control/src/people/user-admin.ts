/** What administrators do with users and everybody with their own tokens: the rules, and the events in the audit trail. */
import { randomUUID } from "node:crypto";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { Actor, AuditTrail } from "../audit-trail.ts";
import type { ControlDatabase } from "../database.ts";
import { checkNewPassword } from "./password-rules.ts";
import { NAME_CHARS_MAX, TOKENS_PER_USER_MAX, USERS_MAX } from "./people-limits.ts";
import { normalizeReadScope } from "./read-scope.ts";
import { permissionsOf } from "./roles.ts";
import type { Permission, Role } from "./roles.ts";
import type { SessionStore } from "./session-store.ts";
import type { ApiToken, TokenStore } from "./token-store.ts";
import type { User, UserStore } from "./user-store.ts";

export interface UserAdminOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  readonly hash: (password: string) => Promise<string>;
  readonly unlock: (name: string) => void;
}

export interface NewUser {
  readonly name: string;
  readonly fullName: string;
  readonly role: Role;
  readonly readScope: string;
  /** Undefined: signs in with a provider alone. */
  readonly password: string | undefined;
  /** Of the provider that knows them; both empty for others. */
  readonly provider?: string;
  readonly subject?: string;
}

/** What changes of a user; what is missing stays. */
export interface UserChange {
  readonly fullName?: string;
  readonly role?: Role;
  readonly readScope?: string;
  readonly password?: string;
  readonly isDisabled?: boolean;
}

export interface NewToken {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly readScope: string;
  readonly expiresAtMs: number | undefined;
}

export class UserAdmin {
  readonly #options: UserAdminOptions;

  constructor(options: UserAdminOptions) {
    this.#options = options;
  }

  /** Faults: `control/bad-user`, `control/user-exists`, `control/too-many-users`, `control/weak-password`, `control/bad-read-scope`. */
  async createUser(actor: Actor, wanted: NewUser): Promise<User> {
    const { users, hash, clock } = this.#options;
    checkName(wanted.name);
    if (wanted.password !== undefined) checkNewPassword(wanted.password, wanted.name);
    const user: User = {
      id: randomUUID(),
      name: wanted.name,
      fullName: checkText(wanted.fullName, "full name"),
      role: wanted.role,
      readScope: checkScope(wanted.role, wanted.readScope),
      passwordHash: wanted.password === undefined ? undefined : await hash(wanted.password),
      isInitial: false,
      isDisabled: false,
      provider: wanted.provider ?? "",
      subject: wanted.subject ?? "",
      createdAtMs: clock.nowMs(),
      signedInAtMs: undefined,
    };
    this.#record(actor, "user.create", user, { role: user.role, readScope: user.readScope }, () => {
      if (users.findByName(user.name) !== undefined)
        throw fault("conflict", "control/user-exists", `there is a user ${user.name} already`);
      if (users.count() >= USERS_MAX)
        throw fault("limited", "control/too-many-users", `there are ${USERS_MAX} users already`);
      users.insert(user);
    });
    return user;
  }

  /** Faults: as {@link createUser}, `control/no-such-user`, `control/last-admin`. A new password ends their sessions, and so does disabling. */
  async changeUser(actor: Actor, id: string, change: UserChange): Promise<User> {
    const { users, sessions, hash, unlock } = this.#options;
    const before = this.#mustFind(id);
    if (change.password !== undefined) checkNewPassword(change.password, before.name);
    const role = change.role ?? before.role;
    const readScope = checkScope(role, change.readScope ?? before.readScope);
    const fullName = checkText(change.fullName ?? before.fullName, "full name");
    const passwordHash = change.password === undefined ? undefined : await hash(change.password);
    const details = { role, readScope, newPassword: passwordHash !== undefined };
    return this.#record(actor, "user.change", before, details, () => {
      const user: User = {
        ...this.#mustFind(id),
        fullName,
        role,
        readScope,
        ...(change.isDisabled !== undefined && { isDisabled: change.isDisabled }),
        ...(passwordHash !== undefined && { passwordHash, isInitial: false }),
      };
      users.update(user);
      this.#mustHaveAdmin();
      if (passwordHash !== undefined) unlock(user.name);
      if (passwordHash !== undefined || user.isDisabled) sessions.endOthers(id, "");
      return user;
    });
  }

  /** Their sessions and tokens end. Faults: `control/no-such-user`, `control/last-admin`. */
  removeUser(actor: Actor, id: string): void {
    const user = this.#mustFind(id);
    this.#record(actor, "user.remove", user, {}, () => {
      this.#options.users.remove(id);
      this.#mustHaveAdmin();
    });
  }

  /** The text of the token is told here and never again. Faults: `control/bad-api-token`, `control/token-exists`, `control/too-many-tokens`, `control/bad-read-scope`. */
  createToken(
    actor: Actor,
    userId: string,
    wanted: NewToken,
  ): { readonly token: ApiToken; readonly text: string } {
    const { tokens, clock } = this.#options;
    const user = this.#mustFind(userId);
    const name = checkText(wanted.name.trim(), "name");
    const readScope = normalizeReadScope(wanted.readScope);
    const permissions = [...new Set(wanted.permissions)];
    const notTheirs = permissions.find((one) => !permissionsOf(user.role).has(one));
    if (name === "") throw badToken("a token needs a name");
    if (permissions.length === 0) throw badToken("a token needs a permission, such as read");
    if (notTheirs !== undefined)
      throw badToken(`a ${user.role} may not ${notTheirs}, so no token of theirs may`);
    if (readScope !== "" && permissions.some((one) => one !== "read"))
      throw badToken("a token that reads some series alone may do nothing else");
    if (wanted.expiresAtMs !== undefined && !(wanted.expiresAtMs > clock.nowMs()))
      throw badToken("the time at which the token expires is not in the future");
    const wantedToken = { userId, name, permissions, readScope, expiresAtMs: wanted.expiresAtMs };
    const details = { token: name, permissions: permissions.join(" "), readScope };
    return this.#record(actor, "token.create", user, details, () => {
      const own = tokens.list(userId);
      if (own.some((token) => token.name === name))
        throw fault("conflict", "control/token-exists", `there is a token ${name} already`);
      if (own.length >= TOKENS_PER_USER_MAX)
        throw fault("limited", "control/too-many-tokens", `there are ${own.length} tokens already`);
      return tokens.create(wantedToken);
    });
  }

  /** Faults: `control/no-such-token`. */
  removeToken(actor: Actor, id: string): void {
    const { tokens } = this.#options;
    const token = tokens.get(id);
    if (token === undefined) throw noSuchToken();
    const user = this.#mustFind(token.userId);
    this.#record(actor, "token.remove", user, { token: token.name }, () => tokens.remove(id));
  }

  /** Does it and tells the audit trail, or neither. */
  #record<T>(
    actor: Actor,
    action: string,
    user: User,
    details: Readonly<Record<string, string | number | boolean>>,
    work: () => T,
  ): T {
    const { audit, database } = this.#options;
    return database.transaction(() => {
      const result = work();
      audit.record(actor, { action, target: `user:${user.name}`, details });
      return result;
    });
  }

  #mustFind(id: string): User {
    const user = this.#options.users.get(id);
    if (user !== undefined) return user;
    throw fault("not-found", "control/no-such-user", "there is no such user");
  }

  /** Within a transaction, which this undoes. */
  #mustHaveAdmin(): void {
    const { users } = this.#options;
    if (users.list().some(({ role, isDisabled }) => role === "admin" && !isDisabled)) return;
    throw fault(
      "conflict",
      "control/last-admin",
      "nobody would be left to administer Finch; make somebody else an administrator first",
    );
  }
}

export function noSuchToken(): FinchError {
  return fault("not-found", "control/no-such-token", "there is no such token");
}

function checkName(name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._@+-]*$/u.test(name) && name.length <= NAME_CHARS_MAX) return;
  throw fault(
    "invalid",
    "control/bad-user",
    `a user's name is of letters, digits and ._@+-, ${NAME_CHARS_MAX} at the most, and begins with a letter or digit`,
  );
}

function checkText(text: string, what: string): string {
  if (text.length <= NAME_CHARS_MAX && !/\p{Cc}/u.test(text)) return text;
  throw fault(
    "invalid",
    "control/bad-user",
    `the ${what} is longer than ${NAME_CHARS_MAX} characters, or has characters that cannot be shown`,
  );
}

/** Who may do more than read could read through it: through a rule, a dashboard, an agent. */
function checkScope(role: Role, text: string): string {
  const scope = normalizeReadScope(text);
  if (scope === "" || role === "viewer") return scope;
  throw fault(
    "invalid",
    "control/bad-read-scope",
    `what a viewer reads can be limited, not what an ${role} does: take the role viewer, or leave the limit empty`,
  );
}

function badToken(message: string): FinchError {
  return fault("invalid", "control/bad-api-token", message);
}

function fault(
  kind: ConstructorParameters<typeof FinchError>[0],
  code: string,
  message: string,
): FinchError {
  return new FinchError(kind, code, message);
}
