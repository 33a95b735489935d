import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Labels, setStaleAt, wordsOf, type MetricMetadata } from "@finch/model";
import { silentLogger, systemClock, type Clock } from "@finch/runtime";
import { decodeRemoteWrite, DEFAULT_REMOTE_WRITE_LIMITS } from "@finch/wire";
import { SIGV4_ARGUMENTS } from "../src/aws/sigv4-arguments.ts";
import { defaultsOf } from "../src/schema.ts";
import { Endpoint, retryAfterMs } from "../src/components/prometheus/remote-write-endpoint.ts";
import { encodeRecord } from "../src/components/prometheus/remote-write-record.ts";
import { remoteWrite } from "../src/components/prometheus/remote-write.ts";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../src/http-client.ts";
import type { SampleSet } from "../src/receivers.ts";
import { linesOf, runComponent, valuesOf } from "./prometheus-harness.ts";

const NEVER = new AbortController().signal;

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

/** A remote write receiver: `answer` decides by the number of the request; undefined leaves it hanging. */
async function startReceiver(answer: (request: number) => Answer | undefined) {
  const lines: string[] = [];
  const metadata: MetricMetadata[] = [];
  const requests: { readonly headers: IncomingHttpHeaders; readonly samples: number }[] = [];
  let changed = Promise.withResolvers<void>();
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { batch } = decodeRemoteWrite(Buffer.concat(chunks), {
      limits: DEFAULT_REMOTE_WRITE_LIMITS,
    });
    const verdict = answer(requests.length);
    requests.push({ headers: request.headers, samples: batch.timestampsMs.length });
    if (verdict !== undefined && verdict.status < 300) {
      metadata.push(...batch.metadata);
      for (let series = 0; series < batch.seriesCount; series++) {
        const from = batch.sampleStarts[series]!;
        const to = batch.sampleStarts[series + 1]!;
        const labels = Array.from({ length: to - from }, () => batch.labelsOf(series));
        lines.push(
          ...linesOf({
            labels,
            timestampsMs: batch.timestampsMs.slice(from, to),
            values: batch.values.slice(from, to),
            metadata: [],
          }),
        );
      }
    }
    if (verdict !== undefined)
      response
        .writeHead(verdict.status, verdict.headers)
        .end(verdict.status < 300 ? "" : "why not");
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`,
    lines,
    metadata,
    requests,
    async until(condition: () => boolean) {
      while (!condition()) await changed.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "finch-remote-write-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Waits of the component pass at once, and are kept to look at. */
function hastyClock(): Clock & { readonly sleptMs: number[] } {
  const sleptMs: number[] = [];
  return {
    ...systemClock,
    sleptMs,
    sleep: (ms, signal) => {
      sleptMs.push(ms);
      return systemClock.sleep(1, signal);
    },
  };
}

function argumentsFor(
  url: string,
  changes: { readonly endpoint?: object; readonly [name: string]: unknown } = {},
) {
  const { endpoint = {}, ...rest } = changes;
  const queue = { batch_send_deadline: 1, ...(endpoint as { queue_config?: object }).queue_config };
  const quiet = { send: false };
  return valuesOf(remoteWrite.arguments, {
    ...rest,
    endpoint: [{ url, name: "e", metadata_config: quiet, ...endpoint, queue_config: queue }],
  });
}

const NOW = Date.now();

function samplesOf(
  ...rows: readonly (readonly [labels: Record<string, string>, value: number, atMs?: number])[]
): SampleSet {
  return {
    labels: rows.map(([labels]) => Labels.fromObject(labels)),
    values: Float64Array.from(rows, ([, value]) => value),
    timestampsMs: Float64Array.from(rows, ([, , atMs = NOW]) => atMs),
    metadata: [],
  };
}

function figure(figures: ReadonlyMap<string, number>, name: string): number {
  for (const [key, value] of figures)
    if (key.startsWith(`prometheus_remote_storage_${name}{`)) return value;
  return 0;
}

void describe("prometheus.remote_write", () => {
  void test("sends what it takes, bit for bit, with external labels", async () => {
    await using receiver = await startReceiver(() => ({ status: 204 }));
    await using directory = await temporaryDirectory();
    const values = argumentsFor(receiver.url, {
      external_labels: { host: "h", a: "ignored" },
      endpoint: { headers: { "X-Scope-OrgID": "t" }, bearer_token: { reveal: () => "secret" } },
    });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    const samples = samplesOf(
      [{ __name__: "x", a: "1" }, 1.5],
      [{ __name__: "y", __meta: "m" }, 2],
      [{ __name__: "z" }, 0],
    );
    setStaleAt(wordsOf(samples.values), 2);
    await component.exports.receiver.append(samples, NEVER);
    await receiver.until(() => receiver.lines.length === 3);
    assert.deepEqual(receiver.lines, [
      `{__name__="x", a="1", host="h"} 1.5 @${NOW}`,
      `{__name__="y", a="ignored", host="h"} 2 @${NOW}`,
      `{__name__="z", a="ignored", host="h"} stale @${NOW}`,
    ]);
    const { headers } = receiver.requests[0]!;
    assert.equal(headers["x-prometheus-remote-write-version"], "0.1.0");
    assert.equal(headers["content-type"], "application/x-protobuf");
    assert.equal(headers["content-encoding"], "snappy");
    assert.equal(headers["x-scope-orgid"], "t");
    assert.equal(headers.authorization, "Bearer secret");
  });

  void test("signs requests for AWS", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const sigv4 = { region: "eu-west-1", access_key: "KEY", secret_key: { reveal: () => "s" } };
    const values = argumentsFor(receiver.url, {
      endpoint: { sigv4: { ...defaultsOf(SIGV4_ARGUMENTS), ...sigv4 } },
    });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    await component.exports.receiver.append(samplesOf([{ __name__: "n" }, 1, NOW]), NEVER);
    await receiver.until(() => receiver.lines.length === 1);
    assert.match(
      receiver.requests[0]!.headers.authorization!,
      /^AWS4-HMAC-SHA256 Credential=KEY\/\d{8}\/eu-west-1\/aps\/aws4_request, /,
    );
    assert.match(String(receiver.requests[0]!.headers["x-amz-date"]), /^\d{8}T\d{6}Z$/);
  });

  void test("keeps to max_samples_per_send, in order", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const values = argumentsFor(receiver.url, {
      endpoint: { queue_config: { max_samples_per_send: 3 } },
    });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    const rows = Array.from({ length: 10 }, (_, n) => [{ __name__: "n" }, n, NOW + n] as const);
    await component.exports.receiver.append(samplesOf(...rows), NEVER);
    await receiver.until(() => receiver.lines.length === 10);
    assert.deepEqual(
      receiver.lines,
      rows.map(([, n, at]) => `{__name__="n"} ${n} @${at}`),
    );
    assert.ok(receiver.requests.every(({ samples }) => samples <= 3));
  });

  const retries: readonly {
    readonly name: string;
    readonly answer: Answer;
    readonly firstWaitMs: number;
  }[] = [
    { name: "a server error, after min_backoff", answer: { status: 503 }, firstWaitMs: 30 },
    {
      name: "429, as long as Retry-After asks",
      answer: { status: 429, headers: { "retry-after": "7" } },
      firstWaitMs: 7000,
    },
  ];
  for (const { name, answer, firstWaitMs } of retries) {
    void test(`tries again after ${name}`, async () => {
      await using receiver = await startReceiver((request) =>
        request < 3 ? answer : { status: 200 },
      );
      await using directory = await temporaryDirectory();
      const clock = hastyClock();
      await using component = runComponent(remoteWrite, {
        values: argumentsFor(receiver.url),
        directory: directory.path,
        clock,
      });
      await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 1]), NEVER);
      await receiver.until(() => receiver.lines.length === 1);
      assert.equal(receiver.requests.length, 4);
      assert.equal(clock.sleptMs[0], firstWaitMs);
      if (firstWaitMs === 30) assert.deepEqual(clock.sleptMs.slice(0, 3), [30, 60, 120]);
      assert.equal(figure(component.figures, "samples_retried_total"), 3);
    });
  }

  void test("drops and counts what the endpoint refuses, and goes on", async () => {
    await using receiver = await startReceiver((request) => ({
      status: request === 0 ? 400 : 200,
    }));
    await using directory = await temporaryDirectory();
    await using component = runComponent(remoteWrite, {
      values: argumentsFor(receiver.url),
      directory: directory.path,
    });
    await component.exports.receiver.append(samplesOf([{ __name__: "bad" }, 1]), NEVER);
    await receiver.until(() => receiver.requests.length === 1);
    await component.exports.receiver.append(samplesOf([{ __name__: "good" }, 2]), NEVER);
    await receiver.until(() => receiver.lines.length === 1);
    assert.deepEqual(receiver.lines, [`{__name__="good"} 2 @${NOW}`]);
    assert.equal(figure(component.figures, "samples_failed_total"), 1);
  });

  void test("drops what is older than sample_age_limit", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const values = argumentsFor(receiver.url, {
      endpoint: { queue_config: { sample_age_limit: 60_000 } },
    });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    await component.exports.receiver.append(
      samplesOf([{ __name__: "old" }, 1, NOW - 120_000]),
      NEVER,
    );
    await component.exports.receiver.append(samplesOf([{ __name__: "new" }, 2]), NEVER);
    await receiver.until(() => receiver.lines.length === 1);
    assert.deepEqual(receiver.lines, [`{__name__="new"} 2 @${NOW}`]);
    const dropped = [...component.figures].find(
      ([key]) => key.includes("samples_dropped_total") && key.includes("too_old"),
    );
    assert.equal(dropped?.[1], 1);
  });

  void test("rewrites per endpoint; rules see labels that are never sent", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const rules = [
      { source_labels: ["__meta_kind"], regex: "debug", action: "drop" },
      { source_labels: ["__meta_kind"], target_label: "kind" },
    ];
    const values = argumentsFor(receiver.url, { endpoint: { write_relabel_config: rules } });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    const samples = samplesOf(
      [{ __name__: "a", __meta_kind: "debug" }, 1],
      [{ __name__: "b", __meta_kind: "info" }, 2],
      [{ __name__: "c" }, 3],
    );
    await component.exports.receiver.append(samples, NEVER);
    await receiver.until(() => receiver.lines.length === 2);
    assert.deepEqual(receiver.lines, [
      `{__name__="b", kind="info"} 2 @${NOW}`,
      `{__name__="c"} 3 @${NOW}`,
    ]);
  });

  void test("sends metadata", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const values = argumentsFor(receiver.url, {
      endpoint: { metadata_config: { send_interval: 1 } },
    });
    await using component = runComponent(remoteWrite, { values, directory: directory.path });
    const metadata: MetricMetadata = { family: "x", type: "counter", help: "Help.", unit: "" };
    await component.exports.receiver.append(
      { ...samplesOf([{ __name__: "x" }, 1]), metadata: [metadata] },
      NEVER,
    );
    await receiver.until(() => receiver.metadata.length > 0);
    assert.deepEqual(receiver.metadata[0], metadata);
  });

  void test("a restart sends what the last run left, once to each endpoint that lacks it", async () => {
    await using directory = await temporaryDirectory();
    await using up = await startReceiver(() => ({ status: 200 }));
    await using silent = await startReceiver(() => undefined);
    const endpoint = (url: string, name: string) => ({
      url,
      name,
      metadata_config: { send: false },
      queue_config: { batch_send_deadline: 1 },
    });
    {
      const values = valuesOf(remoteWrite.arguments, {
        endpoint: [endpoint(up.url, "up"), endpoint(silent.url, "down")],
      });
      await using component = runComponent(remoteWrite, { values, directory: directory.path });
      await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 1]), NEVER);
      await silent.until(() => silent.requests.length === 1);
      await up.until(() => up.lines.length === 1);
      await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 2, NOW + 1]), NEVER);
      await up.until(() => up.lines.length === 2);
    }
    await using back = await startReceiver(() => ({ status: 200 }));
    const values = valuesOf(remoteWrite.arguments, {
      endpoint: [endpoint(up.url, "up"), endpoint(back.url, "down")],
    });
    await using _ = runComponent(remoteWrite, { values, directory: directory.path });
    await back.until(() => back.lines.length === 2);
    assert.deepEqual(back.lines, [`{__name__="x"} 1 @${NOW}`, `{__name__="x"} 2 @${NOW + 1}`]);
  });

  void test("a stop sends what is queued without waiting for the batch to fill", async () => {
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using directory = await temporaryDirectory();
    const values = argumentsFor(receiver.url, {
      endpoint: { queue_config: { batch_send_deadline: 3_600_000 } },
    });
    {
      await using component = runComponent(remoteWrite, { values, directory: directory.path });
      await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 1]), NEVER);
    }
    assert.deepEqual(receiver.lines, [`{__name__="x"} 1 @${NOW}`]);
  });

  void test("new arguments take over the queue", async () => {
    await using directory = await temporaryDirectory();
    await using silent = await startReceiver(() => undefined);
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using component = runComponent(remoteWrite, {
      values: argumentsFor(silent.url),
      directory: directory.path,
    });
    await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 1]), NEVER);
    await silent.until(() => silent.requests.length === 1);
    component.change(argumentsFor(receiver.url));
    await receiver.until(() => receiver.lines.length === 1);
    await component.exports.receiver.append(samplesOf([{ __name__: "x" }, 2]), NEVER);
    await receiver.until(() => receiver.lines.length === 2);
  });

  void test("a kill loses nothing that was taken", { timeout: 30_000 }, async () => {
    await using directory = await temporaryDirectory();
    await using down = await startReceiver(() => ({ status: 503 }));
    const child = spawn(
      process.execPath,
      [
        fileURLToPath(new URL("prometheus-remote-write-child.ts", import.meta.url)),
        directory.path,
        down.url,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let taken = -1;
    for await (const line of createInterface({ input: child.stdout })) {
      taken = Number(line);
      if (taken === 200) child.kill("SIGKILL");
    }
    assert.ok(taken >= 200);
    await using receiver = await startReceiver(() => ({ status: 200 }));
    await using _ = runComponent(remoteWrite, {
      values: argumentsFor(receiver.url),
      directory: directory.path,
    });
    const arrived = () => new Set(receiver.lines.map((line) => Number(line.split(" ")[1])));
    await receiver.until(() => arrived().size > taken);
    for (let n = 0; n <= taken; n++)
      assert.ok(arrived().has(n), `${n} was taken and did not arrive`);
  });

  void test("an endpoint that is down gives up the oldest samples when the queue is nearly full", async () => {
    await using receiver = await startReceiver((request) => ({
      status: request === 0 ? 503 : 200,
    }));
    using client = await createHttpClient(DEFAULT_HTTP_CLIENT_OPTIONS);
    const stop = new AbortController();
    const records = [1, 2].map((value) =>
      encodeRecord(samplesOf([{ __name__: "x" }, value]), { needsRewrite: false }),
    );
    const committed: number[] = [];
    const figures = new Map<string, number>();
    const figure = (name: string, labels: object) => {
      const add = (amount: number) => void figures.set(name + JSON.stringify(labels), amount);
      return { add, set: add, observe: add };
    };
    const endpoint = new Endpoint(
      {
        name: "e",
        url: receiver.url,
        headers: {},
        timeoutMs: 10_000,
        version: "1.0",
        sendsHistograms: true,
        sendsExemplars: true,
        shardsMin: 1,
        shardsMax: 1,
        samplesPerRequestMax: 10,
        capacity: 10,
        batchDeadlineMs: 1,
        backoffMinMs: 1,
        backoffMaxMs: 1,
        retryOn429: true,
        sampleAgeMaxMs: Infinity,
        relabel: undefined,
      },
      {
        context: {
          clock: systemClock,
          log: silentLogger,
          setHealth: () => {},
          drops: { count: () => {} },
          metrics: {
            counter: (name, _help, labels = {}) => figure(name, labels),
            gauge: (name, _help, labels = {}) => figure(name, labels),
            histogram: (name, _help, _buckets, labels = {}) => figure(name, labels),
          },
        },
        client,
        queueBytesHigh: 100,
        metadataOf: () => undefined,
        // Full until the first batch is given up.
        queue: {
          push: () => Promise.resolve(),
          holdsOthersBack: () => false,
          bytes: () => (committed.length === 0 ? 101 : 50),
          take: () => {
            const record = records[committed.length];
            if (record === undefined) stop.abort(new Error("all taken"));
            stop.signal.throwIfAborted();
            return Promise.resolve({
              records: [record!],
              next: { segment: 1, offset: committed.length },
            });
          },
          commit: (_name, next) => {
            committed.push(next.offset);
            return Promise.resolve();
          },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        },
      },
    );
    await assert.rejects(endpoint.run(stop.signal), /all taken/);
    assert.deepEqual(receiver.lines, [`{__name__="x"} 2 @${NOW}`]);
    assert.deepEqual(committed, [0, 1]);
    const dropped = [...figures].find(([key]) => key.includes("queue_full"));
    assert.equal(dropped?.[1], 1);
  });

  void test("refuses arguments it cannot honour", () => {
    const url = "http://h/w";
    const cases: readonly { readonly endpoints: readonly object[]; readonly message: RegExp }[] = [
      { endpoints: [{ url: "h:9090" }], message: /not an http or https URL/ },
      { endpoints: [{ url }, { url }], message: /two endpoints are called/ },
      {
        endpoints: [{ url, queue_config: { min_shards: 3, max_shards: 2 } }],
        message: /min_shards is more than max_shards/,
      },
      { endpoints: [{ url, round_robin_dns: true }], message: /^not supported yet/ },
      {
        endpoints: [{ url, bearer_token: { reveal: () => "" }, basic_auth: {} }],
        message: /at most one of/,
      },
      {
        endpoints: [{ url, write_relabel_config: [{ action: "nonsense" }] }],
        message: /unknown relabel action/,
      },
    ];
    for (const { endpoints, message } of cases) {
      const fault = remoteWrite.check!(valuesOf(remoteWrite.arguments, { endpoint: endpoints }));
      assert.match(fault?.message ?? "accepted", message);
      assert.match(fault!.at!, /^endpoint\[\d\]/);
    }
    assert.equal(
      remoteWrite.check!(valuesOf(remoteWrite.arguments, { endpoint: [{ url }] })),
      undefined,
    );
  });
});

void describe("retryAfterMs", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["3", 3000],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["999999999", 600_000],
    ["soon", undefined],
  ];
  for (const [header, expected] of cases)
    void test(String(header), () => assert.equal(retryAfterMs(header, now), expected));
});
