import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { silentLogger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener } from "@finch/runtime/http";
import type { Control } from "../src/control.ts";
import { createRpcMethods } from "../src/rpc-services.ts";
import { makeAuthority, makeClient } from "./client-certificates.ts";
import type { Authority } from "./client-certificates.ts";
import { openRpcClient } from "./rpc-client.ts";
import type { Message, RpcClient } from "./rpc-client.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";
import type { ControlDirectory } from "./control-directory.ts";

const CLIENT = "rid:finchctl:8d134b24c2541730";
const NOW = { nowMs: START_MS };
const DAY_MS = 24 * 3_600_000;

const WEB_1 = {
  hostname: "web-1",
  labels: ["env=prod"],
  log_sources: ["journal://", "file:///var/log/*.log"],
  metrics: true,
  metrics_targets: ["http://localhost:9100/metrics"],
  profiles: true,
  node: "unix",
};

describe("the services over gRPC", () => {
  const clock = manualClock(START_MS);
  const trusted = new Set(["127.0.0.1"]);
  let directory: ControlDirectory;
  let control: Control;
  let listener: Listener;
  let authority: Authority;
  let certificate: string;
  let client: RpcClient;

  before(async () => {
    directory = await controlDirectory(clock);
    control = await directory.open();
    authority = await makeAuthority(NOW);
    certificate = await makeClient(authority, { ...NOW, name: `CN=${CLIENT}` });
    await mkdir(join(directory.path, "certs.d"));
    await writeFile(join(directory.path, "certs.d", `${CLIENT}.pem`), authority.pem);
    listener = await openListener({
      name: "ui",
      purpose: "a test",
      host: "127.0.0.1",
      port: 0,
      routes: [],
      grpc: createRpcMethods({
        control,
        callers: { kind: "proxies", isTrusted: (address) => trusted.has(address) },
        publicAddress: () => ({ host: "finch.test:8443", isSelfSigned: true }),
        build: { release: "1.2.3", commit: "abc" },
      }),
      limits: DEFAULT_HTTP_LIMITS,
      clock,
      log: silentLogger,
    });
    client = openRpcClient(`127.0.0.1:${listener.port}`);
  });

  after(async () => {
    client[Symbol.dispose]();
    await listener.close(0);
    control[Symbol.dispose]();
    await directory[Symbol.asyncDispose]();
  });

  /** Calls with the header of a client's certificate. */
  const call = (
    name: string,
    request: Message = {},
    headers: Readonly<Record<string, string>> = { "x-forwarded-tls-client-cert": certificate },
  ) => client.call(name, request, headers);

  const refused = (code: number, details: string) => ({ code, details });

  test("an agent is registered, read, listed, changed, configured and removed", async () => {
    const { rid } = await call("AgentService.RegisterAgent", WEB_1);
    assert.match(String(rid), /^rid:finch:[0-9a-f]{16}:agent:[0-9a-f-]{36}$/);
    const { hostname, node } = WEB_1;
    const read = await call("AgentService.GetAgent", { rid });
    assert.deepEqual(read, { ...WEB_1, resource_id: rid, created_at: "2026-11-01T00:00:00Z" });
    assert.deepEqual(await call("AgentService.ListAgents"), { agents: [{ rid, hostname }] });
    const changed = {
      labels: [],
      log_sources: ["docker://"],
      metrics: false,
      metrics_targets: [],
      profiles: false,
    };
    assert.deepEqual(await call("AgentService.UpdateAgent", { rid, ...changed }), {});
    assert.deepEqual(await call("AgentService.GetAgent", { rid }), {
      ...changed,
      hostname,
      node,
      resource_id: rid,
      created_at: "2026-11-01T00:00:00Z",
    });
    const { config } = await call("AgentService.GetAgentConfig", { rid });
    const text = String(config);
    assert.ok(text.includes('url = "https://finch.test:8443/loki/loki/api/v1/push"'), text);
    const token = /bearer_token = "([^"]+)"/.exec(text)?.[1] ?? "";
    assert.equal(await control.tokens.verifyAgentToken(token), rid);
    assert.deepEqual(await call("AgentService.DeregisterAgent", { rid }), {});
    assert.deepEqual(await call("AgentService.ListAgents"), { agents: [] });
    await assert.rejects(control.tokens.verifyAgentToken(token), { code: "control/bad-token" });
  });

  test("what was done stands in the audit trail, with the client and where it called from", async () => {
    const headers = {
      "x-forwarded-tls-client-cert": certificate,
      "x-forwarded-for": "203.0.113.9, 192.0.2.44",
    };
    const { rid } = await call("AgentService.RegisterAgent", WEB_1, headers);
    await call("AgentService.DeregisterAgent", { rid });
    const [removed, registered] = control.audit.list({ limit: 2 });
    assert.equal(registered!.action, "agent.register");
    assert.deepEqual(
      [registered!.actor, registered!.origin, registered!.target],
      [`certificate:${CLIENT}`, "192.0.2.44", rid],
    );
    assert.deepEqual([removed!.action, removed!.origin], ["agent.deregister", "127.0.0.1"]);
  });

  test("the service tells who it is", async () => {
    const { id, hostname, createdAt } = control.identity.current;
    assert.deepEqual(await call("InfoService.GetServiceInfo"), {
      id,
      hostname,
      created_at: createdAt,
      release: "1.2.3",
      commit: "abc",
    });
  });

  test("a token of the dashboard has the role, scope and time that were asked for", async () => {
    const asked = { session_timeout: 60, role: "operator", scope: ["rid:1"] };
    const reply = await call("DashboardService.GetDashboardToken", asked);
    assert.deepEqual(
      [reply["expires_at"], reply["dashboard_url"]],
      ["2026-11-01T00:01:00Z", "https://finch.test:8443/login"],
    );
    assert.deepEqual(await control.tokens.verifyDashboardToken(String(reply["token"])), {
      role: "operator",
      scope: ["rid:1"],
      expiresAtMs: START_MS + 60_000,
    });
    const plain = await call("DashboardService.GetDashboardToken");
    assert.equal(plain["expires_at"], "2026-11-01T00:30:00Z");
    const { role, scope } = await control.tokens.verifyDashboardToken(String(plain["token"]));
    assert.deepEqual([role, scope], ["viewer", []]);
  });

  const { INVALID_ARGUMENT, INTERNAL, NOT_FOUND } = status;
  const faults: readonly (readonly [
    rule: string,
    name: string,
    request: Message,
    fault: object,
  ])[] = [
    [
      "registering needs a host name",
      "AgentService.RegisterAgent",
      { ...WEB_1, hostname: "" },
      refused(INVALID_ARGUMENT, "hostname is required"),
    ],
    [
      "registering needs a log source",
      "AgentService.RegisterAgent",
      { ...WEB_1, log_sources: [] },
      refused(INVALID_ARGUMENT, "at least one log source is required"),
    ],
    [
      "registering needs a log source that is one",
      "AgentService.RegisterAgent",
      { ...WEB_1, log_sources: ["invalid://source"] },
      refused(INTERNAL, "no valid log source specified"),
    ],
    [
      "registering needs a node that is one",
      "AgentService.RegisterAgent",
      { ...WEB_1, node: "bsd" },
      refused(INTERNAL, "node must be either 'windows' or 'unix'"),
    ],
    [
      "changing needs a log source",
      "AgentService.UpdateAgent",
      { rid: "held" },
      refused(INTERNAL, "at least one log source must be specified"),
    ],
    ...["DeregisterAgent", "GetAgent", "GetAgentConfig", "UpdateAgent"].flatMap(
      (method) =>
        [
          [
            `${method} needs an id`,
            `AgentService.${method}`,
            {},
            refused(INVALID_ARGUMENT, "resource ID is required"),
          ],
          [
            `${method} needs an id that is one`,
            `AgentService.${method}`,
            { rid: "rid:none" },
            refused(NOT_FOUND, "agent not found"),
          ],
        ] as const,
    ),
    [
      "a session has a time",
      "DashboardService.GetDashboardToken",
      { session_timeout: 0 },
      refused(INVALID_ARGUMENT, "session_timeout must be positive"),
    ],
    [
      "a session does not end before it began",
      "DashboardService.GetDashboardToken",
      { session_timeout: -5 },
      refused(INVALID_ARGUMENT, "session_timeout must be positive"),
    ],
    [
      "a role is one of three",
      "DashboardService.GetDashboardToken",
      { role: "root" },
      refused(INVALID_ARGUMENT, "invalid role"),
    ],
  ];
  for (const [rule, name, request, fault] of faults)
    test(rule, async () => {
      const { rid } = await call("AgentService.RegisterAgent", { ...WEB_1, hostname: "held" });
      const asked = request["rid"] === "held" ? { ...request, rid } : request;
      await assert.rejects(call(name, asked), fault);
      await call("AgentService.DeregisterAgent", { rid });
    });

  test("a host name in use is ALREADY_EXISTS", async () => {
    const { rid } = await call("AgentService.RegisterAgent", WEB_1);
    await assert.rejects(
      call("AgentService.RegisterAgent", WEB_1),
      refused(status.ALREADY_EXISTS, "agent already exists"),
    );
    await call("AgentService.DeregisterAgent", { rid });
  });

  const METHODS = [
    ...[
      "RegisterAgent",
      "DeregisterAgent",
      "GetAgent",
      "ListAgents",
      "GetAgentConfig",
      "UpdateAgent",
    ].map((method) => `AgentService.${method}`),
    "InfoService.GetServiceInfo",
    "DashboardService.GetDashboardToken",
  ];
  const DENIED = refused(status.UNAUTHENTICATED, "permission denied");

  for (const method of METHODS)
    test(`${method} is refused without, with a foreign, an expired, a revoked certificate, and from where no proxy is`, async () => {
      const before = control.audit.list({ limit: 1 })[0]?.id;
      const request = { ...WEB_1, rid: "rid:none" };
      const with_ = (body: string) => ({ "x-forwarded-tls-client-cert": body });
      const deny = (headers: Readonly<Record<string, string>>, why: string) =>
        assert.rejects(call(method, request, headers), DENIED, why);
      await deny({}, "without");
      await deny(with_("AAAA"), "none");
      const foreign = await makeAuthority(NOW);
      await deny(with_(await makeClient(foreign, { ...NOW, name: `CN=${CLIENT}` })), "foreign");
      await deny(with_(await makeClient(foreign, { ...NOW, name: "CN=unknown" })), "unknown");
      const past = { nowMs: START_MS - 200 * DAY_MS, name: `CN=${CLIENT}` };
      await deny(with_(await makeClient(authority, past)), "expired");
      const path = join(directory.path, "certs.d", `${CLIENT}.pem`);
      await rm(path);
      await deny(with_(certificate), "revoked");
      await writeFile(path, authority.pem);
      trusted.clear();
      await deny(with_(certificate), "from a peer that is no proxy");
      trusted.add("127.0.0.1");
      await deny({ ...with_(certificate), "x-forwarded-for": "127.0.0.1", ...with_("") }, "empty");
      assert.equal(control.audit.list({ limit: 1 })[0]?.id, before, "and nothing was done");
    });

  test("a message that is none is INVALID_ARGUMENT, an unknown method UNIMPLEMENTED", async () => {
    const raw = (path: string, bytes: Buffer) =>
      client.callRaw(path, bytes, { "x-forwarded-tls-client-cert": certificate });
    await assert.rejects(raw("/finch.AgentService/GetAgent", Buffer.from([0x0a, 0xff])), {
      code: INVALID_ARGUMENT,
    });
    await assert.rejects(raw("/finch.AgentService/DropAgents", Buffer.alloc(0)), {
      code: status.UNIMPLEMENTED,
    });
  });
});
