import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import type { FinchError } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpRequest, HttpRoute } from "@finch/runtime/http";
import { LOCAL_PRINCIPAL } from "../../src/people/roles.ts";
import { readCookie } from "../../src/people/http/cookies.ts";
import { Guard, isLoopback } from "../../src/people/http/guard.ts";
import type { GuardedPlace } from "../../src/people/http/guard.ts";
import { addUser, ELSEWHERE, GOOD_PASSWORD, openPeople, SYSTEM } from "./people-harness.ts";
import { ACCESSES, bearer, serveSignIn, sessionOf } from "./sign-in-server.ts";
import type { SignInServer } from "./sign-in-server.ts";

const FIRST = { name: "admin", password: "admin", newPassword: GOOD_PASSWORD };

async function signIn(server: SignInServer, name: string) {
  return sessionOf(
    await server.ask("POST", "/api/v1/session", { body: { name, password: GOOD_PASSWORD } }),
  );
}

/** What of {@link ACCESSES}, and of a route that does not say, somebody gets. */
async function allowed(
  server: SignInServer,
  as: Readonly<Record<string, string>>,
  method = "GET",
): Promise<string> {
  const passed: string[] = [];
  for (const name of [...ACCESSES, "unsaid"]) {
    const { status, json } = await server.ask(method, `/access/${name}`, { as });
    if (status === 200) passed.push(name);
    else if (Object.keys(as).length === 0) assert.equal(status, 401, name);
    else assert.ok(status === 401 || status === 403, `${name}: ${status} ${json.error}`);
  }
  return passed.join(" ");
}

describe("who is let through", () => {
  test("to what: by role, by token, by what they may read", async () => {
    await using server = await serveSignIn({ asksWriters: () => true });
    const { people } = server;
    for (const role of ["viewer", "editor", "admin"] as const)
      await addUser(people, `the-${role}`, { role });
    const limited = await addUser(people, "limited", { readScope: '{host="a"}' });
    const everything = "open signed-in read read-all write edit admin unsaid";
    assert.equal(await allowed(server, {}), "open");
    assert.equal(
      await allowed(server, await signIn(server, "the-viewer")),
      "open signed-in read read-all",
    );
    assert.equal(
      await allowed(server, await signIn(server, "the-editor")),
      "open signed-in read read-all write edit",
    );
    assert.equal(await allowed(server, await signIn(server, "the-admin")), everything);
    assert.equal(await allowed(server, await signIn(server, "limited")), "open signed-in read");
    const admin = people.users.findByName("admin")!;
    const token = (permissions: readonly ("read" | "write" | "admin")[], readScope = "") =>
      people.admin.createToken(SYSTEM, admin.id, {
        name: `${permissions.join()} ${readScope}`,
        permissions,
        readScope,
        expiresAtMs: undefined,
      }).text;
    assert.equal(await allowed(server, bearer(token(["write"]))), "open signed-in write");
    assert.equal(await allowed(server, bearer(token(["read"], 'a="b"'))), "open signed-in read");
    const asPassword = Buffer.from(`anything:${token(["read"])}`).toString("base64");
    assert.equal(
      await allowed(server, { authorization: `Basic ${asPassword}` }),
      "open signed-in read read-all",
    );
    people.admin.removeUser(SYSTEM, limited.id);
  });

  test("nobody by a token or session that is not, also not beside a good cookie", async () => {
    await using server = await serveSignIn({ asksWriters: () => true });
    await addUser(server.people, "ada", { role: "admin" });
    const session = await signIn(server, "ada");
    for (const authorization of [
      "Bearer finch_x",
      "Bearer ",
      "Basic !",
      `Basic ${Buffer.from(`ada:${GOOD_PASSWORD}`).toString("base64")}`,
      "Negotiate x",
    ])
      assert.equal(await allowed(server, { ...session, authorization }), "open", authorization);
    const cookie = session["cookie"]!;
    for (const bad of [`${cookie}x`, "finch_session=", `${cookie}; ${cookie}`, `__Host-${cookie}`])
      assert.equal(await allowed(server, { cookie: bad }), "open", bad);
  });

  test("everybody where nobody is asked, but who shows who they are is that", async () => {
    await using server = await serveSignIn({ asks: () => false });
    await addUser(server.people, "the-viewer");
    const everything = "open signed-in read read-all write edit admin unsaid";
    assert.equal(await allowed(server, {}), everything);
    assert.equal(await allowed(server, bearer("finch_expired")), everything);
    // Who sends telemetry is not asked who they are.
    assert.equal(
      await allowed(server, await signIn(server, "the-viewer")),
      "open signed-in read read-all write",
    );
    const { json } = await server.ask("GET", "/api/v1/session");
    assert.deepEqual([json.kind, json.user], ["local", null]);
    assert.deepEqual(json.permissions, [...LOCAL_PRINCIPAL.permissions]);
  });

  test("senders on this machine without a token, others with one", async () => {
    await using server = await serveSignIn();
    const post = (headers: Record<string, string>) =>
      server.ask("POST", "/access/write", { headers });
    assert.equal((await post({})).status, 200);
    const elsewhere = { "x-forwarded-for": "192.0.2.7" };
    assert.equal((await post(elsewhere)).status, 401);
    const agent = { ...elsewhere, ...bearer("an.agent.token") };
    assert.equal((await post(agent)).status, 200);
    for (const access of ["read", "admin"])
      assert.equal((await server.ask("GET", `/access/${access}`, { as: agent })).status, 401);
  });

  test("to a WebSocket for as long as they may read", async () => {
    await using server = await serveSignIn();
    const { people } = server;
    const { id } = await addUser(people, "ada");
    const open = async () => {
      const { token } = people.beginSession(id, ELSEWHERE);
      const headers = { cookie: `finch_session=${token}` };
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ticks`, { headers });
      await once(socket, "message");
      return socket;
    };
    const closed = async (socket: WebSocket) => {
      const [{ code, reason }] = (await once(socket, "close")) as [CloseEvent];
      assert.equal(code, 1011);
      return reason;
    };
    const first = await open();
    await people.admin.changeUser(SYSTEM, id, { readScope: '{host="a"}' });
    assert.match(await closed(first), /what you may read has changed/);
    const second = await open();
    await people.admin.changeUser(SYSTEM, id, { isDisabled: true });
    assert.match(await closed(second), /^sign in/);
  });

  test("to a WebSocket as to anything else", async () => {
    await using server = await serveSignIn();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/tail`);
    const [fault] = (await once(socket, "error")) as [Event];
    assert.ok(fault !== undefined);
    await using open = await serveSignIn({ asks: () => false });
    const passed = new WebSocket(`ws://127.0.0.1:${open.port}/tail`);
    const [message] = (await once(passed, "message")) as [MessageEvent];
    assert.equal(message.data, "let through");
  });
});

