/**
 * Two other machines, set up from here with finchctl over a real sshd: one becomes the service, the other gets an agent, whose metrics and logs arrive through the gateway. Then
 * everything that is done to them in their life, and what their agents make of it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openWorkplace } from "./finchctl-workplace.ts";
import { noOtherMachines } from "./other-machine.ts";
import type { OtherMachine } from "./other-machine.ts";

const ARRIVES_MS_MAX = 60_000;
/** A copy of Finch with its dependencies is packed, sent and unpacked twice. */
const WHOLE_MS_MAX = 600_000;

/** Asks an API on the machine itself until the answer is as it should be; returns it. */
async function until(
  machine: OtherMachine,
  url: string,
  isRight: (answer: string) => boolean,
): Promise<string> {
  const deadline = performance.now() + ARRIVES_MS_MAX;
  const script = `fetch(${JSON.stringify(url)}).then((r) => r.text()).then(console.log)`;
  let answer = "";
  while (performance.now() < deadline) {
    answer = machine.run(`/opt/finch/service/node_modules/.bin/node -e '${script}'`);
    if (isRight(answer)) return answer;
    await sleep(500);
  }
  throw new Error(`not within ${ARRIVES_MS_MAX} ms: ${url}: ${answer.slice(0, 500)}`);
}

const promql = (query: string) =>
  `http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(query)}`;
const logql = (query: string) =>
  `http://127.0.0.1:3100/loki/api/v1/query_range?since=1h&query=${encodeURIComponent(query)}`;
const hasResult = (answer: string) => !answer.includes('"result":[]');

void describe("a service on another machine", { skip: noOtherMachines() }, () => {
  const rule = "a service and its agent, from the first command to the last";
  void test(rule, { timeout: WHOLE_MS_MAX }, async () => {
    await using place = await openWorkplace();
    const { finchctl, attempt, directory } = place;
    const [service, web] = [await place.start("finch-1"), await place.start("web-1")];
    const name = service.address;
    const config = join(directory, "web-1.cfg");
    web.run("echo a first line >/var/log/app.log");

    // The three commands.
    await finchctl("service", "deploy", `root@${service.address}`);
    const registered = await finchctl(
      "agent",
      "register",
      name,
      "--agent.hostname",
      "web-1",
      "--agent.config",
      config,
      "--agent.logs.files",
      "/var/log/app.log",
      "--agent.metrics",
      "--output",
      "json",
    );
    const { rid } = JSON.parse(registered.stdout) as { rid: string };
    await finchctl("agent", "deploy", "--agent.config", config, `root@${web.address}`);
    const beside = await attempt("agent", "deploy", "--agent.config", config, service.address);
    assert.match(beside.stderr, /watches its own machine/);
    await until(service, promql('node_load1{host="web-1"}'), hasResult);
    await until(service, logql('{host="web-1"} |= "a first line"'), hasResult);

    // Edited: another file is followed once the agent has its configuration.
    await finchctl(
      "agent",
      "edit",
      name,
      "--agent.rid",
      rid,
      "--agent.logs.files",
      "/var/log/app.log,/var/log/more.log",
    );
    web.run("echo from another file >/var/log/more.log");
    await finchctl("agent", "config", name, "--agent.rid", rid, "--agent.config", config);
    const update = ["agent", "update", "--skip.binaries", "--agent.config", config, web.address];
    await finchctl(...update);
    await until(service, logql('{host="web-1"} |= "from another file"'), hasResult);

    // A new certificate for this user: the former is refused, the agent does not notice.
    const stacks = join(directory, "finch.json");
    const former = await readFile(stacks, "utf8");
    await finchctl("service", "rotate-certificate", service.address);
    const current = await readFile(stacks, "utf8");
    await finchctl("agent", "list", name);
    await writeFile(stacks, former);
    assert.match((await attempt("agent", "list", name)).stderr, /permission denied/);
    await writeFile(stacks, current);

    // A new secret: the agent is refused, until it has its configuration anew.
    await finchctl("service", "rotate-secret", service.address);
    web.run("echo while it is refused >>/var/log/app.log");
    await expectRefused(config, name);
    await finchctl("agent", "config", name, "--agent.rid", rid, "--agent.config", config);
    await finchctl(...update);
    web.run("echo let in again >>/var/log/app.log");
    await until(service, logql('{host="web-1"} |= "let in again"'), hasResult);

    // The end: the token is refused, and both are gone from their machines.
    await finchctl("agent", "deregister", name, "--agent.rid", rid);
    await expectRefused(config, name);
    await finchctl("agent", "teardown", web.address, "--yes");
    await finchctl("service", "teardown", service.address, "--yes");
    for (const machine of [service, web]) {
      assert.equal(machine.run("ls /var/lib /opt/finch/releases | grep -v : | tr -d '\\n'"), "");
      assert.throws(() => machine.run("pgrep -f '[p]ackages/finch'"));
    }
    assert.deepEqual(JSON.parse(await readFile(stacks, "utf8")), { stacks: [] });
  });
});

/** Pushes with the token of a configuration, through the gateway, and expects a 401. */
async function expectRefused(config: string, gateway: string): Promise<void> {
  const token = /bearer_token\s*=\s*"([^"]+)"/.exec(await readFile(config, "utf8"))?.[1] ?? "";
  assert.notEqual(token, "");
  const call = request(`https://${gateway}/loki/loki/api/v1/push`, {
    method: "POST",
    rejectUnauthorized: false,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });
  call.end('{"streams":[]}');
  const [reply] = (await once(call, "response")) as [{ statusCode: number; resume(): void }];
  reply.resume();
  assert.equal(reply.statusCode, 401);
}
