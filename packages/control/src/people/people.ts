/**
 * Sign-in for people: who somebody is by name and password, by session, or by API token. Knows no HTTP; `http/` does. What it decides is written to the audit trail in
 * the transaction that does it.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { FinchError, singleMetric } from "@finch/runtime";
import type { Clock, MetricFamily } from "@finch/runtime";
import type { AuditTrail } from "../audit-trail.ts";
import type { ControlDatabase } from "../database.ts";
import { LockOut } from "./lock-out.ts";
import type { SignInAttempt } from "./lock-out.ts";
import { PasswordHasher, SCRYPT_COST } from "./password-hash.ts";
import type { ScryptCost } from "./password-hash.ts";
import { checkNewPassword } from "./password-rules.ts";
import { PASSWORD_BYTES_MAX } from "./people-limits.ts";
import { permissionsOf } from "./roles.ts";
import type { Permission, Principal } from "./roles.ts";
import { deriveText, isSameText } from "./secret-text.ts";
import { DEFAULT_SESSION_LIMITS, SessionStore } from "./session-store.ts";
import type { Session, SessionLimits } from "./session-store.ts";
import { TokenStore } from "./token-store.ts";
import { UserAdmin } from "./user-admin.ts";
import { UserStore } from "./user-store.ts";
import type { User } from "./user-store.ts";

/** Name and password of the first administrator: good once, to set a password. */
const INITIAL = "admin";

export interface PeopleOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly sessionLimits?: SessionLimits;
  /** Lower in tests alone. */
  readonly scryptCost?: ScryptCost;
}

/** Where a request comes from. */
export interface SignInOrigin {
  readonly address: string;
  readonly userAgent: string;
  /** Whether it was sent on this very machine, with nothing in between. */
  readonly isLocal: boolean;
}

export interface SignedIn {
  readonly principal: Principal;
  /** What opens the session; told here and never again. */
  readonly token: string;
}

export class People {
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly tokens: TokenStore;
  readonly admin: UserAdmin;
  readonly #options: PeopleOptions;
  readonly #hasher: PasswordHasher;
  readonly #lockOut: LockOut;
  readonly #setUpCode = makeSetUpCode();
  #begunTotal = 0;
  #refusedTotal = 0;

  constructor(options: PeopleOptions) {
    const { database, audit, clock } = options;
    this.#options = options;
    this.users = new UserStore(database);
    this.sessions = new SessionStore(
      database,
      clock,
      options.sessionLimits ?? DEFAULT_SESSION_LIMITS,
    );
    this.tokens = new TokenStore(database, clock);
    this.#hasher = new PasswordHasher(options.scryptCost ?? SCRYPT_COST);
    this.#lockOut = new LockOut(clock);
    this.admin = new UserAdmin({
      database,
      audit,
      clock,
      users: this.users,
      sessions: this.sessions,
      tokens: this.tokens,
      hash: (password) => this.#hasher.hash(password),
      unlock: (name) => this.#lockOut.unlock(name.toLowerCase()),
    });
    if (this.users.count() === 0) this.#insertInitialAdmin();
  }

  /** What is asked for besides the password that everybody knows, where somebody comes from another machine; undefined once a password was set. */
  get setUpCode(): string | undefined {
    return this.users.hasInitial() ? this.#setUpCode : undefined;
  }

  /**
   * Begins a session. Faults: `control/bad-credentials`, `control/locked-out`, and `control/set-password-first` for the initial password, which is good for
   * {@link setPassword} alone.
   */
  async signIn(name: string, password: string, origin: SignInOrigin): Promise<SignedIn> {
    const { user, attempt } = await this.#authenticate(name, password, origin);
    if (user.isInitial) {
      attempt.succeed();
      throw new FinchError(
        "conflict",
        "control/set-password-first",
        "this password is good once, to set one of your own",
      );
    }
    await this.#renewHash(user, password);
    attempt.succeed();
    return this.beginSession(user.id, origin);
  }