test("of two guards the outer one decides", async () => {
  await using harness = await openPeople();
  const guard = new Guard(harness.people);
  const place = (asks: boolean): GuardedPlace => ({
    asks: () => asks,
    asksWriters: () => asks,
    isAgent: async () => false,
    isTls: () => asks,
    clientOf: (request) => request.peer,
    hostOf: (request) => request.header("host"),
    isForwarded: asks,
  });
  const user = await addUser(harness.people, "limited", { readScope: '{host="a"}' });
  const { token } = harness.people.beginSession(user.id, ELSEWHERE);
  const seen: (readonly string[] | undefined)[] = [];
  const [route] = guard.protect(
    guard.protect(
      [
        {
          kind: "http",
          methods: ["GET"],
          path: "/",
          faults: "json",
          access: "read",
          handle: async (request) => {
            seen.push(guard.principalOf(request)?.readScopes);
            return textReply(200, "");
          },
        },
      ],
      place(false),
    ),
    place(true),
  ) as readonly HttpRoute[];
  const request = (cookie: string) => {
    const headers: Record<string, string> = { cookie };
    const header = (name: string) => headers[name] ?? "";
    return { method: "GET", peer: "192.0.2.7", headers, header } as unknown as HttpRequest;
  };
  await route!.handle(request(`__Host-finch_session=${token}`));
  assert.deepEqual(seen, [['{host="a"}']], "the inner one would take a plain cookie, or anybody");
  await assert.rejects(
    route!.handle(request(`finch_session=${token}`)),
    (error: FinchError) => assert.equal(error.code, "control/sign-in-needed") === undefined,
  );
});

