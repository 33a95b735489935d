/** Native histograms, exemplars and metadata on their way: a target that speaks protobuf, relabelling, remote write 1.0 and 2.0. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Labels, type Histogram, type SampleBatch } from "@finch/model";
import {
  decodeRemoteWrite,
  decodeRemoteWrite2,
  DEFAULT_REMOTE_WRITE_LIMITS,
  FEDERATION_CONTENT_TYPES,
  formatFederation,
} from "@finch/wire";
import { prometheusRelabel } from "../src/components/prometheus/relabel.ts";
import { remoteWrite } from "../src/components/prometheus/remote-write.ts";
import { nextShards, spreadRecords } from "../src/components/prometheus/remote-write-shards.ts";
import {
  encodeRecord,
  decodeRecord,
  samplesOfRecord,
} from "../src/components/prometheus/remote-write-record.ts";
import { scrape } from "../src/components/prometheus/scrape.ts";
import type { SampleSet } from "../src/receivers.ts";
import {
  collectingReceiver,
  handClock,
  linesOf,
  runComponent,
  valuesOf,
} from "./prometheus-harness.ts";

const NEVER = new AbortController().signal;
const NOW = Date.now();

const HISTOGRAM: Histogram = {
  schema: 1,
  resetHint: "unknown",
  zeroThreshold: 0.001,
  zeroCount: 1,
  count: 8,
  sum: 12.5,
  positive: { spans: Int32Array.of(1, 3), counts: Float64Array.of(1, 2, 4) },
  negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
  customBounds: new Float64Array(0),
};

const EXEMPLAR = {
  labels: Labels.fromObject({ trace_id: "abc" }),
  value: 0.5,
  timestampMs: NOW - 5,
};

/** A histogram, a counter with an exemplar, and what is known of them. */
function samples(): SampleSet {
  const hits = Labels.fromObject({ __name__: "hits_total", a: "1" });
  return {
    labels: [Labels.fromObject({ __name__: "latency_seconds" }), hits],
    timestampsMs: Float64Array.of(NOW, NOW),
    values: Float64Array.of(HISTOGRAM.sum, 3),
    metadata: [{ family: "hits", type: "counter", help: "Hits.", unit: "" }],
    histograms: new Map([[0, HISTOGRAM]]),
    exemplars: [{ labels: hits, exemplar: EXEMPLAR }],
  };
}

async function startServer(
  handle: (body: Buffer, headers: IncomingHttpHeaders) => [number, Record<string, string>, Buffer?],
) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [status, headers, body] = handle(Buffer.concat(chunks), request.headers);
      response.writeHead(status, headers).end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "finch-histograms-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Runs `prometheus.remote_write` against a receiver until it has answered one request; gives the batch and the component's figures. */
