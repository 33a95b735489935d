import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { sourceDocker } from "../src/components/loki/source-docker.ts";
import type { LogEntry, LogsReceiver } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";
import { ScriptedEngine } from "./docker-engine.ts";

/** In nanoseconds: seconds of the past, so that the clock of the machine is ahead. */
const START = 1_795_195_742_000_000_000n - 86_400n * 300n * 1_000_000_000n;
const at = (seconds: number): bigint => START + BigInt(Math.round(seconds * 1e9));

async function startEngine() {
  const directory = await temporaryDirectory();
  const engine = new ScriptedEngine();
  const socket = join(directory.path, "docker.sock");
  await engine.listen(socket);
  return {
    engine,
    state: join(directory.path, "state"),
    host: `unix://${socket}`,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function target(id: string, labels: object = {}): Labels {
  return Labels.fromObject({ __meta_docker_container_id: id, ...labels });
}

function argumentsFor(
  host: string,
  receiver: LogsReceiver,
  targets: readonly Labels[],
  changes: object = {},
) {
  return {
    host,
    targets,
    forward_to: [receiver],
    labels: {},
    relabel_rules: undefined,
    refresh_interval: 60_000,
    http_client_config: undefined,
    ...changes,
  } as never;
}

const linesOf = (entries: readonly LogEntry[]) => entries.map(({ line }) => line);

describe("loki.source.docker", () => {
  test("lines have the engine's times and labels by stream; a restart repeats and loses nothing", async () => {
    await using place = await startEngine();
    const { engine, host, state } = place;
    engine.add("c1");
    engine.write("c1", at(1), "one");
    engine.write("c1", at(1), "two", "stderr");
    const receiver = collectingReceiver();
    const rules = compileRules(
      [
        { sourceLabels: ["__meta_docker_container_log_stream"], targetLabel: "stream" },
        {
          sourceLabels: ["__meta_docker_container_name"],
          regex: "/(.*)",
          targetLabel: "container",
        },
      ],
      { names: "legacy" },
    );
    const values = argumentsFor(
      host,
      receiver,
      [target("c1", { __meta_docker_container_name: "/web", job: "docker" })],
      { relabel_rules: rules, labels: { platform: "docker" } },
    );
    {
      await using _ = startComponent(sourceDocker, values, state);
      await receiver.until((entries) => entries.length === 2);
    }
    // Between the runs: one at the very time of the last, one that equals it in everything, one that is late.
    engine.write("c1", at(1), "three");
    engine.write("c1", at(1), "one");
    engine.write("c1", at(0.9999), "late", "stderr");
    await using _ = startComponent(sourceDocker, values, state);
    await receiver.until((entries) => entries.length === 5);
    engine.write("c1", at(2), "four");
    await receiver.until((entries) => entries.length === 6);
    assert.deepEqual(linesOf(receiver.entries), ["one", "two", "three", "one", "late", "four"]);
    assert.equal(receiver.entries[1]!.timestampNs, at(1));
    assert.deepEqual(
      receiver.entries.slice(0, 2).map(({ labels }) => labels.toObject()),
      [
        { container: "web", job: "docker", platform: "docker", stream: "stdout" },
        { container: "web", job: "docker", platform: "docker", stream: "stderr" },
      ],
    );
  });

  test("a stop and a start, a broken connection and a new name go unnoticed in the log", async () => {
    await using place = await startEngine();
    const { engine, host, state } = place;
    engine.add("c1");
    const receiver = collectingReceiver();
    await using component = startComponent(
      sourceDocker,
      argumentsFor(host, receiver, [target("c1", { name: "old" })]),
      state,
    );
    await engine.until(() => engine.followed.length === 1);
    engine.write("c1", at(1), "first run");
    await receiver.until((entries) => entries.length === 1);
    engine.write("c1", at(2), "last words");
    engine.stop("c1");
    await receiver.until((entries) => entries.length === 2);
    component.change(argumentsFor(host, receiver, [target("c1", { name: "new" })]));
    engine.start("c1");
    engine.write("c1", at(3), "second run");
    await receiver.until((entries) => entries.length === 3);
    await engine.until(() => engine.followed.length === 1);
    engine.breakStreams();
    engine.write("c1", at(4), "while nobody listened");
    await receiver.until((entries) => entries.length === 4);
    assert.deepEqual(linesOf(receiver.entries), [
      "first run",
      "last words",
      "second run",
      "while nobody listened",
    ]);
    assert.deepEqual(
      receiver.entries.map(({ labels }) => labels.get("name")),
      ["old", "old", "new", "new"],
    );
  });

  test("what a container wrote before it stopped is read though it is no target any more", async () => {
    await using place = await startEngine();
    const { engine, host, state } = place;
    engine.add("c1");
    const receiver = collectingReceiver();
    await using component = startComponent(
      sourceDocker,
      argumentsFor(host, receiver, [target("c1")]),
      state,
    );
    await engine.until(() => engine.followed.length === 1);
    engine.breakStreams();
    engine.write("c1", at(1), "last words");
    engine.stop("c1");
    component.change(argumentsFor(host, receiver, []));
    await receiver.until((entries) => entries.length === 1);
    // The tail ends, and the container can come back.
    engine.start("c1");
    engine.write("c1", at(2), "again");
    component.change(argumentsFor(host, receiver, [target("c1")]));
    await receiver.until((entries) => entries.length === 2);
    assert.deepEqual(linesOf(receiver.entries), ["last words", "again"]);
  });

  test("a running container that is no target any more is let go", async () => {
    await using place = await startEngine();
    const { engine, host, state } = place;
    engine.add("c1");
    const receiver = collectingReceiver();
    await using component = startComponent(
      sourceDocker,
      argumentsFor(host, receiver, [target("c1")]),
      state,
    );
    await engine.until(() => engine.followed.length === 1);
    component.change(argumentsFor(host, receiver, []));
    while (engine.followed.length > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  for (const looksAtEachTime of [false, true]) {
    const engineName = looksAtEachTime ? "an old engine" : "a new engine";
    test(`the clock jumps ahead and back: each line once from ${engineName}`, async () => {
      await using place = await startEngine();
      const { engine, host, state } = place;
      engine.looksAtEachTime = looksAtEachTime;
      engine.add("c1");
      const receiver = collectingReceiver();
      const values = argumentsFor(host, receiver, [target("c1")]);
      const expected: string[] = [];
      const write = (seconds: number) => {
        engine.write("c1", at(seconds), `line ${expected.length}`);
        expected.push(`line ${expected.length}`);
      };
      for (const [round, seconds] of [100, 3700, 110, 90, 4000].entries()) {
        await using _ = startComponent(sourceDocker, values, state);
        await engine.until(() => engine.followed.length === 1);
        for (let i = 0; i < 150; i++) write(seconds + i / 1000);
        await receiver.until((entries) => entries.length === 150 * (round + 1));
      }
      {
        await using _ = startComponent(sourceDocker, values, state);
        await engine.until(() => engine.followed.length === 1);
        write(4001);
        await receiver.until((entries) => entries.length === expected.length);
      }
      assert.deepEqual(linesOf(receiver.entries), expected);
    });
  }

  test("lines that a receiver refuses are offered again and the engine waits", async () => {
    await using place = await startEngine();
    const { engine, host, state } = place;
    engine.add("c1");
    engine.write("c1", at(1), "one");
    const receiver = collectingReceiver();
    let refusals = 1;
    const moody: LogsReceiver = {
      kind: "logs-receiver",
      owner: "moody",
      append: (entries, signal) =>
        refusals-- > 0 ? Promise.reject(new Error("not now")) : receiver.append(entries, signal),
    };
    await using _ = startComponent(sourceDocker, argumentsFor(host, moody, [target("c1")]), state);
    await receiver.until((entries) => entries.length === 1);
  });

  test("an engine that is not there makes the component unhealthy, by name", async () => {
    await using directory = await temporaryDirectory();
    const host = `unix://${directory.path}/nowhere.sock`;
    await using component = startComponent(
      sourceDocker,
      argumentsFor(host, collectingReceiver(), [target("c1")]),
      join(directory.path, "state"),
    );
    while (component.health.state !== "unhealthy")
      await new Promise((resolve) => setImmediate(resolve));
    assert.match(component.health.message, /1 of 1 containers cannot be read: .*ENOENT.*nowhere/);
  });
});
