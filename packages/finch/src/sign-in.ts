/** Sign-in within `finch up`: which listeners ask who comes, and what of the APIs they may read. */
import { readFile } from "node:fs/promises";
import { parseSelector } from "@finch/logql";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { GrpcMethod, HttpRequest, Route } from "@finch/runtime/http";
import {
  Guard,
  isLoopback,
  isSentHere,
  normalizeReadScope,
  oidcProvider,
  oidcRoutes,
  OidcSignIn,
  People,
  sessionRoutes,
  tokenRoutes,
  userRoutes,
} from "@finch/control";
import type { Control, GuardedPlace, OidcOptions } from "@finch/control";
import type { ReadScope, ReadScopeOf } from "@finch/server";
import type { FinchConfig, ListenerName } from "./config-options.ts";
import type { OidcConfig } from "./config-sign-in-options.ts";

/** Listeners whose routes read or change something. */
const READING = ["ui", "loki", "prometheus", "mimir"] as const satisfies readonly ListenerName[];
/** Listeners that take telemetry alone. Syslog knows no tokens; the others have doors of their own. */
type TakingListener = "otlp_grpc" | "otlp_http" | "elastic" | "journal";
type GuardedListener = (typeof READING)[number] | TakingListener;

export interface SignIn {
  readonly guard: Guard;
  /** What a request that the guard let through may read. */
  readonly scopeOf: ReadScopeOf;
  /** Signing in, users and tokens; for the listener of the web application. */
  readonly routes: readonly Route[];
  /** The routes of a listener, for those who may. */
  protect(name: GuardedListener, routes: readonly Route[]): readonly Route[];
  /** The calls of gRPC that take telemetry. */
  protectCalls(methods: readonly GrpcMethod[]): readonly GrpcMethod[];
  /** The same for those who come through the gateway, which has verified the agents among the senders. */
  protectBehindGateway(routes: readonly Route[]): readonly Route[];
  families(): readonly MetricFamily[];
  /** What a start tells of the first sign-in, where somebody is asked to; undefined when there was one. */
  firstSignIn(): string | undefined;
}