  /**
   * Sets a user's password by the one before it, ends their other sessions and begins one. `setUpCode` is looked at for the first password of all, from another machine.
   * Faults: as {@link signIn}, and `control/weak-password`.
   */
  async setPassword(
    given: {
      readonly name: string;
      readonly password: string;
      readonly newPassword: string;
      readonly setUpCode: string;
    },
    origin: SignInOrigin,
  ): Promise<SignedIn> {
    const { user, attempt } = await this.#authenticate(given.name, given.password, origin);
    const codeIsRight = isSameText(given.setUpCode.trim().toUpperCase(), this.#setUpCode);
    if (user.isInitial && !origin.isLocal && !codeIsRight) throw wrongSetUpCode();
    attempt.succeed();
    checkNewPassword(given.newPassword, user.name);
    if (given.newPassword === given.password)
      throw new FinchError("invalid", "control/weak-password", "the new password is the old one");
    const passwordHash = await this.#hasher.hash(given.newPassword);
    const { audit, database } = this.#options;
    return database.transaction(() => {
      const now = this.users.get(user.id);
      // Whoever was first with the password that everybody knows has it no more.
      if (
        now === undefined ||
        now.passwordHash !== user.passwordHash ||
        now.isInitial !== user.isInitial
      )
        throw badCredentials();
      this.users.update({ ...now, passwordHash, isInitial: false });
      this.sessions.endOthers(user.id, "");
      audit.record(actorOf(now, origin), { action: "password.set", target: `user:${now.name}` });
      return this.beginSession(now.id, origin);
    });
  }

  /** A session for a user whom a password or a provider has shown. Throws a `control/bad-credentials` where they may not sign in any more. */
  beginSession(userId: string, origin: SignInOrigin): SignedIn {
    const { audit, database, clock } = this.#options;
    const signedIn = database.transaction(() => {
      const user = this.users.get(userId);
      if (user === undefined || user.isDisabled) throw badCredentials();
      const { session, token } = this.sessions.begin(user.id, origin);
      this.users.update({ ...user, signedInAtMs: clock.nowMs() });
      audit.record(actorOf(user, origin), { action: "session.begin", target: `user:${user.name}` });
      return { principal: ofSession(user, session, token), token };
    });
    this.#begunTotal++;
    return signedIn;
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: "finch_sign_ins_total",
        type: "counter",
        help: "Sessions that people began, and passwords that were refused.",
        samples: [
          { labels: { result: "begun" }, value: this.#begunTotal },
          { labels: { result: "refused" }, value: this.#refusedTotal },
        ],
      },
      singleMetric(
        "finch_sign_in_lock_outs_total",
        "counter",
        "Sign-ins that were refused unseen, because too many had failed.",
        this.#lockOut.refusedTotal,
      ),
    ];
  }

  /** Who a session's token stands for; undefined when it stands for nobody any more. */
  ofSessionToken(token: string): Principal | undefined {
    const session = this.sessions.find(token);
    const user = session && this.users.get(session.userId);
    if (session === undefined || user === undefined || user.isDisabled) return undefined;
    return ofSession(user, session, token);
  }

  /** Who an API token stands for; undefined when it stands for nobody any more. It may do what it says and its user may, too. */
  ofApiToken(text: string, address: string): Principal | undefined {
    const token = this.tokens.find(text, address);
    const user = token && this.users.get(token.userId);
    if (token === undefined || user === undefined || user.isDisabled) return undefined;
    const ofUser = permissionsOf(user.role);
    return {
      kind: "token",
      actor: `token:${user.name}/${token.name}`,
      user: { id: user.id, name: user.name, role: user.role },
      permissions: new Set<Permission>(token.permissions.filter((one) => ofUser.has(one))),
      readScopes: [user.readScope, token.readScope].filter((scope) => scope !== ""),
      sessionId: undefined,
      csrfToken: undefined,
    };
  }

  /** The user of that name and password. The attempt has failed until its `succeed` is called. */
  async #authenticate(
    name: string,
    password: string,
    origin: SignInOrigin,
  ): Promise<{ readonly user: User; readonly attempt: SignInAttempt }> {
    const attempt = this.#lockOut.begin(name.toLowerCase(), origin.address);
    const user = this.users.findByName(name);
    const isRight =
      user?.isInitial === true
        ? isSameText(password, INITIAL)
        : Buffer.byteLength(password) <= PASSWORD_BYTES_MAX &&
          (await this.#hasher.verify(password, user?.passwordHash));
    if (user !== undefined && isRight && !user.isDisabled) return { user, attempt };
    this.#refusedTotal++;
    if (attempt.locks)
      this.#options.audit.record(
        { name: "unknown", origin: origin.address },
        { action: "sign-in.lock-out", target: `user:${user?.name ?? "unknown"}` },
      );
    throw badCredentials();
  }

  /** Hashes a password anew when the cost has changed since. Throws where it is another one by now. */
  async #renewHash(user: User, password: string): Promise<void> {
    const isOutdated =
      user.passwordHash !== undefined && this.#hasher.isOutdated(user.passwordHash);
    const passwordHash = isOutdated ? await this.#hasher.hash(password) : user.passwordHash;
    const now = this.users.get(user.id);
    if (now?.passwordHash !== user.passwordHash) throw badCredentials();
    if (now !== undefined && isOutdated) this.users.update({ ...now, passwordHash });
  }

  #insertInitialAdmin(): void {
    this.users.insert({
      id: randomUUID(),
      name: INITIAL,
      fullName: "",
      role: "admin",
      readScope: "",
      passwordHash: undefined,
      isInitial: true,
      isDisabled: false,
      provider: "",
      subject: "",
      createdAtMs: this.#options.clock.nowMs(),
      signedInAtMs: undefined,
    });
  }
}

function ofSession(user: User, session: Session, token: string): Principal {
  return {
    kind: "session",
    actor: `user:${user.name}`,
    user: { id: user.id, name: user.name, role: user.role },
    permissions: permissionsOf(user.role),
    readScopes: user.readScope === "" ? [] : [user.readScope],
    sessionId: session.id,
    csrfToken: deriveText(token, "csrf"),
  };
}

function actorOf(user: User, origin: SignInOrigin): { name: string; origin: string } {
  return { name: `user:${user.name}`, origin: origin.address };
}

/** Without letters and digits that look alike. */
const CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789AB";

/** Such as `K7QM-2RXW-P4ZN`: 60 random bits, good until Finch stops. */
function makeSetUpCode(): string {
  const letters = [...randomBytes(12)].map((byte) => CODE_ALPHABET[byte % 32]).join("");
  return letters.replace(/^(.{4})(.{4})/, "$1-$2-");
}

function badCredentials(): FinchError {
  return new FinchError(
    "unauthenticated",
    "control/bad-credentials",
    "the name or the password is wrong",
  );
}

function wrongSetUpCode(): FinchError {
  return new FinchError(
    "unauthenticated",
    "control/wrong-set-up-code",
    "from another machine the first sign-in needs the set-up code that Finch printed when it started; restart it to see a new one",
  );
}
