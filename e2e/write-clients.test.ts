/**
 * Real clients of the ways in: Prometheus over remote write 1.0 and 2.0, promtool, OpenTelemetry's SDK for Node over HTTP and gRPC. What each sent is
 * answered by a query. Skipped where a client is missing: `PROMETHEUS_BINARY` and `PROMTOOL_BINARY` name other programs than Debian's (2.0 needs
 * Prometheus 3), `OTEL_SDK_DIRECTORY` a folder in whose `node_modules` the SDK is installed.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchPorts, FinchProcess } from "./finch-process.ts";
import { PROMETHEUS, PROMTOOL, runProgram, startPrometheus } from "./real-programs.ts";

const WAIT_MS_MAX = 30_000;

async function withFinch(
  run: (finch: FinchProcess, directory: string, ports: FinchPorts) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-write-"));
  try {
    await writeIdleAgent(join(directory, "finch"));
    const [otlpGrpc, otlpHttp] = await Promise.all([freePort(), freePort()]);
    const ports = { ...(await freePorts()), otlpGrpc, otlpHttp };
    await using finch = await startFinch(join(directory, "finch"), ports);
    await run(finch, directory, ports);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function ask(
  base: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<unknown> {
  const reply = await fetch(`${base}${path}?${new URLSearchParams(parameters).toString()}`);
  const text = await reply.text();
  assert.equal(reply.status, 200, `${path} ${JSON.stringify(parameters)}: ${text}`);
  return (JSON.parse(text) as { readonly data: unknown }).data;
}

interface VectorSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [time: number, value: string];
}

async function query(
  base: string,
  text: string,
  timeSeconds?: number,
): Promise<readonly VectorSample[]> {
  const time = timeSeconds === undefined ? {} : { time: String(timeSeconds) };
  const data = (await ask(base, "/api/v1/query", { query: text, ...time })) as {
    result: readonly VectorSample[];
  };
  // The order of an instant vector is nobody's promise.
  const keyOf = ({ metric }: VectorSample) =>
    JSON.stringify(
      metric,
      Object.keys(metric).toSorted((a, b) => (a < b ? -1 : 1)),
    );
  return data.result.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Asks until the answer has something in it. */