export async function createSignIn(options: {
  readonly config: FinchConfig;
  readonly control: Control;
  readonly verifyAgentToken: VerifyAgentToken;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<SignIn> {
  const { config, control, clock, verifyAgentToken } = options;
  const { sessionIdleMs, sessionAgeMs } = config.signIn;
  const people = new People({
    database: control.database,
    audit: control.audit,
    clock,
    sessionLimits: { idleMsMax: sessionIdleMs, ageMsMax: sessionAgeMs },
  });
  const guard = new Guard(people);
  const log = options.log.child("sign-in");
  const { oidc: wanted } = config.signIn;
  const oidc = wanted && new OidcSignIn(people, await readOidcOptions(wanted), log);
  const context = { people, guard, providers: oidc === undefined ? [] : [oidcProvider(oidc)] };
  const isAsked =
    READING.some((name) => isPublic(config, name)) ||
    config.signIn.required === "on" ||
    config.gateway.tls !== undefined;
  return {
    guard,
    scopeOf: createScopeOf(guard),
    routes: [
      ...sessionRoutes(context),
      ...userRoutes(context),
      ...tokenRoutes(context),
      ...(oidc === undefined ? [] : oidcRoutes(context, oidc, log)),
    ],
    protect: (name, routes) => guard.protect(routes, placeOf(config, name, verifyAgentToken)),
    protectBehindGateway: (routes) => guard.protect(routes, placeBehindGateway(config)),
    protectCalls: (methods) =>
      methods.map((method) => protectCall(method, { config, guard, verifyAgentToken })),
    families: () => people.families(),
    firstSignIn: () => {
      const code = isAsked && config.signIn.required !== "off" ? people.setUpCode : undefined;
      if (code === undefined) return undefined;
      return `First sign-in: admin, password admin, to set your own; from another machine with the set-up code ${code}`;
    },
  };
}

async function readOidcOptions(config: OidcConfig): Promise<OidcOptions> {
  const { name, issuer, clientId, clientSecretFile, scopes, roleClaim, otherwise } = config;
  const { admins: admin, editors: editor, viewers: viewer } = config;
  return {
    name,
    issuer,
    clientId,
    clientSecret: clientSecretFile === undefined ? undefined : await readSecret(clientSecretFile),
    scopes,
    rules: {
      roleClaim,
      roles: { admin, editor, viewer },
      otherwise,
      readScopes: config.readScopes.map(({ value, selector }) => ({
        value,
        selector: normalizeReadScope(selector),
      })),
    },
  };
}

async function readSecret(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new FinchError(
      "invalid",
      "finch/no-secret-file",
      `cannot read ${path}, the file of sign_in.oidc.client_secret_file`,
      { cause: error },
    );
  }
}

/** Whether others than this machine can come to a listener. */
function isPublic({ listen }: FinchConfig, name: GuardedListener): boolean {
  const address = listen[name];
  return address !== undefined && !isLoopback(address.host);
}

function placeOf(
  config: FinchConfig,
  name: GuardedListener,
  verifyAgentToken: VerifyAgentToken,
): GuardedPlace {
  const { listen, service, signIn } = config;
  const everybody =
    signIn.required === "on" || (signIn.required === "auto" && isPublic(config, name));
  const isAuto = signIn.required === "auto";
  // Behind a proxy on this machine everybody comes from here. Clients of the APIs may be proxies themselves, as Grafana is.
  const isFromElsewhere = (request: HttpRequest) =>
    !(name === "ui" ? isSentHere(request) : isLoopback(request.peer));
  const isFromProxy = (request: HttpRequest) => service.isTrustedProxy(request.peer);
  return {
    asks: (request) => everybody || (isAuto && isFromElsewhere(request)),
    // This machine's agent may send to the listener's own address.
    asksWriters: (request) =>
      signIn.required === "on" && !isSentHere(request) && request.peer !== listen[name]?.host,
    isAgent: (request) => isAgentToken(request.header("authorization"), verifyAgentToken),
    isTls: (request) => isFromProxy(request) && request.header("x-forwarded-proto") === "https",
    clientOf: (request) =>
      isFromProxy(request) ? forwardedClient(request, service.isTrustedProxy) : request.peer,
    hostOf: (request) =>
      (isFromProxy(request) && request.header("x-forwarded-host")) || request.header("host"),
    isForwarded: false,
  };
}

/** The gateway tells in a header, which nobody else can set, which agent sends; it has said by the peer and the other headers who asks, and of what. */
function placeBehindGateway({ signIn }: FinchConfig): GuardedPlace {
  return {
    asks: () => signIn.required !== "off",
    asksWriters: () => true,
    isAgent: async (request) => request.header(AGENT_HEADER) !== "",
    isTls: () => true,
    clientOf: (request) => request.peer,
    hostOf: (request) => request.header("x-forwarded-host") || request.header("host"),
    isForwarded: true,
  };
}

/** Resolves with the agent's resource id; throws a fault of the kind `unauthenticated` for a token that is no agent's. */
type VerifyAgentToken = (token: string) => Promise<string>;

async function isAgentToken(authorization: string, verify: VerifyAgentToken): Promise<boolean> {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
  if (token === undefined) return false;
  try {
    await verify(token);
    return true;
  } catch (error) {
    if (error instanceof FinchError && error.kind === "unauthenticated") return false;
    throw error;
  }
}

const AGENT_HEADER = "x-finch-agent";

/** As `asksWriters` and `isAgent` of {@link placeOf}, for a call. */
function protectCall(
  method: GrpcMethod,
  { config, guard, verifyAgentToken }: CallGuard,
): GrpcMethod {
  const { listen, signIn } = config;
  const own = listen.otlp_grpc?.host;
  return {
    ...method,
    handle: async (request) => {
      const { headers, peer } = request;
      const isAsked = signIn.required === "on" && !isLoopback(peer) && peer !== own;
      const authorization = [headers["authorization"]].flat()[0] ?? "";
      if (isAsked && !(await isAgentToken(authorization, verifyAgentToken))) {
        const who = guard.identify({ authorization }, { address: peer, isTls: false });
        if (who?.permissions.has("write") !== true)
          throw new FinchError(
            "unauthenticated",
            "finch/no-sender-token",
            "send the token of an agent, or an API token that may write (authorization: Bearer …)",
          );
      }
      return await method.handle(request);
    },
  };
}

interface CallGuard {
  readonly config: FinchConfig;
  readonly guard: Guard;
  readonly verifyAgentToken: VerifyAgentToken;
}

/** Whom the proxies in front speak for: the last address that is none of theirs. */
function forwardedClient(request: HttpRequest, isTrusted: (address: string) => boolean): string {
  const hops = request
    .header("x-forwarded-for")
    .split(",")
    .map((hop) => hop.trim());
  return hops.findLast((hop) => hop !== "" && !isTrusted(hop)) ?? request.peer;
}

/** Scopes that were read once, by the texts of their selectors. */
const SCOPES_KEPT_MAX = 1000;

function createScopeOf(guard: Guard): ReadScopeOf {
  const kept = new Map<string, ReadScope>();
  return (request) => {
    const readScopes = guard.principalOf(request)?.readScopes ?? [];
    if (readScopes.length === 0) return undefined;
    const key = readScopes.join(" and ");
    let scope = kept.get(key);
    if (scope === undefined) {
      if (kept.size >= SCOPES_KEPT_MAX) kept.clear();
      scope = { key, matchers: readScopes.flatMap((text) => parseSelector(text)) };
      kept.set(key, scope);
    }
    return scope;
  };
}
