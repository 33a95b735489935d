/** The configurations that the control plane gives agents: all of them valid, the same in meaning as the original's, and nothing a person enters gets out of its quotes. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { validateFiles } from "@finch/agent";
import { parseFile, Source } from "@finch/alloy-syntax";
import type { Expression, Statement } from "@finch/alloy-syntax";
import { generateAgentConfig } from "@finch/control";
import type { Agent } from "@finch/control";
import { CONFIGS, render } from "../../../e2e/original-finch.ts";

const ORIGINAL = join(CONFIGS, "tschaefer+finch/agent_config.alloy");
const TOKEN = { token: "header.claims.signature", expiresAtMs: 1_900_000_000_000 };
const PLAIN: Agent = {
  resourceId: "rid:finch:8d134b24c2541730:agent:1",
  hostname: "web-1",
  node: "unix",
  labels: [],
  logSources: ["journal://"],
  metrics: false,
  metricsTargets: [],
  profiles: false,
  registeredAtMs: 0,
  updatedAtMs: 0,
};

const FULL: Agent = {
  ...PLAIN,
  labels: ["env=prod", "edge", "note=a=b"],
  logSources: ["journal://", "docker://", "file:///var/log/*.log", "file:///srv/app/log.txt"],
  metrics: true,
  metricsTargets: ["http://localhost:9100/metrics", "http://127.0.0.1:8080", "http://h:80/"],
  profiles: true,
};

const AGENTS: Readonly<Record<string, Agent>> = {
  "the journal alone": PLAIN,
  "docker alone": { ...PLAIN, logSources: ["docker://"] },
  "files alone": { ...PLAIN, logSources: ["file:///var/log/*.log"] },
  "everything on unix": FULL,
  "everything on Windows": {
    ...FULL,
    node: "windows",
    logSources: ["event://System", "event://Application", "file:///var/log/x"],
  },
  "metrics without targets": { ...PLAIN, metrics: true },
  "targets without metrics": { ...PLAIN, metricsTargets: ["http://localhost:9100/metrics"] },
  "profiles alone": { ...PLAIN, profiles: true },
};

function generate(agent: Agent, isSelfSigned = true): string {
  return generateAgentConfig(agent, { host: "finch.example.com", token: TOKEN, isSelfSigned });
}

async function faultsOf(text: string): Promise<readonly string[]> {
  const files = [{ name: "config.alloy", text }];
  const diagnostics = await validateFiles(files, { stability: "generally-available" });
  return diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message);
}

/** What the original's server makes of an agent. */
function renderOriginal(agent: Agent, isSelfSigned: boolean): string {
  const pathsOf = (scheme: string) =>
    agent.logSources.flatMap((url) => (url.startsWith(scheme) ? url.slice(scheme.length) : []));
  return render(ORIGINAL, {
    ServiceName: "finch.example.com",
    Token: TOKEN.token,
    TokenExpiry: "never compared",
    InsecureSkipVerify: isSelfSigned,
    Hostname: agent.hostname,
    ResourceId: agent.resourceId,
    Labels: agent.labels.map((label) => {
      const [name, ...value] = label.split("=");
      return `"${name}" = "${value.length === 0 ? "true" : value.join("=")}"`;
    }),
    LogSources: {
      Journal: agent.logSources.includes("journal://"),
      Docker: agent.logSources.includes("docker://"),
      Files: pathsOf("file://").map((path) => `{__path__ = "${path}"}`),
      Events: pathsOf("event://"),
    },
    Metrics: agent.metrics,
    MetricsTargets: agent.metricsTargets.map((target) => {
      const [, Address = "", MetricsPath = ""] = /^http:\/\/([^/]+)(.*)$/.exec(target)!;
      return { Address, MetricsPath };
    }),
    Node: agent.node,
    Profiles: agent.profiles,
  });
}

/** A configuration without its layout: places, comments, and the order where it has no meaning. */
function meaningOf(text: string): unknown {
  const { file, diagnostics } = parseFile(new Source("config.alloy", text));
  assert.deepEqual(diagnostics, [], text);
  return statements(file.body, { isTop: true });
}

function statements(body: readonly Statement[], { isTop = false } = {}): unknown {
  const attributes: Record<string, unknown> = {};
  const blocks: { name: string; body: unknown }[] = [];
  for (const one of body) {
    if (one.kind === "attribute") attributes[one.name] = expression(one.value);
    else blocks.push({ name: `${one.name} ${one.label}`, body: statements(one.body) });
  }
  if (isTop) blocks.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { attributes, blocks };
}

