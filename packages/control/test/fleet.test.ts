/** Twenty simulated collectors before a real port: configurations, roll-outs in stages, roll-back by itself, restarts in the middle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FinchError, silentLogger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener } from "@finch/runtime/http";
import type { Control } from "../src/control.ts";
import { AgentContacts, Fleet, fleetRoutes } from "../src/fleet/index.ts";
import type { CollectorFigures } from "../src/fleet/index.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";
import type { ControlDirectory, ManualClock } from "./control-directory.ts";
import { SimulatedCollector } from "./simulated-collector.ts";
import type { Way } from "./simulated-collector.ts";

const GOOD = 'local.file "a" { filename = "/a" }\n';
const BETTER = 'local.file "b" { filename = "/b" }\n';
/** In order for those who validate it, and refused where it runs. */
const POISON = 'local.file "poison" { filename = "/c" }\n';
const WAYS: readonly Way[] = ["post", "get", "json", "grpc"];
const noSignal = new AbortController().signal;

interface Answer {
  readonly [name: string]: unknown;
}

class Stage implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly directory: ControlDirectory;
  figures = new Map<string, CollectorFigures>();
  readonly collectors: SimulatedCollector[] = [];
  control!: Control;
  fleet!: Fleet;
  listener!: Listener;

  constructor(clock: ManualClock, directory: ControlDirectory) {
    this.clock = clock;
    this.directory = directory;
  }

  static async open(): Promise<Stage> {
    const clock = manualClock(START_MS);
    const stage = new Stage(clock, await controlDirectory(clock));
    await stage.start();
    return stage;
  }

  get url(): string {
    return `http://127.0.0.1:${this.listener.port}`;
  }

  /** Opens what is in the directory. */
  async start(port = 0): Promise<void> {
    const { clock } = this;
    this.control = await this.directory.open();
    const { database, audit } = this.control;
    this.fleet = new Fleet({
      database,
      audit,
      clock,
      log: silentLogger,
      contacts: new AgentContacts(database, clock),
      authenticate: async (authorization) => {
        const rid = /^Bearer (rid:.+)$/.exec(authorization)?.[1];
        if (rid !== undefined) return rid;
        throw new FinchError("unauthenticated", "control/bad-token", "permission denied");
      },
      agentLabels: (rid) => (rid === "rid:gone" ? undefined : { host: rid.slice(4), site: "home" }),
      validate: async (text) =>
        text.includes("mistake")
          ? [{ severity: "error", message: "unknown component", line: 1, column: 2 }]
          : [],
      readFigures: async () => this.figures,
    });
    this.listener = await openListener({
      name: "test",
      purpose: "the test",
      host: "127.0.0.1",
      port,
      routes: [
        ...this.fleet.collectorRoutes,
        ...fleetRoutes({
          fleet: this.fleet,
          actorOf: (request) => ({
            name: `user:${request.header("x-user")}`,
            origin: request.peer,
          }),
        }),
      ],
      grpc: this.fleet.grpcMethods,
      limits: DEFAULT_HTTP_LIMITS,
      clock,
      log: silentLogger,
    });
  }

  async stop(): Promise<void> {
    await this.listener.close(0);
    this.control[Symbol.dispose]();
  }

  async restart(): Promise<void> {
    const { port } = this.listener;
    await this.stop();
    await this.start(port);
  }

  /** Collectors c00, c01, … by all ways of the protocol. */
  async addCollectors(count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const id = `c${String(at).padStart(2, "0")}`;
      const collector = new SimulatedCollector({
        url: this.url,
        id,
        token: `rid:${id}`,
        way: WAYS[at % WAYS.length]!,
        attributes: { env: at < 15 ? "prod" : "dev", "collector.version": "v1.9", site: "liar" },
        refuses: (text) => (text.includes("poison") ? "cannot open /c\nmore" : undefined),
      });
      this.collectors.push(collector);
      await collector.register();
      await collector.poll();
    }
  }

  async pollAll(): Promise<void> {
    for (const collector of this.collectors) await collector.poll();
  }

  async ask(method: string, path: string, body?: unknown, status = 200): Promise<Answer> {
    const reply = await fetch(`${this.url}/api/v1/fleet${path}`, {
      method,
      headers: { "content-type": "application/json", "x-user": "ada" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    assert.equal(reply.status, status, `${method} ${path}: ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Answer);
  }

  async save(name: string, text: string): Promise<void> {
    await this.ask("PUT", `/configurations/${name}`, { text, comment: "a test" });
  }

  running(text: string): number {
    return this.collectors.filter((one) => one.running === text).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.directory[Symbol.asyncDispose]();
  }
}

const toAll = (configuration: string) => ({
  configuration,
  selector: "{}",
  stages: [{ percent: 100, pauseSeconds: 60 }],
});

test("a configuration reaches all, by every way of the protocol, and later ones too", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(20);
  await stage.save("base", GOOD);
  const rollout = await stage.ask("POST", "/rollouts", toAll("base"), 201);
  assert.equal(rollout["state"], "applying");
  await stage.pollAll();
  assert.equal(stage.running(GOOD), 20);
  assert.equal((await stage.ask("GET", "/rollouts/1"))["state"], "observing");
  stage.clock.advance(60_000);
  await stage.fleet.look(noSignal);
  assert.equal((await stage.ask("GET", "/rollouts/1"))["state"], "completed");
  const late = new SimulatedCollector({
    url: stage.url,
    id: "late",
    token: "rid:late",
    way: "get",
    attributes: {},
  });
  // Alloy asks before it registers.
  await late.poll();
  assert.equal(late.running, GOOD);
  const { collectors } = (await stage.ask("GET", "/collectors?selector=%7Bid%3D%22c03%22%7D")) as {
    collectors: Answer[];
  };
  assert.equal(collectors.length, 1);
  const { labels, version, drift, contact, name } = collectors[0]!;
  assert.deepEqual(
    [version, drift, contact, name],
    ["v1.9", "in-sync", "connected", "name of c03"],
  );
  const label = labels as Readonly<Record<string, string>>;
  assert.deepEqual([label["site"], label["host"], label["env"]], ["home", "c03", "prod"]);
});

test("a bad configuration is taken back by itself after its first stage", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(20);
  await stage.save("base", GOOD);
  await stage.ask("POST", "/rollouts", toAll("base"), 201);
  await stage.pollAll();
  stage.clock.advance(60_000);
  await stage.fleet.look(noSignal);
  await stage.save("base", POISON);
  await stage.ask(
    "POST",
    "/rollouts",
    {
      configuration: "base",
      selector: '{env="prod"}',
      stages: [{ collectors: 2, pauseSeconds: 60 }, { percent: 100 }],
    },
    201,
  );
  // The first stage has two; the first that refuses ends it.
  await stage.pollAll();
  const rollout = await stage.ask("GET", "/rollouts/2");
  assert.equal(rollout["state"], "rolled-back");
  assert.equal(rollout["reason"], "c00: refused it: cannot open /c");
  await stage.pollAll();
  assert.equal(stage.running(GOOD), 20);
  const { collectors } = (await stage.ask("GET", "/collectors")) as { collectors: Answer[] };
  assert.ok(collectors.every(({ drift }) => drift === "in-sync"));
  const events = stage.control.audit
    .list({ limit: 20 })
    .map(({ action, actor }) => [action, actor]);
  assert.deepEqual(events.toReversed(), [
    ["fleet.configuration.save", "user:ada"],
    ["fleet.rollout.start", "user:ada"],
    ["fleet.rollout.observing", "system"],
    ["fleet.rollout.completed", "system"],
    ["fleet.configuration.save", "user:ada"],
    ["fleet.rollout.start", "user:ada"],
    ["fleet.rollout.rolled-back", "system"],
  ]);
});

test("stages go on after a restart in their middle, and its silence counts against nobody", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(20);
  await stage.save("base", GOOD);
  await stage.ask("POST", "/rollouts", toAll("base"), 201);
  await stage.pollAll();
  stage.clock.advance(60_000);
  await stage.fleet.look(noSignal);
  await stage.save("base", BETTER);
  const stages = [
    { percent: 10, pauseSeconds: 60 },
    { percent: 50, pauseSeconds: 60 },
    { percent: 100, pauseSeconds: 60 },
  ];
  const request = { configuration: "base", selector: "{}", stages };
  await stage.ask("POST", "/rollouts", request, 201);
  await stage.pollAll();
  assert.equal(stage.running(BETTER), 2);
  stage.clock.advance(3_600_000);
  await stage.restart();
  await stage.fleet.look(noSignal);
  for (const expected of [10, 20]) {
    assert.equal((await stage.ask("GET", "/rollouts/2"))["state"], "applying");
    await stage.pollAll();
    assert.equal(stage.running(BETTER), expected);
    stage.clock.advance(60_000);
    await stage.fleet.look(noSignal);
  }
  assert.equal((await stage.ask("GET", "/rollouts/2"))["state"], "completed");
});

test("who falls silent, does not apply in time, or loses more than before, ends a roll-out", async () => {
  const cases = [
    {
      why: /^c01: has not been heard of for 301 s$/,
      goWrong: async (stage: Stage) => {
        for (const seconds of [0, 60, 60, 60, 60, 60, 1]) {
          stage.clock.advance(seconds * 1000);
          for (const [at, collector] of stage.collectors.entries())
            if (at !== 1) await collector.poll();
        }
      },
    },
    {
      why: /^c01: has not applied it within 600 s$/,
      goWrong: async (stage: Stage) => {
        for (let minute = 0; minute < 11; minute++) {
          stage.clock.advance(60_000);
          for (const [at, collector] of stage.collectors.entries())
            await (at === 1 ? collector.register() : collector.poll());
        }
      },
    },
    {
      why: /^c01: loses 12\.0 % of what it should hand on$/,
      goWrong: async (stage: Stage) => {
        await stage.pollAll();
        stage.clock.advance(31_000);
        stage.figures = new Map([
          ["rid:c00", figures({ errorShare: 0.06 })],
          ["rid:c01", figures({ errorShare: 0.12 })],
        ]);
      },
    },
    {
      why: /^c01: has 2 unhealthy components more than before$/,
      goWrong: async (stage: Stage) => {
        await stage.pollAll();
        stage.clock.advance(31_000);
        stage.figures = new Map([["rid:c01", figures({ unhealthyComponents: 3 })]]);
      },
    },
  ];
  for (const { why, goWrong } of cases) {
    await using stage = await Stage.open();
    await stage.addCollectors(4);
    stage.figures = new Map([
      ["rid:c00", figures({ errorShare: 0.04 })],
      ["rid:c01", figures({ errorShare: 0.01, unhealthyComponents: 1 })],
    ]);
    stage.clock.advance(31_000);
    await stage.pollAll();
    await stage.fleet.look(noSignal);
    await stage.save("base", GOOD);
    await stage.ask("POST", "/rollouts", toAll("base"), 201);
    await goWrong(stage);
    await stage.fleet.look(noSignal);
    const rollout = await stage.ask("GET", "/rollouts/1");
    assert.equal(rollout["state"], "rolled-back", String(why));
    assert.match(String(rollout["reason"]), why);
  }
});

function figures(known: Partial<CollectorFigures>): CollectorFigures {
  return {
    samplesPerSecond: undefined,
    linesPerSecond: undefined,
    errorShare: undefined,
    unhealthyComponents: undefined,
    ...known,
  };
}

test("a person pauses, resumes and rolls back", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(4);
  await stage.save("base", GOOD);
  await stage.ask("POST", "/rollouts", toAll("base"), 201);
  assert.equal((await stage.ask("POST", "/rollouts/1/pause", {}))["state"], "paused");
  await stage.ask("POST", "/rollouts/1/pause", {}, 409);
  await stage.ask("POST", "/rollouts", toAll("base"), 409);
  assert.equal((await stage.ask("POST", "/rollouts/1/resume"))["state"], "applying");
  await stage.pollAll();
  stage.clock.advance(60_000);
  await stage.fleet.look(noSignal);
  const back = await stage.ask("POST", "/rollouts/1/roll-back", { reason: "changed my mind" });
  assert.deepEqual([back["state"], back["reason"]], ["rolled-back", "changed my mind"]);
  await stage.pollAll();
  assert.equal(stage.running("// No configuration is meant for this collector.\n"), 4);
  await stage.ask("POST", "/rollouts/1/roll-back", {}, 409);
  await stage.ask("POST", "/rollouts/9/resume", {}, 404);
});

test("a collector that restarts, says good-bye, or could not ask is no failure of a version", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(3);
  await stage.save("base", GOOD);
  await stage.ask("POST", "/rollouts", toAll("base"), 201);
  const [first, second, third] = stage.collectors as [
    SimulatedCollector,
    SimulatedCollector,
    SimulatedCollector,
  ];
  await first.poll();
  first.failFor("connection refused");
  await first.poll();
  await second.unregister();
  await third.poll();
  third.restart();
  await third.poll();
  assert.equal((await stage.ask("GET", "/rollouts/1"))["state"], "observing");
  assert.equal((await stage.ask("GET", "/collectors/c00"))["drift"], "in-sync");
  assert.equal((await stage.ask("GET", "/collectors/c00"))["status"], "failed");
  assert.equal((await stage.ask("GET", "/collectors/c01"))["contact"], "gone");
});

test("a collector that was away when its stage began, and refuses the version later, counts", async () => {
  await using stage = await Stage.open();
  const about = { url: stage.url, way: "post", attributes: {} } as const;
  const fine = new SimulatedCollector({ ...about, id: "fine", token: "rid:fine" });
  const refuses = () => "no such file";
  const away = new SimulatedCollector({ ...about, id: "away", token: "rid:away", refuses });
  await fine.poll();
  await away.poll();
  await away.unregister();
  await stage.save("base", GOOD);
  await stage.ask("POST", "/rollouts", toAll("base"), 201);
  await fine.poll();
  assert.equal((await stage.ask("GET", "/rollouts/1"))["state"], "observing");
  await away.poll();
  const rollout = await stage.ask("GET", "/rollouts/1");
  assert.deepEqual(
    [rollout["state"], rollout["reason"]],
    ["rolled-back", "away: refused it: no such file"],
  );
});

test("configurations: what has a mistake is not kept, and who edits an old version is told", async () => {
  await using stage = await Stage.open();
  const bad = await stage.ask("PUT", "/configurations/base", { text: "a mistake" }, 422);
  assert.equal(bad["error"], "base:1:2: unknown component");
  await stage.save("base", GOOD);
  assert.equal((await stage.ask("PUT", "/configurations/base", { text: GOOD }))["version"], 1);
  await stage.ask("PUT", "/configurations/base", { text: BETTER, basedOn: 1 });
  await stage.ask("PUT", "/configurations/base", { text: POISON, basedOn: 1 }, 409);
  await stage.ask("PUT", "/configurations/Base", { text: GOOD }, 400);
  const typo = await stage.ask("PUT", "/configurations/base", { txt: GOOD }, 400);
  assert.match(String(typo["error"]), /did you mean "text"\?/);
  const { versions } = (await stage.ask("GET", "/configurations/base")) as { versions: Answer[] };
  assert.deepEqual(
    versions.map(({ version, comment, author }) => [version, comment, author]),
    [
      [2, "", "user:ada"],
      [1, "a test", "user:ada"],
    ],
  );
  assert.equal((await stage.ask("GET", "/configurations/base/versions/1"))["text"], GOOD);
  await stage.ask("GET", "/configurations/base/versions/9", undefined, 404);
  await stage.ask("GET", "/configurations/none", undefined, 404);
  const checked = await stage.ask("POST", "/validate", { text: "a mistake" });
  assert.equal((checked["diagnostics"] as unknown[]).length, 1);
});

test("who may not is refused", async () => {
  await using stage = await Stage.open();
  await stage.addCollectors(4);
  for (const way of WAYS) {
    const stranger = { url: stage.url, id: "x", token: "nonsense", way, attributes: {} };
    const wanted = way === "grpc" ? /grpc-status 16/ : /^Error: 401 .*"unauthenticated"/;
    await assert.rejects(new SimulatedCollector(stranger).poll(), wanted, way);
    const thief = { ...stranger, id: "c00", token: "rid:c01" };
    const foreign = way === "grpc" ? /grpc-status 6/ : /^Error: 409 .*belongs to another agent/;
    await assert.rejects(new SimulatedCollector(thief).poll(), foreign, way);
  }
  const routes = fleetRoutes({ fleet: stage.fleet, actorOf: () => ({ name: "", origin: "" }) });
  for (const route of routes) {
    const isText = /validate|:number/.test(route.path);
    const isRead = route.kind === "http" && route.methods.join() === "GET" && !isText;
    assert.equal(route.access, isRead ? "read-all" : "edit", route.path);
  }
  await stage.ask("DELETE", "/collectors/c00", undefined, 204);
  await stage.ask("GET", "/collectors/c00", undefined, 404);
});

test("a collector whose agent is not registered any more is taken over by the next", async () => {
  await using stage = await Stage.open();
  const about = { url: stage.url, id: "box", way: "post", attributes: {} } as const;
  await new SimulatedCollector({ ...about, token: "rid:gone" }).poll();
  await new SimulatedCollector({ ...about, token: "rid:heir" }).poll();
  assert.equal((await stage.ask("GET", "/collectors/box"))["resourceId"], "rid:heir");
});
