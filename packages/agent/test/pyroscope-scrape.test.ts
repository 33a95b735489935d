/** `pyroscope.scrape`: what it asks of targets, and what becomes of the answers; against the pprof endpoints of a real Go program where there is one. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Labels } from "@finch/model";
import { decodeProfilePush, DEFAULT_PROFILE_PUSH_LIMITS } from "@finch/wire";
import {
  enabledProfiles,
  findFault,
  ARGUMENTS,
} from "../src/components/pyroscope/scrape-arguments.ts";
import { readProfileTargets } from "../src/components/pyroscope/scrape-target.ts";
import { valuesOf } from "./prometheus-harness.ts";
import {
  startAgentWith,
  startFakePyroscope,
  until,
  type FakePyroscope,
} from "./pyroscope-harness.ts";

const GO_PROGRAMS = ["prometheus-node-exporter", "node_exporter"];

function valuesWith(changes: object) {
  return valuesOf(ARGUMENTS, { targets: [], forward_to: [], ...changes });
}

function targetsOf(target: Readonly<Record<string, string>>, changes: object = {}) {
  return readProfileTargets(Labels.fromObject(target), valuesWith(changes), "pyroscope.scrape.s");
}

void describe("the profiles of a target", () => {
  void test("the default ones, with their seconds and times", () => {
    const targets = targetsOf({ __address__: "host:6060", service_name: "shop", __meta_x: "y" });
    assert.deepEqual(
      targets.map(({ url, timeoutMs }) => `${url} ${timeoutMs}`),
      [
        "http://host:6060/debug/pprof/allocs 10000",
        "http://host:6060/debug/pprof/block 10000",
        "http://host:6060/debug/pprof/goroutine 10000",
        "http://host:6060/debug/pprof/mutex 10000",
        "http://host:6060/debug/pprof/profile?seconds=14 24000",
      ],
    );
    assert.deepEqual(targets[0]!.labels.toObject(), {
      __name__: "memory",
      instance: "host:6060",
      job: "pyroscope.scrape.s",
      "otel.scope.name": "com.grafana.alloy/pyroscope.scrape",
      service_name: "shop",
    });
  });

  void test("other kinds, paths, parameters, ports and names", () => {
    const config = {
      path_prefix: "/pre/",
      "profile.block": { enabled: false },
      "profile.mutex": { enabled: false },
      "profile.goroutine": { enabled: false },
      "profile.memory": { enabled: false },
      "profile.process_cpu": { enabled: false },
      "profile.fgprof": { enabled: true },
      "profile.godeltaprof_memory": { enabled: true },
      "profile.custom": [{ type: "events", enabled: true, path: "/own?x=1", delta: true }],
    };
    const changes = {
      profiling_config: config,
      scrape_interval: 60_000,
      scheme: "https",
      job_name: "j",
      params: { debug: ["0", "1"] },
    };
    assert.deepEqual(
      targetsOf({ __address__: "host", __param_debug: "2" }, changes).map(
        ({ url, labels, kind }) => `${labels.get("__name__")} ${url} ${kind.isDifference}`,
      ),
      [
        "fgprof https://host/pre/debug/fgprof?debug=2&debug=1&seconds=59 false",
        "memory https://host/pre/debug/pprof/delta_heap?debug=2&debug=1 true",
        "events https://host/pre/own?debug=2&debug=1&seconds=59&x=1 false",
      ],
    );
  });

  const inferred: readonly (readonly [object, string])[] = [
    [{}, "unspecified"],
    [{ __meta_docker_container_name: "/web" }, "/web"],
    [
      {
        __meta_kubernetes_namespace: "shop",
        __meta_kubernetes_pod_container_name: "api",
        __meta_docker_container_name: "/web",
      },
      "shop/api",
    ],
    [{ __meta_kubernetes_pod_annotation_pyroscope_io_service_name: "own" }, "own"],
  ];
  for (const [meta, name] of inferred)
    void test(`service ${name} of ${JSON.stringify(meta)}`, () => {
      const [first] = targetsOf({ __address__: "[::1]:80", ...meta });
      assert.equal(first!.labels.get("service_name"), name);
      assert.equal(first!.labels.get("instance"), "[::1]:80");
    });

  void test("a target without a usable address is refused", () => {
    assert.throws(() => targetsOf({ service_name: "x" }), /it has no __address__/);
    assert.throws(() => targetsOf({ __address__: "a/b" }), /is not a host and port/);
    assert.throws(
      () => targetsOf({ __address__: "a", __scheme__: "ftp" }),
      /neither http nor https/,
    );
  });

  const faults: readonly (readonly [object, RegExp | undefined])[] = [
    [{}, undefined],
    [{ scrape_interval: 60_000 }, undefined],
    [{ scrape_interval: 1000 }, /must be at least 2 seconds/],
    [{ scrape_interval: 5000 }, undefined],
    [{ delta_profiling_duration: 1000 }, /longer than 1 second/],
    [{ scrape_interval: 5000, delta_profiling_duration: 4500 }, /at least 1 second shorter/],
    [
      {
        scrape_interval: 1000,
        profiling_config: { "profile.process_cpu": { enabled: false } },
      },
      undefined,
    ],
    [
      {
        profiling_config: {
          "profile.custom": [
            { type: "a", enabled: true, path: "/a" },
            { type: "a", enabled: true, path: "/b" },
          ],
        },
      },
      /two blocks profile.custom are called "a"/,
    ],
  ];
  for (const [changes, message] of faults)
    void test(`arguments ${JSON.stringify(changes)}`, () => {
      const found = findFault(valuesWith(changes))?.message;
      if (message === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", message);
    });

  void test("seconds follow the interval unless they are written", () => {
    const seconds = (changes: object) =>
      enabledProfiles(valuesWith(changes)).find(({ type }) => type === "process_cpu")!.seconds;
    assert.deepEqual(
      [
        {},
        { scrape_interval: 5000 },
        { scrape_interval: 60_000, delta_profiling_duration: 30_000 },
      ].map(seconds),
      [14, 4, 30],
    );
  });
});

/** All series that were pushed. */
function pushed({ requests }: FakePyroscope) {
  return requests.flatMap(({ body }) =>
    decodeProfilePush(body, { encoding: "proto", limits: DEFAULT_PROFILE_PUSH_LIMITS }),
  );
}

