import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addUser, GOOD_PASSWORD } from "./people-harness.ts";
import { bearer, serveSignIn, sessionOf } from "./sign-in-server.ts";
import type { SignInServer } from "./sign-in-server.ts";

async function open(): Promise<
  SignInServer & { as: (name: string) => Promise<Readonly<Record<string, string>>> }
> {
  const server = await serveSignIn();
  await addUser(server.people, "root", { role: "admin" });
  const as = async (name: string, password = GOOD_PASSWORD) =>
    sessionOf(await server.ask("POST", "/api/v1/session", { body: { name, password } }));
  return { ...server, as };
}

describe("users over HTTP", () => {
  test("are made, listed, changed and removed by administrators", async () => {
    await using server = await open();
    const as = await server.as("root");
    const made = await server.ask("POST", "/api/v1/users", {
      as,
      body: { name: "ada", role: "viewer", readScope: 'host=~"web.*"', password: GOOD_PASSWORD },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.readScope, '{host=~"web.*"}');
    assert.doesNotMatch(made.text, /scrypt|mice/);
    const path = `/api/v1/users/${made.json.id}`;
    const changed = await server.ask("PUT", path, {
      as,
      body: { role: "editor", readScope: "", isDisabled: true },
    });
    assert.deepEqual([changed.json.role, changed.json.isDisabled], ["editor", true]);
    const list = await server.ask("GET", "/api/v1/users", { as });
    assert.deepEqual(
      list.json.users.map(({ name }) => name),
      ["ada", "admin", "root"],
    );
    assert.equal((await server.ask("DELETE", path, { as })).status, 204);
    assert.equal((await server.ask("DELETE", path, { as })).status, 404);
  });

  test("are nobody else's business", async () => {
    await using server = await open();
    await addUser(server.people, "ada", { role: "editor" });
    const as = await server.as("ada");
    for (const [method, path] of [
      ["GET", "/api/v1/users"],
      ["POST", "/api/v1/users"],
      ["PUT", "/api/v1/users/x"],
      ["DELETE", "/api/v1/users/x"],
    ] as const)
      assert.equal((await server.ask(method, path, { as, body: undefined })).status, 403, method);
  });

  test("are told what is wrong with a body", async () => {
    await using server = await open();
    const as = await server.as("root");
    const good = { name: "ada", role: "viewer", password: GOOD_PASSWORD };
    for (const [body, message] of [
      [{ ...good, role: "boss" }, /"role" must be one of viewer, editor, admin/],
      [{ ...good, name: 5 }, /"name" must be a text/],
      [{ ...good, admin: true }, /there is no field "admin"/],
      [{ name: "ada", role: "viewer" }, /"password" must be a text/],
      [{ ...good, password: "short" }, /too short/],
      [[], /no object/],
      [null, /no object/],
    ] as const) {
      const answer = await server.ask("POST", "/api/v1/users", { as, body });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error, message);
    }
  });
});

describe("tokens over HTTP", () => {
  test("are everybody's own, shown once", async () => {
    await using server = await open();
    await addUser(server.people, "ada");
    const as = await server.as("ada");
    const body = { name: "grafana", permissions: ["read"], expiresAt: "2027-01-31T00:00:00Z" };
    const made = await server.ask("POST", "/api/v1/tokens", { as, body });
    assert.equal(made.status, 201, made.text);
    const text = made.json.token;
    assert.equal((await server.ask("GET", "/access/read", { as: bearer(text) })).status, 200);
    const list = await server.ask("GET", "/api/v1/tokens", { as });
    assert.ok(!list.text.includes(text));
    const [token] = list.json.tokens;
    assert.deepEqual(
      [token!.name, token!.user, token!.permissions, token!.expiresAt],
      ["grafana", "ada", ["read"], "2027-01-31T00:00:00.000Z"],
    );
    assert.notEqual(token!.usedAt, null);
    assert.equal((await server.ask("DELETE", `/api/v1/tokens/${token!.id}`, { as })).status, 204);
    assert.equal((await server.ask("GET", "/access/read", { as: bearer(text) })).status, 401);
  });

  test("make no tokens, and take none away", async () => {
    await using server = await open();
    await addUser(server.people, "ada", { role: "editor" });
    const as = await server.as("ada");
    const body = { name: "ci", permissions: ["read", "edit"] };
    const { json } = await server.ask("POST", "/api/v1/tokens", { as, body });
    const token = bearer(json.token);
    const more = await server.ask("POST", "/api/v1/tokens", {
      as: token,
      body: { ...body, name: "more" },
    });
    assert.equal(more.json.code, "control/token-makes-token");
    const path = `/api/v1/tokens/${json.id}`;
    assert.equal((await server.ask("DELETE", path, { as: token })).status, 404);
    assert.equal((await server.ask("GET", "/api/v1/sessions", { as: token })).status, 409);
  });

  test("of others are for administrators", async () => {
    await using server = await open();
    for (const name of ["ada", "bob"]) await addUser(server.people, name);
    const [ada, bob, root] = [
      await server.as("ada"),
      await server.as("bob"),
      await server.as("root"),
    ];
    const body = { name: "x", permissions: ["read"] };
    const { json } = await server.ask("POST", "/api/v1/tokens", { as: ada, body });
    const path = `/api/v1/tokens/${json.id}`;
    assert.deepEqual((await server.ask("GET", "/api/v1/tokens", { as: bob })).json.tokens, []);
    assert.equal((await server.ask("DELETE", path, { as: bob })).status, 404);
    const forAda = { ...body, name: "y", user: "ada" };
    assert.equal(
      (await server.ask("POST", "/api/v1/tokens", { as: bob, body: forAda })).json.code,
      "control/no-token-owner",
    );
    assert.equal(
      (await server.ask("POST", "/api/v1/tokens", { as: root, body: forAda })).status,
      201,
    );
    assert.equal((await server.ask("GET", "/api/v1/tokens", { as: root })).json.tokens.length, 2);
    assert.equal((await server.ask("DELETE", path, { as: root })).status, 204);
    const bad = { ...body, permissions: ["admin"] };
    assert.equal((await server.ask("POST", "/api/v1/tokens", { as: bob, body: bad })).status, 400);
  });
});

test("sessions are listed and ended", async () => {
  await using server = await open();
  const [one, two] = [await server.as("root"), await server.as("root")];
  const { json } = await server.ask("GET", "/api/v1/sessions", { as: one });
  assert.deepEqual(json.sessions.map(({ isThis }) => String(isThis)).toSorted(), ["false", "true"]);
  const other = json.sessions.find(({ isThis }) => !isThis);
  assert.equal(
    (await server.ask("DELETE", `/api/v1/sessions/${other!.id}`, { as: one })).status,
    204,
  );
  assert.equal((await server.ask("GET", "/access/read", { as: two })).status, 401);
  assert.equal(
    (await server.ask("DELETE", `/api/v1/sessions/${other!.id}`, { as: one })).status,
    404,
  );
});
