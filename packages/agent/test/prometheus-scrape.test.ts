import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Labels } from "@finch/model";
import { silentLogger } from "@finch/runtime";
import { exporterUnix, unixExporter } from "../src/components/prometheus/exporter-unix.ts";
import { mergeLabels } from "../src/components/prometheus/scrape-series.ts";
import { delayUntilNext, readTarget } from "../src/components/prometheus/scrape-target.ts";
import { scrape } from "../src/components/prometheus/scrape.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import { DARWIN } from "../src/unix/platforms.ts";
import {
  collectingReceiver,
  handClock,
  linesOf,
  runComponent,
  valuesOf,
  type CollectingReceiver,
} from "./prometheus-harness.ts";

interface Page {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: string | Uint8Array;
}

/** A target that answers each request with the next page, the last one again and again. */
async function startTarget(...pages: Page[]) {
  const requests: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    const page = pages[Math.min(requests.length, pages.length - 1)]!;
    requests.push({ url: request.url!, headers: request.headers });
    response
      .writeHead(page.status ?? 200, {
        "content-type": "text/plain; version=0.0.4",
        ...page.headers,
      })
      .end(page.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function startScrape(address: string, receiver: CollectingReceiver, changes: object = {}) {
  const clock = handClock(1_000_000);
  const targets = [Labels.fromObject({ __address__: address, instance: "i", job: "j" })];
  const values = valuesOf(scrape.arguments, {
    targets,
    forward_to: [receiver],
    scrape_interval: 10_000,
    scrape_timeout: 5000,
    ...changes,
  });
  const component = runComponent(scrape, { values, clock });
  return { clock, component, values };
}

/** Without times, durations and label noise: what a case is about. */
function plain(samples: Parameters<typeof linesOf>[0]): string[] {
  return linesOf(samples)
    .map((line) => line.replace(/ @\d+$/, "").replace(/(scrape_duration_seconds.*) [^ ]+$/, "$1 …"))
    .map((line) => line.replace(/, instance="i", job="j"/, ""));
}

const REPORT = (up: number, scraped: number, added: number) => [
  `{__name__="up"} ${up}`,
  '{__name__="scrape_duration_seconds"} …',
  `{__name__="scrape_samples_scraped"} ${scraped}`,
  `{__name__="scrape_samples_post_metric_relabeling"} ${scraped}`,
  `{__name__="scrape_series_added"} ${added}`,
];

void describe("prometheus.scrape", () => {
  void test("forwards samples with the target's labels, and a report", async () => {
    await using target = await startTarget({
      body: '# TYPE a counter\n# HELP a Help.\na{x="1"} 5\nb 2\n',
    });
    const receiver = collectingReceiver();
    const { clock, component } = startScrape(target.address, receiver);
    await using _ = component;
    await clock.tick();
    const samples = await receiver.batch(0);
    assert.deepEqual(plain(samples), [
      '{__name__="a", x="1"} 5',
      '{__name__="b"} 2',
      ...REPORT(1, 2, 2),
    ]);
    assert.deepEqual(receiver.metadata, [
      { family: "a", type: "counter", help: "Help.", unit: "" },
    ]);
    assert.equal(component.health.state, "healthy");
    const { headers } = target.requests[0]!;
    assert.equal(headers["x-prometheus-scrape-timeout-seconds"], "5");
    assert.equal(headers["accept-encoding"], "gzip");
    assert.equal(
      headers.accept,
      "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
        "text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    );
  });

  void test("ends a series that vanishes, once, one interval later", async () => {
    await using target = await startTarget(
      { body: "a 1\nb 2\n" },
      { body: "a 3\n" },
      { body: "a 4\nb 5\n" },
    );
    const receiver = collectingReceiver();
    const { clock, component } = startScrape(target.address, receiver);
    await using _ = component;
    for (const expected of [
      ['{__name__="a"} 1', '{__name__="b"} 2', ...REPORT(1, 2, 2)],
      ['{__name__="a"} 3', '{__name__="b"} stale', ...REPORT(1, 1, 0)],
      ['{__name__="a"} 4', '{__name__="b"} 5', ...REPORT(1, 2, 1)],
    ]) {
      const index = receiver.batches.length;
      await clock.tick();
      assert.deepEqual(plain(await receiver.batch(index)), expected);
    }
    const times = receiver.batches.map((batch) => batch.timestampsMs[0]!);
    assert.deepEqual([times[1]! - times[0]!, times[2]! - times[1]!], [10_000, 10_000]);
  });

  const failures: readonly {
    readonly name: string;
    readonly page: Page;
    readonly changes?: object;
    readonly dropped?: string;
  }[] = [
    { name: "a status other than 200", page: { status: 500, body: "no" } },
    { name: "a body that does not parse", page: { body: "a 1\nb{ 2\n" } },
    {
      name: "more samples than sample_limit",
      page: { body: "a 1\nb 2\n" },
      changes: { sample_limit: 1 },
      dropped: "2 samples: sample_limit",
    },
    {
      name: "more labels than label_limit",
      page: { body: 'a{x="1",y="2"} 1\n' },
      changes: { label_limit: 4 },
      dropped: "1 samples: label_limit",
    },
    {
      name: "a label name that is too long",
      page: { body: 'a{abcdefghij="1"} 1\n' },
      changes: { label_name_length_limit: 9 },
    },
    {
      name: "a label value that is too long",
      page: { body: 'a{x="abcdefghij"} 1\n' },
      changes: { label_value_length_limit: 9 },
    },
    {
      name: "a body larger than body_size_limit",
      page: { body: `a 1\n${"# comment\n".repeat(100)}` },
      changes: { body_size_limit: 500 },
    },
    {
      name: "a body larger than body_size_limit only after decompression",
      page: {
        headers: { "content-encoding": "gzip" },
        body: gzipSync(`a 1\n${"# comment\n".repeat(1000)}`),
      },
      changes: { body_size_limit: 500 },
    },
  ];
  for (const { name, page, changes = {}, dropped } of failures) {
    void test(`${name} fails the scrape and ends its series`, async () => {
      await using target = await startTarget({ body: "a 1\n" }, page);
      const receiver = collectingReceiver();
      const { clock, component } = startScrape(target.address, receiver, changes);
      await using _ = component;
      await clock.tick();
      assert.deepEqual(plain(await receiver.batch(0)).slice(0, 2), [
        '{__name__="a"} 1',
        '{__name__="up"} 1',
      ]);
      await clock.tick();
      assert.deepEqual(plain(await receiver.batch(1)), [
        '{__name__="a"} stale',
        ...REPORT(0, 0, 0),
      ]);
      if (dropped !== undefined) assert.deepEqual(component.dropped, [dropped]);
    });
  }

  void test("a target that refuses connections is down, not a fault of the component", async () => {
    const target = await startTarget({ body: "a 1\n" });
    await target[Symbol.asyncDispose]();
    const receiver = collectingReceiver();
    const { clock, component } = startScrape(target.address, receiver);
    await using _ = component;
    await clock.tick();
    assert.deepEqual(plain(await receiver.batch(0)), REPORT(0, 0, 0));
    assert.equal(component.health.state, "healthy");
  });

  void test("ends every series, the report's too, when the target goes", async () => {
    await using target = await startTarget({ body: "a 1\n" });
    const receiver = collectingReceiver();
    const { clock, component, values } = startScrape(target.address, receiver);
    await using _ = component;
    await clock.tick();
    await receiver.batch(0);
    component.change({ ...values, targets: [] });
    const farewell = plain(await receiver.batch(1));
    assert.equal(farewell.length, 6);
    assert.ok(farewell.every((line) => line.endsWith(" stale") || line.endsWith(" …")));
  });

  void test("uses timestamps of samples unless told not to", async () => {
    for (const [honor, expected] of [
      [true, 1234],
      [false, undefined],
    ] as const) {
      await using target = await startTarget({ body: "a 1 1234\n" }, { body: "b 1\n" });
      const receiver = collectingReceiver();
      const { clock, component } = startScrape(target.address, receiver, {
        honor_timestamps: honor,
      });
      await using _ = component;
      await clock.tick();
      const first = await receiver.batch(0);
      assert.equal(first.timestampsMs[0], expected ?? first.timestampsMs[1]);
      await clock.tick();
      // A series with times of its own ends without a marker.
      assert.equal(
        linesOf(await receiver.batch(1)).filter((line) => line.includes(" stale ")).length,
        honor ? 0 : 1,
      );
    }
  });

  void test("reads gzip and OpenMetrics, sends parameters and credentials", async () => {
    await using target = await startTarget({
      headers: {
        "content-encoding": "gzip",
        "content-type": "application/openmetrics-text; version=1.0.0",
      },
      body: gzipSync("# TYPE a counter\na_total 7\n# EOF\n"),
    });
    const receiver = collectingReceiver();
    const { clock, component } = startScrape(target.address, receiver, {
      metrics_path: "/probe",
      params: { module: ["x", "y"], empty: [] },
      basic_auth: { username: "u", password: { reveal: () => "p" } },
      extra_metrics: true,
    });
    await using _ = component;
    await clock.tick();
    const lines = plain(await receiver.batch(0));
    assert.equal(lines[0], '{__name__="a_total"} 7');
    assert.deepEqual(lines.slice(-3), [
      '{__name__="scrape_timeout_seconds"} 5',
      '{__name__="scrape_sample_limit"} 0',
      '{__name__="scrape_body_size_bytes"} 33',
    ]);
    assert.equal(target.requests[0]!.url, "/probe?module=x&module=y");
    assert.equal(
      target.requests[0]!.headers.authorization,
      `Basic ${Buffer.from("u:p").toString("base64")}`,
    );
  });

  void test("more targets than target_limit fail every scrape without asking", async () => {
    await using target = await startTarget({ body: "a 1\n" });
    const receiver = collectingReceiver();
    const targets = ["a", "b"].map((name) =>
      Labels.fromObject({ __address__: target.address, instance: name }),
    );
    const { clock, component } = startScrape(target.address, receiver, {
      targets,
      target_limit: 1,
    });
    await using _ = component;
    await clock.tick();
    assert.match(plain(await receiver.batch(0))[0]!, /__name__="up".* 0$/);
    assert.equal(target.requests.length, 0);
    assert.deepEqual(component.dropped, ["2 targets: target_limit"]);
  });

  void test("scrapes an exporter in process, without a socket", async () => {
    const handlers = new Map<string, InternalHandler>();
    await using exporter = runComponent(exporterUnix, {
      values: valuesOf(exporterUnix.arguments, { set_collectors: ["loadavg"] }),
      handlers,
    });
    const receiver = collectingReceiver();
    const clock = handClock(1_000_000);
    const values = valuesOf(scrape.arguments, {
      targets: exporter.exports.targets,
      forward_to: [receiver],
    });
    await using _ = runComponent(scrape, { values, clock, handlers });
    await clock.tick();
    const lines = linesOf(await receiver.batch(0));
    const [load] = lines.filter((line) => line.includes('"node_load1"'));
    assert.match(
      load!,
      /^\{__name__="node_load1", instance=".+", job="integrations\/unix"\} [\d.]+ @\d+$/,
    );
    assert.ok(lines.some((line) => /"up".* 1 @/.test(line)));
    assert.ok(
      lines.some((line) => /"node_exporter_build_info", goarch="\w+", goos="\w+".* 1 @/.test(line)),
    );
  });

  void test("an exporter says which collectors of other platforms it leaves out, and which options", async () => {
    const handlers = new Map<string, InternalHandler>();
    const warnings: string[] = [];
    const component = unixExporter(DARWIN);
    await using exporter = runComponent(component, {
      values: valuesOf(component.arguments, {
        set_collectors: ["cpu", "loadavg"],
        enable_collectors: ["systemd"],
        cpu: { guest: false, info: true, flags_include: undefined, bugs_include: undefined },
      }),
      handlers,
      log: { ...silentLogger, warn: (text) => void warnings.push(text) },
    });
    const path = exporter.exports.targets[0]!.get("__metrics_path__");
    const signal = new AbortController().signal;
    const text = await handlers.get(path)!({
      query: new URLSearchParams(),
      timeoutMs: 1000,
      signal,
    });
    assert.deepEqual(warnings, [
      "collector systemd is not built for darwin; it is left out",
      "cpu { … } has no effect on darwin",
    ]);
    assert.match(text, /^node_cpu_seconds_total\{cpu="0",mode="user"\} [\d.]+$/m);
    assert.match(text, /^node_load1 [\d.]+$/m);
    assert.doesNotMatch(text, /systemd/);
  });

  void test("tells an exporter its parameters and how long it waits", async () => {
    const asked: string[] = [];
    const handler: InternalHandler = ({ query, timeoutMs, signal }) => {
      asked.push(`${query.toString()} ${timeoutMs} ${signal.aborted}`);
      return Promise.resolve("a 1\n");
    };
    const receiver = collectingReceiver();
    const clock = handClock(1_000_000);
    const values = valuesOf(scrape.arguments, {
      targets: [
        Labels.fromObject({
          __address__: "alloy.internal:12345",
          __metrics_path__: "/api/v0/component/x/metrics",
          __param_target: "https://a.example/?q=1&r=2",
        }),
      ],
      forward_to: [receiver],
      scrape_timeout: 3000,
    });
    const handlers = new Map([["/api/v0/component/x/metrics", handler]]);
    await using _ = runComponent(scrape, { values, clock, handlers });
    await clock.tick();
    await receiver.batch(0);
    assert.deepEqual(asked, ["target=https%3A%2F%2Fa.example%2F%3Fq%3D1%26r%3D2 3000 false"]);
  });

  void test("logs failed scrapes to scrape_failure_log_file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-scrape-"));
    const path = join(directory, "failures.log");
    try {
      await using target = await startTarget({ status: 500, body: "" });
      const receiver = collectingReceiver();
      const { clock, component } = startScrape(target.address, receiver, {
        scrape_failure_log_file: path,
      });
      for (let round = 0; round < 2; round++) {
        await clock.tick();
        await receiver.batch(round);
      }
      await component[Symbol.asyncDispose]();
      const lines = (await readFile(path, "utf8")).trim().split("\n");
      assert.equal(lines.length, 2);
      const { time, ...line } = JSON.parse(lines[0]!) as Record<string, string>;
      assert.match(time!, /^1970-01-01T00:16:4/);
      assert.deepEqual(line, {
        level: "ERROR",
        msg: `http://${target.address}/metrics answered with status 500`,
        job_name: "prometheus.scrape.test",
        target: `http://${target.address}/metrics`,
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  void test("refuses arguments it cannot honour", () => {
    const cases: readonly {
      readonly changes: object;
      readonly at: string;
      readonly message: RegExp;
    }[] = [
      {
        changes: { scrape_timeout: 20_000 },
        at: "scrape_timeout",
        message: /longer than scrape_interval/,
      },
      { changes: { scrape_protocols: [] }, at: "scrape_protocols", message: /at least one/ },
      {
        changes: { start_timestamp_zero_ingestion: true },
        at: "start_timestamp_zero_ingestion",
        message: /^not supported yet/,
      },
    ];
    for (const { changes, at, message } of cases) {
      const values = valuesOf(scrape.arguments, {
        targets: [],
        forward_to: [],
        scrape_interval: 15_000,
        ...changes,
      });
      const fault = scrape.check!(values);
      assert.equal(fault?.at, at);
      assert.match(fault!.message, message);
    }
    assert.equal(
      scrape.check!(
        valuesOf(scrape.arguments, {
          targets: [],
          forward_to: [],
          scrape_native_histograms: false,
        }),
      ),
      undefined,
    );
  });
});

void describe("readTarget", () => {
  const defaults = {
    job: "component",
    scheme: "http",
    metricsPath: "/metrics",
    params: {},
    intervalMs: 60_000,
    timeoutMs: 10_000,
  };
  const read = (labels: Record<string, string>) =>
    readTarget(Labels.fromObject(labels), defaults, (text) => Number(text.slice(0, -1)) * 1000);
  const cases: readonly {
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly url: string;
    readonly own: string;
  }[] = [
    {
      name: "defaults",
      labels: { __address__: "h:1" },
      url: "http://h:1/metrics",
      own: '{instance="h:1", job="component"}',
    },
    {
      name: "labels that steer",
      labels: {
        __address__: "h:1",
        __scheme__: "https",
        __metrics_path__: "/m",
        __param_x: "1 2",
        __meta_y: "z",
      },
      url: "https://h:1/m?x=1+2",
      own: '{instance="h:1", job="component"}',
    },
    {
      name: "labels of its own win",
      labels: { __address__: "h:1", job: "j", instance: "i", env: "e" },
      url: "http://h:1/metrics",
      own: '{env="e", instance="i", job="j"}',
    },
  ];
  for (const { name, labels, url, own } of cases) {
    void test(name, () => {
      const target = read(labels);
      assert.equal(target.url, url);
      assert.equal(target.labels.toString(), own);
    });
  }

  void test("takes interval and time-out from labels, and refuses what cannot be scraped", () => {
    const target = read({
      __address__: "h:1",
      __scrape_interval__: "5s",
      __scrape_timeout__: "2s",
    });
    assert.deepEqual([target.intervalMs, target.timeoutMs], [5000, 2000]);
    assert.throws(() => read({ job: "x" }), /no __address__/);
    assert.throws(() => read({ __address__: "h:1", __scheme__: "ftp" }), /neither http nor https/);
    assert.throws(
      () => read({ __address__: "h:1", __scrape_interval__: "1s" }),
      /longer than its __scrape_interval__/,
    );
  });

  void test("tells of its targets: their labels, how the last scrape went, their metadata", async () => {
    await using target = await startTarget(
      { body: "# TYPE a counter\n# HELP a Help.\na 5\n" },
      { status: 500, body: "" },
    );
    const receiver = collectingReceiver();
    const { clock, component } = startScrape(target.address, receiver, { job_name: "pool" });
    await using _ = component;
    const report = () => {
      const [pool] = component.scrapePools();
      assert.equal(pool?.name, "pool");
      assert.equal(pool.targets.length, 1);
      return pool.targets[0]!;
    };
    await clock.tick();
    await receiver.batch(0);
    const first = report();
    assert.deepEqual(first.discoveredLabels.toObject(), {
      __address__: target.address,
      __metrics_path__: "/metrics",
      __scheme__: "http",
      __scrape_interval__: "10s",
      __scrape_timeout__: "5s",
      instance: "i",
      job: "j",
    });
    assert.deepEqual(first.labels.toObject(), { instance: "i", job: "j" });
    const metadata = [{ family: "a", type: "counter", help: "Help.", unit: "" }];
    assert.deepEqual([first.health, first.lastError, first.metadata], ["up", "", metadata]);
    await clock.tick();
    await receiver.batch(1);
    const second = report();
    assert.equal(second.health, "down");
    assert.match(second.lastError, /answered with status 500/);
    assert.ok(second.lastScrapeMs! > first.lastScrapeMs!);
    assert.deepEqual(second.metadata, metadata);
  });

  void test("spreads targets over the interval, each at its own place", () => {
    const offsets = Array.from(
      { length: 200 },
      (_, i) => read({ __address__: `host-${i}:9100` }).offsetMs,
    );
    assert.ok(new Set(offsets).size > 190);
    for (const quarter of [0, 1, 2, 3]) {
      const inside = offsets.filter((offset) => Math.floor(offset / 15_000) === quarter).length;
      assert.ok(inside > 25 && inside < 75, `quarter ${quarter} has ${inside} of 200`);
    }
    assert.equal(delayUntilNext({ intervalMs: 10, offsetMs: 3 }, 101), 2);
    assert.equal(delayUntilNext({ intervalMs: 10, offsetMs: 3 }, 105), 8);
    assert.equal(delayUntilNext({ intervalMs: 10, offsetMs: 3 }, 103), 0);
  });
});

void describe("mergeLabels", () => {
  const cases: readonly {
    readonly name: string;
    readonly exposed: Record<string, string>;
    readonly target: Record<string, string>;
    readonly honorLabels?: boolean;
    readonly merged: Record<string, string>;
  }[] = [
    {
      name: "adds the target's",
      exposed: { a: "1" },
      target: { job: "t" },
      merged: { a: "1", job: "t" },
    },
    {
      name: "renames what clashes",
      exposed: { job: "s" },
      target: { job: "t" },
      merged: { exported_job: "s", job: "t" },
    },
    {
      name: "renames again what is taken",
      exposed: { job: "s", exported_job: "e" },
      target: { job: "t" },
      merged: { exported_exported_job: "s", exported_job: "e", job: "t" },
    },
    {
      name: "renames both when the renamed one clashes as well",
      exposed: { job: "s", exported_job: "e" },
      target: { job: "t", exported_job: "x" },
      merged: {
        exported_exported_job: "s",
        exported_exported_exported_job: "e",
        exported_job: "x",
        job: "t",
      },
    },
    {
      name: "honours the sample's",
      exposed: { job: "s" },
      target: { job: "t", x: "y" },
      honorLabels: true,
      merged: { job: "s", x: "y" },
    },
  ];
  for (const { name, exposed, target, honorLabels = false, merged } of cases) {
    void test(name, () => {
      const result = mergeLabels(Labels.fromObject(exposed), Labels.fromObject(target), {
        honorLabels,
      });
      assert.deepEqual(result.toObject(), merged);
    });
  }
});
