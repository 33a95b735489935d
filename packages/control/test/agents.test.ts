import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AGENT_LIST_MAX } from "../src/limits.ts";
import type { AgentChange } from "../src/agents.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const ADA = { name: "user:ada", origin: "192.0.2.7" };
const WEB_1 = {
  hostname: "web-1",
  node: "unix",
  labels: ["env=prod", "edge"],
  logSources: ["journal:", "DOCKER://", "file:///var/log/*.log", "event://System"],
  metrics: true,
  metricsTargets: ["http://localhost:9100/metrics"],
  profiles: false,
};

describe("agents", () => {
  test("are registered, found, listed, changed and removed, with an audit trail and listeners told", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const { agents, audit, identity } = control;
    const changes: AgentChange["kind"][] = [];
    const stop = agents.onChange(({ kind }) => changes.push(kind));
    const web = agents.register(ADA, WEB_1);
    assert.match(
      web.resourceId,
      new RegExp(
        `^rid:finch:${identity.current.id}:agent:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
      ),
    );
    assert.deepEqual(agents.get(web.resourceId), {
      ...WEB_1,
      resourceId: web.resourceId,
      logSources: ["journal://", "docker://", "file:///var/log/*.log", "event://System"],
      registeredAtMs: START_MS,
      updatedAtMs: START_MS,
    });
    clock.advance(1000);
    const db = agents.register(ADA, { ...WEB_1, hostname: "db-1", node: "" });
    assert.equal(db.node, "unix", "an agent of no kind is of unix");
    assert.deepEqual(
      agents.list().map(({ hostname }) => hostname),
      ["web-1", "db-1"],
    );
    const settings = {
      labels: [],
      logSources: ["journal://"],
      metrics: false,
      metricsTargets: [],
      profiles: true,
    };
    agents.update(ADA, web.resourceId, settings);
    const expected = { ...agents.get(web.resourceId), ...settings };
    assert.deepEqual(agents.get(web.resourceId), expected);
    assert.deepEqual([expected.hostname, expected.updatedAtMs], ["web-1", START_MS + 1000]);
    agents.deregister(ADA, db.resourceId);
    assert.equal(agents.find(db.resourceId), undefined);
    const trail = audit
      .list({ limit: 10 })
      .map(({ action, target, actor }) => [action, target, actor]);
    assert.deepEqual(trail.toReversed(), [
      ["agent.register", web.resourceId, "user:ada"],
      ["agent.register", db.resourceId, "user:ada"],
      ["agent.update", web.resourceId, "user:ada"],
      ["agent.deregister", db.resourceId, "user:ada"],
    ]);
    stop();
    agents.register(ADA, { ...WEB_1, hostname: "db-1" });
    assert.deepEqual(changes, ["registered", "registered", "updated", "deregistered"]);
  });

  test("a host name is one agent's, until that is gone", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const { agents } = control;
    const first = agents.register(ADA, WEB_1);
    const before = control.audit.list({ limit: 10 }).length;
    assert.throws(() => agents.register(ADA, WEB_1), {
      kind: "conflict",
      code: "control/agent-exists",
      message: "agent already exists",
    });
    assert.equal(control.audit.list({ limit: 10 }).length, before);
    agents.deregister(ADA, first.resourceId);
    assert.notEqual(agents.register(ADA, WEB_1).resourceId, first.resourceId);
  });

  test("one that is not there cannot be read, changed or removed", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const { agents } = control;
    const fault = { kind: "not-found", code: "control/no-agent", message: "agent not found" };
    assert.throws(() => agents.get("rid:none"), fault);
    assert.throws(() => agents.update(ADA, "rid:none", WEB_1), fault);
    assert.throws(() => agents.deregister(ADA, "rid:none"), fault);
  });

  const refused: readonly (readonly [
    name: string,
    change: object,
    kind: string,
    message: RegExp,
  ])[] = [
    ["without a host name", { hostname: "" }, "invalid", /^hostname is required$/],
    ["without log sources", { logSources: [] }, "invalid", /^at least one log source is required$/],
    [
      "with log sources of other kinds alone",
      { logSources: ["syslog://x", "file://", "file://etc", "event://"] },
      "unprocessable",
      /^no valid log source specified$/,
    ],
    [
      "of another node",
      { node: "bsd" },
      "unprocessable",
      /^node must be either 'windows' or 'unix'$/,
    ],
    ["with a host name of two lines", { hostname: "a\nb" }, "invalid", /control characters/],
    [
      "with a host name longer than DNS has",
      { hostname: "a".repeat(254) },
      "invalid",
      /longer than 253/,
    ],
    [
      "with a label that is no name",
      { labels: ['a"b=c'] },
      "invalid",
      /letters, digits and underscores/,
    ],
    ["with a label without a name", { labels: ["=c"] }, "invalid", /letters, digits/],
    ["with a label of two lines", { labels: ["a=b\nc"] }, "invalid", /control characters/],
    [
      "with a label that would hide its host",
      { labels: ["host=other"] },
      "invalid",
      /host is taken/,
    ],
    ["with a label that would hide its id", { labels: ["rid"] }, "invalid", /rid is taken/],
    ["with a label twice", { labels: ["a=1", "a=2"] }, "invalid", /a is there twice/],
    [
      "with a password in a target",
      { metricsTargets: ["http://u:hunter2@h/m"] },
      "invalid",
      /^(?!.*hunter2).*password/,
    ],
    [
      "with too many labels",
      { labels: Array.from({ length: AGENT_LIST_MAX + 1 }, (_, n) => `l${n}`) },
      "invalid",
      /the most are/,
    ],
    ["with a label too long", { labels: [`a=${"b".repeat(3000)}`] }, "invalid", /longer than 2048/],
  ];
  for (const [name, change, kind, message] of refused)
    test(`one ${name} is refused`, async () => {
      await using directory = await controlDirectory();
      using control = await directory.open();
      assert.throws(() => control.agents.register(ADA, { ...WEB_1, ...change }), {
        kind,
        code: "control/bad-agent",
        message,
      });
      assert.deepEqual(control.agents.list(), []);
    });

  test("what cannot be used is left out, as long as a log source stays", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const agent = control.agents.register(ADA, {
      ...WEB_1,
      logSources: [
        "syslog://x",
        "file:///a b/100%.log",
        "event://Microsoft-Windows-Sysmon/Operational",
        "event://Windows%20PowerShell",
      ],
      metricsTargets: ["localhost:9100", "ftp://h/x", "http://", "https://h:9/p?a=1"],
    });
    assert.deepEqual(agent.logSources, [
      "file:///a b/100%.log",
      "event://Microsoft-Windows-Sysmon/Operational",
      "event://Windows%20PowerShell",
    ]);
    assert.deepEqual(agent.metricsTargets, ["https://h:9/p?a=1"]);
  });
});
