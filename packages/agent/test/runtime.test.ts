import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import type { LogEvent } from "@finch/runtime";
import { defineComponent } from "../src/component.ts";
import type { ComponentDefinition } from "../src/component.ts";
import type { ComponentLoader } from "../src/components/index.ts";
import type { LogEntry, LogsReceiver } from "../src/receivers.ts";
import { startAgent } from "../src/runtime/agent.ts";
import type { Agent } from "../src/runtime/agent.ts";
import { ConfigError } from "../src/runtime/config-error.ts";
import { block, maybe, moot, optional, required } from "../src/schema.ts";
import { untilAborted } from "../src/until-aborted.ts";

/** What the components under test did, in order. */
type Events = string[];

function makeComponents(events: Events): Readonly<Record<string, ComponentLoader>> {
  const received: LogEntry[] = [];
  const sink = defineComponent({
    name: "loki.echo",
    stability: "generally-available",
    summary: "Takes entries.",
    arguments: {},
    exports: { receiver: "Takes entries." },
    async run(context, signal) {
      events.push(`start ${context.label}`);
      const receiver: LogsReceiver = {
        kind: "logs-receiver",
        owner: context.id,
        append: async (entries) => {
          received.push(...entries);
          events.push(
            ...entries.map(({ labels, line }) => `entry ${labels.get("component")} ${line}`),
          );
        },
      };
      context.setExports({ receiver });
      await aborted(signal);
      events.push(`stop ${context.label}`);
    },
  });
  const value = defineComponent({
    name: "local.file",
    stability: "generally-available",
    summary: "Exports a text, at once or when asked.",
    arguments: {
      text: required("string", "Text."),
      password: maybe("secret", "Secret."),
      is_late: optional("bool", false, "Whether exports come later."),
      fails: optional("bool", false, "Whether it fails."),
    },
    exports: { content: "The text.", targets: "A target." },
    async run(context, signal) {
      events.push(`start ${context.label}`);
      if (context.arguments().fails) throw new Error("it failed");
      await untilAborted(signal, async () => {
        if (context.arguments().is_late) await new Promise(setImmediate);
        const { text } = context.arguments();
        events.push(`value ${context.label}=${text}`);
        context.setExports({ content: text, targets: [Labels.fromObject({ __address__: text })] });
        await context.nextArguments(signal);
      });
      events.push(`stop ${context.label}`);
    },
  });
  const source = defineComponent({
    name: "loki.source.file",
    stability: "generally-available",
    summary: "Sends.",
    arguments: {
      forward_to: required("list(logs-receiver)", "Receivers."),
      period: optional("duration", 1000, "Period.", { min: 10 }),
      pool: moot("number", 4, "nothing is pooled"),
      endpoint: block({ url: required("string", "URL.") }, { repeat: "many", doc: "Endpoints." }),
    },
    exports: {},
    check: (args) =>
      args.period > 60_000 ? { at: "period", message: "the period is too long" } : undefined,
    async run(context, signal) {
      events.push(`start ${context.label}`);
      context.metrics
        .counter("sent_total", "Sent.", { kind: "x" })
        .add(context.arguments().forward_to.length);
      await aborted(signal);
      events.push(`stop ${context.label}`);
    },
  });
  const preview = defineComponent({
    name: "prometheus.enrich",
    stability: "experimental",
    summary: "Not mature.",
    arguments: {},
    exports: {},
    run: (_context, signal) => aborted(signal),
  });
  const load = (definition: ComponentDefinition) => async () => definition;
  return {
    "loki.echo": load(sink),
    "local.file": load(value),
    "loki.source.file": load(source),
    "prometheus.enrich": load(preview),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(`never happened: ${what}`);
}

interface Running extends AsyncDisposable {
  readonly agent: Agent;
  readonly events: Events;
  readonly log: LogEvent[];
  /** Writes the configuration anew. */
  write(text: string): Promise<void>;
}

async function run(text: string): Promise<Running> {
  const directory = await mkdtemp(join(tmpdir(), "finch-agent-"));
  const path = join(directory, "config.alloy");
  await writeFile(path, text);
  const events: Events = [];
  const log: LogEvent[] = [];
  const environment = {
    env: () => undefined,
    hostname: "box",
    os: "linux",
    arch: "amd64",
    version: "v1",
  };
  const agent = await startAgent({
    source: { path },
    storagePath: join(directory, "data"),
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment,
    signal: new AbortController().signal,
    logSink: (event) => log.push(event),
    components: makeComponents(events),
  });
  return {
    agent,
    events,
    log,
    write: (next) => writeFile(path, next),
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

const healthOf = (agent: Agent, id: string) => agent.component(id)?.health;

test("components start in the order of their references and stop the other way round", async () => {
  const running = await run(`
    loki.source.file "source" { forward_to = [loki.echo.b.receiver, loki.echo.a.receiver] }
    loki.echo "a" { }
    loki.echo "b" { }
  `);
  assert.deepEqual(running.events, ["start a", "start b", "start source"]);
  assert.deepEqual(
    running.agent.components().map(({ id, health }) => `${id} ${health.state}`),
    ["loki.echo.a healthy", "loki.echo.b healthy", "loki.source.file.source healthy"],
  );
  assert.match(
    running.agent.metricsText(),
    /sent_total\{component_path="\/",component_id="loki\.source\.file\.source",kind="x"\} 2\n/,
  );
  await running[Symbol.asyncDispose]();
  assert.equal(running.events[3], "stop source");
  assert.deepEqual(running.events.slice(4).toSorted(), ["stop a", "stop b"]);
  assert.deepEqual(running.agent.components(), []);
});

test("exports that come late start what waits for them, and changes run through", async () => {
  await using running = await run(`
    local.file "a" {
      text = "1"
      is_late = true
    }
    local.file "b" { text = local.file.a.content + "x" }
    local.file "c" { text = string.join([local.file.b.content, local.file.a.targets[0]["__address__"]], "-") }
  `);
  const { agent, events } = running;
  assert.equal(healthOf(agent, "local.file.b")?.state, "unknown");
  assert.match(
    healthOf(agent, "local.file.b")!.message,
    /waiting for the exports of local\.file\.a/,
  );
  await until("c has its value", () => events.includes("value c=1x-1"));
  await running.write(`
    local.file "a" { text = "2" }
    local.file "b" { text = local.file.a.content + "x" }
    local.file "c" { text = string.join([local.file.b.content, local.file.a.targets[0]["__address__"]], "-") }
  `);
  await agent.reload();
  await until("the change has arrived", () => events.includes("value c=2x-2"));
  assert.equal(
    events.filter((event) => event.startsWith("start")).length,
    3,
    "nothing was restarted",
  );
});

test("reload stops what is gone before it starts what is new, and keeps the rest", async () => {
  await using running = await run(
    `local.file "old" { text = "1" }\nlocal.file "kept" { text = "2" }`,
  );
  await running.write(`local.file "fresh" { text = "1" }\nlocal.file "kept" { text = "2" }`);
  running.events.length = 0;
  await running.agent.reload();
  assert.deepEqual(running.events, ["stop old", "start fresh", "value fresh=1"]);
});

test("reload stops a receiver that is gone only when its senders have another one", async () => {
  await using running = await run(
    `loki.source.file "s" { forward_to = [loki.echo.old.receiver] }\nloki.echo "old" { }\nlocal.file "gone" { text = "1" }`,
  );
  await until("gone has started", () => running.events.includes("value gone=1"));
  running.events.length = 0;
  await running.write(
    `loki.source.file "s" { forward_to = [loki.echo.fresh.receiver] }\nloki.echo "fresh" { }`,
  );
  await running.agent.reload();
  assert.deepEqual(running.events, ["stop gone", "start fresh", "stop old"]);
});

test("a directory is read as one configuration, its files sorted by name", async () => {
  const directory = await mkdtemp(join(tmpdir(), "finch-config-"));
  try {
    await writeFile(join(directory, "b.alloy"), `local.file "b" { text = local.file.a.content }`);
    await writeFile(join(directory, "a.alloy"), `local.file "a" { text = "1" }`);
    await writeFile(join(directory, "ignored.txt"), "{");
    const options = {
      storagePath: join(directory, "data"),
      clock: systemClock,
      fileSystem: nodeFileSystem,
      logSink: () => {},
    };
    const environment = {
      env: () => undefined,
      hostname: "box",
      os: "linux",
      arch: "amd64",
      version: "v1",
    };
    const start = (path: string) =>
      startAgent({
        ...options,
        environment,
        source: { path },
        signal: new AbortController().signal,
        components: makeComponents([]),
      });
    const agent = await start(directory);
    assert.deepEqual(
      agent.components().map(({ id }) => id),
      ["local.file.a", "local.file.b"],
    );
    await agent[Symbol.asyncDispose]();
    await assert.rejects(start(join(directory, "data")), /holds no \*\.alloy file/);
    await assert.rejects(start(join(directory, "missing.alloy")), /cannot read the configuration/);
    await writeFile(join(directory, "c.alloy"), `local.file "a" { text = "2" }`);
    await assert.rejects(
      start(directory),
      /c\.alloy:1:1: block local\.file\.a already declared at .*a\.alloy:1:1/,
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a configuration that is refused changes nothing", async () => {
  await using running = await run(`local.file "a" { text = "1" }`);
  running.events.length = 0;
  for (const text of [
    "local.file {",
    `local.file "b" { txt = "1" }`,
    `local.file "a" { text = local.file.b.content }`,
  ]) {
    await running.write(text);
    await assert.rejects(running.agent.reload(), ConfigError);
  }
  assert.deepEqual(running.events, []);
  assert.equal(healthOf(running.agent, "local.file.a")?.state, "healthy");
  assert.match(
    running.agent.metricsText(),
    /finch_agent_config_loads_total\{.*outcome="failure"\} 3/,
  );
});

test("arguments that cannot be evaluated while running keep the last ones and are unhealthy", async () => {
  await using running = await run(
    `local.file "a" { text = "1s" }\nloki.source.file "b" {\nforward_to = []\nperiod = local.file.a.content\n}`,
  );
  await running.write(
    `local.file "a" { text = "1x" }\nloki.source.file "b" {\nforward_to = []\nperiod = local.file.a.content\n}`,
  );
  await running.agent.reload();
  await until(
    "b is unhealthy",
    () => healthOf(running.agent, "loki.source.file.b")?.state === "unhealthy",
  );
  assert.match(
    healthOf(running.agent, "loki.source.file.b")!.message,
    /config\.alloy:4:10: period: .*unknown unit/,
  );
  await running.write(
    `local.file "a" { text = "2s" }\nloki.source.file "b" {\nforward_to = []\nperiod = local.file.a.content\n}`,
  );
  await running.agent.reload();
  await until(
    "b is healthy",
    () => healthOf(running.agent, "loki.source.file.b")?.state === "healthy",
  );
});

test("a component that fails is exited, the others run on", async () => {
  await using running = await run(
    `local.file "bad" {\ntext = ""\nfails = true\n}\nlocal.file "good" { text = "1" }`,
  );
  await until(
    "bad has exited",
    () => healthOf(running.agent, "local.file.bad")?.state === "exited",
  );
  assert.equal(healthOf(running.agent, "local.file.bad")?.message, "it failed");
  assert.equal(healthOf(running.agent, "local.file.good")?.state, "healthy");
  assert.ok(
    running.log.some((event) => event.part === "local.file.bad" && event.level === "error"),
  );
});

test("what has no effect is taken and warned of, unless it is the default", async () => {
  await using running = await run(
    'loki.source.file "a" {\nforward_to = []\npool = 9\n}\nloki.source.file "b" {\nforward_to = []\npool = 4\n}',
  );
  for (const id of ["loki.source.file.a", "loki.source.file.b"])
    assert.equal(healthOf(running.agent, id)?.state, "healthy");
  const warnings = running.log
    .filter(({ level }) => level === "warn")
    .map(({ msg, fields }) => `${String(fields["at"])} ${msg}`);
  assert.deepEqual(
    warnings.map((message) => message.replace(/\S*config/, "config")),
    ["config.alloy:3:1 pool has no effect: nothing is pooled"],
  );
});

test("secrets are hidden wherever arguments are shown", async () => {
  await using running = await run(
    `local.file "a" {\ntext = "https://me:hunter2@host/x"\npassword = "hunter2"\n}`,
  );
  const shown = JSON.stringify(running.agent.components());
  assert.match(shown, /\(secret\)/);
  assert.doesNotMatch(shown, /hunter2/);
});

test("the logging block sets the level, and write_to gets the lines", async () => {
  await using running = await run(
    `logging {\nlevel = "warn"\nwrite_to = [loki.echo.log.receiver]\n}\nloki.echo "log" { }\nlocal.file "bad" {\ntext = ""\nfails = true\n}`,
  );
  assert.equal(running.agent.components()[0]?.id, "loki.echo.log");
  await until("the line has arrived", () =>
    running.events.some((event) =>
      /^entry alloy ts=\S+Z level=error msg="component failed" component_path=\/ component_id=local\.file\.bad error="it failed"$/.test(
        event,
      ),
    ),
  );
  await running.agent.reload();
  assert.equal(
    running.log.some((event) => event.level === "info"),
    false,
  );
});

const REFUSED: readonly [rule: string, text: string, kind: string, message: RegExp][] = [
  [
    "an unknown component",
    `loki.ecco "a" { }`,
    "invalid",
    /1:1: cannot find the definition of component name "loki\.ecco" \(did you mean "loki\.echo"\?\)/,
  ],
  [
    "a component that is not built",
    `discovery.docker "a" { }`,
    "unsupported",
    /1:1: not supported yet: component discovery\.docker at 1:1/,
  ],
  ["a component without a label", "loki.echo { }", "invalid", /must have a label/],
  [
    "a name given twice",
    `loki.echo "a" { }\nloki.echo "a" { }`,
    "invalid",
    /2:1: block loki\.echo\.a already declared at .*config\.alloy:1:1/,
  ],
  [
    "an unknown attribute",
    `local.file "a" { txt = "1" }`,
    "invalid",
    /unrecognized attribute name "txt" \(did you mean "text"\?\)/,
  ],
  [
    "a missing attribute",
    `local.file "a" { }`,
    "invalid",
    /1:1: missing required attribute "text"/,
  ],
  [
    "a missing attribute in a block",
    `loki.source.file "a" {\nforward_to = []\nendpoint { }\n}`,
    "invalid",
    /3:1: missing required attribute "url"/,
  ],
  [
    "an attribute given twice",
    `local.file "a" {\ntext = "1"\ntext = "2"\n}`,
    "invalid",
    /3:1: attribute "text" may only be provided once/,
  ],
  [
    "a block as an attribute",
    `loki.source.file "a" {\nforward_to = []\nendpoint = 1\n}`,
    "invalid",
    /"endpoint" must be a block/,
  ],
  [
    "an attribute as a block",
    `local.file "a" { text { } }`,
    "invalid",
    /"text" must be an attribute/,
  ],
  [
    "a wrong type, at its place",
    `loki.source.file "a" {\nforward_to = [\n1,\n]\n}`,
    "invalid",
    /3:1: forward_to: expected capsule\("LogsReceiver"\), got number/,
  ],
  [
    "a bool for a string",
    `local.file "a" { text = true }`,
    "invalid",
    /1:25: text: expected string, got bool/,
  ],
  [
    "a value out of bounds",
    `loki.source.file "a" {\nforward_to = []\nperiod = "1ms"\n}`,
    "invalid",
    /3:10: period: must be at least 10 ms, got 1/,
  ],
  [
    "a rule between arguments",
    `loki.source.file "a" {\nforward_to = []\nperiod = "2m"\n}`,
    "invalid",
    /3:1: the period is too long/,
  ],
  [
    "an unknown reference",
    `local.file "abc" { text = "" }\nlocal.file "b" { text = local.file.abd.content }`,
    "invalid",
    /2:25: component "local\.file\.abd\.content" does not exist or is out of scope \(did you mean "local\.file\.abc"\?\)/,
  ],
  [
    "an unknown export",
    `local.file "a" { text = "" }\nlocal.file "b" { text = local.file.a.contend }`,
    "invalid",
    /does not export "contend" \(did you mean "content"\?\)/,
  ],
  [
    "a self reference",
    `local.file "a" { text = local.file.a.content }`,
    "invalid",
    /cannot reference self/,
  ],
  [
    "a cycle",
    `local.file "a" { text = local.file.b.content }\nlocal.file "b" { text = local.file.a.content }`,
    "invalid",
    /cycle detected: local\.file\.a, local\.file\.b/,
  ],
  [
    "a component that is not mature enough",
    `prometheus.enrich "a" { }`,
    "invalid",
    /1:1: component "prometheus\.enrich" is at stability level "experimental", .* use --stability\.level=experimental/,
  ],
  [
    "a function that is not mature enough",
    `local.file "a" { text = array.group_by([], "a", false) }`,
    "invalid",
    /1:25: array\.group_by is at stability level "experimental", .* use --stability\.level=experimental/,
  ],
  ["a top-level attribute", "a = 1", "invalid", /unrecognized attribute a/],
];

for (const [rule, text, kind, message] of REFUSED) {
  test(`the start refuses ${rule}`, async () => {
    const events: Events = [];
    const started = startAgent({
      source: { text, name: "config.alloy" },
      storagePath: "/nonexistent",
      clock: systemClock,
      fileSystem: nodeFileSystem,
      environment: {
        env: () => undefined,
        hostname: "box",
        os: "linux",
        arch: "amd64",
        version: "v1",
      },
      signal: new AbortController().signal,
      logSink: () => {},
      components: makeComponents(events),
    });
    await assert.rejects(started, (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.kind, kind);
      assert.match(error.text(), message);
      assert.match(error.text(), /\^/);
      return true;
    });
    assert.deepEqual(events, []);
  });
}