async function until<Value>(
  what: string,
  read: () => Promise<readonly Value[]>,
): Promise<readonly Value[]> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await read();
    if (found.length > 0) return found;
    assert.ok(Date.now() < deadline, `${what} did not arrive`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A target with a counter and a histogram, both with exemplars. */
const EXPOSITION = `# HELP jobs_done Jobs that are done.
# TYPE jobs_done counter
jobs_done_total{kind="größe \\"x\\""} 7 # {trace_id="4bf92f3577b34da6"} 1
# HELP job_seconds How long they took.
# TYPE job_seconds histogram
job_seconds_bucket{le="0.1"} 2 # {trace_id="0af7651916cd43dd"} 0.05
job_seconds_bucket{le="1.0"} 5
job_seconds_bucket{le="+Inf"} 6
job_seconds_sum 9.5
job_seconds_count 6
# EOF
`;

async function serveTarget(): Promise<{ readonly port: number } & AsyncDisposable> {
  const port = await freePort();
  const server = createServer((_, response) => {
    response.setHeader(
      "content-type",
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    response.end(EXPOSITION);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const skipPrometheus = !existsSync(PROMETHEUS) && `${PROMETHEUS} is not installed`;
const majorVersion = skipPrometheus === false ? readMajorVersion() : 0;

function readMajorVersion(): number {
  const text = execFileSync(PROMETHEUS, ["--version"], { encoding: "utf8" });
  return Number(/version (\d+)\./.exec(text)?.[1] ?? 0);
}

const PROTOCOLS = [
  ["1.0", "prometheus.WriteRequest", skipPrometheus],
  [
    "2.0",
    "io.prometheus.write.v2.Request",
    skipPrometheus ||
      (majorVersion < 3 && "remote write 2.0 needs Prometheus 3: set PROMETHEUS_BINARY"),
  ],
] as const;

for (const [version, message, skip] of PROTOCOLS) {
  void test(
    `Prometheus, remote write ${version}: samples, histograms, exemplars, metadata`,
    { skip },
    async () => {
      await withFinch(async (finch, directory) => {
        await using target = await serveTarget();
        const port = await freePort();
        const since3 = majorVersion >= 3;
        const config = `global:
  scrape_interval: 1s
scrape_configs:
  - job_name: jobs
    static_configs: [{ targets: ["127.0.0.1:${target.port}"] }]
${since3 ? "    convert_classic_histograms_to_nhcb: true\n    always_scrape_classic_histograms: true\n" : ""}
  - job_name: itself
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]
remote_write:
  - url: ${finch.prometheusUrl}/api/v1/write
    send_exemplars: true
${since3 ? `    send_native_histograms: true\n    protobuf_message: ${message}\n` : ""}
    metadata_config: { send_interval: 2s }
    queue_config: { batch_send_deadline: 1s }
`;
        const features = since3
          ? "native-histograms,exemplar-storage,metadata-wal-records"
          : "exemplar-storage";
        await using prometheus = await startPrometheus(directory, {
          config,
          port,
          flags: [`--enable-feature=${features}`],
        });
        void prometheus;
        const theirs = `http://127.0.0.1:${port}`;
        await until("a counter", () => query(finch.prometheusUrl, "jobs_done_total"));
        const queries = [
          "jobs_done_total",
          "job_seconds_bucket",
          "job_seconds_sum",
          'up{job="jobs"}',
        ];
        if (since3) {
          // Prometheus' own exponential histograms; those with custom bounds go over 2.0 alone.
          const histograms = ['prometheus_http_request_duration_seconds{handler="/metrics"}'];
          if (version === "2.0") histograms.push("job_seconds");
          for (const one of histograms) {
            queries.push(one, `histogram_count(${one})`, `histogram_quantile(0.5, ${one})`);
            await until(one, () => query(finch.prometheusUrl, `histogram_count(${one})`));
          }
        }
        // A moment that both have, and long enough ago that it has been sent.
        const time = Math.floor(Date.now() / 1000);
        await until("samples of that moment", () =>
          query(finch.prometheusUrl, `timestamp(up{job="jobs"}) > ${time}`),
        );
        for (const text of queries) {
          assert.deepEqual(
            await query(finch.prometheusUrl, text, time),
            await query(theirs, text, time),
            text,
          );
        }
        const range = { start: String(time - 60), end: String(time + 60) };
        const exemplars = await until(
          "an exemplar",
          async () =>
            (await ask(finch.prometheusUrl, "/api/v1/query_exemplars", {
              query: "jobs_done_total",
              ...range,
            })) as readonly { exemplars: readonly { labels: object; value: string }[] }[],
        );
        const [first] = exemplars[0]!.exemplars;
        assert.deepEqual([first!.labels, first!.value], [{ trace_id: "4bf92f3577b34da6" }, "1"]);
        const metadata = await until("metadata", async () =>
          Object.entries((await ask(finch.prometheusUrl, "/api/v1/metadata", {})) as object).filter(
            ([family]) => family.startsWith("jobs_done"),
          ),
        );
        assert.deepEqual(metadata[0]![1], [
          { type: "counter", unit: "", help: "Jobs that are done." },
        ]);
      });
    },
  );
}

const skipPromtool = !existsSync(PROMTOOL) && `${PROMTOOL} is not installed`;

void test("promtool push metrics", { skip: skipPromtool }, async (context) => {
  const help = await runProgram(PROMTOOL, ["push", "metrics", "--help"]);
  if (help.code !== 0) {
    context.skip(`this promtool cannot push: ${help.stderr.split("\n")[0]!}; set PROMTOOL_BINARY`);
    return;
  }
  await withFinch(async (finch) => {
    const text =
      '# TYPE pushed counter\npushed{by="hand"} 5\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n';
    const pushed = await runProgram(
      PROMTOOL,
      ["push", "metrics", "--label=env=test", `${finch.prometheusUrl}/api/v1/write`],
      text,
    );
    assert.equal(pushed.code, 0, pushed.stdout + pushed.stderr);
    const [sample] = await query(finch.prometheusUrl, "pushed");
    assert.deepEqual(sample!.metric, { __name__: "pushed", by: "hand", env: "test" });
    assert.equal((await query(finch.prometheusUrl, "h_bucket")).length, 2);
  });
});

const OTEL_DIRECTORY = process.env["OTEL_SDK_DIRECTORY"] ?? import.meta.dirname;
const requireOtel = createRequire(join(OTEL_DIRECTORY, "package.json"));

/** What is used of the SDK's packages, as its versions 2 declare it. */
interface OtelModules {
  readonly "sdk-metrics": {
    readonly MeterProvider: new (options: OtelProviderOptions) => OtelProvider;
    readonly PeriodicExportingMetricReader: new (options: {
      readonly exporter: object;
      readonly exportIntervalMillis: number;
    }) => object;
    readonly AggregationType: { readonly EXPONENTIAL_HISTOGRAM: number };
  };
  readonly "exporter-metrics-otlp-http": OtelExporterModule & {
    readonly AggregationTemporalityPreference: Readonly<Record<OtelTemporality, number>>;
  };
  readonly "exporter-metrics-otlp-proto": OtelExporterModule;
  readonly "exporter-metrics-otlp-grpc": OtelExporterModule;
  readonly resources: {
    readonly resourceFromAttributes: (attributes: Readonly<Record<string, string>>) => object;
  };
}

type OtelTemporality = "CUMULATIVE" | "DELTA";

interface OtelExporterModule {
  readonly OTLPMetricExporter: new (options: {
    readonly url: string;
    readonly compression: string;
    readonly temporalityPreference: number;
  }) => object;
}

interface OtelProviderOptions {
  readonly resource: object;
  readonly readers: readonly object[];
  readonly views: readonly {
    readonly instrumentName: string;
    readonly aggregation: { readonly type: number };
  }[];
}

interface OtelProvider {
  getMeter(name: string, version: string): OtelMeter;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

interface OtelMeter {
  createCounter(name: string, options: OtelInstrumentOptions): OtelAdder;
  createUpDownCounter(name: string): OtelAdder;
  createHistogram(name: string, options: OtelInstrumentOptions): { record(value: number): void };
}

interface OtelInstrumentOptions {
  readonly unit: string;
  readonly description?: string;
}

interface OtelAdder {
  add(value: number, attributes?: Readonly<Record<string, string>>): void;
}

async function loadOtel<Name extends keyof OtelModules>(name: Name): Promise<OtelModules[Name]> {
  const path = requireOtel.resolve(`@opentelemetry/${name}`);
  return (await import(pathToFileURL(path).href)) as OtelModules[Name];
}

function hasOtel(): boolean {
  try {
    requireOtel.resolve("@opentelemetry/exporter-metrics-otlp-grpc");
    return true;
  } catch {
    return false;
  }
}

const skipOtel =
  !hasOtel() &&
  "OpenTelemetry's SDK is not installed: npm install it somewhere and set OTEL_SDK_DIRECTORY";

for (const [protocol, temporality] of [
  ["http", "CUMULATIVE"],
  ["proto", "DELTA"],
  ["grpc", "CUMULATIVE"],
  ["grpc", "DELTA"],
] as const) {
  void test(
    `OpenTelemetry's SDK, ${protocol}, ${temporality.toLowerCase()}`,
    { skip: skipOtel },
    async () => {
      await withFinch(async (finch, _, ports) => {
        const sdk = await loadOtel("sdk-metrics");
        const exporters = await loadOtel(`exporter-metrics-otlp-${protocol}` as const);
        const { AggregationTemporalityPreference } = await loadOtel("exporter-metrics-otlp-http");
        const { resourceFromAttributes } = await loadOtel("resources");
        const url =
          protocol === "grpc"
            ? `http://127.0.0.1:${ports.otlpGrpc}`
            : `http://127.0.0.1:${ports.otlpHttp}/v1/metrics`;
        const exporter = new exporters.OTLPMetricExporter({
          url,
          compression: "gzip",
          temporalityPreference: AggregationTemporalityPreference[temporality],
        });
        const provider = new sdk.MeterProvider({
          resource: resourceFromAttributes({
            "service.name": "checkout",
            "service.namespace": "shop",
            "deployment.environment.name": "test",
          }),
          readers: [
            new sdk.PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 }),
          ],
          views: [
            {
              instrumentName: "exp.hist",
              aggregation: { type: sdk.AggregationType.EXPONENTIAL_HISTOGRAM },
            },
          ],
        });
        const meter = provider.getMeter("m", "1.0");
        const counter = meter.createCounter("requests", { unit: "1", description: "Requests." });
        const latency = meter.createHistogram("latency", { unit: "ms" });
        const exponential = meter.createHistogram("exp.hist", { unit: "s" });
        const depth = meter.createUpDownCounter("queue.depth");
        for (let flush = 0; flush < 2; flush++) {
          counter.add(3, { "http.route": "/pay" });
          latency.record(7);
          exponential.record(0.5);
          depth.add(2);
          await provider.forceFlush();
        }
        await provider.shutdown();
        const value = async (text: string) =>
          (await query(finch.prometheusUrl, text)).map((one) => one.value?.[1]);
        assert.deepEqual(await value('requests_total{http_route="/pay",job="shop/checkout"}'), [
          "6",
        ]);
        assert.deepEqual(await value('latency_milliseconds_bucket{le="10"}'), ["2"]);
        assert.deepEqual(await value("latency_milliseconds_count"), ["2"]);
        assert.deepEqual(await value("histogram_count(exp_hist_seconds)"), ["2"]);
        assert.deepEqual(await value("histogram_sum(exp_hist_seconds)"), ["1"]);
        assert.deepEqual(await value("queue_depth"), ["4"]);
        assert.deepEqual(await value('target_info{deployment_environment_name="test"}'), ["1"]);
        const metadata = (await ask(finch.prometheusUrl, "/api/v1/metadata", {})) as Record<
          string,
          unknown
        >;
        assert.deepEqual(metadata["requests_total"], [
          { type: "counter", unit: "", help: "Requests." },
        ]);
      });
    },
  );
}