describe("a request of another page", () => {
  test("changes nothing with the cookie of a session alone", async () => {
    await using server = await serveSignIn({ asksWriters: () => true });
    await addUser(server.people, "ada", { role: "admin" });
    const session = await signIn(server, "ada");
    const reads = "open read read-all";
    for (const token of ["", "undefined", "null", `${session["x-csrf-token"]}x`]) {
      const as = { cookie: session["cookie"]!, ...(token !== "" && { "x-csrf-token": token }) };
      assert.equal(await allowed(server, as, "POST"), reads, token);
    }
    const other = await signIn(server, "ada");
    const mixed = { ...session, "x-csrf-token": other["x-csrf-token"]! };
    assert.equal(await allowed(server, mixed, "POST"), reads, "the one of another session");
    assert.ok((await allowed(server, session, "POST")).endsWith("unsaid"));
  });

  test("does not sign in, neither as a form nor as JSON", async () => {
    await using server = await serveSignIn();
    await addUser(server.people, "ada");
    const body = { name: "ada", password: GOOD_PASSWORD };
    const headers = { "sec-fetch-site": "cross-site" };
    const other = await server.ask("POST", "/api/v1/session", { body, headers });
    assert.equal(other.json.code, "control/other-site");
    const form = await fetch(`http://127.0.0.1:${server.port}/api/v1/session`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: JSON.stringify(body),
    });
    assert.equal(form.status, 415);
    const password = await server.ask("PUT", "/api/v1/session/password", {
      body: { ...body, newPassword: "four blind mice" },
      headers: { "sec-fetch-site": "same-site" },
    });
    assert.equal(password.json.code, "control/other-site");
  });
});

describe("the cookie of a session", () => {
  test("is out of reach of scripts and of other sites, over TLS of other hosts, too", async () => {
    await using server = await serveSignIn();
    await using secure = await serveSignIn({ isTls: () => true });
    for (const { people } of [server, secure]) await addUser(people, "ada");
    const begin = async (at: SignInServer) =>
      await at.ask("POST", "/api/v1/session", { body: { name: "ada", password: GOOD_PASSWORD } });
    const plain = (await begin(server)).headers.get("set-cookie")!;
    assert.match(
      plain,
      /^finch_session=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
    );
    const answer = await begin(secure);
    const tls = answer.headers.get("set-cookie")!;
    assert.match(
      tls,
      /^__Host-finch_session=[\w-]{43}; Path=\/; .*HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const session = sessionOf(answer);
    assert.equal((await secure.ask("GET", "/access/read", { as: session })).status, 200);
    const gone = await secure.ask("DELETE", "/api/v1/session", { as: session });
    assert.match(gone.headers.get("set-cookie")!, /^__Host-finch_session=; .*Max-Age=0/);
    assert.equal((await secure.ask("GET", "/access/read", { as: session })).status, 401);
  });

  test("is read where it stands once", () => {
    assert.equal(readCookie("a=1; finch_session=x; b=2", "finch_session"), "x");
    assert.equal(readCookie("xfinch_session=x", "finch_session"), undefined);
    assert.equal(readCookie("finch_session=x;finch_session=y", "finch_session"), undefined);
  });
});

test("the first sign-in over HTTP, here and from elsewhere", async () => {
  await using server = await serveSignIn();
  const who = await server.ask("GET", "/api/v1/session");
  assert.deepEqual([who.json.kind, who.json.isFirstSignIn], ["unknown", true]);
  const early = await server.ask("POST", "/api/v1/session", {
    body: { name: "admin", password: "admin" },
  });
  assert.deepEqual([early.status, early.json.code], [409, "control/set-password-first"]);
  assert.equal(early.headers.get("set-cookie"), null);
  const headers = { "x-forwarded-for": "192.0.2.7" };
  const elsewhere = await server.ask("PUT", "/api/v1/session/password", { body: FIRST, headers });
  assert.equal(elsewhere.json.code, "control/wrong-set-up-code");
  const here = await server.ask("PUT", "/api/v1/session/password", { body: FIRST });
  assert.equal(here.json.user?.role, "admin");
  assert.equal(here.json.isFirstSignIn, false);
  assert.equal((await server.ask("GET", "/access/admin", { as: sessionOf(here) })).status, 200);
});

test("behind a gateway nobody is here", async () => {
  await using server = await serveSignIn({ isForwarded: true });
  const refused = await server.ask("PUT", "/api/v1/session/password", { body: FIRST });
  assert.equal(refused.json.code, "control/wrong-set-up-code");
  const body = { ...FIRST, setUpCode: server.people.setUpCode };
  assert.equal((await server.ask("PUT", "/api/v1/session/password", { body })).status, 200);
});

test("failures are told by the address of the client, with the time to wait", async () => {
  await using server = await serveSignIn();
  const headers = { "x-test-client": "192.0.2.7" };
  const body = { name: "ada", password: "wrong password" };
  for (let failure = 0; failure < 10; failure++)
    assert.equal((await server.ask("POST", "/api/v1/session", { body, headers })).status, 401);
  const locked = await server.ask("POST", "/api/v1/session", { body, headers });
  assert.equal(locked.status, 429);
  assert.equal(locked.headers.get("retry-after"), "900");
});

test("addresses of this machine", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])
    assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "", "127.0.0.1.example.com", "::ffff:10.0.0.1"])
    assert.ok(!isLoopback(host), host);
});
