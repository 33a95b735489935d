/** The routes of sign-in behind the guard, beside some that need this and that, over real HTTP. */
import { silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener, textReply } from "@finch/runtime/http";
import type { HttpRoute, Route, RouteAccess } from "@finch/runtime/http";
import { tokenRoutes, userRoutes } from "../../src/people/http/admin-routes.ts";
import { Guard, isSentHere } from "../../src/people/http/guard.ts";
import type { GuardedPlace } from "../../src/people/http/guard.ts";
import { sessionRoutes } from "../../src/people/http/session-routes.ts";
import { openPeople } from "./people-harness.ts";
import type { PeopleHarness } from "./people-harness.ts";

/** Fields of answers that tests look at. */
interface AnswerBody {
  readonly kind: string;
  readonly user: { readonly role: string } | null;
  readonly permissions: readonly string[];
  readonly isFirstSignIn: boolean;
  readonly csrfToken: string;
  readonly code: string;
  readonly error: string;
  readonly id: string;
  readonly token: string;
  readonly role: string;
  readonly readScope: string;
  readonly isDisabled: boolean;
  readonly users: readonly { readonly name: string }[];
  readonly sessions: readonly { readonly id: string; readonly isThis: boolean }[];
  readonly tokens: readonly {
    readonly id: string;
    readonly name: string;
    readonly user: string;
    readonly permissions: readonly string[];
    readonly expiresAt: string | null;
    readonly usedAt: string | null;
  }[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: AnswerBody;
}

export interface SignInServer extends PeopleHarness {
  readonly port: number;
  ask(method: string, path: string, about?: AskOptions): Promise<Answer>;
}

export interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose session or token. */
  readonly as?: Readonly<Record<string, string>>;
}

export const ACCESSES: readonly RouteAccess[] = [
  "open",
  "signed-in",
  "read",
  "read-all",
  "write",
  "edit",
  "admin",
];

/** `/access/NAME` needs that, `/access/unsaid` says nothing, `/tail` is a WebSocket that needs `read`, `/ticks` another that does not end. */
function needyRoutes(): readonly Route[] {
  const route = (name: string, access?: RouteAccess): HttpRoute => ({
    kind: "http",
    methods: ["GET", "POST"],
    path: `/access/${name}`,
    faults: "json",
    ...(access !== undefined && { access }),
    handle: async () => textReply(200, "let through"),
  });
  return [
    ...ACCESSES.map((access) => route(access, access)),
    route("unsaid"),
    {
      kind: "websocket",
      path: "/tail",
      faults: "text",
      access: "read",
      accept: async () => async (socket) => await socket.send("let through"),
    },
    {
      kind: "websocket",
      path: "/ticks",
      faults: "text",
      access: "read",
      accept: async () => async (socket) => {
        for (;;) {
          await socket.send("tick");
          await systemClock.sleep(5, socket.signal);
        }
      },
    },
  ];
}

export async function serveSignIn(change: Partial<GuardedPlace> = {}): Promise<SignInServer> {
  await using opening = new AsyncDisposableStack();
  const harness = opening.use(await openPeople());
  const { people } = harness;
  const guard = new Guard(people);
  const context = { people, guard, providers: [] };
  const routes = [
    ...sessionRoutes(context),
    ...userRoutes(context),
    ...tokenRoutes(context),
    ...needyRoutes(),
  ];
  const place: GuardedPlace = {
    asks: () => true,
    asksWriters: (request) => !isSentHere(request),
    isAgent: async (request) => request.header("authorization") === "Bearer an.agent.token",
    isTls: () => false,
    hostOf: (request) => request.header("host"),
    clientOf: (request) => request.header("x-test-client") || request.peer,
    isForwarded: false,
    ...change,
  };
  const listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes: guard.protect(routes, place),
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
  });
  opening.defer(() => listener.close(0));
  const parts = opening.move();
  return {
    ...harness,
    port: listener.port,
    ask: (method, path, about = {}) =>
      ask(`http://127.0.0.1:${listener.port}${path}`, method, about),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function ask(
  url: string,
  method: string,
  { body, headers = {}, as = {} }: AskOptions,
): Promise<Answer> {
  const reply = await fetch(url, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...as,
      ...headers,
    },
  });
  const text = await reply.text();
  const isJson = reply.headers.get("content-type") === "application/json";
  return {
    status: reply.status,
    headers: reply.headers,
    text,
    json: (isJson ? JSON.parse(text) : {}) as AnswerBody,
  };
}

/** Headers of a page of ours in the session that an answer began. */
export function sessionOf({ headers, json }: Answer): Readonly<Record<string, string>> {
  const cookie = (headers.get("set-cookie") ?? "").split(";")[0]!;
  return { cookie, "x-csrf-token": json.csrfToken };
}

export function bearer(text: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${text}` };
}
