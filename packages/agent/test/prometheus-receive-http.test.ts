/** `prometheus.receive_http` over real sockets: what senders write arrives, and what receivers do not take is not acknowledged. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Labels, type Histogram } from "@finch/model";
import { encodeRemoteWrite, encodeRemoteWrite2 } from "@finch/wire";
import { receiveHttp } from "../src/components/prometheus/receive-http.ts";
import type { MetricsReceiver } from "../src/receivers.ts";
import { makeCertificates } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { collectingReceiver, linesOf, runComponent, valuesOf } from "./prometheus-harness.ts";

const V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const BOTH = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

const SERIES = Labels.fromObject({ __name__: "requests_total", job: "a" });
const HISTOGRAM: Histogram = {
  schema: 0,
  resetHint: "unknown",
  zeroThreshold: 0.001,
  zeroCount: 1,
  count: 3,
  sum: 5,
  positive: { spans: Int32Array.of(0, 2), counts: Float64Array.of(1, 1) },
  negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
  customBounds: new Float64Array(0),
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startReceiver(receivers: readonly MetricsReceiver[], changes: object = {}) {
  const port = await freePort();
  const values = valuesOf(receiveHttp.arguments, {
    forward_to: receivers,
    accepted_remote_write_protobuf_messages: BOTH,
    ...changes,
    http: {
      listen_address: "127.0.0.1",
      listen_port: port,
      ...(changes as { http?: object }).http,
    },
  });
  const component = runComponent(receiveHttp, { values });
  while (component.health.state !== "healthy") await new Promise(setImmediate);
  const url = `http://127.0.0.1:${port}/api/v1/metrics/write`;
  return {
    component,
    url,
    port,
    values,
    write: (body: Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
      fetch(url, { method: "POST", body: new Uint8Array(body), headers }),
  };
}

const oneSample = encodeRemoteWrite({
  labels: [SERIES],
  timestampsMs: Float64Array.of(1000),
  values: Float64Array.of(7),
  metadata: [{ family: "requests_total", type: "counter", help: "Requests.", unit: "" }],
});

void describe("prometheus.receive_http", () => {
  void test("forwards samples of 1.0, and metadata when asked to", async () => {
    const receiver = collectingReceiver();
    const { component, write, values } = await startReceiver([receiver]);
    await using _ = component;
    assert.equal((await write(oneSample)).status, 204);
    component.change({ ...values, append_metadata: true });
    assert.equal((await write(oneSample)).status, 204);
    assert.deepEqual(receiver.batches.map(linesOf), [
      ['{__name__="requests_total", job="a"} 7 @1000'],
      ['{__name__="requests_total", job="a"} 7 @1000'],
    ]);
    assert.deepEqual(
      receiver.batches.map((batch) => batch.metadata.map(({ help }) => help)),
      [[], ["Requests."]],
    );
  });

  void test("forwards histograms, start times and exemplars of 2.0 and tells how many", async () => {
    const receiver = collectingReceiver();
    const { component, write } = await startReceiver([receiver], { append_metadata: true });
    await using _ = component;
    const exemplar = {
      labels: Labels.fromObject({ trace_id: "abc" }),
      value: 3,
      timestampMs: 1900,
    };
    const body = encodeRemoteWrite2([
      {
        labels: SERIES,
        timestampsMs: Float64Array.of(1000, 2000),
        values: Float64Array.of(7, 8),
        startTimestampsMs: Float64Array.of(500, 500),
        exemplars: [exemplar],
        metadata: { type: "counter", help: "Requests.", unit: "" },
      },
      {
        labels: Labels.fromObject({ __name__: "latency" }),
        timestampsMs: Float64Array.of(2000),
        values: Float64Array.of(5),
        histograms: new Map([[0, HISTOGRAM]]),
      },
    ]);
    const response = await write(body, { "content-type": V2, "content-encoding": "snappy" });
    assert.equal(response.status, 204);
    assert.deepEqual(
      ["samples", "histograms", "exemplars"].map((what) =>
        response.headers.get(`x-prometheus-remote-write-${what}-written`),
      ),
      ["2", "1", "1"],
    );
    const [samples] = receiver.batches;
    assert.deepEqual(linesOf(samples!), [
      '{__name__="requests_total", job="a"} 7 @1000',
      '{__name__="requests_total", job="a"} 8 @2000',
      '{__name__="latency"} 5 @2000',
    ]);
    assert.equal(samples!.histograms?.get(2)?.count, 3);
    assert.deepEqual([...samples!.startTimestampsMs!].slice(0, 2), [500, 500]);
    assert.deepEqual(samples!.exemplars, [{ labels: SERIES, exemplar }]);
    assert.equal(samples!.metadata[0]?.type, "counter");
  });

  void test("takes what a real Prometheus sends", async (t) => {
    const directory = join(import.meta.dirname, "../../../../shared/captures/remote-write-sid2");
    if (!existsSync(directory)) return t.skip("../shared/captures/remote-write-sid2 is not there");
    const bodies = readdirSync(directory).filter((name) => /\.(bin|body|snappy)$/.test(name));
    assert.ok(bodies.length > 0);
    const receiver = collectingReceiver();
    const { component, write } = await startReceiver([receiver]);
    await using _ = component;
    for (const name of bodies) {
      const response = await write(readFileSync(join(directory, name)), { "content-type": V2 });
      assert.equal(response.status, 204, `${name}: ${await response.text()}`);
    }
    assert.ok(receiver.batches.some((batch) => batch.labels.length > 10));
    assert.ok(receiver.batches.every((batch) => batch.labels.length === batch.values.length));
  });

  void test("refuses a message that is not accepted, another encoding, and what cannot be read", async () => {
    const receiver = collectingReceiver();
    const { component, write, url } = await startReceiver([receiver], {
      accepted_remote_write_protobuf_messages: [BOTH[0]],
    });
    await using _ = component;
    const cases: readonly [number, RegExp, Uint8Array, Record<string, string>][] = [
      [415, /only accepts prometheus\.WriteRequest/, oneSample, { "content-type": V2 }],
      [415, /only snappy is acceptable/, oneSample, { "content-encoding": "gzip" }],
      [400, /cannot read the remote write request/, Buffer.from("nonsense"), {}],
    ];
    for (const [status, message, body, headers] of cases) {
      const response = await write(body, headers);
      assert.equal(response.status, status);
      assert.match(await response.text(), message);
    }
    assert.equal((await fetch(url)).status, 405);
    assert.equal(receiver.batches.length, 0);
  });

  void test("does not acknowledge what a receiver refuses or does not take in time", async () => {
    const refusing: MetricsReceiver = {
      kind: "metrics-receiver",
      owner: "prometheus.remote_write.full",
      append: () => Promise.reject(new Error("the queue is full")),
    };
    const slow: MetricsReceiver = {
      kind: "metrics-receiver",
      owner: "prometheus.remote_write.slow",
      append: (_samples, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        }),
    };
    const taking = collectingReceiver();
    const { component, write } = await startReceiver([taking, refusing]);
    await using _ = component;
    const refused = await write(oneSample);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "5");
    assert.match(await refused.text(), /not taken by prometheus\.remote_write\.full/);
    assert.equal(taking.batches.length, 1);
    const patient = await startReceiver([slow], { http: { server_write_timeout: 50 } });
    await using _patient = patient.component;
    const late = await patient.write(oneSample);
    assert.equal(late.status, 503);
    assert.match(await late.text(), /did not take the samples within 50 ms/);
  });

  void test("serves TLS, and clients with a certificate of its authority only", async (t) => {
    await using directory = await temporaryDirectory();
    try {
      makeCertificates(directory.path);
    } catch {
      return t.skip("openssl is not installed");
    }
    const file = (name: string) => join(directory.path, name);
    const receiver = collectingReceiver();
    const { component, port } = await startReceiver([receiver], {
      http: {
        tls: {
          cert_file: file("server.pem"),
          key_file: file("server.key"),
          client_ca_file: file("ca.pem"),
          client_auth_type: "RequireAndVerifyClientCert",
        },
      },
    });
    await using _ = component;
    const ask = (own: object) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { port, host: "127.0.0.1", path: "/api/v1/metrics/write", method: "POST" };
        const sent = httpsRequest(
          { ...options, ca: readFileSync(file("ca.pem")), servername: "localhost", ...own },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        sent.on("error", reject);
        sent.end(oneSample);
      });
    const certificate = {
      cert: readFileSync(file("client.pem")),
      key: readFileSync(file("client.key")),
    };
    assert.equal(await ask(certificate), 204);
    await assert.rejects(ask({}));
    assert.equal(receiver.batches.length, 1);
  });

  void test("says which port is taken, and listens once it is free", async () => {
    const port = await freePort();
    const holder = createServer().listen(port, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const values = valuesOf(receiveHttp.arguments, {
      forward_to: [],
      http: { listen_address: "127.0.0.1", listen_port: port },
    });
    await using component = runComponent(receiveHttp, { values });
    while (component.health.state === "unknown") await new Promise(setImmediate);
    assert.match(component.health.message, new RegExp(`port ${port} on 127.0.0.1.* is taken`));
    await new Promise((resolve) => holder.close(resolve));
    component.change({ ...values });
    while (component.health.state !== "healthy") await new Promise(setImmediate);
  });

  void test("refuses arguments that make no sense", () => {
    const fault = (changes: object) =>
      receiveHttp.check!(valuesOf(receiveHttp.arguments, { forward_to: [], ...changes }));
    assert.equal(fault({}), undefined);
    assert.match(
      fault({ accepted_remote_write_protobuf_messages: ["prometheus.WriteRequests"] })!.message,
      /there is no message "prometheus\.WriteRequests"/,
    );
    assert.match(
      fault({ http: { tls: { cert_pem: "x" } } })!.message,
      /exactly one of key_pem and key_file/,
    );
    assert.match(
      fault({
        http: {
          tls: {
            cert_pem: "x",
            key_file: "y",
            client_auth_type: "VerifyClientCertIfGiven",
          },
        },
      })!.message,
      /needs client_ca_pem/,
    );
  });
});
