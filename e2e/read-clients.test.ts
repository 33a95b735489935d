/**
 * Real clients of the reading half of the metrics API: Prometheus evaluates over Finch by remote read and scrapes its federation, promtool asks.
 * Skipped where Debian's `prometheus` is not installed; `PROMETHEUS_BINARY` and `PROMTOOL_BINARY` name others.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { encodeRemoteWrite, encodeRemoteWrite2 } from "@finch/wire";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";
import { PROMETHEUS, PROMTOOL, runProgram, startPrometheus } from "./real-programs.ts";

const STEP_MS = 15_000;
const COUNT = 400;
/** The last sample's time: a whole step, a moment ago. */
const END_MS = Math.floor((Date.now() - 5_000) / STEP_MS) * STEP_MS;

/** Some series with all kinds of values and, here and there, times that are off. */
async function write(finch: FinchProcess): Promise<void> {
  const labels: Labels[] = [];
  const times: number[] = [];
  const values: number[] = [];
  for (const [index, job] of ["web", "api", "db", "cache"].entries()) {
    const series = Labels.fromObject({ __name__: "work_total", job, instance: `${job}:1` });
    for (let i = 0; i < COUNT; i++) {
      labels.push(series);
      times.push(END_MS - (COUNT - 1 - i) * STEP_MS + ((i * (index + 1)) % 3 === 0 ? 7 : 0));
      values.push(index === 3 ? Math.sin(i) * 10 ** ((i % 40) - 20) : i * (index + 0.5));
    }
  }
  const reply = await fetch(`${finch.prometheusUrl}/api/v1/write`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", "content-encoding": "snappy" },
    body: new Uint8Array(
      encodeRemoteWrite({
        labels,
        timestampsMs: Float64Array.from(times),
        values: Float64Array.from(values),
        metadata: [{ family: "work_total", type: "counter", help: "Work done.", unit: "" }],
      }),
    ),
  });
  assert.equal(reply.status, 204, await reply.text());
}

async function ask(base: string, path: string, parameters: Readonly<Record<string, string>>) {
  const reply = await fetch(`${base}${path}?${new URLSearchParams(parameters).toString()}`);
  return (await reply.json()) as { readonly status: string; readonly data: unknown };
}

const skip = !existsSync(PROMETHEUS) && `${PROMETHEUS} is not installed`;
const skipTool = !existsSync(PROMTOOL) && `${PROMTOOL} is not installed`;