async function write(
  endpoint: object,
  answer: (batch: SampleBatch, headers: IncomingHttpHeaders) => [number, Record<string, string>],
) {
  const got = Promise.withResolvers<{ batch: SampleBatch; headers: IncomingHttpHeaders }>();
  await using server = await startServer((body, headers) => {
    const limits = DEFAULT_REMOTE_WRITE_LIMITS;
    const isVersion2 = headers["content-type"]?.includes("write.v2") === true;
    const { batch } = isVersion2
      ? decodeRemoteWrite2(body, { limits })
      : decodeRemoteWrite(body, { limits });
    const reply = answer(batch, headers);
    got.resolve({ batch, headers });
    return reply;
  });
  await using directory = await temporaryDirectory();
  const values = valuesOf(remoteWrite.arguments, {
    endpoint: [
      {
        url: `http://${server.address}/w`,
        name: "e",
        metadata_config: { send: false },
        queue_config: { batch_send_deadline: 1 },
        ...endpoint,
      },
    ],
  });
  const component = runComponent(remoteWrite, { values, directory: directory.path });
  await component.exports.receiver.append(samples(), NEVER);
  const { batch, headers } = await got.promise;
  const { figures } = component;
  const isJudged = () =>
    [...figures].some(([key, value]) => /_samples(_failed)?_total\{/.test(key) && value > 0);
  while (!isJudged()) await new Promise((resolve) => setImmediate(resolve));
  await component[Symbol.asyncDispose]();
  return { batch, headers, figures, health: component.health };
}

function namesOf(batch: SampleBatch): string[] {
  return Array.from({ length: batch.seriesCount }, (_, s) => batch.labelsOf(s).get("__name__"));
}

function writtenHeaders(samplesWritten: number, histograms: number): Record<string, string> {
  return {
    "x-prometheus-remote-write-samples-written": String(samplesWritten),
    "x-prometheus-remote-write-histograms-written": String(histograms),
    "x-prometheus-remote-write-exemplars-written": "1",
  };
}

void describe("histograms, exemplars and metadata", () => {
  void test("a scrape asks for protobuf, reads native histograms, and shows an exemplar once", async () => {
    const accepts: (string | undefined)[] = [];
    const family = [
      {
        labels: Labels.fromObject({ __name__: "latency_seconds" }),
        timestampMs: NOW,
        value: 0,
        histogram: HISTOGRAM,
      },
    ];
    const body = Buffer.concat(
      [...formatFederation(family, "protobuf", { externalLabels: [], allowUtf8: false })].map(
        (chunk) => Buffer.from(chunk as Uint8Array),
      ),
    );
    await using server = await startServer((_, headers) => {
      accepts.push(headers.accept);
      return [200, { "content-type": FEDERATION_CONTENT_TYPES.protobuf }, body];
    });
    const receiver = collectingReceiver();
    const clock = handClock(NOW);
    const values = valuesOf(scrape.arguments, {
      targets: [Labels.fromObject({ __address__: server.address, instance: "i", job: "j" })],
      forward_to: [receiver],
      scrape_native_histograms: true,
      native_histogram_bucket_limit: 2,
    });
    await using _ = runComponent(scrape, { values, clock });
    await clock.tick();
    const got = await receiver.batch(0);
    assert.match(
      accepts[0]!,
      /^application\/vnd\.google\.protobuf;proto=io\.prometheus\.client\.MetricFamily;encoding=delimited;q=0\.6,/,
    );
    assert.equal(got.labels[0]!.toString(), '{__name__="latency_seconds", instance="i", job="j"}');
    // Three buckets at schema 1 are two at schema 0.
    assert.equal(got.histograms?.get(0)?.schema, 0);
    assert.deepEqual([...got.histograms!.get(0)!.positive.counts], [3, 4]);
  });

  void test("an exemplar is forwarded when it is new; bounds are written as Prometheus 3 stores them", async () => {
    const page = (traceId: string) =>
      `# TYPE h histogram\nh_bucket{le="1"} 2 # {trace_id="${traceId}"} 0.5\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n# EOF\n`;
    const pages = [page("a"), page("a"), page("b")];
    await using server = await startServer(() => [
      200,
      { "content-type": "application/openmetrics-text; version=1.0.0" },
      Buffer.from(pages.shift() ?? page("b")),
    ]);
    const receiver = collectingReceiver();
    const clock = handClock(NOW);
    const values = valuesOf(scrape.arguments, {
      targets: [Labels.fromObject({ __address__: server.address, instance: "i", job: "j" })],
      forward_to: [receiver],
    });
    await using _ = runComponent(scrape, { values, clock });
    const seen: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      await clock.tick();
      const got = await receiver.batch(round);
      assert.equal(got.labels[0]!.get("le"), "1.0");
      seen.push(
        (got.exemplars ?? []).map(({ labels, exemplar }) => [
          labels.get("__name__"),
          exemplar.labels.get("trace_id"),
          exemplar.timestampMs === got.timestampsMs[0],
        ]),
      );
    }
    assert.deepEqual(seen, [[["h_bucket", "a", true]], [], [["h_bucket", "b", true]]]);
  });

  void test("relabelling takes histograms and exemplars along", async () => {
    const receiver = collectingReceiver();
    const values = valuesOf(prometheusRelabel.arguments, {
      forward_to: [receiver],
      rule: [{ target_label: "env", replacement: "x" }],
    });
    await using component = runComponent(prometheusRelabel, { values });
    await component.exports.receiver.append(samples(), NEVER);
    const got = await receiver.batch(0);
    assert.deepEqual(got.histograms?.get(0), HISTOGRAM);
    assert.deepEqual(
      got.exemplars?.map(({ labels }) => labels.toString()),
      ['{__name__="hits_total", a="1", env="x"}'],
    );
  });

  void test("remote write 1.0 carries them when the endpoint wants them", async () => {
    const { batch, figures } = await write({ send_native_histograms: true }, () => [204, {}]);
    assert.deepEqual(namesOf(batch), ["latency_seconds", "hits_total"]);
    assert.deepEqual([...batch.histograms!.values()], [HISTOGRAM]);
    assert.deepEqual(batch.exemplars, [{ series: 1, exemplar: EXEMPLAR }]);
    const sent = [...figures].find(([key]) =>
      key.startsWith("prometheus_remote_storage_samples_total"),
    );
    assert.equal(sent?.[1], 2);
  });

  void test("an endpoint that does not want them gets the rest, and what is dropped is counted", async () => {
    const { batch, figures } = await write({ send_exemplars: false }, () => [204, {}]);
    assert.deepEqual(namesOf(batch), ["hits_total"]);
    assert.equal(batch.histograms, undefined);
    assert.equal(batch.exemplars, undefined);
    const dropped = [...figures].find(([key]) => key.includes("native_histograms_off"));
    assert.equal(dropped?.[1], 1);
  });

  const VERSION_2 = {
    send_native_histograms: true,
    protobuf_message: "io.prometheus.write.v2.Request",
  };

  void test("remote write 2.0 carries them with metadata in the series", async () => {
    const { batch, headers, figures } = await write(VERSION_2, () => [204, writtenHeaders(1, 1)]);
    assert.equal(
      headers["content-type"],
      "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    );
    assert.equal(headers["x-prometheus-remote-write-version"], "2.0.0");
    assert.deepEqual([...batch.histograms!.values()], [HISTOGRAM]);
    assert.deepEqual(batch.exemplars, [{ series: 1, exemplar: EXEMPLAR }]);
    assert.deepEqual(
      batch.metadata.map(({ type, help }) => [type, help]),
      [["counter", "Hits."]],
    );
    const sent = [...figures].find(([key]) =>
      key.startsWith("prometheus_remote_storage_samples_total"),
    );
    assert.equal(sent?.[1], 2);
  });

  void test("a receiver that does not say what it wrote does not take 2.0, and one that wrote less is counted", async () => {
    const silent = await write(VERSION_2, () => [204, {}]);
    assert.match(silent.health.message, /does not take remote write 2\.0/);
    const partly = await write(VERSION_2, () => [204, writtenHeaders(1, 0)]);
    assert.match(partly.health.message, /0 of 1 histograms/);
    const failed = (figures: ReadonlyMap<string, number>) =>
      [...figures].find(([key]) =>
        key.startsWith("prometheus_remote_storage_samples_failed_total"),
      )?.[1];
    assert.equal(failed(silent.figures), 2);
    assert.equal(failed(partly.figures), 1);
  });
});

const CLASSIC =
  "# TYPE h histogram\n" +
  'h_bucket{a="1",le="0.5"} 2\nh_bucket{a="1",le="1"} 2\nh_bucket{a="1",le="+Inf"} 5\nh_sum{a="1"} 7.5\nh_count{a="1"} 5\n' +
  'h_bucket{a="2",le="1"} 3\nh_bucket{a="2",le="+Inf"} 2\nh_sum{a="2"} 1\nh_count{a="2"} 2\n' +
  "# TYPE g_seconds gauge\ng_seconds 4\n";

async function scrapeOnce(page: string, changes: object) {
  await using server = await startServer(() => [
    200,
    { "content-type": "text/plain; version=0.0.4" },
    Buffer.from(page),
  ]);
  const receiver = collectingReceiver();
  const clock = handClock(NOW);
  const values = valuesOf(scrape.arguments, {
    targets: [Labels.fromObject({ __address__: server.address, instance: "i", job: "j" })],
    forward_to: [receiver],
    ...changes,
  });
  await using _ = runComponent(scrape, { values, clock });
  await clock.tick();
  return await receiver.batch(0);
}

void describe("what a scrape makes of classic histograms and metadata", () => {
  void test("a native histogram with custom bounds; one whose counts fall stays classic", async () => {
    const got = await scrapeOnce(CLASSIC, { convert_classic_histograms_to_nhcb: true });
    const names = got.labels.map((labels) => labels.get("__name__") + labels.get("a"));
    assert.deepEqual(names.slice(0, 6), [
      "h_bucket2",
      "h_bucket2",
      "h_sum2",
      "h_count2",
      "g_seconds",
      "h1",
    ]);
    const histogram = got.histograms!.get(5)!;
    assert.deepEqual([...histogram.customBounds], [0.5, 1]);
    assert.deepEqual([...histogram.positive.counts], [2, 0, 3]);
    assert.deepEqual([histogram.schema, histogram.count, histogram.sum], [-53, 5, 7.5]);
    assert.equal(got.labels[5]!.toString(), '{__name__="h", a="1", instance="i", job="j"}');
  });

  void test("classic series stay beside it when they are wanted", async () => {
    const got = await scrapeOnce(CLASSIC, {
      convert_classic_histograms_to_nhcb: true,
      scrape_classic_histograms: true,
    });
    assert.equal(got.histograms!.size, 1);
    assert.equal(got.labels.filter((labels) => labels.get("a") === "1").length, 6);
  });

  void test("type and unit become labels, also of the parts of a family", async () => {
    const got = await scrapeOnce(CLASSIC, { enable_type_and_unit_labels: true });
    const types = new Set(
      got.labels.map((labels) => `${labels.get("__name__")} ${labels.get("__type__")}`),
    );
    for (const expected of ["h_bucket histogram", "h_count histogram", "g_seconds gauge", "up "])
      assert.ok(types.has(expected), [...types].join());
  });
});

void describe("shards", () => {
  void test("a series stays with one sender and in order, and nothing is lost", () => {
    const records = [0, 1, 2].map((round) =>
      decodeRecord(
        encodeRecord(
          {
            labels: Array.from({ length: 50 }, (_, n) => Labels.fromObject({ __name__: `m${n}` })),
            timestampsMs: new Float64Array(50).fill(NOW + round),
            values: Float64Array.from({ length: 50 }, (_, n) => n),
            metadata: [],
          },
          { needsRewrite: false },
        ),
      ),
    );
    const spread = spreadRecords(records, { shards: 4, samplesMax: 10 });
    assert.equal(spread.length, 4);
    const senders = new Map<string, number>();
    let count = 0;
    for (const [sender, own] of spread.entries()) {
      assert.ok(own.length > 0);
      assert.ok(own.every(({ samples: rows }) => rows <= 10));
      const times = new Map<string, number>();
      for (const record of own) {
        const set = samplesOfRecord(record);
        for (const [row, labels] of set.labels.entries()) {
          count++;
          assert.equal(senders.get(labels.key) ?? sender, sender);
          senders.set(labels.key, sender);
          assert.ok((times.get(labels.key) ?? 0) < set.timestampsMs[row]!, linesOf(set).join());
          times.set(labels.key, set.timestampsMs[row]!);
        }
      }
    }
    assert.equal(count, 150);
  });

  void test("there are more while batches come full, within the bounds", () => {
    const bounds = { min: 2, max: 10 };
    assert.equal(nextShards(4, { ...bounds, isBehind: true }), 8);
    assert.equal(nextShards(8, { ...bounds, isBehind: true }), 10);
    assert.equal(nextShards(4, { ...bounds, isBehind: false }), 3);
    assert.equal(nextShards(2, { ...bounds, isBehind: false }), 2);
  });
});