/** Scrapes a target at intervals of some milliseconds. */
function config(target: string, sink: string, profiles: string): string {
  return `
pyroscope.scrape "s" {
  targets = [{__address__ = "${target}", service_name = "shop"}]
  scrape_interval = "50ms"
  scrape_timeout = "5s"
  forward_to = [pyroscope.write.w.receiver]
  profiling_config {
    profile.process_cpu {
      enabled = false
    }
    ${profiles}
  }
}
pyroscope.write "w" {
  endpoint {
    url = "${sink}"
  }
}
`;
}

const OFF = ["memory", "block", "goroutine", "mutex"]
  .map((name) => `profile.${name} {\n enabled = false\n}`)
  .join("\n");

void describe("pyroscope.scrape", () => {
  void test("answers that are no profile are told with what they begin with", async () => {
    await using pyroscope = await startFakePyroscope();
    const answers: Readonly<Record<string, readonly [status: number, type: string, body: string]>> =
      {
        "/text": [200, "text/plain", "not here"],
        "/page": [200, "application/octet-stream", "<html><body>hello there</body></html>"],
        "/gone": [404, "text/plain", "no such page"],
        "/empty": [200, "application/octet-stream", ""],
        "/good": [200, "application/octet-stream", "\x0a\x04\x08\x01\x10\x02"],
      };
    const target = createServer((message, response) => {
      const [status, type, body] = answers[message.url!]!;
      response.writeHead(status, { "content-type": type }).end(body);
    }).listen(0, "127.0.0.1");
    await once(target, "listening");
    const address = `127.0.0.1:${(target.address() as AddressInfo).port}`;
    const custom = Object.keys(answers).map(
      (path) =>
        `profile.custom "own${path.replace("/", "_")}" {\n enabled = true\n path = "${path}"\n}`,
    );
    {
      await using running = await startAgentWith(
        config(address, pyroscope.url, [OFF, ...custom].join("\n")),
      );
      const { agent } = running;
      const targets = () =>
        agent.scrapePoolsOf("pyroscope.scrape.s").flatMap((pool) => pool.targets);
      await until(
        () => targets().length === 5 && targets().every(({ health }) => health !== "unknown"),
      );
      const errors = new Map(
        targets().map(({ url, lastError }) => [new URL(url).pathname, lastError]),
      );
      assert.match(
        errors.get("/text")!,
        /content type "text\/plain" instead of application\/octet-stream: "not here"/,
      );
      assert.match(errors.get("/page")!, /something else than pprof: "<html>/);
      assert.match(errors.get("/gone")!, /status 404: "no such page"/);
      assert.match(errors.get("/empty")!, /answered with nothing/);
      assert.equal(errors.get("/good"), "");
      // They are none of Prometheus' targets.
      assert.deepEqual(agent.scrapePools(), []);
    }
    const [series] = pushed(pyroscope);
    assert.deepEqual(series!.labels.toObject(), {
      __name__: "own_good",
      instance: address,
      job: "pyroscope.scrape.s",
      "otel.scope.name": "com.grafana.alloy/pyroscope.scrape",
      service_name: "shop",
    });
    assert.ok(pushed(pyroscope).every(({ labels }) => labels.get("__name__") === "own_good"));
    target.closeAllConnections();
    target.close();
  });

  void test(
    "a real Go program: all of its profiles, memory as what was added",
    { skip: noGoProgram() },
    async () => {
      await using pyroscope = await startFakePyroscope();
      await using program = await startGoProgram();
      const text = config(program.address, pyroscope.url, "")
        .replace(/profile\.process_cpu \{[^}]*\}/, "")
        .replace(
          'scrape_interval = "50ms"',
          'scrape_interval = "3s"\n delta_profiling_duration = "2s"',
        );
      await using running = await startAgentWith(text);
      const { health } = running.agent.component("pyroscope.scrape.s")!;
      assert.equal(health.message, "scrapes 5 profiles of 1 targets");
      const names = () => new Set(pushed(pyroscope).map(({ labels }) => labels.get("__name__")));
      await until(() => names().size === 5);
      const memory = pushed(pyroscope).find(({ labels }) => labels.get("__name__") === "memory")!;
      assert.equal(memory.labels.get("__delta__"), "false");
      const cpu = pushed(pyroscope).find(({ labels }) => labels.get("__name__") === "process_cpu")!;
      assert.equal(cpu.labels.get("__delta__"), "");
      for (const { profiles } of pushed(pyroscope)) {
        const plain = gunzipSync(profiles[0]!.pprof);
        assert.ok(plain.length > 0);
      }
    },
  );
});

function programPath(): string | undefined {
  const named = process.env["FINCH_TEST_NODE_EXPORTER"];
  if (named !== undefined) return named;
  return GO_PROGRAMS.find((name) => {
    try {
      execFileSync("which", [name], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

function noGoProgram(): string | false {
  return programPath() === undefined
    ? `needs ${GO_PROGRAMS.join(" or ")} (or FINCH_TEST_NODE_EXPORTER=PATH)`
    : false;
}

async function startGoProgram(): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  const child = spawn(programPath()!, [`--web.listen-address=${address}`], { stdio: "ignore" });
  await until(() =>
    fetch(`http://${address}/metrics`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    address,
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "exit");
    },
  };
}