function expression(node: Expression): unknown {
  switch (node.kind) {
    case "literal":
      return { is: typeof node.value === "bigint" ? Number(node.value) : node.value };
    case "array":
      return node.elements.map(expression);
    case "object":
      return Object.fromEntries(node.fields.map(({ name, value }) => [name, expression(value)]));
    case "identifier":
      return node.name;
    case "access":
      return `${String(expression(node.value))}.${node.name}`;
    default:
      throw new Error(`a configuration has no ${node.kind}`);
  }
}

describe("the configuration of an agent", () => {
  for (const [name, agent] of Object.entries(AGENTS))
    test(`${name}: is valid`, async () => {
      assert.deepEqual(await faultsOf(generate(agent)), []);
    });

  const skip = existsSync(ORIGINAL) ? false : "no original here: set FINCH_SHARED";
  for (const [name, agent] of Object.entries(AGENTS))
    test(`${name}: means what the original's does`, { skip }, () => {
      for (const isSelfSigned of [true, false])
        assert.deepEqual(
          meaningOf(generate(agent, isSelfSigned)),
          meaningOf(renderOriginal(agent, isSelfSigned)),
        );
    });

  test("what the original's has no place for has one: schemes, queries, channels in folders, paths of Windows", async () => {
    const text = generate({
      ...FULL,
      node: "windows",
      logSources: [
        "event://Microsoft-Windows-Sysmon/Operational",
        "event://Windows%20PowerShell",
        "file:///C:/logs/*.log",
        String.raw`file://D:\logs\?.log`,
        "file:///a b/100%.log",
      ],
      metricsTargets: ["https://h:9443/probe%20it?module=http_2xx&target=a&target=b"],
    });
    assert.deepEqual(await faultsOf(text), []);
    for (const line of [
      'eventlog_name = "Microsoft-Windows-Sysmon/Operational"',
      'eventlog_name = "Windows PowerShell"',
      '{ __path__ = "C:/logs/*.log" },',
      String.raw`{ __path__ = "D:\\logs\\?.log" },`,
      '{ __path__ = "/a b/100%.log" },',
      'targets = [{ __address__ = "h:9443" }]',
      'metrics_path = "/probe it"',
      'scheme = "https"',
      '"module" = ["http_2xx"],',
      '"target" = ["a", "b"],',
    ])
      assert.ok(text.includes(`\t${line}\n`), `${line}\n${text}`);
  });

  test("has no token but in its own place, and no certificate goes unverified when it is known", () => {
    const text = generate(FULL, false);
    assert.equal(text.split(TOKEN.token).length, 4, "one for each way out");
    assert.ok(!text.includes("insecure_skip_verify"));
    assert.ok(text.includes("// The token is valid until 2030-03-17T17:46:40Z."));
  });
});

const INJECTIONS = [
  '"',
  '"}\nlocal.file "x" { filename = "/etc/shadow" }\n//',
  "\\",
  String.raw`\" } evil {`,
  "`",
  "a\nb",
  "a\r\nb",
  "//",
  "/* */",
  '${env("HOME")}',
  "{{ .Token }}",
  "\u0000",
  "\u007F\u0085",
  "\u2028\u2029",
  "\uFEFF",
  "\uD800",
  "日本語 🦜",
  "'",
  "%22%0A",
] as const;

describe("what a person enters", () => {
  for (const text of INJECTIONS)
    test(`${JSON.stringify(text)} stays within its quotes`, async () => {
      // As if no rule had refused any of it before.
      const agent: Agent = {
        ...FULL,
        hostname: text,
        resourceId: text,
        labels: [`note=${text}`],
        logSources: [
          `file:///${encodeURIComponent(text.toWellFormed())}`,
          `event://${encodeURIComponent(text.toWellFormed())}x`,
        ],
        metricsTargets: [`http://h:1/${encodeURIComponent(text.toWellFormed())}`],
      };
      const host = `h${text}`;
      const generated = generateAgentConfig(agent, {
        host,
        token: { ...TOKEN, token: text },
        isSelfSigned: true,
      });
      const named = (config: string) =>
        (meaningOf(config) as { blocks: { name: string }[] }).blocks.map(({ name }) => name);
      const plain = {
        ...FULL,
        labels: ["note=x"],
        logSources: ["file:///x", "event://x"],
        metricsTargets: ["http://h:1/x"],
      };
      const isControl = /\p{Cc}/u.test(text);
      const expected = named(generate(plain));
      assert.deepEqual(
        named(generated),
        // A source with control characters is none.
        isControl ? expected.filter((name) => !/file|windowsevent/.test(name)) : expected,
      );
      const wellFormed = text.toWellFormed();
      const found = JSON.stringify(meaningOf(generated));
      assert.ok(
        found.includes(
          JSON.stringify({
            host: { is: wellFormed },
            rid: { is: wellFormed },
            note: { is: wellFormed },
          }),
        ),
      );
      assert.ok(found.includes(JSON.stringify({ is: wellFormed })));
    });
});
