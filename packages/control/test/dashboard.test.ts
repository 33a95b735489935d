/** The dashboard before a real port: sign-in, headers, roles and scope at each request, and the WebSocket. */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { test } from "node:test";
import { FinchError, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { WebSocket } from "ws";
import { Dashboard } from "../src/dashboard/index.ts";
import type { DashboardAgent } from "../src/dashboard/index.ts";
import type { CollectorView } from "../src/fleet/index.ts";
import type { DashboardClaims } from "../src/tokens.ts";

function agent(name: string, about: Partial<DashboardAgent> = {}): DashboardAgent {
  return {
    resourceId: `rid:finch:1:agent:${name}`,
    hostname: name,
    node: "unix",
    labels: ["env=prod"],
    logSources: ["journal://", "file:///var/log/*.log"],
    metrics: true,
    metricsTargets: [],
    profiles: false,
    registeredAtMs: 1_790_000_000_000,
    ...about,
  };
}

function collector(name: string, about: Partial<CollectorView> = {}): CollectorView {
  return {
    id: name,
    resourceId: `rid:finch:1:agent:${name}`,
    name: "",
    labels: {},
    version: "v1.9.1",
    os: "linux",
    firstContactMs: 0,
    lastContactMs: Date.now(),
    contact: "connected",
    configuration: { name: "base", version: 3, hash: "abc" },
    runningHash: "abc",
    drift: "in-sync",
    status: "applied",
    statusError: "",
    statusAtMs: 0,
    figures: {
      samplesPerSecond: 123.4,
      linesPerSecond: 2,
      errorShare: 0.001,
      unhealthyComponents: 0,
    },
    ...about,
  };
}

/** Without the white space between tags. */
function squash(markup: string): string {
  return markup.replaceAll(/\s+(?=[<>])/g, "").replaceAll(/>\s+/g, ">");
}

const FAR = Date.now() + 3_600_000;

class Stage implements AsyncDisposable {
  agents = [agent("web-1"), agent("db-1", { labels: ["<script>alert(1)</script>"] })];
  collectors: CollectorView[] = [collector("web-1")];
  /** Tokens in force. */
  readonly claims = new Map<string, DashboardClaims>([
    ["viewer", { role: "viewer", scope: [], expiresAtMs: FAR }],
    ["operator", { role: "operator", scope: ["web-1"], expiresAtMs: FAR }],
    ["admin", { role: "admin", scope: [], expiresAtMs: FAR }],
  ]);
  readonly told: string[] = [];
  readonly watchers = new Set<() => void>();
  listener!: Awaited<ReturnType<typeof openListener>>;

  static async open(): Promise<Stage> {
    const stage = new Stage();
    const dashboard = new Dashboard({
      clock: systemClock,
      build: { release: "1.2.3", commit: "abcdef0123" },
      hostname: () => "finch.example",
      publicHost: () => "finch.example:8443",
      verify: async (token) => {
        const claims = stage.claims.get(token);
        if (claims !== undefined) return claims;
        throw new FinchError("unauthenticated", "control/bad-token", "no");
      },
      agents: () => stage.agents,
      collectors: () => stage.collectors,
      lastContactMs: () => undefined,
      issueToken: async (actor, { hostname }) => {
        stage.told.push(`${actor.name} token ${hostname}`);
        return { token: `secret of ${hostname}`, expiresAtMs: FAR };
      },
      generateConfig: async (actor, { hostname }) => {
        stage.told.push(`${actor.name} config ${hostname}`);
        return `// ${hostname}\n`;
      },
      watch: (watcher) => {
        stage.watchers.add(watcher);
        return () => stage.watchers.delete(watcher);
      },
    });
    stage.listener = await openListener({
      name: "dashboard",
      purpose: "the test",
      host: "127.0.0.1",
      port: 0,
      routes: dashboard.routes,
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log: silentLogger,
    });
    return stage;
  }

  get host(): string {
    return `127.0.0.1:${this.listener.port}`;
  }

  ask(path: string, token = "", init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${this.host}${path}`, {
      redirect: "manual",
      ...init,
      headers: {
        ...(token !== "" && { cookie: `other=1; dashboard_token=${token}` }),
        ...(init.headers as Record<string, string>),
      },
    });
  }

  socket(token: string, origin: string | undefined, query = ""): WebSocket {
    return new WebSocket(`ws://${this.host}/ws${query}`, {
      headers: { cookie: `dashboard_token=${token}` },
      ...(origin !== undefined && { origin }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close(0);
  }
}

test("signing in and out", async () => {
  await using stage = await Stage.open();
  const form = await stage.ask("/login");
  assert.match(await form.text(), /<form method="post" action="\/login">/);
  const post = (token: string, headers: Record<string, string> = {}) =>
    stage.ask("/login", "", { method: "POST", body: new URLSearchParams({ token }), headers });
  const refused = await post("nonsense");
  assert.equal(refused.status, 401);
  assert.match(await refused.text(), /not valid/);
  const accepted = await post(" viewer ");
  assert.equal(accepted.status, 303);
  assert.equal(accepted.headers.get("location"), "/dashboard");
  assert.equal(
    accepted.headers.get("set-cookie"),
    "dashboard_token=viewer; Path=/; HttpOnly; SameSite=Strict",
  );
  const direct = await stage.ask("/login?token=viewer", "", {
    headers: { "x-forwarded-proto": "https" },
  });
  assert.match(direct.headers.get("set-cookie") ?? "", /SameSite=Strict; Secure$/);
  assert.equal(
    direct.headers.get("strict-transport-security"),
    "max-age=31536000; includeSubDomains",
  );
  assert.equal((await post("viewer", { origin: "https://evil.example" })).status, 403);
  assert.match(await (await stage.ask("/login?error=expired")).text(), /has expired/);
  assert.equal((await stage.ask("/logout", "viewer")).status, 405);
  const out = await stage.ask("/logout", "viewer", { method: "POST" });
  assert.equal(out.status, 303);
  assert.match(out.headers.get("set-cookie") ?? "", /^dashboard_token=; Max-Age=0/);
});

test("every page has the headers, and nothing is shown without a token in force", async () => {
  await using stage = await Stage.open();
  for (const token of ["", "nonsense"]) {
    const reply = await stage.ask("/dashboard", token);
    assert.deepEqual([reply.status, reply.headers.get("location")], [303, "/login"]);
    const path = `/dashboard/agents/${stage.agents[0]!.resourceId}`;
    assert.equal((await stage.ask(`${path}/config`, token)).status, 401);
    assert.equal((await stage.ask(`${path}/token`, token, { method: "POST" })).status, 401);
  }
  for (const path of ["/", "/login", "/dashboard", "/dashboard/assets/dashboard.js"]) {
    const { headers } = await stage.ask(path, "viewer");
    assert.match(
      headers.get("content-security-policy")!,
      /^default-src 'none'; script-src 'self';/,
    );
    assert.doesNotMatch(headers.get("content-security-policy")!, /unsafe/);
    assert.equal(headers.get("x-frame-options"), "DENY");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("x-finch-release"), "1.2.3");
    assert.equal(headers.get("x-finch-commit"), "abcdef0123");
    assert.equal(headers.get("strict-transport-security"), null);
  }
});

test("role and scope hold at each request, whatever the page shows", async () => {
  await using stage = await Stage.open();
  const rid = (name: string) => `/dashboard/agents/rid:finch:1:agent:${name}`;
  const config = async (name: string, token: string) =>
    (await stage.ask(`${rid(name)}/config`, token)).status;
  const token = async (name: string, by: string) =>
    (await stage.ask(`${rid(name)}/token`, by, { method: "POST" })).status;
  assert.deepEqual(
    [
      await config("web-1", "viewer"),
      await config("web-1", "operator"),
      await config("web-1", "admin"),
      await config("none", "admin"),
    ],
    [403, 403, 200, 404],
  );
  assert.deepEqual(
    [
      await token("web-1", "viewer"),
      await token("web-1", "operator"),
      await token("db-1", "operator"),
      await token("db-1", "admin"),
    ],
    [403, 200, 404, 200],
  );
  assert.deepEqual(stage.told, [
    "dashboard:admin config web-1",
    "dashboard:operator token web-1",
    "dashboard:admin token db-1",
  ]);
  const foreign = await stage.ask(`${rid("web-1")}/token`, "admin", {
    method: "POST",
    headers: { origin: "http://evil.example" },
  });
  assert.equal(foreign.status, 403);
  const file = await stage.ask(`${rid("web-1")}/config`, "admin");
  assert.equal(
    file.headers.get("content-disposition"),
    'attachment; filename="alloy-rid:finch:1:agent:web-1.cfg"',
  );
  assert.equal(await file.text(), "// web-1\n");
  const whole = await (
    await stage.ask(`${rid("web-1")}/token`, "admin", { method: "POST" })
  ).text();
  assert.match(whole, /<!doctype html>[^]*secret of web-1/);
  const seen = await (await stage.ask("/dashboard", "operator")).text();
  assert.match(seen, /web-1/);
  assert.doesNotMatch(seen, /db-1/);
  assert.doesNotMatch(seen, /\/config"/);
});

test("agents as cards and as a table, searched, in pages, and escaped", async () => {
  await using stage = await Stage.open();
  stage.collectors = [
    collector("web-1", { drift: "failed", statusError: "no such component\nmore" }),
  ];
  const cards = squash(await (await stage.ask("/dashboard", "viewer")).text());
  assert.match(cards, /class="card failing"[^]*refuses its configuration: no such component</);
  assert.match(cards, /123 samples\/s · 2 lines\/s/);
  assert.match(cards, /&lt;script&gt;alert\(1\)/);
  assert.doesNotMatch(cards, /<script>/);
  assert.ok(cards.indexOf("web-1") < cards.indexOf("db-1"), "what fails comes first");
  const table = squash(await (await stage.ask("/dashboard?view=table&q=WEB", "viewer")).text());
  assert.match(table, /<th scope="row">web-1/);
  assert.doesNotMatch(table, /db-1/);
  const none = squash(await (await stage.ask("/dashboard?q=%3Cb%3E", "viewer")).text());
  assert.match(none, /No agent matches “&lt;b&gt;”/);
  stage.agents = Array.from({ length: 50 }, (_, at) => agent(`m-${String(at).padStart(2, "0")}`));
  const last = squash(await (await stage.ask("/dashboard?page=99&view=table", "viewer")).text());
  assert.match(last, /Page 3 of 3, 50 agents/);
  assert.match(last, /href="\/dashboard\?view=table&amp;page=2"/);
  assert.match(last, /m-49/);
});

/** What a socket is sent, in order, as it is asked for. */
function messagesOf(socket: WebSocket): () => Promise<{ type: string; html: string }> {
  const messages = on(socket, "message") as AsyncIterator<[Buffer]>;
  return async () => {
    const { value } = await messages.next();
    const { type, html } = JSON.parse(value[0].toString()) as { type: string; html: string };
    return { type, html: squash(html) };
  };
}

async function refusal(socket: WebSocket): Promise<number | undefined> {
  socket.on("error", () => {});
  const [, response] = (await once(socket, "unexpected-response")) as [
    unknown,
    { statusCode?: number },
  ];
  return response.statusCode;
}

test("the WebSocket: origin, token, scope, changes", async () => {
  await using stage = await Stage.open();
  assert.equal(await refusal(stage.socket("viewer", undefined)), 403);
  assert.equal(await refusal(stage.socket("viewer", "https://evil.example")), 403);
  assert.equal(await refusal(stage.socket("nonsense", "https://finch.example")), 401);
  const socket = stage.socket("operator", "https://finch.example", "?view=table");
  const next = messagesOf(socket);
  const first = await next();
  const second = await next();
  assert.deepEqual([first.type, second.type], ["stats", "agents"]);
  assert.match(second.html, /^<div class="scroll"[^]*web-1/);
  assert.doesNotMatch(second.html, /db-1/);
  stage.agents = [agent("web-1", { labels: ["env=moved"] })];
  for (const watcher of stage.watchers) watcher();
  assert.match((await next()).html, /env=moved/);
  socket.close();
  await once(socket, "close");
  while (stage.watchers.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("the WebSocket ends when its token does", async () => {
  await using stage = await Stage.open();
  const closed = async (socket: WebSocket) => {
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    return [code, reason.toString()];
  };
  const revoked = stage.socket("viewer", `http://${stage.host}`);
  await once(revoked, "message");
  stage.claims.delete("viewer");
  for (const watcher of stage.watchers) watcher();
  assert.deepEqual(await closed(revoked), [1000, "Token expired"]);
  stage.claims.set("short", { role: "viewer", scope: [], expiresAtMs: Date.now() + 1500 });
  const short = stage.socket("short", `http://${stage.host}`);
  await once(short, "message");
  setTimeout(() => stage.claims.delete("short"), 1400);
  assert.deepEqual(await closed(short), [1000, "Token expired"]);
});
