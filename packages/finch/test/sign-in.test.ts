/** `finch up` with people: who is asked where, what they see. */
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { FREE_PORTS, startFinch, temporaryDirectory } from "./finch-child.ts";

const NEW_PASSWORD = "three blind mice";

async function open(...args: readonly string[]) {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryDirectory());
  const finch = opening.use(startFinch(["up", "--data-dir", path, ...FREE_PORTS, ...args]));
  const [, url] = await finch.until(/Finch is up: (\S+)/);
  const parts = opening.move();
  const ask = async (
    path: string,
    about: { method?: string; body?: object; headers?: Record<string, string> } = {},
  ) => {
    const { method = "GET", body, headers = {} } = about;
    const reply = await fetch(url! + path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { "content-type": "application/json", ...headers },
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, text };
  };
  return { finch, url: url!, ask, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const READS = [
  "/prometheus/api/v1/query?query=vector(1)",
  "/loki/api/v1/labels",
  "/api/v1/machine",
  "/metrics",
];

test("on this machine nobody is asked, but through a proxy", async () => {
  await using up = await open();
  for (const path of READS) {
    assert.equal((await up.ask(path)).status, 200, path);
    const proxied = await up.ask(path, { headers: { "x-forwarded-for": "192.0.2.7" } });
    assert.equal(proxied.status, 401, path);
  }
  const { finished } = up.finch;
  up.finch.signal("SIGTERM");
  assert.doesNotMatch((await finished).stdout, /First sign-in/);
});

test("where it is asked for, everybody signs in, and sees what they may", async () => {
  await using up = await open("--sign-in-required", "on");
  const [, code] = await up.finch.until(/set-up code (\S+)/);
  for (const path of READS) assert.equal((await up.ask(path)).status, 401, path);
  assert.notEqual((await up.ask("/")).status, 401, "the page to sign in on");
  const first = { name: "admin", password: "admin", newPassword: NEW_PASSWORD };
  const headers = { "x-forwarded-for": "192.0.2.7" };
  const path = "/api/v1/session/password";
  const refused = await up.ask(path, { method: "PUT", body: first, headers });
  assert.equal(refused.status, 401);
  const body = { ...first, setUpCode: code };
  const signedIn = await up.ask(path, { method: "PUT", body, headers });
  assert.equal(signedIn.status, 200, signedIn.text);
  const { csrfToken } = JSON.parse(signedIn.text) as { csrfToken: string };
  const cookie = signedIn.headers.get("set-cookie")!.split(";")[0]!;
  const admin = { cookie, "x-csrf-token": csrfToken };
  for (const path of READS)
    assert.equal((await up.ask(path, { headers: admin })).status, 200, path);
  const made = await up.ask("/api/v1/tokens", {
    method: "POST",
    headers: admin,
    body: { name: "limited", permissions: ["read"], readScope: '{host="nobody"}' },
  });
  const { token } = JSON.parse(made.text) as { token: string };
  const limited = { authorization: `Bearer ${token}` };
  const hosts = async (headers: Record<string, string>) =>
    (await up.ask("/loki/api/v1/label/job/values", { headers })).text;
  // Finch writes its own log into the store.
  while (!(await hosts(admin)).includes("finch"))
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await hosts(limited), '{"status":"success","data":[]}');
  assert.equal((await up.ask("/api/v1/machine", { headers: limited })).status, 403);
  const command = (env: Record<string, string>) =>
    startFinch(["query", "metrics", "vector(7)", "--url", up.url], { env }).finished;
  const nobody = await command({});
  assert.equal(nobody.code, 2);
  assert.match(nobody.stderr, /put an API token .* into FINCH_API_TOKEN/);
  const known = await command({ FINCH_API_TOKEN: token });
  assert.equal(known.code, 0, known.stderr);
});

test("a listener that others can come to asks for itself", async () => {
  await using up = await open("--listen-ui", "0.0.0.0:0");
  await up.finch.until(/First sign-in: admin, password admin/);
  for (const path of READS) assert.equal((await up.ask(path)).status, 401, path);
  const { status } = await up.ask("/", { headers: { host: hostname() } });
  assert.notEqual(status, 401);
});

test("nobody is asked where that was said", async () => {
  await using up = await open("--listen-ui", "0.0.0.0:0", "--sign-in-required", "off");
  for (const path of READS) assert.equal((await up.ask(path)).status, 200, path);
});
