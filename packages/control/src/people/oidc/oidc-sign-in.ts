/**
 * Sign-in with an OpenID provider: authorization code with PKCE (RFC 7636), state and nonce, by `openid-client`. What a sign-in under way needs is derived from a random
 * value that the browser keeps in a cookie, so that nothing is held here, and an answer is good in that browser alone. Faults: `control/oidc-failed`, `control/oidc-refused`,
 * `control/oidc-unknown`.
 */
import { createHash, randomBytes } from "node:crypto";
import { describeError, FinchError } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import type { Configuration } from "openid-client";
import type { Actor } from "../../audit-trail.ts";
import type { People, SignedIn, SignInOrigin } from "../people.ts";
import { deriveText, makeSecretText } from "../secret-text.ts";
import type { User } from "../user-store.ts";
import { grantByClaims, nameByClaims } from "./claims.ts";
import type { ClaimRules, Claims, Granted } from "./claims.ts";

export interface OidcOptions {
  /** As people know it: on the button. */
  readonly name: string;
  readonly issuer: URL;
  readonly clientId: string;
  /** Undefined: a public client, by PKCE alone. */
  readonly clientSecret: string | undefined;
  /** Such as `openid profile email groups`. */
  readonly scopes: string;
  readonly rules: ClaimRules;
}

/** What a browser takes along to the provider and brings back. */
export interface OidcBeginning {
  /** Where the browser goes. */
  readonly url: URL;
  /** What it keeps meanwhile. */
  readonly cookie: string;
}

/** Answers of the provider that are exchanged at once; each is a request to it. */
const EXCHANGES_MAX = 8;

export class OidcSignIn {
  readonly options: OidcOptions;
  readonly #people: People;
  readonly #log: Logger;
  /** Of this process: a sign-in that was under way when it stopped begins anew. */
  readonly #key = randomBytes(32).toString("hex");
  #configuration: Promise<Configuration> | undefined;
  #exchanges = 0;

  constructor(people: People, options: OidcOptions, log: Logger) {
    this.options = options;
    this.#people = people;
    this.#log = log;
  }

