/** The command line of finchctl against a service over TLS with client certificates. */
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { makeClientCredentials } from "../src/finchctl/client-certificate.ts";
import type { ClientCredentials } from "../src/finchctl/client-certificate.ts";
import { StackFile } from "../src/finchctl/stack-file.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { startFinch, temporaryDirectory } from "./finch-child.ts";
import type { Finished } from "./finch-child.ts";
import { makeServerCertificate } from "./server-certificate.ts";

const FINCHCTL = join(import.meta.dirname, "../bin/finchctl");

function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return startFinch(args, { command: [FINCHCTL], env }).finished;
}

interface Workplace extends AsyncDisposable {
  readonly service: ControlPlane;
  readonly stacks: StackFile;
  readonly directory: string;
  readonly finchctl: (...args: readonly (string | readonly string[])[]) => Promise<Finished>;
}

let credentials: ClientCredentials;
let server: { readonly key: string; readonly certificate: string };

before(async () => {
  credentials = await makeClientCredentials({
    clientId: "rid:finchctl:test",
    service: "localhost",
    nowMs: Date.now(),
  });
  server = await makeServerCertificate("localhost");
});

/** A service, and a user that is registered with it. */
async function openWorkplace(): Promise<Workplace> {
  const stack = new AsyncDisposableStack();
  const { path: directory } = stack.use(await temporaryDirectory());
  const service = stack.use(
    await startControlPlane({ authority: credentials.authorityCertificate, ...server }),
  );
  const stacks = new StackFile(join(directory, "finch.json"));
  await stacks.put({
    name: service.name,
    certificate: credentials.certificate,
    key: credentials.key,
    gatewayCertificate: server.certificate,
  });
  return {
    service,
    stacks,
    directory,
    finchctl: (...args) => run(args.flat(), { FINCH_CONFIG: directory }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

void describe("wrong calls and help", () => {
  const rows: readonly (readonly [
    rule: string,
    args: readonly string[],
    code: number,
    output: RegExp,
  ])[] = [
    ["help teaches", ["--help"], 0, /Examples:\n {2}finchctl service/],
    ["no command shows help", [], 0, /Usage: finchctl/],
    ["version", ["--version"], 0, /^finchctl \d+\.\d+\.\d+\n$/],
    ["an unknown command", ["agent", "lits"], 2, /unknown command 'lits'[^]*Did you mean list\?/],
    [
      "a service that is not known",
      ["agent", "list", "nowhere"],
      1,
      /service register \[user@\]host/,
    ],
    ["a service with a user", ["agent", "list", "root@nowhere"], 2, /is no name of a service/],
    ["a host that would be an option", ["agent", "list", "-oProxyCommand=x"], 2, /unknown option/],
    [
      "an output nobody has",
      ["agent", "list", "x", "--output", "xml"],
      2,
      /one of table, json, yaml/,
    ],
    [
      "two outputs",
      ["agent", "list", "x", "--output.json", "--output.yaml"],
      2,
      /only one of json and yaml/,
    ],
    ["no logs", ["agent", "register", "x", "--agent.hostname", "h"], 2, /--agent\.logs\.journal/],
    ["no host name", ["agent", "register", "x", "--agent.logs.journal"], 2, /--agent\.hostname/],
    ["no rid", ["agent", "describe", "x"], 2, /--agent\.rid; "finchctl agent list"/],
    ["a switch of neither", ["agent", "list", "x", "--output.json=maybe"], 2, /is true or false/],
    [
      "a role nobody has",
      ["service", "dashboard", "x", "--permission.role", "king"],
      2,
      /viewer, operator, admin/,
    ],
    [
      "an agent file that is not there",
      ["agent", "register", "x", "--agent.file", "/nowhere.yml"],
      1,
      /--agent\.file \/nowhere\.yml: ENOENT/,
    ],
    ["completion for bash", ["completion", "bash"], 0, /complete -o default -F _finchctl finchctl/],
    ["completion for fish", ["completion", "fish"], 0, /complete -c finchctl -n/],
    ["hidden flags are not offered", ["completion", "bash"], 0, /^(?![^]*--no-agent)/],
  ];
  for (const [rule, args, code, output] of rows) {
    void test(rule, async () => {
      const end = await run(args, { FINCH_CONFIG: "/nowhere/finch.json" });
      assert.match(end.stdout + end.stderr, output);
      assert.equal(end.code, code, end.stderr);
    });
  }
});

void describe("agents", () => {
  void test("are registered, listed, described, edited, configured and deregistered", async () => {
    await using place = await openWorkplace();
    const { finchctl, service, directory } = place;
    const config = join(directory, "web-1.cfg");
    const registered = await finchctl(
      ["agent", "register", service.name, "--agent.hostname", "web-1", "--agent.config", config],
      ["--agent.logs.journal", "--agent.logs.files", "/a.log,/b.log", "--agent.metrics=true"],
      ["--agent.labels", "env=prod", "--agent.labels", 'x="a,b"', "--output", "json"],
    );
    assert.equal(registered.code, 0, registered.stderr);
    const { rid } = JSON.parse(registered.stdout) as { rid: string };
    assert.equal(await readFile(config, "utf8"), `// ${rid}\n`);
    assert.equal((await stat(config)).mode & 0o777, 0o600);
    assert.deepEqual(service.agents.get(rid)?.["logSources"], [
      "journal://",
      "file:///a.log",
      "file:///b.log",
    ]);

    const list = await finchctl("agent", "list", service.name, "--output.json");
    assert.deepEqual(JSON.parse(list.stdout), [{ hostname: "web-1", rid }]);
    assert.match((await finchctl("agent", "list", service.name)).stdout, /HOSTNAME[^]*web-1/);

    const edited = await finchctl(
      ["agent", "edit", service.name, "--agent.rid", rid, "--agent.logs.journal=false"],
      ["--agent.logs.docker", "--agent.labels", "env=test", "--output", "yaml"],
    );
    assert.match(edited.stdout, /labels:\n {2}- env=test\nlogs:\n {2}journal:\n {4}enable: false/);
    assert.match(edited.stdout, /metrics:\n {2}enable: true/);
    assert.deepEqual(service.agents.get(rid)?.["logSources"], [
      "docker://",
      "file:///a.log",
      "file:///b.log",
    ]);

    const described = await finchctl("agent", "describe", service.name, "--agent.rid", rid);
    assert.match(described.stdout, /Files +\/a\.log\n +\/b\.log/);
    const shown = await finchctl([
      "agent",
      "config",
      service.name,
      "--agent.rid",
      rid,
      "--agent.config",
      "-",
    ]);
    assert.equal(shown.stdout, `// ${rid}\n`);

    assert.equal((await finchctl("agent", "deregister", service.name, "--agent.rid", rid)).code, 0);
    const gone = await finchctl("agent", "describe", service.name, "--agent.rid", rid);
    assert.match(gone.stderr, /agent not found; "finchctl agent list/);
    assert.equal(gone.code, 1);
  });

  void test("are read from a file, flags win, and a name in use is told", async () => {
    await using place = await openWorkplace();
    const { finchctl, service, directory } = place;
    const file = join(directory, "agent.yml");
    await writeFile(
      file,
      "---\nhostname: db-1\nlogs:\n  journal:\n    enable: true\nmetrics:\n  targets:\n    - http://127.0.0.1:9187/metrics\nlabels: [tier=db]\n",
    );
    const config = join(directory, "agent.cfg");
    const args = [
      "agent",
      "register",
      service.name,
      "--agent.file",
      file,
      "--agent.config",
      config,
    ];
    assert.equal((await finchctl(...args, "--agent.labels", "tier=sql")).code, 0);
    const [agent] = service.agents.values();
    assert.deepEqual(
      [agent?.["labels"], agent?.["metrics"], agent?.["logSources"]],
      [["tier=sql"], true, ["journal://"]],
    );
    const again = await finchctl(...args);
    assert.match(again.stderr, /agent already exists; "finchctl agent list/);
    await writeFile(file, "hostname: db-2\nlog:\n  journal: true\n");
    assert.match((await finchctl(...args)).stderr, /log\.journal is nothing it may say/);
  });
});

void describe("the service", () => {
  void test("tells of itself, and gives tokens for its dashboard", async () => {
    await using place = await openWorkplace();
    const { finchctl, service } = place;
    const info = await finchctl("service", "info", service.name, "--output.json");
    assert.equal((JSON.parse(info.stdout) as { release: string }).release, "1.2.3");
    const token = await finchctl(
      ["service", "dashboard", service.name, "--permission.role", "admin"],
      ["--permission.session-timeout", "60"],
    );
    assert.deepEqual([token.stdout, token.code], ["admin-60\n", 0]);
    assert.match(token.stderr, /https:\/\/localhost\/login/);
  });

  void test("is held to its certificate, unless any is taken", async () => {
    await using place = await openWorkplace();
    const { finchctl, service, stacks } = place;
    const stack = await stacks.get(service.name);
    const { gatewayCertificate: _, ...unpinned } = stack;
    await stacks.put(unpinned);
    const refused = await finchctl("service", "info", service.name);
    assert.match(
      refused.stderr,
      /its certificate is not one that is known here[^]*--tls\.skip-verify/,
    );
    assert.equal((await finchctl("service", "info", service.name, "--tls.skip-verify")).code, 0);
    const other = await makeServerCertificate("localhost");
    await stacks.put({ ...stack, gatewayCertificate: other.certificate });
    assert.equal((await finchctl("service", "info", service.name)).code, 1);
  });

  void test("refuses a certificate of others, and says what to do", async () => {
    await using place = await openWorkplace();
    const { finchctl, service, stacks } = place;
    const foreign = await makeClientCredentials({
      clientId: "rid:finchctl:test",
      service: "localhost",
      nowMs: Date.now(),
    });
    const stack = await stacks.get(service.name);
    await stacks.put({ ...stack, certificate: foreign.certificate, key: foreign.key });
    const refused = await finchctl("service", "info", service.name);
    assert.match(refused.stderr, /permission denied[^]*rotate-certificate/);
  });

  void test("that does not run is told", async () => {
    const place = await openWorkplace();
    await place.service[Symbol.asyncDispose]();
    const end = await place.finchctl("service", "info", place.service.name);
    assert.match(end.stderr, /no answer from localhost:\d+: is it running/);
    assert.equal(end.code, 1);
  });
});
