/** An agent on another machine, set up from here with finchctl over a real sshd. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openWorkplace } from "./finchctl-workplace.ts";
import { noOtherMachines } from "./other-machine.ts";

const STARTED_AGAIN_MS_MAX = 60_000;

void describe("agents on other machines", { skip: noOtherMachines() }, () => {
  void test("an agent: looked at, installed, left alone, refused a bad configuration, removed", async () => {
    await using place = await openWorkplace();
    const { finchctl, attempt, directory } = place;
    const machine = await place.start("web-1");
    const { address } = machine;
    const config = join(directory, "agent.cfg");
    const good = 'prometheus.exporter.unix "node" {}\n';
    await writeFile(config, good);
    const deploy = ["agent", "deploy", "--agent.config", config, `root@${address}`];

    const before = await attempt("agent", "doctor", address, "--check.ports", "--output", "json");
    assert.equal(before.code, 1);
    const missing = (JSON.parse(before.stdout) as { ok: boolean; requirement: string }[])
      .filter(({ ok }) => !ok)
      .map(({ requirement }) => requirement);
    assert.deepEqual(missing, ["agent"]);

    const dry = await finchctl(...deploy, "--run.dry-run");
    assert.match(dry.stdout, /Copy Finch [0-9a-f]{16} \(\d+ MB\) \(would\)/);
    assert.throws(() => machine.run("ls /opt/finch"), "a dry run changes nothing");

    assert.match((await finchctl(...deploy)).stdout, /✓ Start finch-agent/);
    assert.equal(machine.run("stat -c %a /etc/finch-agent/config.alloy"), "600\n");
    const pid = machine.run("pgrep -f '[m]ain.ts agent'");
    const again = await finchctl(...deploy, "--run.format", "json");
    const outcomes = again.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { outcome: string }).outcome);
    assert.ok(outcomes.filter((outcome) => outcome === "unchanged").length >= 5, again.stdout);
    assert.equal(machine.run("pgrep -f '[m]ain.ts agent'"), pid, "it runs on");
    await finchctl("agent", "doctor", address);

    await writeFile(config, 'prometheus.exporter.unix "node" { nonsense = 1 }\n');
    const refused = await attempt(
      "agent",
      "update",
      "--skip.binaries",
      "--agent.config",
      config,
      address,
    );
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /unrecognized attribute name "nonsense"/);
    assert.equal(machine.run("cat /etc/finch-agent/config.alloy"), good);
    assert.equal(machine.run("pgrep -f '[m]ain.ts agent'"), pid, "it runs on");

    // What ends is started again.
    machine.run("kill -9 $(pgrep -f '[m]ain.ts agent' | head -n 1)");
    const deadline = performance.now() + STARTED_AGAIN_MS_MAX;
    while ((await attempt("agent", "doctor", address)).code !== 0)
      assert.ok(performance.now() < deadline, "it is not started again");

    const unasked = await attempt("agent", "teardown", address);
    assert.match(unasked.stderr, /Nobody is there to answer: say --yes/);
    await finchctl("agent", "teardown", address, "--yes");
    assert.equal(machine.run("ls /var/lib /opt/finch/releases | grep -c finch- || true"), "0\n");
    assert.throws(() => machine.run("pgrep -f '[m]ain.ts agent'"));
  });

  void test("the configuration alone, for an Alloy that is there", async () => {
    await using place = await openWorkplace();
    const { finchctl, attempt, directory } = place;
    const machine = await place.start("web-2");
    const config = join(directory, "agent.cfg");
    await writeFile(config, "// the new one\n");
    const args = ["agent", "deploy", "--alloy.existing", "--agent.config", config, machine.address];
    assert.match((await attempt(...args)).stderr, /has no Alloy that can be found/);
    // A program that notes each SIGHUP stands in for Alloy.
    machine.run(
      "mkdir -p /etc/alloy; echo '// the old one' >/etc/alloy/config.alloy; chmod 640 /etc/alloy/config.alloy",
    );
    machine.run(
      `cp /bin/sh /opt/alloy; setsid /opt/alloy -c 'trap "echo read >>/opt/reloads" HUP; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &`,
    );
    await finchctl(...args);
    assert.equal(machine.run("cat /etc/alloy/config.alloy"), "// the new one\n");
    assert.equal(machine.run("cat /etc/alloy/config.alloy~"), "// the old one\n");
    assert.equal(machine.run("stat -c %a /etc/alloy/config.alloy"), "640\n");
    assert.equal(machine.run("sleep 1; cat /opt/reloads"), "read\n");
  });
});
