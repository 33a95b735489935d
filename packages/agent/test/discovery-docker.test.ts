import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { docker } from "../src/components/discovery/docker.ts";
import { parseDockerHost } from "../src/docker/engine-client.ts";
import type { Target } from "../src/receivers.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { ScriptedEngine } from "./docker-engine.ts";
import type { ScriptedContainer } from "./docker-engine.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

const DEFAULTS = {
  port: 80,
  host_networking_host: "localhost",
  match_first_network: true,
  refresh_interval: 60_000,
  filter: [],
  follow_redirects: true,
};

async function startEngine() {
  const directory = await temporaryDirectory();
  const engine = new ScriptedEngine();
  const socket = join(directory.path, "docker.sock");
  await engine.listen(socket);
  const discover = (changes: object = {}) =>
    startComponent(
      docker,
      { ...DEFAULTS, host: `unix://${socket}`, ...changes } as never,
      join(directory.path, "state"),
    );
  return {
    engine,
    discover,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

type Discovery = ReturnType<Awaited<ReturnType<typeof startEngine>>["discover"]>;

async function targetsOf(
  discovery: Discovery,
  condition: (targets: readonly Target[]) => boolean = (targets) => targets.length > 0,
): Promise<object[]> {
  while (!condition(discovery.exports.targets ?? []))
    await new Promise((resolve) => setImmediate(resolve));
  return discovery.exports.targets.map((target) => target.toObject());
}

const NETWORKS = {
  b: { NetworkID: "n2", IPAddress: "fd00::2" },
  a: { NetworkID: "n1", IPAddress: "10.0.0.2" },
};
const PORTS = [
  { PrivatePort: 8080, PublicPort: 18_080, IP: "127.0.0.1", Type: "tcp" },
  { PrivatePort: 9100, Type: "tcp" },
  { PrivatePort: 53, Type: "udp" },
];

const cases: readonly {
  readonly name: string;
  readonly container: Partial<ScriptedContainer>;
  readonly changes?: object;
  readonly addresses: readonly string[];
}[] = [
  {
    name: "a target for each TCP port, in the first network by name",
    container: { networks: NETWORKS, ports: PORTS },
    addresses: ["10.0.0.2:8080", "10.0.0.2:9100"],
  },
  {
    name: "in every network when the first is not told apart",
    container: { networks: NETWORKS, ports: PORTS.slice(1) },
    changes: { match_first_network: false },
    addresses: ["10.0.0.2:9100", "[fd00::2]:9100"],
  },
  {
    name: "the fallback port where none is exposed",
    container: { ports: PORTS.slice(2) },
    changes: { port: 9999 },
    addresses: ["172.17.0.2:9999"],
  },
  {
    name: "the host's network",
    container: {
      networkMode: "host",
      networks: { host: { NetworkID: "h", IPAddress: "" } },
    },
    changes: { host_networking_host: "example.org" },
    addresses: ["example.org"],
  },
  {
    name: "no network at all",
    container: { networkMode: "none", networks: { none: { NetworkID: "x", IPAddress: "" } } },
    addresses: [":80"],
  },
  {
    name: "an engine that lists no networks is asked for each container",
    container: { networkMode: undefined, networks: NETWORKS },
    addresses: ["10.0.0.2:80"],
  },
  {
    name: "and where it has none, the container is a target all the same",
    container: { networkMode: undefined, networks: null },
    addresses: [":80"],
  },
];

describe("discovery.docker", () => {
  for (const { name, container, changes = {}, addresses } of cases) {
    test(name, async () => {
      await using place = await startEngine();
      place.engine.add("c1", container);
      await using discovery = place.discover(changes);
      const targets = await targetsOf(discovery);
      assert.deepEqual(
        targets.map((labels) => (labels as Record<string, string>)["__address__"]),
        addresses,
      );
    });
  }

  test("labels of the container, its network and its port", async () => {
    await using place = await startEngine();
    const { engine } = place;
    engine.networks = [
      {
        Id: "n1",
        Name: "app net",
        Scope: "local",
        Internal: true,
        Ingress: false,
        Labels: { "net.label": "l" },
      },
    ];
    engine.add("c1", {
      labels: { "com.docker.compose-project": "demo", ö: "umlaut" },
      networks: { a: NETWORKS.a },
      ports: PORTS.slice(0, 1),
      networkMode: "a",
    });
    await using discovery = place.discover();
    assert.deepEqual(await targetsOf(discovery), [
      {
        __address__: "10.0.0.2:8080",
        __meta_docker_container_id: "c1",
        __meta_docker_container_label__: "umlaut",
        __meta_docker_container_label_com_docker_compose_project: "demo",
        __meta_docker_container_name: "/c1",
        __meta_docker_container_network_mode: "a",
        __meta_docker_network_id: "n1",
        __meta_docker_network_ingress: "false",
        __meta_docker_network_internal: "true",
        __meta_docker_network_ip: "10.0.0.2",
        __meta_docker_network_label_net_label: "l",
        __meta_docker_network_name: "app net",
        __meta_docker_network_scope: "local",
        __meta_docker_port_private: "8080",
        __meta_docker_port_public: "18080",
        __meta_docker_port_public_ip: "127.0.0.1",
      },
    ]);
  });

  test("a container in another's network has the other's", async () => {
    await using place = await startEngine();
    place.engine.add("owner", { networks: { a: NETWORKS.a }, ports: PORTS.slice(1) });
    place.engine.add("guest", { networks: {}, networkMode: "container:middle" });
    place.engine.add("middle", { networks: {}, networkMode: "container:owner" });
    place.engine.add("lost", { networks: {}, networkMode: "container:nobody" });
    place.engine.add("loop", { networks: {}, networkMode: "container:loop" });
    await using discovery = place.discover();
    const targets = (await targetsOf(discovery)) as Record<string, string>[];
    assert.deepEqual(
      targets.map((labels) => [labels["__meta_docker_container_name"], labels["__address__"]]),
      [
        ["/owner", "10.0.0.2:9100"],
        ["/guest", "10.0.0.2:80"],
        ["/middle", "10.0.0.2:80"],
      ],
    );
  });

  test("a new container is a target at once, one that stops is none", async () => {
    await using place = await startEngine();
    place.engine.add("c1");
    await using discovery = place.discover();
    await targetsOf(discovery);
    place.engine.add("c2");
    await targetsOf(discovery, (targets) => targets.length === 2);
    place.engine.stop("c1");
    const [left] = (await targetsOf(discovery, (targets) => targets.length === 1)) as [
      Record<string, string>,
    ];
    assert.equal(left["__meta_docker_container_name"], "/c2");
  });

  test("filters reach the engine, and a proxy may keep networks and events to itself", async () => {
    await using place = await startEngine();
    const { engine } = place;
    engine.forbidden.add("/networks").add("/events");
    engine.add("c1");
    await using discovery = place.discover({
      refresh_interval: 10,
      filter: [
        { name: "label", values: ["a", "b=c"] },
        { name: "label", values: ["d"] },
      ],
    });
    await targetsOf(discovery);
    engine.add("c2");
    await targetsOf(discovery, (targets) => targets.length === 2);
    assert.equal(discovery.health.state, "healthy");
    const listed = engine.requests.find((path) => path.startsWith("/containers/json"))!;
    assert.deepEqual(JSON.parse(new URL(listed, "http://docker").searchParams.get("filters")!), {
      label: ["a", "b=c", "d"],
    });
  });

  test("an engine that refuses leaves the targets as they were and says so", async () => {
    await using place = await startEngine();
    place.engine.add("c1");
    await using discovery = place.discover({ refresh_interval: 10 });
    await targetsOf(discovery);
    place.engine.forbidden.add("/containers/json");
    while (discovery.health.state !== "unhealthy")
      await new Promise((resolve) => setImmediate(resolve));
    assert.match(discovery.health.message, /answers 403 to \/containers\/json: forbidden/);
    assert.equal(discovery.exports.targets.length, 1);
  });

  test("hosts", () => {
    const none = { hasTls: false };
    assert.deepEqual(parseDockerHost("unix:///var/run/docker.sock", none), {
      baseUrl: "http://docker",
      socketPath: "/var/run/docker.sock",
    });
    assert.equal(parseDockerHost("tcp://proxy:2375", none).baseUrl, "http://proxy:2375");
    assert.equal(parseDockerHost("tcp://h:2376", { hasTls: true }).baseUrl, "https://h:2376");
    assert.equal(parseDockerHost("https://h/engine/", none).baseUrl, "https://h/engine");
    for (const host of ["", "/var/run/docker.sock", "unix://relative", "npipe:////./pipe/docker"])
      assert.throws(() => parseDockerHost(host, none), { code: "agent/docker-host" });
  });
});

describe("captured answers", { skip }, () => {
  test("of a real engine: the containers it was captured with", async () => {
    await using place = await startEngine();
    const read = (file: string) =>
      JSON.parse(readFileSync(join(CAPTURES, "docker", file), "utf8")) as object[];
    place.engine.networks = read("networks.json");
    place.engine.listing = read("containers-json.json");
    await using discovery = place.discover();
    const targets = (await targetsOf(discovery)) as Record<string, string>[];
    assert.deepEqual(
      targets.map((labels) => [
        labels["__meta_docker_container_name"],
        labels["__address__"],
        labels["__meta_docker_network_name"],
        labels["__meta_docker_container_network_mode"],
      ]),
      [
        ["/web2", "198.18.77.2:8080", "appnet", "appnet"],
        ["/web2", "198.18.77.2:9100", "appnet", "appnet"],
        ["/web1", ":80", "none", "none"],
      ],
    );
    assert.equal(targets[0]!["__meta_docker_container_label_prometheus_io_scrape"], "true");
  });
});