async function withFinch(run: (finch: FinchProcess, directory: string) => Promise<void>) {
  const directory = await mkdtemp(join(tmpdir(), "finch-read-"));
  try {
    await writeIdleAgent(join(directory, "finch"));
    await using finch = await startFinch(join(directory, "finch"), await freePorts());
    await write(finch);
    await run(finch, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Nothing that Prometheus 3 computes otherwise than 2: no rates, and no window with a sample at its very edge. */
const QUERIES = [
  "work_total",
  'last_over_time(work_total{job!="cache"}[59s])',
  "sum by (job) (max_over_time(work_total[299s]))",
  'work_total{job=~"c.*"}',
  'count_over_time(work_total{instance!~"w.*"}[599s])',
];

void test("a real Prometheus evaluates over Finch by remote read", { skip }, async () => {
  await withFinch(async (finch, directory) => {
    const port = await freePort();
    const config = `remote_read: [{url: "${finch.prometheusUrl}/api/v1/read", read_recent: true}]\n`;
    await using _ = await startPrometheus(directory, { config, port });
    for (const query of QUERIES) {
      const parameters = {
        query,
        start: String((END_MS - 90 * 60_000) / 1000),
        end: String(END_MS / 1000),
        step: "15",
      };
      const theirs = await ask(`http://127.0.0.1:${port}`, "/api/v1/query_range", parameters);
      const ours = await ask(finch.prometheusUrl, "/api/v1/query_range", parameters);
      assert.equal(theirs.status, "success", JSON.stringify(theirs));
      assert.deepEqual(theirs, ours, query);
      const { result } = theirs.data as { readonly result: readonly object[] };
      assert.ok(result.length > 0, query);
    }
  });
});

/** Histograms that grow, a reset and a gauge among them. */
async function writeHistograms(finch: FinchProcess): Promise<void> {
  const list = Array.from({ length: 150 }, (_, i) => {
    const n = i % 100;
    return {
      schema: 3,
      resetHint: "unknown",
      zeroThreshold: 0.001,
      zeroCount: n,
      count: 4 * n + 3,
      sum: n / 3,
      positive: { spans: Int32Array.of(-2, 2, 3, 1), counts: Float64Array.of(n, n + 1, n) },
      negative: { spans: Int32Array.of(1, 1), counts: Float64Array.of(2) },
      customBounds: new Float64Array(),
    } as const;
  });
  const body = encodeRemoteWrite2([
    {
      labels: Labels.fromObject({ __name__: "latency", job: "web" }),
      timestampsMs: Float64Array.from(list, (_, i) => END_MS - (149 - i) * STEP_MS),
      values: Float64Array.from(list, ({ sum }) => sum),
      histograms: new Map(list.entries()),
    },
  ]);
  const reply = await fetch(`${finch.prometheusUrl}/api/v1/write`, {
    method: "POST",
    headers: {
      "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
      "content-encoding": "snappy",
    },
    body: new Uint8Array(body),
  });
  assert.equal(reply.status, 204, await reply.text());
}

void test("native histograms come through remote read", { skip }, async (t) => {
  await withFinch(async (finch, directory) => {
    await writeHistograms(finch);
    const port = await freePort();
    const config = `remote_read: [{url: "${finch.prometheusUrl}/api/v1/read", read_recent: true}]\n`;
    await using _ = await startPrometheus(directory, { config, port });
    const base = `http://127.0.0.1:${port}`;
    const build = await ask(base, "/api/v1/status/buildinfo", {});
    if (Number.parseInt((build.data as { version: string }).version, 10) < 3) {
      t.skip("Prometheus 2 computes histograms by other rules");
      return;
    }
    for (const query of ["latency", "histogram_sum(latency)", "histogram_count(latency)"]) {
      const parameters = {
        query,
        start: String((END_MS - 30 * 60_000) / 1000),
        end: String(END_MS / 1000),
        step: "15",
      };
      const theirs = await ask(base, "/api/v1/query_range", parameters);
      assert.deepEqual(theirs, await ask(finch.prometheusUrl, "/api/v1/query_range", parameters));
      const { result } = theirs.data as { readonly result: readonly object[] };
      assert.equal(result.length, 1, query);
    }
  });
});

void test("a real Prometheus scrapes Finch's federation", { skip }, async () => {
  await withFinch(async (finch, directory) => {
    const port = await freePort();
    const target = new URL(finch.prometheusUrl).host;
    const config = `scrape_configs:
  - job_name: federate
    honor_labels: true
    scrape_interval: 1s
    metrics_path: /federate
    params: {"match[]": ["work_total"]}
    static_configs: [{targets: ["${target}"]}]
`;
    await using _ = await startPrometheus(directory, { config, port });
    const parameters = { query: 'work_total{job="web"}', time: String(END_MS / 1000 + 1) };
    for (;;) {
      const theirs = await ask(`http://127.0.0.1:${port}`, "/api/v1/query", parameters);
      const { result } = theirs.data as { readonly result: readonly object[] };
      if (result.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      assert.deepEqual(theirs, await ask(finch.prometheusUrl, "/api/v1/query", parameters));
      break;
    }
  });
});

void test("promtool asks, and finds our metrics well-formed", { skip: skipTool }, async () => {
  await withFinch(async (finch) => {
    const url = finch.prometheusUrl;
    const at = (ms: number) => String(ms / 1000);
    const rows: readonly [args: readonly string[], output: RegExp][] = [
      [
        ["query", "instant", `--time=${at(END_MS + 1000)}`, url, 'work_total{job="web"}'],
        /web:1.* => 199.5 @/,
      ],
      [
        [
          "query",
          "range",
          `--start=${at(END_MS - 60_000)}`,
          `--end=${at(END_MS)}`,
          "--step=15s",
          url,
          'work_total{job="web"}',
        ],
        /197.5 @.*\n(?:.*\n)*199 @/,
      ],
      [["query", "series", '--match=work_total{job=~"w.*"}', url], /job="web"/],
      [["query", "labels", url, "job"], /^api\ncache\ndb\nweb\n$/],
    ];
    for (const [args, output] of rows) {
      const result = await runProgram(PROMTOOL, args);
      assert.equal(result.code, 0, `${args.join(" ")}: ${result.stderr}`);
      assert.match(result.stdout, output, args.join(" "));
    }
    for (const check of ["healthy", "ready"]) {
      const result = await runProgram(PROMTOOL, ["check", check, `--url=${url}`]);
      // Debian 12's promtool does not know these checks yet.
      assert.ok(result.code === 0 || /expected command but got/.test(result.stderr), result.stderr);
    }
    const figures = await (await fetch(`${url}/metrics`)).text();
    const checked = await runProgram(PROMTOOL, ["check", "metrics"], figures);
    // Exit code 3 is for matters of style, such as how a name ends; what is no exposition is 1.
    assert.ok(checked.code === 0 || checked.code === 3, checked.stderr);
  });
});
