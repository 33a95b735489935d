/** The logs API over real HTTP and WebSockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { DEFAULT_RETENTION } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { JSON_TYPE, ns, openApi, openTail, push, pushBody, rangeData } from "./logs-api.ts";
import type { Values } from "./logs-api.ts";
import { openMemoryLogStore } from "./memory-log-store.ts";
import { BUILD, fixedClock, NOW_MS, serve } from "./serve.ts";

for (const kind of ["memory", "disk"] as const) {
  test(`${kind}: push and query: labels merged, or told apart when asked`, async () => {
    await using api = await openApi(kind);
    const pushed = await push(
      api,
      [
        { job: "a" },
        [
          [ns(2), "level=warn one", { trace: "t1" }],
          [ns(1), "two"],
        ],
      ],
      [{ app: "web", empty: "" }, [[ns(1.5), '{"level":"error"}']]],
    );
    assert.deepEqual([pushed.status, pushed.text], [204, ""]);
    const merged = await rangeData(api, { query: '{service_name=~".+"}', direction: "forward" });
    assert.equal(merged.resultType, "streams");
    assert.equal(merged.encodingFlags, undefined);
    assert.deepEqual(merged.result, [
      {
        stream: { app: "web", detected_level: "error", service_name: "web" },
        values: [[ns(1.5), '{"level":"error"}']],
      },
      {
        stream: { detected_level: "unknown", job: "a", service_name: "a" },
        values: [[ns(1), "two"]],
      },
      {
        stream: { detected_level: "warn", job: "a", service_name: "a", trace: "t1" },
        values: [[ns(2), "level=warn one"]],
      },
    ]);
    const apart = await rangeData(
      api,
      { query: '{job="a"} | logfmt' },
      { "X-Loki-Response-Encoding-Flags": "categorize-labels" },
    );
    assert.deepEqual(apart.encodingFlags, ["categorize-labels"]);
    assert.deepEqual(apart.result, [
      {
        stream: { job: "a", service_name: "a" },
        values: [
          [ns(1), "two", { structuredMetadata: { detected_level: "unknown" } }],
          [
            ns(2),
            "level=warn one",
            {
              structuredMetadata: { detected_level: "warn", trace: "t1" },
              parsed: { level: "warn" },
            },
          ],
        ],
      },
    ]);
    const { summary } = apart.stats as { summary: Record<string, number> };
    assert.equal(summary["totalEntriesReturned"], 2);
    assert.equal(summary["totalLinesProcessed"], 2);
  });

  test(`${kind}: metric queries: matrix, vector, scalar; Grafana's health check`, async () => {
    await using api = await openApi(kind);
    await push(api, [
      { job: "a" },
      [
        [ns(10), "x"],
        [ns(5), "y"],
      ],
    ]);
    const at = NOW_MS / 1000;
    const matrix = await rangeData(api, {
      query: 'sum(count_over_time({job="a"}[1m]))',
      start: String(at - 60),
      end: String(at),
      step: "60",
    });
    assert.deepEqual(
      [matrix.resultType, matrix.result],
      ["matrix", [{ metric: {}, values: [[at, "2"]] }]],
    );
    const instant = async (query: string, time: string) => {
      const answer = await api.get("/loki/api/v1/query", { query, time });
      return answer.text.replace(/,"stats":.*$/, "");
    };
    assert.equal(
      await instant("vector(1)+vector(1)", "4000000000"),
      '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[4000000000,"2"]}]',
    );
    assert.equal(
      await instant('count_over_time({job="a"}[1m])', ns(0)),
      `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"detected_level":"unknown","job":"a","service_name":"a"},"value":[${at},"2"]}]`,
    );
  });

  test(`${kind}: a level that came along has its usual name, an unknown one its own`, async () => {
    await using api = await openApi(kind);
    const told = (level: string) => ({ detected_level: level });
    await push(api, [
      { job: "a", level: "err" },
      [
        [ns(3), "one", told("WARNING")],
        [ns(2), "two", told("notice")],
        [ns(1), "three", { k: "v" }],
      ],
    ]);
    const { result } = await rangeData(api, { query: '{job="a"} | keep detected_level' });
    assert.deepEqual(
      (result as { stream: object; values: string[][] }[]).map(({ stream, values }) => [
        stream,
        values[0]![1],
      ]),
      [
        [told("error"), "three"],
        [told("notice"), "two"],
        [told("warn"), "one"],
      ],
    );
  });

  test(`${kind}: a range of no length has one step and no line`, async () => {
    await using api = await openApi(kind);
    await push(api, [{ job: "a" }, [[ns(10), "x"]]]);
    const range = { start: ns(10), end: ns(10) };
    assert.deepEqual((await rangeData(api, { ...range, query: '{job="a"}' })).result, []);
    const metric = await rangeData(api, { ...range, query: 'sum(count_over_time({job="a"}[1m]))' });
    assert.deepEqual(metric.result, [{ metric: {}, values: [[NOW_MS / 1000 - 10, "1"]] }]);
    const volume = await api.get("/loki/api/v1/index/volume", { ...range, query: '{job="a"}' });
    assert.equal(volume.status, 200, volume.text);
  });

  test(`${kind}: bad requests are plain text with Loki's statuses`, async () => {
    await using api = await openApi(kind);
    const selector = { query: '{a="b"}' };
    const rows: readonly [
      path: string,
      parameters: Record<string, string>,
      status: number,
      message: RegExp,
    ][] = [
      ["/loki/api/v1/query_range", {}, 400, /^parse error/],
      ["/loki/api/v1/query_range", { query: "{" }, 400, /^parse error/],
      [
        "/loki/api/v1/query_range",
        { query: "{}" },
        400,
        /at least one (?:regexp or )?equality matcher/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, limit: "5001" },
        400,
        /^max entries limit per query exceeded, limit > max_entries_limit_per_query \(5001 > 5000\)/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, limit: "0" },
        400,
        /^limit must be a positive value/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, direction: "up" },
        400,
        /^invalid direction 'up'/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, start: "2", end: "1" },
        400,
        /^end timestamp must not be before or equal to start time/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, start: "x" },
        400,
        /^could not parse 'start' parameter: cannot parse "x"/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, since: "x" },
        400,
        /^could not parse 'since' parameter: cannot parse "x" to a valid duration/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, step: "0" },
        400,
        /^zero or negative query resolution/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, step: "0.1" },
        400,
        /^exceeded maximum resolution of 11,000 points/,
      ],
      [
        "/loki/api/v1/query_range",
        { ...selector, since: "800h" },
        400,
        /^the query time range exceeds the limit \(query length: 33d8h, limit: 30d1h\)/,
      ],
      [
        "/loki/api/v1/query",
        selector,
        400,
        /^log queries are not supported as an instant query type/,
      ],
      ["/loki/api/v1/labels", { query: "{a=" }, 400, /^parse error/],
      ["/loki/api/v1/nothing", {}, 404, /404 page not found/],
    ];
    for (const [path, parameters, status, message] of rows) {
      const answer = await api.get(path, parameters);
      const where = `${path} ${JSON.stringify(parameters)}: ${answer.text}`;
      assert.equal(answer.status, status, where);
      assert.match(answer.text, message, where);
      assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/, where);
    }
  });

  test(`${kind}: labels, values, series, volumes, build information`, async () => {
    await using api = await openApi(kind);
    await push(
      api,
      [{ job: "a", env: "p" }, [[ns(60), "abc"]]],
      [{ job: "b" }, [[ns(7200), "abcdef"]]],
    );
    const data = async (path: string, parameters = {}) => {
      const answer = await api.get(path, parameters);
      assert.equal(answer.status, 200, answer.text);
      return JSON.parse(answer.text) as unknown;
    };
    const wide = { start: ns(10_000), end: ns(0) };
    assert.deepEqual(await data("/loki/api/v1/labels"), {
      status: "success",
      data: ["env", "job", "service_name"],
    });
    assert.deepEqual(await data("/loki/api/v1/label"), {
      status: "success",
      data: ["env", "job", "service_name"],
    });
    assert.deepEqual(await data("/loki/api/v1/label/job/values"), {
      status: "success",
      data: ["a"],
    });
    assert.deepEqual(await data("/loki/api/v1/label/job/values", wide), {
      status: "success",
      data: ["a", "b"],
    });
    assert.deepEqual(await data("/loki/api/v1/label/job/values", { ...wide, query: '{env="p"}' }), {
      status: "success",
      data: ["a"],
    });
    assert.deepEqual(await data("/loki/api/v1/series", { ...wide, "match[]": '{job="b"}' }), {
      status: "success",
      data: [{ job: "b", service_name: "b" }],
    });
    assert.equal(
      ((await data("/loki/api/v1/series", { ...wide, match: "{}" })) as { data: object[] }).data
        .length,
      2,
    );
    assert.deepEqual(await data("/loki/api/v1/index/stats", { ...wide, query: '{job=~".+"}' }), {
      streams: 2,
      chunks: 2,
      bytes: 9,
      entries: 2,
    });
    const volume = (await data("/loki/api/v1/index/volume", { ...wide, query: '{job=~".+"}' })) as {
      data: { result: { metric: object; value: [number, string] }[] };
    };
    assert.deepEqual(
      volume.data.result.map(({ metric, value }) => [metric, value[1]]),
      [
        [{ job: "b" }, "6"],
        [{ job: "a" }, "3"],
      ],
    );
    const build = (await data("/loki/api/v1/status/buildinfo")) as Record<string, string>;
    assert.deepEqual(Object.keys(build), [
      "version",
      "revision",
      "branch",
      "buildUser",
      "buildDate",
      "goVersion",
    ]);
    assert.deepEqual(await data("/loki/api/v1/format_query", { query: '{ a = "b" } | json' }), {
      status: "success",
      data: '{a="b"} | json',
    });
    const bad = await api.get("/loki/api/v1/format_query", { query: "{" });
    assert.equal(bad.status, 400);
    assert.equal((JSON.parse(bad.text) as { status: string }).status, "invalid-query");
    assert.equal((await api.get("/ready")).text, "ready\n");
  });

  test(`${kind}: what is wrong with a push is told, and the rest is stored`, async () => {
    await using api = await openApi(kind, { lineBytesMax: 10, labelsPerStreamMax: 2 });
    const good: Values = [[ns(1), "good"]];
    const rows: readonly [
      rule: string,
      body: string | Uint8Array<ArrayBuffer>,
      headers: Record<string, string>,
      status: number,
      message: RegExp,
    ][] = [
      [
        "gzip",
        new Uint8Array(gzipSync(pushBody([{ job: "gz" }, good]))),
        { ...JSON_TYPE, "content-encoding": "gzip" },
        204,
        /^$/,
      ],
      ["bad JSON", "{", JSON_TYPE, 400, /./],
      ["bad protobuf", "x", { "content-type": "application/x-protobuf" }, 400, /./],
      [
        "unknown encoding",
        "x",
        { ...JSON_TYPE, "content-encoding": "br" },
        400,
        /Content-Encoding "br" not supported/,
      ],
      [
        "too old",
        pushBody([{ job: "a" }, [[ns(8 * 86_400), "old"], ...good]]),
        JSON_TYPE,
        400,
        /^entry for stream '\{job="a"\}' has timestamp too old: 2026-11-12T00:00:00Z, oldest acceptable timestamp is: 2026-11-13T00:00:00Z\n$/,
      ],
      [
        "too new",
        pushBody([{ job: "b" }, [[ns(-601), "new"], ...good]]),
        JSON_TYPE,
        400,
        /^entry for stream '\{job="b"\}' has timestamp too new: 2026-11-20T00:10:01Z\n$/,
      ],
      [
        "too long",
        pushBody([{ job: "c" }, [[ns(1), "much too long"], ...good]]),
        JSON_TYPE,
        400,
        /max entry size/,
      ],
      [
        "too many labels",
        pushBody([{ a: "1", b: "2", c: "3" }, good], [{ job: "d" }, good]),
        JSON_TYPE,
        400,
        /labels/,
      ],
    ];
    for (const [rule, body, headers, status, message] of rows) {
      const answer = await api.post("/loki/api/v1/push", body, headers);
      assert.equal(answer.status, status, `${rule}: ${answer.text}`);
      assert.match(answer.text, message, rule);
    }
    const stored = await api.get("/loki/api/v1/label/job/values");
    assert.deepEqual(JSON.parse(stored.text), {
      status: "success",
      data: ["a", "b", "c", "d", "gz"],
    });
    assert.equal((await api.get("/loki/api/v1/push")).status, 405);
    assert.equal(
      (await api.post("/api/prom/push", pushBody([{ job: "old" }, good]), JSON_TYPE)).status,
      204,
    );
  });

  test(`${kind}: a store that cannot take more is never a 400`, async () => {
    await using api = await openApi(kind);
    for (const [kind, status] of [
      ["limited", 429],
      ["unavailable", 503],
      ["internal", 500],
    ] as const) {
      api.failing.fault = new FinchError(kind, "store/x", "not now", { retryAfterSeconds: 3 });
      const answer = await push(api, [{ job: "a" }, [[ns(1), "x"]]]);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("retry-after"), "3");
    }
  });

  test(`${kind}: a tail brings the newest history, then what comes, each line once`, async () => {
    await using api = await openApi(kind);
    await push(
      api,
      [
        { job: "a" },
        [
          [ns(3), "too early"],
          [ns(2), "h1"],
          [ns(1), "h2"],
        ],
      ],
      [{ job: "other" }, [[ns(1), "not this"]]],
    );
    const tail = openTail(api.port, { query: '{job="a"} != "not"', limit: "2", start: ns(100) });
    await tail.until(() => tail.lines.length >= 2);
    assert.deepEqual(tail.lines, ["h1", "h2"]);
    await push(api, [
      { job: "a" },
      [
        [ns(0.5), "live 1"],
        [ns(0.4), "not live"],
      ],
    ]);
    await push(api, [{ job: "other" }, [[ns(0.3), "x"]]], [{ job: "a" }, [[ns(0.2), "live 2"]]]);
    await tail.until(() => tail.lines.length >= 4);
    assert.deepEqual(tail.lines, ["h1", "h2", "live 1", "live 2"]);
    assert.deepEqual(tail.frames[0]!.streams[0]!.stream, {
      detected_level: "unknown",
      job: "a",
      service_name: "a",
    });
    const closed = once(tail.socket, "close");
    tail.socket.close();
    await closed;
  });

  test(`${kind}: a tail's delay puts late lines in their place`, async () => {
    await using api = await openApi(kind);
    const tail = openTail(api.port, { query: '{job="a"}', delay_for: "1" });
    await once(tail.socket, "open");
    await push(api, [{ job: "a" }, [[ns(0.1), "second"]]]);
    await push(api, [{ job: "a" }, [[ns(0.2), "first"]]]);
    await tail.until(() => tail.lines.length >= 2);
    assert.deepEqual(tail.lines, ["first", "second"]);
    assert.equal(tail.frames.length, 1);
    const closed = once(tail.socket, "close");
    tail.socket.close();
    await closed;
  });

  test(`${kind}: a tail that cannot keep up is told what it missed`, async () => {
    await using api = await openApi(kind, { tailQueueEntriesMax: 3 });
    const tail = openTail(api.port, { query: '{job="a"}' });
    await once(tail.socket, "open");
    await push(api, [
      { job: "a" },
      Array.from({ length: 5 }, (_, i) => [ns(1 - i / 10), `line ${i}`] as const),
    ]);
    await tail.until(() => tail.frames.length >= 1);
    assert.deepEqual(tail.lines, ["line 0", "line 1", "line 2"]);
    assert.deepEqual(tail.frames[0]!.dropped_entries, [
      { labels: { job: "a", service_name: "a" }, timestamp: ns(0.7) },
      { labels: { job: "a", service_name: "a" }, timestamp: ns(0.6) },
    ]);
    const closed = once(tail.socket, "close");
    tail.socket.close();
    await closed;
  });

  test(`${kind}: tails are refused before the upgrade: bad query, too long a delay, too many`, async () => {
    await using api = await openApi(kind, { tailsMax: 1 });
    const refusal = async (parameters: Record<string, string>) => {
      const query = new URLSearchParams(parameters).toString();
      const { request } = await import("node:http");
      const asked = request({
        port: api.port,
        path: `/loki/api/v1/tail?${query}`,
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
      });
      asked.end();
      const [reply] = (await once(asked, "response")) as [
        NodeJS.ReadableStream & { statusCode: number },
      ];
      const chunks: Buffer[] = [];
      for await (const chunk of reply) chunks.push(chunk as Buffer);
      return [reply.statusCode, Buffer.concat(chunks).toString()] as const;
    };
    assert.match((await refusal({ query: "{" })).join(" "), /^400 parse error/);
    assert.match(
      (await refusal({ query: 'rate({a="b"}[1m])' })).join(" "),
      /^400 only log queries/,
    );
    assert.match(
      (await refusal({ query: '{a="b"}', delay_for: "6" })).join(" "),
      /^400 delay_for can't be greater than 5/,
    );
    const tail = openTail(api.port, { query: '{job="a"}' });
    await once(tail.socket, "open");
    assert.match(
      (await refusal({ query: '{a="b"}' })).join(" "),
      /^400 max concurrent tail requests limit exceeded, count > limit \(2 > 1\)/,
    );
    const closed = once(tail.socket, "close");
    tail.socket.close();
    await closed;
  });
}

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures", "loki");

test(
  "what winston-loki and pino-loki send is taken",
  { skip: !existsSync(CAPTURES) && "no captures here: set FINCH_SHARED" },
  async () => {
    const store = openMemoryLogStore();
    const nowMs = Date.parse("2026-11-20T18:20:00Z");
    const api = createLogsApi({
      store,
      clock: { ...fixedClock, nowMs: () => nowMs },
      limits: DEFAULT_LOGS_LIMITS,
      build: BUILD,
      retention: DEFAULT_RETENTION,
    });
    await using served = await serve(api.routes);
    for (const name of readdirSync(CAPTURES).filter((file) => file.endsWith(".body"))) {
      const { rawHeaders } = JSON.parse(
        readFileSync(join(CAPTURES, name.replace(".body", ".json")), "utf8"),
      ) as { rawHeaders: string[] };
      const type = rawHeaders[rawHeaders.indexOf("Content-Type") + 1]!;
      const answer = await served.post(
        "/loki/api/v1/push",
        new Uint8Array(readFileSync(join(CAPTURES, name))),
        { "content-type": type },
      );
      assert.equal(answer.status, 204, `${name}: ${answer.text}`);
    }
    assert.ok(store.statistics().appendedTotal >= 3);
  },
);
