/** `/api/v1/session`, `tokens`, `sessions` and `users`: who one is, and what belongs to that. */
import { ApiError, errorMessage, fetchJson, isRecord, stringList, UNREACHABLE } from "./http.ts";

export interface Who {
  /** `local`: nobody is asked here · `unknown`: somebody is. */
  readonly kind: "session" | "token" | "local" | "unknown";
  readonly user: {
    readonly id: string;
    readonly name: string;
    readonly fullName: string;
    readonly role: string;
    readonly hasPassword: boolean;
  } | null;
  readonly permissions: readonly string[];
  readonly readScopes: readonly string[];
  readonly csrfToken: string;
  readonly providers: readonly { readonly name: string; readonly path: string }[];
  /** Nobody has set a password yet. */
  readonly isFirstSignIn: boolean;
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly permissions: readonly string[];
  readonly readScope: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly usedAt: string;
}

export interface SessionInfo {
  readonly id: string;
  readonly address: string;
  readonly userAgent: string;
  readonly seenAt: string;
  readonly isThis: boolean;
}

export interface UserInfo {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly readScope: string;
  readonly isDisabled: boolean;
  readonly provider: string;
  readonly signedInAt: string;
}

const SESSION = "/api/v1/session";

export async function fetchWho(signal?: AbortSignal): Promise<Who> {
  return decodeWho(await fetchJson(SESSION, {}, signal === undefined ? {} : { signal }));
}

export function decodeWho(reply: unknown): Who {
  const record = isRecord(reply) ? reply : {};
  const user = isRecord(record["user"]) ? record["user"] : undefined;
  const kind = text(record["kind"]);
  return {
    kind: kind === "session" || kind === "token" || kind === "local" ? kind : "unknown",
    user:
      user === undefined
        ? null
        : {
            id: text(user["id"]),
            name: text(user["name"]),
            fullName: text(user["fullName"]),
            role: text(user["role"]),
            hasPassword: user["hasPassword"] === true,
          },
    permissions: stringList(record["permissions"]),
    readScopes: stringList(record["readScopes"]),
    csrfToken: text(record["csrfToken"]),
    providers: records(record["providers"]).map((one) => ({
      name: text(one["name"]),
      path: text(one["path"]),
    })),
    isFirstSignIn: record["isFirstSignIn"] === true,
  };
}

export async function signIn(name: string, password: string): Promise<void> {
  await send("POST", SESSION, "", { name, password });
}

export async function setPassword(given: {
  readonly name: string;
  readonly password: string;
  readonly newPassword: string;
  readonly setUpCode: string;
}): Promise<void> {
  await send("PUT", `${SESSION}/password`, "", given);
}

export async function signOut({ csrfToken }: Who): Promise<void> {
  await send("DELETE", SESSION, csrfToken);
}

export async function listTokens(signal?: AbortSignal): Promise<readonly ApiToken[]> {
  return (await fetchList("tokens", signal)).map((one) => ({
    id: text(one["id"]),
    name: text(one["name"]),
    user: text(one["user"]),
    permissions: stringList(one["permissions"]),
    readScope: text(one["readScope"]),
    createdAt: text(one["createdAt"]),
    expiresAt: text(one["expiresAt"]),
    usedAt: text(one["usedAt"]),
  }));
}

/** The text of the token, which is told here and never again. */
export async function createToken(
  { csrfToken }: Who,
  wanted: Readonly<Record<string, unknown>>,
): Promise<string> {
  const made = await send("POST", "/api/v1/tokens", csrfToken, wanted);
  return isRecord(made) ? text(made["token"]) : "";
}

export async function listSessions(signal?: AbortSignal): Promise<readonly SessionInfo[]> {
  return (await fetchList("sessions", signal)).map((one) => ({
    id: text(one["id"]),
    address: text(one["address"]),
    userAgent: text(one["userAgent"]),
    seenAt: text(one["seenAt"]),
    isThis: one["isThis"] === true,
  }));
}

export async function listUsers(signal?: AbortSignal): Promise<readonly UserInfo[]> {
  return (await fetchList("users", signal)).map((one) => ({
    id: text(one["id"]),
    name: text(one["name"]),
    role: text(one["role"]),
    readScope: text(one["readScope"]),
    isDisabled: one["isDisabled"] === true,
    provider: text(one["provider"]),
    signedInAt: text(one["signedInAt"]),
  }));
}

export async function createUser(
  { csrfToken }: Who,
  wanted: Readonly<Record<string, unknown>>,
): Promise<void> {
  await send("POST", "/api/v1/users", csrfToken, wanted);
}

export async function changeUser(
  { csrfToken }: Who,
  id: string,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  await send("PUT", `/api/v1/users/${encodeURIComponent(id)}`, csrfToken, change);
}

/** Ends a session, a token, a user. */
export async function remove(
  { csrfToken }: Who,
  list: "sessions" | "tokens" | "users",
  id: string,
): Promise<void> {
  await send("DELETE", `/api/v1/${list}/${encodeURIComponent(id)}`, csrfToken);
}

async function fetchList(
  name: "sessions" | "tokens" | "users",
  signal?: AbortSignal,
): Promise<readonly Record<string, unknown>[]> {
  const reply = await fetchJson(`/api/v1/${name}`, {}, signal === undefined ? {} : { signal });
  return isRecord(reply) ? records(reply[name]) : [];
}

async function send(
  method: string,
  path: string,
  csrfToken: string,
  body?: unknown,
): Promise<unknown> {
  let reply: Response;
  let answer: string;
  try {
    reply = await fetch(path, {
      method,
      headers: {
        accept: "application/json",
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(csrfToken !== "" && { "x-csrf-token": csrfToken }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    answer = await reply.text();
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  if (!reply.ok) throw new ApiError(reply.status, errorMessage(answer, reply.status));
  return answer === "" ? undefined : (JSON.parse(answer) as unknown);
}

function records(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
