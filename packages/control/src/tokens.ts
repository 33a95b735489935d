/**
 * The tokens of agents and of the dashboard: JWTs as the original Finch issues them (`internal/controller/token.go`, `dashboard.go`, MIT), HS256 with the text of the
 * service's secret. They are not kept anywhere: an agent's ends with its registration, all end with the secret.
 */
import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { errors, jwtVerify, SignJWT } from "jose";
import type { JWTPayload } from "jose";
import type { ServiceIdentity } from "./identity.ts";
import { TOKEN_CHARS_MAX } from "./limits.ts";

export const DASHBOARD_ROLES = ["viewer", "operator", "admin"] as const;
export type DashboardRole = (typeof DASHBOARD_ROLES)[number];

export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface DashboardClaims {
  readonly role: DashboardRole;
  /** Resource ids or host names of the agents it shows; empty shows all. */
  readonly scope: readonly string[];
  readonly expiresAtMs: number;
}

export interface TokensOptions {
  readonly identity: { readonly current: ServiceIdentity };
  /** Whether an agent of this resource id is registered. */
  readonly isRegistered: (resourceId: string) => boolean;
  readonly clock: Clock;
}

const AGENT_TOKEN_SECONDS = 365 * 24 * 3600;
const DASHBOARD_TOKEN_SECONDS = 1800;
const ALGORITHM = "HS256";
const ISSUER = "finch";

export class Tokens {
  readonly #options: TokensOptions;
  readonly #keys = new Map<string, KeyObject>();

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** For the agent's configuration; valid for 365 days. */
  issueAgentToken(resourceId: string): Promise<IssuedToken> {
    return this.#sign({ sub: "agent", rid: resourceId }, AGENT_TOKEN_SECONDS);
  }

  /** The resource id of the registered agent whose token this is, or `control/bad-token`. */
  async verifyAgentToken(token: string): Promise<string> {
    const { rid } = await this.#verify(token, "agent");
    if (typeof rid !== "string") throw badToken("it names no agent");
    if (!this.#options.isRegistered(rid)) throw badToken("its agent is not registered");
    return rid;
  }

  /** `seconds` is 1800 when it is not given; faults `control/bad-session`, `control/bad-role`, `control/bad-scope`. */
  async issueDashboardToken(about: {
    readonly role: string;
    readonly scope: readonly string[];
    readonly seconds: number | undefined;
  }): Promise<IssuedToken> {
    const { role, scope, seconds = DASHBOARD_TOKEN_SECONDS } = about;
    if (!(seconds > 0))
      throw new FinchError("invalid", "control/bad-session", "session_timeout must be positive");
    if (!isRole(role)) throw new FinchError("invalid", "control/bad-role", "invalid role");
    const issued = await this.#sign(
      { sub: "dashboard", role, scope: JSON.stringify(scope) },
      seconds,
    );
    if (issued.token.length > TOKEN_CHARS_MAX)
      throw new FinchError(
        "invalid",
        "control/bad-scope",
        "scope is too long for a token; name fewer agents",
      );
    return issued;
  }

  /** What the bearer may see, or `control/bad-token`. */
  async verifyDashboardToken(token: string): Promise<DashboardClaims> {
    const { role, scope, exp } = await this.#verify(token, "dashboard");
    if (!isRole(role)) throw badToken("it has no role");
    return { role, scope: parseScope(scope), expiresAtMs: Number(exp) * 1000 };
  }

  async #sign(claims: JWTPayload, lifeSeconds: number): Promise<IssuedToken> {
    const { clock, identity } = this.#options;
    const now = Math.floor(clock.nowMs() / 1000);
    const exp = now + lifeSeconds;
    const token = await new SignJWT({ iss: ISSUER, ...claims, iat: now, exp })
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .sign(this.#keyOf(identity.current.secret));
    return { token, expiresAtMs: exp * 1000 };
  }

  /** The claims of a token signed with the secret or, while they overlap, with one before it. */
  async #verify(token: string, subject: string): Promise<JWTPayload> {
    if (token.length > TOKEN_CHARS_MAX) throw badToken("it is too long");
    const { clock, identity } = this.#options;
    const { secret, formerSecrets } = identity.current;
    const secrets = [secret, ...formerSecrets.map((one) => one.secret)];
    for (const candidate of secrets) {
      try {
        const { payload } = await jwtVerify(token, this.#keyOf(candidate), {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          subject,
          requiredClaims: ["exp", "iat"],
          currentDate: new Date(clock.nowMs()),
        });
        return payload;
      } catch (error) {
        if (error instanceof errors.JWSSignatureVerificationFailed) continue;
        if (error instanceof errors.JOSEError) throw badToken(error.message);
        throw error;
      }
    }
    throw badToken("it is not signed with the secret of this service");
  }

  #keyOf(secret: string): KeyObject {
    let key = this.#keys.get(secret);
    if (key === undefined) {
      // A rotation leaves few behind; a clean start costs nothing.
      if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
      key = createSecretKey(secret, "utf8");
      this.#keys.set(secret, key);
    }
    return key;
  }
}

const KEYS_MAX = 16;

function isRole(role: unknown): role is DashboardRole {
  return (DASHBOARD_ROLES as readonly unknown[]).includes(role);
}

/** A JSON array as a string; the original writes `null` for an empty one. */
function parseScope(scope: unknown): readonly string[] {
  if (scope === undefined || scope === "") return [];
  if (typeof scope !== "string") throw badToken("its scope is no text");
  let list: unknown;
  try {
    list = JSON.parse(scope);
  } catch {
    throw badToken("its scope cannot be read");
  }
  if (list === null) return [];
  if (!Array.isArray(list) || !list.every((one) => typeof one === "string"))
    throw badToken("its scope is no list");
  return list;
}

function badToken(why: string): FinchError {
  return new FinchError("unauthenticated", "control/bad-token", `the token is refused: ${why}`);
}
