/** The command line: help, wrong calls, exit codes, the small commands. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CONVERSION_FORMATS } from "@finch/agent/convert";
import { CONVERTED_FORMATS } from "../src/agent-convert-options.ts";
import { FREE_PORTS, runFinch, startFinch, temporaryDirectory } from "./finch-child.ts";

type Row = readonly [rule: string, args: readonly string[], code: number, output: RegExp];

const ROWS: readonly Row[] = [
  ["help teaches", ["--help"], 0, /Examples:\n {2}finch up/],
  ["no command shows help", [], 0, /Usage: finch/],
  [
    "help of up names flag and key under a heading, and tells the variables",
    ["up", "--help"],
    0,
    /Listeners:\n[^]*--listen-loki <HOST:PORT>[^\n]*listen\.loki\)[^]*listen\.ui is\nFINCH_LISTEN_UI;/,
  ],
  ["version", ["--version"], 0, /^finch \d+\.\d+\.\d+\n$/],
  ["an unknown command", ["upp"], 2, /unknown command 'upp'[^]*Did you mean up\?/],
  ["an unknown flag", ["up", "--nonsense"], 2, /unknown option '--nonsense'/],
  [
    "a bad address",
    ["up", "--listen-ui", "here"],
    2,
    /--listen-ui: listen\.ui: "here" is no address/,
  ],
  [
    "a configuration that is not there",
    ["up", "--config", "/nowhere/finch.yaml"],
    2,
    /cannot read --config \/nowhere\/finch\.yaml/,
  ],
  [
    "a secret of no service",
    ["rotate-secret", "--data-dir", "/nowhere"],
    2,
    /there is no \/nowhere\/finch\.json: name the data directory/,
  ],
  [
    "an overlap that is no duration",
    ["rotate-secret", "--overlap", "long"],
    2,
    /--overlap "long" is no duration/,
  ],
  [
    "a stage that is none",
    ["fleet", "roll-out", "web", "--selector", "{}", "--stage", "half"],
    2,
    /--stage half: write a number of collectors or a share/,
  ],
  [
    "a roll-out to nobody in particular",
    ["fleet", "roll-out", "web"],
    2,
    /required option '--selector <SELECTOR>' not specified/,
  ],
  [
    "a fleet of nobody who answers",
    ["fleet", "collectors", "--url", "http://127.0.0.1:1"],
    1,
    /no answer from http:\/\/127\.0\.0\.1:1/,
  ],
  ["completion for bash", ["completion", "bash"], 0, /complete -o default -F _finch finch/],
  [
    "completion offers what help lists, and values",
    ["completion", "bash"],
    0,
    /"up agent query tail fleet rotate-secret check completion --version --help"[^]*"completion"\) offered="bash zsh fish --help"/,
  ],
  [
    "a data directory that cannot be made",
    ["up", "--data-dir", "/proc/finch", ...FREE_PORTS],
    1,
    /cannot make the data directory \/proc\/finch; choose another with --data-dir/,
  ],
  [
    "completion for fish",
    ["completion", "fish"],
    0,
    /complete -c finch -n '__fish_use_subcommand' -f -a up/,
  ],
  ["completion for zsh", ["completion", "zsh"], 0, /^#compdef finch/],
  [
    "completion for others",
    ["completion", "csh"],
    2,
    /no completion for "csh"; known are bash, zsh, fish/,
  ],
  [
    "nobody answers",
    ["query", "metrics", "up", "--url", "http://127.0.0.1:1"],
    1,
    /no answer from http:\/\/127\.0\.0\.1:1; start Finch with "finch up"/,
  ],
  [
    "a bad duration",
    ["query", "logs", "{}", "--since", "soon"],
    2,
    /--since soon: write a duration/,
  ],
  [
    "a flag of alloy run that is not there yet",
    ["agent", "run", "x.alloy", "--cluster.enabled"],
    2,
    /not supported yet: --cluster\.enabled/,
  ],
  [
    "a flag nobody has",
    ["agent", "run", "x.alloy", "--storage.pth=x"],
    2,
    /--storage\.pth is no flag of finch agent run/,
  ],
  [
    "a configuration for the agent that is not there",
    ["agent", "validate", "/nowhere.alloy"],
    1,
    /cannot read the configuration \/nowhere\.alloy/,
  ],
  [
    "help of convert teaches",
    ["agent", "convert", "--help"],
    0,
    /--from <FORMAT>[^]*--bypass-errors[^]*Exit status 0 when[^]*finch agent convert --from promtail promtail\.yaml/,
  ],
  [
    "conversion without a format",
    ["agent", "convert", "x.yaml"],
    2,
    /--from says what the file is: promtail, prometheus, static/,
  ],
  [
    "conversion from what is not known",
    ["agent", "convert", "x.yaml", "--from", "otelcol"],
    2,
    /--from otelcol: one of promtail/,
  ],
  [
    "conversion of a file that is not there",
    ["agent", "convert", "-f", "promtail", "/nowhere.yaml"],
    2,
    /cannot read \/nowhere\.yaml/,
  ],
  [
    "help of agent test teaches",
    ["agent", "test", "--help"],
    0,
    /--update app\.test\.yaml[^]*dropped:/,
  ],
  [
    "a folder without tests",
    ["agent", "test", "/proc/sys/fs"],
    2,
    /\/proc\/sys\/fs holds no test\.yaml/,
  ],
  [
    "a configuration for the agent in a format that is not known",
    ["agent", "run", "x.yaml", "--config.format=otelcol"],
    2,
    /--config\.format otelcol: one of promtail/,
  ],
  ["checking what cannot be told", ["check", import.meta.filename], 1, /cannot tell what/],
];

for (const [rule, args, code, output] of ROWS) {
  test(rule, async () => {
    const end = await runFinch(args);
    assert.match(end.stdout + end.stderr, output);
    assert.equal(end.code, code, end.stderr);
  });
}

test("fmt, validate, graph and check of files", async () => {
  await using directory = await temporaryDirectory();
  const alloy = join(directory.path, "a.alloy");
  await writeFile(
    alloy,
    'prometheus.exporter.unix "x" {}\nprometheus.scrape "y" {\ntargets=prometheus.exporter.unix.x.targets\nforward_to=[]\n}\n',
  );
  const untested = await runFinch(["agent", "fmt", "--test", alloy]);
  assert.equal(untested.code, 1);
  assert.equal((await runFinch(["agent", "fmt", "-w", alloy])).code, 0);
  assert.match(
    await readFile(alloy, "utf8"),
    /\ttargets {4}= prometheus\.exporter\.unix\.x\.targets\n/,
  );
  assert.equal((await runFinch(["agent", "fmt", "--test", alloy])).code, 0);
  assert.match((await runFinch(["agent", "validate", alloy])).stdout, /is valid/);
  assert.match(
    (await runFinch(["agent", "graph", alloy])).stdout,
    /"prometheus\.exporter\.unix\.x" -> "prometheus\.scrape\.y" \[label="targets"\];/,
  );
  const picture = await runFinch(["agent", "graph", directory.path, "--format", "svg"]);
  assert.match(picture.stdout, /^<svg [^]*data-id="prometheus\.scrape\.y"[^]*<\/svg>\n$/);
  const unknown = await runFinch(["agent", "graph", alloy, "--format", "png"]);
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [2, "finch: --format png: one of dot, svg, mermaid\n"],
  );
  await writeFile(alloy, 'otelcol.exporter.debug "out" { }\n');
  const immature = await runFinch(["agent", "validate", alloy]);
  assert.equal(immature.code, 2);
  assert.match(
    immature.stderr,
    /below the minimum allowed stability level.*--stability\.level=exp/,
  );
  const allowed = ["agent", "validate", "--stability.level", "experimental", alloy];
  assert.equal((await runFinch(allowed)).code, 0);
  await writeFile(alloy, 'prometheus.scrape "y" {\n\ttargets = 1\n}\n');
  const invalid = await runFinch(["check", alloy]);
  assert.equal(invalid.code, 2);
  assert.match(invalid.stderr, /a\.alloy:2:/);
  const yaml = join(directory.path, "finch.yaml");
  await writeFile(yaml, "listen:\n  ui: off\n");
  assert.match((await runFinch(["check", yaml])).stdout, /is valid/);
  await writeFile(yaml, "listen:\n  uii: off\n");
  const bad = await runFinch(["check", yaml]);
  assert.deepEqual(
    [bad.code, bad.stderr],
    [2, `finch: ${yaml}:2:3: unknown key "uii" in "listen"; did you mean "ui"?\n`],
  );
});

test("the formats that help of convert names are those the agent converts", () => {
  assert.deepEqual(CONVERTED_FORMATS, CONVERSION_FORMATS);
});

test("convert writes a configuration and a report; errors need to be bypassed", async () => {
  await using directory = await temporaryDirectory();
  const [yaml, alloy, report] = ["p.yaml", "p.alloy", "p.txt"].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  await writeFile(yaml, "clients:\n  - url: http://localhost/push\n");
  const shown = await runFinch(["agent", "convert", "--source-format", "promtail", yaml]);
  assert.deepEqual([shown.code, shown.stderr], [0, ""]);
  assert.match(shown.stdout, /^loki\.write "default" \{\n/);
  await writeFile(
    yaml,
    "target_config: { stdin: yes }\nclients:\n  - url: http://localhost/push\n",
  );
  const flags = ["-f", "promtail", "-o", alloy, "-r", report, yaml];
  const refused = await runFinch(["agent", "convert", ...flags]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^\(Error\) .*p\.yaml:1:25: target_config\.stdin: /);
  assert.match(refused.stderr, /p\.yaml is not converted; .*--bypass-errors/);
  assert.match(await readFile(report, "utf8"), /Nothing was written/);
  await assert.rejects(readFile(alloy), /ENOENT/);
  assert.equal((await runFinch(["agent", "convert", "-b", ...flags])).code, 0);
  assert.match(await readFile(report, "utf8"), /The configuration was converted/);
  assert.equal(await readFile(alloy, "utf8"), shown.stdout);
  assert.equal((await runFinch(["agent", "validate", alloy])).code, 0);
});

test("agent test tells what differs, and --update accepts it", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "app.test.yaml");
  const config = 'config: |\n  loki.echo "e" { }\n';
  const inputs = "inputs:\n  loki:\n    - {components: [loki.echo.e], lines: hello}\n";
  await writeFile(path, `${config}${inputs}`);
  const fresh = await runFinch(["agent", "test", path]);
  assert.deepEqual([fresh.code, /nothing is expected/.test(fresh.stdout)], [1, true]);
  const updated = await runFinch(["agent", "test", directory.path, "--update"]);
  assert.deepEqual(
    [updated.code, updated.stdout.split("\n")[1]],
    [0, "0 passed, 0 failed, 1 updated"],
  );
  assert.match(
    await readFile(path, "utf8"),
    /\nexpect:\n {2}loki:\n {4}loki\.echo\.e:\n {6}- line: hello\n$/,
  );
  assert.match((await runFinch(["agent", "test", path])).stdout, /1 passed, 0 failed/);
  await writeFile(path, (await readFile(path, "utf8")).replace("lines: hello", "lines: bye"));
  const failed = await runFinch(["agent", "test", path]);
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /-       - line: hello\n {2}\+       - line: bye\n/);
});

test("validate converts", async () => {
  await using directory = await temporaryDirectory();
  const yaml = join(directory.path, "p.yaml");
  const validate = ["agent", "validate", "--config.format=prometheus", yaml];
  await writeFile(yaml, "rule_files: [a]\n");
  const refused = await runFinch(validate);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^\(Error\) .*p\.yaml:1:13: rule_files: /);
  const bypassed = await runFinch([...validate, "--config.bypass-conversion-errors"]);
  assert.deepEqual([bypassed.code, bypassed.stdout], [0, `${yaml} is valid\n`]);
});

test("convert reads standard input, and variables where the agent did", async () => {
  await using child = startFinch(["agent", "convert", "-f", "static", "-e", "-config.expand-env"], {
    env: { FINCH_TEST_LEVEL: "warn" },
    input: 'server: { log_level: "${FINCH_TEST_LEVEL}" }\n',
  });
  const { code, stdout, stderr } = await child.finished;
  assert.deepEqual([code, stdout, stderr], [0, 'logging {\n\tlevel = "warn"\n}\n', ""]);
});

test("run converts, at the start and at a reload", { timeout: 60_000 }, async () => {
  await using directory = await temporaryDirectory();
  const yaml = join(directory.path, "p.yaml");
  const config = (job: string) =>
    `target_config: { stdin: true }\nscrape_configs:\n  - job_name: ${job}\n    journal: {}\n`;
  await writeFile(yaml, config("first"));
  const flags = [
    "agent",
    "run",
    yaml,
    "--config.format=promtail",
    "--server.http.listen-addr=127.0.0.1:0",
    `--storage.path=${join(directory.path, "storage")}`,
  ];
  const refused = await runFinch(flags);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^\(Error\) .*p\.yaml:1:25: target_config\.stdin/);
  assert.match(refused.stderr, /leave it out with --config\.bypass-conversion-errors/);
  await using agent = startFinch([...flags, "--config.bypass-conversion-errors"]);
  const [, pages] = await agent.until(/the agent is up.*pages=(http:\S+)/);
  const components = async () => (await fetch(`${pages}/api/v0/web/components`)).text();
  assert.match(await components(), /loki\.source\.journal\.first/);
  await writeFile(yaml, "clients: [\n");
  agent.signal("SIGHUP");
  await agent.until(/the new configuration is refused; the old one goes on/);
  await writeFile(yaml, config("second"));
  agent.signal("SIGHUP");
  await agent.until(/configuration reloaded/);
  assert.match(await components(), /loki\.source\.journal\.second/);
  agent.signal("SIGTERM");
  assert.equal((await agent.finished).code, 0);
});

test("query and tail ask a running Finch", { timeout: 60_000 }, async () => {
  await using directory = await temporaryDirectory();
  await using finch = startFinch(["up", "--data-dir", directory.path, ...FREE_PORTS]);
  const [, url] = await finch.until(/Finch is up: (http:\/\/localhost:\d+)/);
  const json = await runFinch(["query", "metrics", "vector(1)", "--output", "json", "--url", url!]);
  assert.equal(json.code, 0, json.stderr);
  assert.match(json.stdout, /^\{"status":"success"/);
  const table = await runFinch(["query", "metrics", "vector(2)", "--url", url!]);
  assert.match(table.stdout, /last +min +max +series\n▁+ +2 +2 +2 +\{\}\n/);
  const refused = await runFinch(["query", "metrics", "sum(", "--url", url!]);
  assert.deepEqual([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /parse error/);
  await using tail = startFinch(["tail", '{job="finch"}', "--url", url!]);
  await tail.until(/finch is up/);
  tail.signal("SIGINT");
  assert.equal((await tail.finished).code, 0);
  const logs = await runFinch(["query", "logs", '{job="finch"}', "--url", url!]);
  assert.match(logs.stdout, /finch {2}time=.* msg="finch is up"/);
});

test(
  "the checkout's bin runs on its own, passes signals on and the exit code back",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const bin = join(import.meta.dirname, "../bin/finch");
    await using finch = startFinch(["up", "--data-dir", directory.path, ...FREE_PORTS], {
      command: [bin],
    });
    await finch.until(/Finch is up/);
    finch.signal("SIGTERM");
    const end = await finch.finished;
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /everything is on disk/);
    await using wrong = startFinch(["nonsense"], { command: [bin] });
    assert.equal((await wrong.finished).code, 2);
  },
);
