/** `otelcol.exporter.loadbalancing`: who gets what, over real connections, and how receivers are found. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { systemClock } from "@finch/runtime";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { connectKubernetes } from "../src/kubernetes/connection.ts";
import { resolveEndpoints } from "../src/otel/endpoint-resolver.ts";
import { HashRing } from "../src/otel/hash-ring.ts";
import { routeBatch } from "../src/otel/route-batch.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import { clientArguments, KubernetesApi } from "./kubernetes-api.ts";
import { startFlow } from "./otel-harness.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 4000; !condition(); left--) {
    assert.ok(left > 0, "it did not come in time");
    await new Promise((done) => setTimeout(done, 5));
  }
}

const idOf = (...first: readonly number[]) => {
  const id = new Uint8Array(16);
  id.set(first);
  return id;
};

test("keys belong to the endpoints that the collector gives them to", () => {
  // Of consistent_hashing_test.go in opentelemetry-collector-contrib.
  const ring = new HashRing(["endpoint-1", "endpoint-2"]);
  assert.equal(ring.endpointFor(idOf(1, 2)), "endpoint-1");
  assert.equal(ring.endpointFor(idOf(128, 128)), "endpoint-2");
  assert.equal(new HashRing([]).endpointFor("a"), undefined);
});

test("an endpoint that goes moves its own keys only", () => {
  const all = new HashRing(["a:1", "b:1", "c:1"]);
  const fewer = new HashRing(["a:1", "c:1"]);
  const owners = { "a:1": 0, "b:1": 0, "c:1": 0 };
  for (let n = 0; n < 2000; n++) {
    const key = idOf(n & 255, n >> 8, n % 7);
    const before = all.endpointFor(key) as keyof typeof owners;
    owners[before]++;
    if (before !== "b:1") assert.equal(fewer.endpointFor(key), before);
  }
  for (const count of Object.values(owners)) assert.ok(count > 300, JSON.stringify(owners));
});

const hexOf = (n: number) => n.toString(16).padStart(32, "0");
const span = (trace: number, name: string) => ({ traceId: hexOf(trace), name });
const service = (name: string) => ({
  attributes: [{ key: "service.name", value: { stringValue: name } }],
});
const twoServices = (count: number) =>
  TelemetryBatch.ofRequest(
    "traces",
    encodeOtlpJson({
      resourceSpans: ["front", "back"].map((name) => ({
        resource: service(name),
        scopeSpans: [
          {
            scope: { name: "lib" },
            spans: Array.from({ length: count }, (_, n) => span(n + 1, `${name} ${n + 1}`)),
          },
        ],
      })),
    }),
  );

interface Arrived {
  readonly trace: string;
  readonly service: string;
  readonly scope: string;
}

const arrivedOf = (batches: readonly AnyBatch[]): Arrived[] =>
  batches.flatMap((batch) =>
    batch.signal !== "traces"
      ? []
      : batch.tree().resourceSpans.flatMap(({ resource, scopeSpans }) =>
          scopeSpans.flatMap(({ scope, spans }) =>
            spans.map(({ traceId }) => ({
              trace: Buffer.from(traceId).toString("hex"),
              service: resource.attributes.get("service.name") as string,
              scope: scope.name,
            })),
          ),
        ),
  );

const balanced = (ports: readonly number[], more: string) => `
otelcol.receiver.test "r" { output { traces = [otelcol.exporter.loadbalancing.b.input] } }
otelcol.exporter.loadbalancing "b" {
	${more}
	resolver {
		static { hostnames = [${ports.map((port) => `"127.0.0.1:${port}"`).join(", ")}] }
	}
	protocol {
		otlp {
			client {
				tls { insecure = true }
			}
		}
	}
}
${ports
  .map(
    (port, n) => `
otelcol.receiver.otlp "in${n}" {
	grpc { endpoint = "127.0.0.1:${port}" }
	output { traces = [otelcol.exporter.test.k${n}.input] }
}
otelcol.exporter.test "k${n}" { }
`,
  )
  .join("")}`;

for (const [routing, by] of [
  ["traceID", "trace"],
  ["service", "service"],
] as const)
  test(`routing_key = ${routing}: all of a ${by} goes to one receiver, and all arrives once`, async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    await using flow = await startFlow(balanced(ports, `routing_key = "${routing}"`));
    await flow.send(twoServices(40));
    const arrived = () => ports.map((_, n) => arrivedOf(flow.kept.get(`k${n}`)!));
    await until(() => arrived().flat().length >= 80);
    const all = arrived().flat();
    assert.equal(all.length, 80);
    assert.ok(all.every(({ scope }) => scope === "lib"));
    assert.equal(new Set(all.map(({ trace, service: name }) => `${trace} ${name}`)).size, 80);
    for (const key of new Set(all.map((one) => one[by]))) {
      const receivers = arrived().filter((list) => list.some((one) => one[by] === key));
      assert.equal(receivers.length, 1, key);
    }
    if (by === "trace") assert.ok(arrived().every((list) => list.length > 0));
  });

test("what belongs to a receiver that is away waits, and does not keep the others from theirs", async () => {
  const [here, away] = [await freePort(), await freePort()];
  await using flow = await startFlow(
    balanced([here], "").replace(
      `"127.0.0.1:${here}"]`,
      `"127.0.0.1:${here}", "127.0.0.1:${away}"]`,
    ),
  );
  await flow.send(twoServices(40));
  const ring = new HashRing([`127.0.0.1:${here}`, `127.0.0.1:${away}`]);
  const wanted = Array.from({ length: 40 }, (_, n) => Buffer.from(hexOf(n + 1), "hex")).filter(
    (id) => ring.endpointFor(id) === `127.0.0.1:${here}`,
  ).length;
  await until(() => arrivedOf(flow.kept.get("k0")!).length >= 2 * wanted);
  assert.equal(arrivedOf(flow.kept.get("k0")!).length, 2 * wanted);
  assert.ok(wanted > 0 && wanted < 40);
});

test("logs go with their trace, records without one and metrics with their service", () => {
  const logs = TelemetryBatch.ofRequest(
    "logs",
    encodeOtlpJson({
      resourceLogs: [
        {
          resource: service("s"),
          scopeLogs: [{ logRecords: [{ traceId: hexOf(1) }, { traceId: hexOf(2) }, {}] }],
        },
      ],
    }),
  );
  const metrics = TelemetryBatch.ofRequest(
    "metrics",
    encodeOtlpJson({
      resourceMetrics: [
        {
          resource: service("m"),
          scopeMetrics: [{ metrics: [{ name: "a", gauge: { dataPoints: [{ asInt: "1" }] } }] }],
        },
      ],
    }),
  );
  const name = (key: Uint8Array | string) =>
    typeof key === "string" ? key : `trace ${key.at(-1)}`;
  const shown = (batch: AnyBatch) =>
    Array.from(
      routeBatch(batch, "traceID", name),
      ([endpoint, { items }]) => `${endpoint} ${items}`,
    );
  assert.deepEqual(shown(logs as AnyBatch), ["trace 1 1", "trace 2 1", "s 1"]);
  assert.deepEqual(shown(metrics as AnyBatch), ["m 1"]);
});

test("a Kubernetes service is watched: endpoints that are ready, as they come and go", async () => {
  await using api = await KubernetesApi.start();
  const path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
  const slice = (...addresses: readonly (readonly [address: string, ready: boolean])[]) => ({
    metadata: { name: "s-1", namespace: "shop", resourceVersion: "101" },
    addressType: "IPv4",
    endpoints: addresses.map(([address, ready]) => ({
      addresses: [address],
      conditions: { ready },
    })),
  });
  api.lists.set(path, {
    metadata: { resourceVersion: "100" },
    items: [slice(["10.0.0.1", true], ["10.0.0.2", false])],
  });
  const stop = new AbortController();
  const seen: string[] = [];
  const running = resolveEndpoints(
    { kind: "kubernetes", service: "sampler.shop", ports: [4317, 4319] },
    { onEndpoints: (endpoints) => void seen.push(endpoints.join(" ")), onFault: () => {} },
    {
      clock: systemClock,
      signal: stop.signal,
      connect: () => connectKubernetes(clientArguments(api.url) as never),
    },
  );
  await until(() => seen.length > 0);
  await api.send(path, "MODIFIED", slice(["10.0.0.1", true], ["10.0.0.2", true]));
  await until(() => seen.length > 1);
  await api.send(path, "DELETED", slice());
  await until(() => seen.length > 2);
  stop.abort();
  await running;
  assert.deepEqual(seen, [
    "10.0.0.1:4317 10.0.0.1:4319",
    "10.0.0.1:4317 10.0.0.1:4319 10.0.0.2:4317 10.0.0.2:4319",
    "",
  ]);
  assert.ok(
    api.requests.some((request) =>
      decodeURIComponent(request).includes("labelSelector=kubernetes.io/service-name=sampler"),
    ),
  );
});

test("a DNS name stands for its addresses; one that is none is told", async () => {
  const look = async (hostname: string) => {
    const stop = new AbortController();
    const told = Promise.withResolvers<string>();
    const running = resolveEndpoints(
      { kind: "dns", hostname, port: "4317", intervalMs: 60_000 },
      {
        onEndpoints: (endpoints) => told.resolve(endpoints.join(" ")),
        onFault: (message) => message !== undefined && told.resolve(message),
      },
      { clock: systemClock, signal: stop.signal },
    );
    const answer = await told.promise;
    stop.abort();
    await running;
    return answer;
  };
  assert.match(await look("localhost"), /127\.0\.0\.1:4317|\[::1\]:4317/);
  assert.match(await look("no-such-name.invalid"), /cannot look up no-such-name\.invalid/);
});
