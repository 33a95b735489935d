/** `otelcol.processor.resourcedetection`, on a machine of the test and on this one. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { hostname } from "node:os";
import { test } from "node:test";
import type { AnyValue } from "@finch/wire";
import { createResourceDetection } from "../src/components/otelcol/processor-resourcedetection.ts";
import { createDockerClient } from "../src/docker/engine-client.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../src/http-client.ts";
import { OWN_HOST, type HostFacts } from "../src/resource-detection/host-facts.ts";
import { findHostName } from "../src/resource-detection/host-name.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { startProcessor, toKeyValues, type ProcessorWorld } from "./processor-harness.ts";

const CPUINFO = `processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 85
model name	: Intel(R) Xeon(R) CPU
stepping	: 7
cache size	: 1024 KB

processor	: 1
vendor_id	: Other
`;

function hostWith(
  changes: Partial<HostFacts> & { readonly variables?: Readonly<Record<string, string>> },
): HostFacts {
  const files: Readonly<Record<string, string>> = {
    "/etc/hosts": "127.0.0.1 localhost\n10.0.0.5 web-1.example.org web-1 # this one\n",
    "/etc/machine-id": "0123456789abcdef\n",
    "/etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
    "/proc/cpuinfo": CPUINFO,
  };
  return {
    env: (name) => changes.variables?.[name],
    hostname: () => "web-1",
    platform: "linux",
    arch: "x64",
    uname: () => ({ release: "6.12.0", version: "#1 SMP", machine: "x86_64" }),
    addresses: () => [
      { address: "127.0.0.1", mac: "00:00:00:00:00:00", isInternal: true },
      { address: "10.0.0.5", mac: "ac:de:48:00:11:22", isInternal: false },
      { address: "fe80::1", mac: "ac:de:48:00:11:22", isInternal: false },
    ],
    readText: (path) => Promise.resolve(files[path]),
    resolve: () => Promise.resolve(["10.0.0.5"]),
    canonicalName: () => Promise.resolve(undefined),
    reverse: () => Promise.resolve(["reverse.example.org."]),
    dockerInfo: () => Promise.resolve({ name: "docker-1", osType: "linux" }),
    ...changes,
  };
}

async function detected(
  config: string,
  host: HostFacts,
  attributes: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<string, AnyValue>>> {
  const world: ProcessorWorld = {
    components: { "otelcol.processor.resourcedetection": createResourceDetection(host) },
  };
  const component = `otelcol.processor.resourcedetection "p" {\n${config}\noutput {\ntraces = SINK\n}\n}`;
  await using flow = await startProcessor(component, world);
  const [tree] = await flow.send("traces", {
    resourceSpans: [
      { resource: { attributes: toKeyValues(attributes) }, scopeSpans: [{ spans: [{}] }] },
    ],
  });
  return Object.fromEntries(tree!.resourceSpans[0]!.resource.attributes);
}

test("the environment gives attributes, encoded ones too", async () => {
  const variables = { OTEL_RESOURCE_ATTRIBUTES: " a=1, service.name = my%20shop ,c=x+y,d=" };
  assert.deepEqual(await detected("", hostWith({ variables })), {
    a: "1",
    "service.name": "my shop",
    c: "x y",
    d: "",
  });
  assert.deepEqual(await detected("", hostWith({ variables: { OTEL_RESOURCE: "a=b" } })), {
    a: "b",
  });
  assert.deepEqual(await detected("", hostWith({})), {});
});

test("the system gives host name and kind, and more where it is turned on", async () => {
  const config = 'detectors = ["system"]';
  assert.deepEqual(await detected(config, hostWith({})), {
    "host.name": "web-1.example.org",
    "os.type": "linux",
  });
  const names = [
    "host.arch",
    "host.id",
    "host.ip",
    "host.mac",
    "os.description",
    "host.cpu.vendor.id",
    "host.cpu.family",
    "host.cpu.model.id",
    "host.cpu.model.name",
    "host.cpu.stepping",
    "host.cpu.cache.l2.size",
  ];
  const toggles = names.map((name) => `${name} {\nenabled = true\n}`).join("\n");
  const all = `${config}\nsystem {\nhostname_sources = ["os"]\nresource_attributes {\n${toggles}\nos.type {\nenabled = false\n}\n}\n}`;
  assert.deepEqual(await detected(all, hostWith({})), {
    "host.name": "web-1",
    "host.arch": "amd64",
    "host.id": "0123456789abcdef",
    "host.ip": ["10.0.0.5", "fe80::1"],
    "host.mac": ["AC-DE-48-00-11-22"],
    "os.description": "Debian GNU/Linux 13 (trixie) (Linux web-1 6.12.0 #1 SMP x86_64)",
    "host.cpu.vendor.id": "GenuineIntel",
    "host.cpu.family": "6",
    "host.cpu.model.id": "85",
    "host.cpu.model.name": "Intel(R) Xeon(R) CPU",
    "host.cpu.stepping": "7",
    "host.cpu.cache.l2.size": 1024n,
  });
});

test("this machine has a name", async () => {
  const found = await detected(
    'detectors = ["system"]\nsystem {\nhostname_sources = ["os"]\n}',
    OWN_HOST,
  );
  assert.equal(found["host.name"], hostname());
});

test("host names by source", async () => {
  const none = () => Promise.reject(new Error("ENOTFOUND"));
  const noFile = { readText: () => Promise.resolve(undefined) };
  const alias = (name: string) => Promise.resolve(name === "web-1" ? "a.example.org." : undefined);
  const name = (source: "dns" | "os" | "cname" | "lookup", changes: Partial<HostFacts>) =>
    findHostName(hostWith(changes), [source]);
  assert.equal(await name("dns", {}), "web-1.example.org");
  assert.equal(await name("dns", { ...noFile, canonicalName: alias }), "a.example.org");
  assert.equal(await name("dns", noFile), "reverse.example.org");
  assert.equal(await name("cname", { canonicalName: alias }), "a.example.org");
  assert.equal(await name("lookup", {}), "reverse.example.org");
  await assert.rejects(name("lookup", { resolve: none }), /no host name by lookup/);
  await assert.rejects(name("cname", { resolve: none }), /no host name by cname/);
});

test("the first detector that finds an attribute counts, and override decides about the resource's own", async () => {
  const variables = {
    OTEL_RESOURCE_ATTRIBUTES: "host.name=env-1",
    HEROKU_DYNO_ID: "d",
    HEROKU_APP_NAME: "app",
  };
  const host = hostWith({ variables });
  const own = { "host.name": "own", "service.name": "" };
  assert.deepEqual(await detected('detectors = ["docker", "env", "heroku"]', host, own), {
    "host.name": "docker-1",
    "os.type": "linux",
    "cloud.provider": "heroku",
    "heroku.dyno.id": "d",
    "service.instance.id": "d",
    "service.name": "app",
  });
  assert.deepEqual(await detected('detectors = ["env", "docker"]\noverride = false', host, own), {
    ...own,
    "os.type": "linux",
  });
});

test("a detector that fails does not keep telemetry, and is told of", async () => {
  const world: ProcessorWorld = {
    components: {
      "otelcol.processor.resourcedetection": createResourceDetection(
        hostWith({ dockerInfo: () => Promise.reject(new Error("no engine here")) }),
      ),
    },
  };
  await using flow = await startProcessor(
    'otelcol.processor.resourcedetection "p" {\ndetectors = ["docker", "system"]\ntimeout = "20ms"\noutput {\ntraces = SINK\n}\n}',
    world,
  );
  const [tree] = await flow.send("traces", { resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] });
  assert.equal(tree!.resourceSpans[0]!.resource.attributes.get("os.type"), "linux");
  const { health } = flow.agent.components().find(({ id }) => id.endsWith(".p"))!;
  assert.deepEqual([health.state, health.message], ["unhealthy", "docker: no engine here"]);
});

test("detectors that are not built or do not exist are refused", async () => {
  const refusal = async (detector: string) => {
    const config = `otelcol.processor.resourcedetection "p" {\ndetectors = ["${detector}"]\noutput {\ntraces = SINK\n}\n}`;
    await assert.rejects(startProcessor(config), (error: Error) => {
      assert.match(
        error.message,
        detector === "ec2"
          ? /not supported yet: detector ec2/
          : /there is no detector "moon": env, system/,
      );
      return true;
    });
  };
  await refusal("ec2");
  await refusal("moon");
});

test("the engine tells the name of its machine", async () => {
  await using directory = await temporaryDirectory();
  const socket = join(directory.path, "docker.sock");
  const server = createServer((request, response) => {
    assert.equal(request.url, "/info");
    response.end(JSON.stringify({ Name: "box", OSType: "Linux", Containers: 3 }));
  });
  server.listen(socket);
  await once(server, "listening");
  using client = await createDockerClient(`unix://${socket}`, {
    http: DEFAULT_HTTP_CLIENT_OPTIONS,
    timeoutMs: 5000,
  });
  assert.deepEqual(await client.info(new AbortController().signal), {
    name: "box",
    osType: "linux",
  });
  server.close();
});