  /** `target` is the page to come back to, `callback` our own address that the provider knows. */
  async begin(target: string, callback: URL): Promise<OidcBeginning> {
    const client = await import("openid-client");
    const configuration = await this.#configure();
    const cookie = `${makeSecretText("")}.${Buffer.from(localPath(target)).toString("base64url")}`;
    const { state, nonce, verifier } = this.#derive(cookie);
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: callback.href,
      scope: this.options.scopes,
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    });
    return { url, cookie };
  }

  /** `answer` is our own address as the provider sent the browser to it, with its parameters. */
  async finish(
    cookie: string,
    answer: URL,
    origin: SignInOrigin,
  ): Promise<{ readonly signedIn: SignedIn; readonly target: string }> {
    const claims = await this.#exchange(cookie, answer);
    const subject = String(claims["sub"]);
    const granted = grantByClaims(claims, this.options.rules);
    if (granted === undefined)
      throw new FinchError(
        "forbidden",
        "control/oidc-unknown",
        `${subject} of ${this.options.name} has no value of ${this.options.rules.roleClaim} that gives a role here`,
      );
    const user = await this.#userOf(subject, claims, granted);
    const target = Buffer.from(cookie.split(".")[1] ?? "", "base64url").toString();
    return { signedIn: this.#people.beginSession(user.id, origin), target: localPath(target) };
  }

  #derive(cookie: string) {
    const of = (purpose: string) => deriveText(this.#key, `${purpose} ${cookie}`);
    return { state: of("state"), nonce: of("nonce"), verifier: of("verifier") };
  }

  async #exchange(cookie: string, answer: URL): Promise<Claims> {
    const { state, nonce, verifier } = this.#derive(cookie);
    if (answer.searchParams.get("state") !== state)
      throw failed("the answer is not to a question of this browser, or it is too old");
    const refused = answer.searchParams.get("error");
    if (refused !== null)
      throw new FinchError(
        "forbidden",
        "control/oidc-refused",
        `${this.options.name} refused: ${refused.slice(0, 200)}`,
      );
    if (this.#exchanges >= EXCHANGES_MAX) throw failed("too many sign-ins at once");
    this.#exchanges++;
    try {
      const client = await import("openid-client");
      const configuration = await this.#configure();
      const tokens = await client.authorizationCodeGrant(configuration, answer, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      const claims: Claims = { ...tokens.claims() };
      if (configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
      const subject = String(claims["sub"]);
      const more = await client.fetchUserInfo(configuration, tokens.access_token, subject);
      return { ...more, ...claims };
    } catch (error) {
      if (error instanceof FinchError) throw error;
      throw failed(describeError(error), error);
    } finally {
      this.#exchanges--;
    }
  }

  /** What the provider says of itself; asked once, and again after a failure. */
  #configure(): Promise<Configuration> {
    this.#configuration ??= this.#discover().catch((error: unknown) => {
      this.#configuration = undefined;
      throw failed(`${this.options.issuer.href} does not answer: ${describeError(error)}`, error);
    });
    return this.#configuration;
  }

  async #discover(): Promise<Configuration> {
    const client = await import("openid-client");
    const { issuer, clientId, clientSecret } = this.options;
    const authentication =
      clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret);
    // Only this machine may be asked without TLS, as the configuration holds.
    const execute = issuer.protocol === "http:" ? [client.allowInsecureRequests] : [];
    const configuration = await client.discovery(issuer, clientId, undefined, authentication, {
      execute,
      timeout: DISCOVERY_SECONDS_MAX,
    });
    const methods = configuration.serverMetadata().token_endpoint_auth_methods_supported;
    if (
      clientSecret === undefined ||
      methods === undefined ||
      methods.includes("client_secret_basic")
    )
      return configuration;
    const byPost = client.ClientSecretPost(clientSecret);
    return await client.discovery(issuer, clientId, undefined, byPost, {
      execute,
      timeout: DISCOVERY_SECONDS_MAX,
    });
  }

  /** The user whom the provider knows by that subject, with what they may by today's claims; made when there is none. */
  async #userOf(subject: string, claims: Claims, granted: Granted): Promise<User> {
    const { users, admin } = this.#people;
    const provider = this.options.issuer.href;
    const actor: Actor = { name: `provider:${this.options.name}`, origin: "" };
    const fullName = typeof claims["name"] === "string" ? shown(claims["name"]) : "";
    const known = users.findBySubject(provider, subject);
    if (known === undefined) {
      const name = this.#freeName(nameByClaims(claims, subject), subject);
      const wanted = { name, fullName, ...granted, password: undefined, provider, subject };
      return await admin.createUser(actor, wanted);
    }
    const { role, readScope } = known;
    if (role === granted.role && readScope === granted.readScope && fullName === known.fullName)
      return known;
    this.#log.info("claims of a user have changed", { user: known.name, role: granted.role });
    return await admin.changeUser(actor, known.id, { fullName, ...granted });
  }

  /** Somebody who has the name already is another person: nobody becomes them by a claim. */
  #freeName(name: string, subject: string): string {
    const { users } = this.#people;
    const hash = createHash("sha256").update(subject).digest("hex").slice(0, 8);
    return users.findByName(name) === undefined ? name : `${name}-${hash}`;
  }
}

const DISCOVERY_SECONDS_MAX = 10;

/** A path of ours, whatever was given: nobody is sent elsewhere after signing in. */
export function localPath(target: string): string {
  if (!target.startsWith("/")) return "/";
  const here = "http://here.invalid";
  let url: URL;
  try {
    url = new URL(target, here);
  } catch {
    return "/";
  }
  const path = url.pathname + url.search + url.hash;
  return url.origin === here && !path.startsWith("//") ? path : "/";
}

function shown(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").slice(0, 128);
}

function failed(why: string, cause?: unknown): FinchError {
  return new FinchError("unavailable", "control/oidc-failed", why, { cause });
}
