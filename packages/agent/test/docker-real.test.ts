/** `discovery.docker` and `loki.source.docker` against a real dockerd and a real podman; skipped, with what is missing, where there is none. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { docker } from "../src/components/discovery/docker.ts";
import { sourceDocker } from "../src/components/loki/source-docker.ts";
import type { LogEntry } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";
import { noDockerd, noPodman, startDockerd, startPodman } from "./docker-daemon.ts";
import type { ContainerEngine } from "./docker-daemon.ts";

const DISCOVERY = {
  port: 80,
  host_networking_host: "localhost",
  match_first_network: true,
  refresh_interval: 60_000,
  filter: [],
  follow_redirects: true,
};
const RULES = compileRules(
  [
    { sourceLabels: ["__meta_docker_container_log_stream"], targetLabel: "stream" },
    { sourceLabels: ["__meta_docker_container_name"], regex: "/(.*)", targetLabel: "container" },
  ],
  { names: "legacy" },
);
/** Counts on both outputs, fast enough that many lines come while a component is down. */
const COUNTING =
  'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo "out $i"; echo "err $i" >&2; sleep 0.01; done; echo end; sleep 600';

const textsOf = (entries: readonly LogEntry[], container: string, stream: string) =>
  entries
    .filter(
      ({ labels }) => labels.get("container") === container && labels.get("stream") === stream,
    )
    .map(({ line }) => line);

const numbered = (name: string) =>
  Array.from({ length: 400 }, (_, index) => `${name} ${index + 1}`);

const ENGINES: readonly {
  readonly name: string;
  readonly skip: string | false;
  readonly start: (directory: string) => Promise<ContainerEngine>;
  readonly refreshMs: number;
}[] = [
  { name: "dockerd", skip: noDockerd(), start: startDockerd, refreshMs: 60_000 },
  // It tells of no rename.
  { name: "podman", skip: noPodman(), start: startPodman, refreshMs: 1000 },
];

for (const { name: engine, skip, start, refreshMs } of ENGINES) {
  const title = `with a real ${engine}, targets come by themselves, and each line arrives once through restarts of all`;
  test(title, { skip, timeout: 120_000 }, async () => {
    await using directory = await temporaryDirectory();
    await using daemon = await start(directory.path);
    await using discovery = startComponent(
      docker,
      { ...DISCOVERY, refresh_interval: refreshMs, host: daemon.host } as never,
      join(directory.path, "discovery"),
    );
    const targets = async (count: number) => {
      while (discovery.exports.targets?.length !== count)
        await new Promise((resolve) => setTimeout(resolve, 10));
      return discovery.exports.targets;
    };
    await targets(0);
    const counting = await daemon.run("counting", COUNTING);
    const receiver = collectingReceiver();
    const values = async (count = 1) =>
      ({
        host: daemon.host,
        targets: await targets(count),
        forward_to: [receiver],
        labels: {},
        relabel_rules: RULES,
        refresh_interval: 60_000,
        http_client_config: undefined,
      }) as never;
    const state = join(directory.path, "source");
    // The component is stopped in the middle of the lines, again and again.
    for (const lines of [50, 300, 500]) {
      await using _ = startComponent(sourceDocker, await values(), state);
      await receiver.until((entries) => entries.length >= lines);
    }
    await daemon.call("POST", `/containers/${counting}/rename?name=renamed`);
    while (discovery.exports.targets[0]!.get("__meta_docker_container_name") !== "/renamed")
      await new Promise((resolve) => setTimeout(resolve, 10));
    await using source = startComponent(sourceDocker, await values(), state);
    await receiver.until((entries) => entries.length >= 801);
    // The same container once more: its log goes on behind what it has.
    await daemon.call("POST", `/containers/${counting}/kill`);
    source.change(await values(0));
    await daemon.call("POST", `/containers/${counting}/start`);
    source.change(await values());
    await receiver.until((entries) => entries.length >= 1602);
    for (const stream of ["out", "err"]) {
      const name = stream === "out" ? "stdout" : "stderr";
      const all = ["counting", "renamed"].flatMap((container) =>
        textsOf(receiver.entries, container, name).filter((line) => line !== "end"),
      );
      assert.deepEqual(all, [...numbered(stream), ...numbered(stream)]);
    }
    assert.equal(receiver.entries.length, 1602);
  });
}

describe("with a real dockerd", { skip: noDockerd(), timeout: 120_000 }, () => {
  test("a terminal, a long line, and a log that cannot be read", async () => {
    await using directory = await temporaryDirectory();
    await using daemon = await startDockerd(directory.path);
    await using discovery = startComponent(
      docker,
      { ...DISCOVERY, host: daemon.host } as never,
      join(directory.path, "discovery"),
    );
    const long = `head -c 40000 /dev/zero | tr '\\0' x; echo; sleep 600`;
    await daemon.run("long", long);
    await daemon.run("tty", long, { Tty: true });
    await daemon.run("mute", "echo nobody hears this; sleep 600", {
      HostConfig: { NetworkMode: "none", LogConfig: { Type: "none" } },
    });
    while (discovery.exports.targets?.length !== 3)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const receiver = collectingReceiver();
    await using source = startComponent(
      sourceDocker,
      {
        host: daemon.host,
        targets: discovery.exports.targets,
        forward_to: [receiver],
        labels: {},
        relabel_rules: RULES,
        refresh_interval: 60_000,
        http_client_config: undefined,
      } as never,
      join(directory.path, "source"),
    );
    await receiver.until((entries) => entries.length === 2);
    assert.deepEqual(
      receiver.entries.map(({ line }) => line),
      ["x".repeat(40_000), "x".repeat(40_000)],
    );
    while (!source.health.message.startsWith("1 of 3"))
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.match(source.health.message, /does not support reading/);
    assert.equal(source.health.state, "healthy");
  });
});
