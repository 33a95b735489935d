/** `/api/v1/session…`: who one is, signing in and out, one's password and sessions. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type {
  HttpMethod,
  HttpReply,
  HttpRequest,
  HttpRoute,
  RouteAccess,
} from "@finch/runtime/http";
import type { People, SignedIn } from "../people.ts";
import type { Principal } from "../roles.ts";
import type { Session } from "../session-store.ts";
import type { User } from "../user-store.ts";
import { formatCookie, sessionCookieName } from "./cookies.ts";
import type { Guard } from "./guard.ts";
import { JsonBody } from "./json-body.ts";

export interface SignInContext {
  readonly people: People;
  readonly guard: Guard;
  /** Ways to sign in besides a password. */
  readonly providers: readonly SignInProvider[];
}

export interface SignInProvider {
  readonly name: string;
  /** Where a browser goes to begin. */
  readonly path: string;
}

/** A route of Finch's own API. */
export function apiRoute(
  method: HttpMethod,
  path: string,
  access: RouteAccess,
  handle: (request: HttpRequest) => Promise<HttpReply>,
): HttpRoute {
  const answer = async (request: HttpRequest): Promise<HttpReply> => {
    const reply = await handle(request);
    return { ...reply, headers: { "cache-control": "no-store", ...reply.headers } };
  };
  return { kind: "http", methods: [method], path, faults: "json", access, handle: answer };
}

export function sessionRoutes(context: SignInContext): readonly HttpRoute[] {
  const { guard, people } = context;
  const session = "/api/v1/session";
  return [
    apiRoute("GET", session, "open", async (request) =>
      jsonReply(200, describeWho(context, guard.principalOf(request))),
    ),
    apiRoute("POST", session, "open", async (request) => {
      refuseOtherSites(request);
      const body = await JsonBody.read(request, ["name", "password"]);
      const origin = guard.originOf(request);
      const signedIn = await people.signIn(body.text("name"), body.text("password"), origin);
      return withSession(context, request, signedIn);
    }),
    apiRoute("PUT", `${session}/password`, "open", (request) => setPassword(context, request)),
    apiRoute("DELETE", session, "signed-in", async (request) => {
      const { user, sessionId } = signedInUser(guard, request);
      people.sessions.end(user.id, sessionId);
      const isTls = guard.isTls(request);
      const gone = formatCookie(sessionCookieName({ isTls }), "", { isTls, maxAgeSeconds: 0 });
      return { status: 204, headers: { "set-cookie": gone } };
    }),
    apiRoute("GET", "/api/v1/sessions", "signed-in", async (request) => {
      const { user, sessionId } = signedInUser(guard, request);
      const sessions = people.sessions.list(user.id);
      return jsonReply(200, { sessions: sessions.map((one) => describeSession(one, sessionId)) });
    }),
    apiRoute("DELETE", "/api/v1/sessions/:id", "signed-in", async (request) => {
      const { user } = signedInUser(guard, request);
      if (people.sessions.end(user.id, request.params["id"]!)) return { status: 204 };
      throw new FinchError("not-found", "control/no-such-session", "there is no such session");
    }),
  ];
}

async function setPassword(context: SignInContext, request: HttpRequest): Promise<HttpReply> {
  refuseOtherSites(request);
  const body = await JsonBody.read(request, ["name", "password", "newPassword", "setUpCode"]);
  const given = {
    name: body.text("name"),
    password: body.text("password"),
    newPassword: body.text("newPassword"),
    setUpCode: body.textOr("setUpCode", ""),
  };
  const signedIn = await context.people.setPassword(given, context.guard.originOf(request));
  return withSession(context, request, signedIn);
}

function withSession(
  context: SignInContext,
  request: HttpRequest,
  { principal, token }: SignedIn,
): HttpReply {
  return {
    ...jsonReply(200, describeWho(context, principal)),
    headers: {
      "content-type": "application/json",
      "set-cookie": sessionCookie(context, request, token),
    },
  };
}

/** The cookie that opens a session, for as long as one can last. */
export function sessionCookie(
  { guard, people }: Pick<SignInContext, "guard" | "people">,
  request: HttpRequest,
  token: string,
): string {
  const isTls = guard.isTls(request);
  const maxAgeSeconds = Math.floor(people.sessions.limits.ageMsMax / 1000);
  return formatCookie(sessionCookieName({ isTls }), token, { isTls, maxAgeSeconds });
}

function describeWho({ people, providers }: SignInContext, who: Principal | undefined): object {
  const user = who?.user && people.users.get(who.user.id);
  return {
    kind: who?.kind ?? "unknown",
    user: user === undefined ? null : describeSelf(user),
    permissions: who === undefined ? [] : [...who.permissions],
    readScopes: who?.readScopes ?? [],
    csrfToken: who?.csrfToken ?? null,
    providers,
    // Nobody has signed in yet: the initial password is still good.
    isFirstSignIn: people.setUpCode !== undefined,
  };
}

function describeSelf({ id, name, fullName, role, passwordHash }: User): object {
  return { id, name, fullName, role, hasPassword: passwordHash !== undefined };
}

function describeSession(session: Session, ownId: string): object {
  return {
    id: session.id,
    address: session.address,
    userAgent: session.userAgent,
    createdAt: new Date(session.createdAtMs).toISOString(),
    seenAt: new Date(session.seenAtMs).toISOString(),
    isThis: session.id === ownId,
  };
}

/** The user in a browser who asks; throws a `control/no-session` for programs and for those who need not sign in. */
export function signedInUser(
  guard: Guard,
  request: HttpRequest,
): { readonly user: NonNullable<Principal["user"]>; readonly sessionId: string } {
  const { user, sessionId } = guard.principalOf(request) ?? {};
  if (user !== undefined && sessionId !== undefined) return { user, sessionId };
  throw new FinchError(
    "conflict",
    "control/no-session",
    "this is about a session, and you have none: sign in with name and password",
  );
}

/** Signing somebody in as somebody else is a harm, too: a page of another site may not (Fetch metadata, where the browser sends it). */
function refuseOtherSites(request: HttpRequest): void {
  const site = request.header("sec-fetch-site");
  if (site === "" || site === "same-origin" || site === "none") return;
  throw new FinchError(
    "forbidden",
    "control/other-site",
    "a page of another site may not sign anybody in",
  );
}
