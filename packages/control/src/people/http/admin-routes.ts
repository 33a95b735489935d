/** `/api/v1/users…` for administrators, and `/api/v1/tokens…`, where everybody has their own. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { Actor } from "../../audit-trail.ts";
import { PERMISSIONS, ROLES } from "../roles.ts";
import type { ApiToken } from "../token-store.ts";
import { noSuchToken } from "../user-admin.ts";
import type { User } from "../user-store.ts";
import type { Guard } from "./guard.ts";
import { JsonBody } from "./json-body.ts";
import { apiRoute } from "./session-routes.ts";
import type { SignInContext } from "./session-routes.ts";

const USER = "/api/v1/users/:id";

export function userRoutes({ people, guard }: SignInContext): readonly HttpRoute[] {
  const { admin, users } = people;
  return [
    apiRoute("GET", "/api/v1/users", "admin", async () =>
      jsonReply(200, { users: users.list().map(describeUser) }),
    ),
    apiRoute("POST", "/api/v1/users", "admin", async (request) => {
      const known = ["name", "fullName", "role", "readScope", "password"];
      const body = await JsonBody.read(request, known);
      const user = await admin.createUser(actorOf(guard, request), {
        name: body.text("name"),
        fullName: body.textOr("fullName", ""),
        role: body.oneOf("role", ROLES),
        readScope: body.textOr("readScope", ""),
        password: body.text("password"),
      });
      return jsonReply(201, describeUser(user));
    }),
    apiRoute("PUT", USER, "admin", async (request) => {
      const known = ["fullName", "role", "readScope", "password", "isDisabled"];
      const body = await JsonBody.read(request, known);
      const user = await admin.changeUser(actorOf(guard, request), request.params["id"]!, {
        ...(body.has("fullName") && { fullName: body.text("fullName") }),
        ...(body.has("role") && { role: body.oneOf("role", ROLES) }),
        ...(body.has("readScope") && { readScope: body.text("readScope") }),
        ...(body.has("password") && { password: body.text("password") }),
        ...(body.has("isDisabled") && { isDisabled: body.flag("isDisabled") }),
      });
      return jsonReply(200, describeUser(user));
    }),
    apiRoute("DELETE", USER, "admin", async (request) => {
      admin.removeUser(actorOf(guard, request), request.params["id"]!);
      return { status: 204 };
    }),
  ];
}

export function tokenRoutes(context: SignInContext): readonly HttpRoute[] {
  const { people, guard } = context;
  return [
    apiRoute("GET", "/api/v1/tokens", "signed-in", async (request) => {
      const who = guard.principalOf(request);
      const tokens = people.tokens.list(
        isAdmin(guard, request) ? undefined : (who?.user?.id ?? ""),
      );
      const names = new Map(people.users.list().map(({ id, name }) => [id, name]));
      const told = tokens.map((token) => describeToken(token, names.get(token.userId) ?? ""));
      return jsonReply(200, { tokens: told });
    }),
    apiRoute("POST", "/api/v1/tokens", "signed-in", (request) => createToken(context, request)),
    apiRoute("DELETE", "/api/v1/tokens/:id", "signed-in", async (request) => {
      const token = people.tokens.get(request.params["id"]!);
      const who = guard.principalOf(request);
      const isOwn = who?.kind === "session" && token?.userId === who.user?.id;
      if (token === undefined || (!isOwn && !isAdmin(guard, request))) throw noSuchToken();
      people.admin.removeToken(actorOf(guard, request), token.id);
      return { status: 204 };
    }),
  ];
}

async function createToken(
  { people, guard }: SignInContext,
  request: HttpRequest,
): Promise<HttpReply> {
  const who = guard.principalOf(request);
  if (who?.kind === "token")
    throw new FinchError(
      "forbidden",
      "control/token-makes-token",
      "a token cannot make another one; sign in with name and password",
    );
  const body = await JsonBody.read(request, [
    "name",
    "permissions",
    "readScope",
    "expiresAt",
    "user",
  ]);
  const owner = body.has("user") ? people.users.findByName(body.text("user")) : who?.user;
  const isOther = owner?.id !== who?.user?.id;
  if (owner === undefined || (isOther && !isAdmin(guard, request)))
    throw new FinchError(
      "invalid",
      "control/no-token-owner",
      'name a "user" that is there, whose token it is; only administrators may name others',
    );
  const { token, text } = people.admin.createToken(actorOf(guard, request), owner.id, {
    name: body.text("name"),
    permissions: body.someOf("permissions", PERMISSIONS),
    readScope: body.textOr("readScope", ""),
    expiresAtMs: body.timeMs("expiresAt"),
  });
  return jsonReply(201, { ...describeToken(token, owner.name), token: text });
}

function isAdmin(guard: Guard, request: HttpRequest): boolean {
  return guard.principalOf(request)?.permissions.has("admin") === true;
}

function actorOf(guard: Guard, request: HttpRequest): Actor {
  return {
    name: guard.principalOf(request)?.actor ?? "unknown",
    origin: guard.originOf(request).address,
  };
}

function describeUser(user: User): object {
  return {
    id: user.id,
    name: user.name,
    fullName: user.fullName,
    role: user.role,
    readScope: user.readScope,
    hasPassword: user.passwordHash !== undefined || user.isInitial,
    isDisabled: user.isDisabled,
    provider: user.provider === "" ? null : user.provider,
    createdAt: new Date(user.createdAtMs).toISOString(),
    signedInAt: timeOf(user.signedInAtMs),
  };
}

function describeToken(token: ApiToken, userName: string): object {
  return {
    id: token.id,
    name: token.name,
    user: userName,
    permissions: token.permissions,
    readScope: token.readScope,
    createdAt: new Date(token.createdAtMs).toISOString(),
    expiresAt: timeOf(token.expiresAtMs),
    usedAt: timeOf(token.usedAtMs),
    usedFrom: token.usedFrom === "" ? null : token.usedFrom,
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
