/** Remote write 1.0 and 2.0 over real HTTP into a real store: statuses, counts, partial writes, rates. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { encodeRemoteWrite, encodeRemoteWrite2 } from "@finch/wire";
import type { RemoteWrite2Series } from "@finch/wire";
import { serveMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";
import type { Answer } from "./serve.ts";

const HEADERS_2 = {
  "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
  "content-encoding": "snappy",
  "x-prometheus-remote-write-version": "2.0.0",
} as const;

function series(
  labels: Readonly<Record<string, string>>,
  samples: readonly (readonly [secondsAgo: number, value: number])[],
  rest: Partial<RemoteWrite2Series> = {},
): RemoteWrite2Series {
  return {
    labels: Labels.fromObject(labels),
    timestampsMs: Float64Array.from(samples, ([secondsAgo]) => NOW_MS - secondsAgo * 1000),
    values: Float64Array.from(samples, ([, value]) => value),
    ...rest,
  };
}

function body2(...list: readonly RemoteWrite2Series[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encodeRemoteWrite2(list));
}

/** The counts in the headers of an answer, `undefined` where one is missing. */
function written({ headers }: Answer): (string | undefined)[] {
  return ["samples", "histograms", "exemplars"].map(
    (kind) => headers.get(`x-prometheus-remote-write-${kind}-written`) ?? undefined,
  );
}

test("2.0: what is sent is counted and answered by a query", async () => {
  await using metrics = await serveMetrics();
  const stale = new Float64Array(1);
  setStaleAt(wordsOf(stale), 0);
  const answer = await metrics.post(
    "/api/v1/write",
    body2(
      series({ __name__: "a.b", "c d": "e" }, [
        [30, 1],
        [0, 2.5],
      ]),
      series({ __name__: "nan" }, [[0, Number.NaN]]),
      series({ __name__: "gone" }, [[0, 0]], { values: stale }),
      series({ __name__: "requests_total" }, [[0, 7]], {
        startTimestampsMs: Float64Array.of(NOW_MS - 60_000),
        metadata: { type: "counter", help: "All requests.", unit: "requests" },
      }),
    ),
    HEADERS_2,
  );
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.deepEqual(written(answer), ["5", "0", "0"]);
  assert.deepEqual(await metrics.query('{__name__=~".+"}'), {
    '{__name__="a.b", c d="e"}': "2.5",
    '{__name__="nan"}': "NaN",
    '{__name__="requests_total"}': "7",
  });
  const { text } = await metrics.get("/api/v1/metadata");
  assert.deepEqual(JSON.parse(text), {
    status: "success",
    data: { requests_total: [{ type: "counter", unit: "requests", help: "All requests." }] },
  });
  assert.equal((await metrics.post("/api/v1/push", body2(), HEADERS_2)).status, 200);
});

test("2.0: what is wrong is a 400 that names it, the rest stays and is counted", async () => {
  await using metrics = await serveMetrics();
  const good = series({ __name__: "up", job: "a" }, [[0, 1]]);
  const again = await metrics.post("/api/v1/write", body2(good), HEADERS_2);
  assert.equal(again.status, 204);
  const same = await metrics.post("/api/v1/write", body2(good), HEADERS_2);
  assert.deepEqual([same.status, ...written(same)], [204, "1", "0", "0"]);
  const answer = await metrics.post(
    "/api/v1/write",
    body2(
      series({ job: "a" }, [[0, 1]]),
      series({ __name__: "up", job: "a" }, [[0, 3]]),
      series({ __name__: "up", job: "b" }, [
        [-3600, 1],
        [0, 4],
      ]),
      series({ __name__: "empty" }, []),
    ),
    HEADERS_2,
  );
  assert.equal(answer.status, 400);
  assert.deepEqual(written(answer), ["1", "0", "0"]);
  assert.deepEqual(answer.text.split("\n").toSorted(), [
    "",
    'TimeSeries must contain at least one sample or histogram for series {__name__="empty"}',
    `duplicate sample for timestamp for series {__name__="up", job="a"}, timestamp ${NOW_MS}`,
    'invalid metric name or labels, got {job="a"}',
    `out of bounds: timestamp is too far in the future for series {__name__="up", job="b"}, timestamp ${NOW_MS + 3_600_000}`,
  ]);
  assert.deepEqual(await metrics.query("up"), {
    '{__name__="up", job="a"}': "1",
    '{__name__="up", job="b"}': "4",
  });
});

test("2.0: exemplars without a sample belong to a series that is known, or are refused", async () => {
  await using metrics = await serveMetrics();
  const exemplar = (id: string, secondsAgo: number) => ({
    labels: Labels.fromObject({ trace_id: id }),
    value: 1,
    timestampMs: NOW_MS - secondsAgo * 1000,
  });
  const labels = { __name__: "hits_total" };
  const alone = series(labels, [], { exemplars: [exemplar("a", 20)] });
  const unknown = await metrics.post("/api/v1/write", body2(alone), HEADERS_2);
  assert.deepEqual([unknown.status, ...written(unknown)], [400, "0", "0", "0"]);
  assert.equal(
    unknown.text,
    'TimeSeries must contain at least one sample or histogram for series {__name__="hits_total"}\n',
  );
  const both = await metrics.post(
    "/api/v1/write",
    body2(series(labels, [[20, 5]]), alone),
    HEADERS_2,
  );
  assert.deepEqual([both.status, ...written(both)], [204, "1", "0", "1"], both.text);
  const later = series(labels, [], { exemplars: [exemplar("b", 10)] });
  const known = await metrics.post("/api/v1/write", body2(later), HEADERS_2);
  assert.deepEqual([known.status, ...written(known)], [204, "0", "0", "1"], known.text);
  const early = series(labels, [], { exemplars: [exemplar("c", 15)] });
  const late = await metrics.post("/api/v1/write", body2(early), HEADERS_2);
  assert.deepEqual([late.status, ...written(late)], [400, "0", "0", "0"], late.text);
  assert.match(late.text, /^out of order exemplar for series/);
});

test("2.0: every fault has the counts, at zero; 1.0 never has them", async () => {
  const faults = {
    limited: [429, "7"],
    unavailable: [503, "7"],
    internal: [500, undefined],
  } as const;
  for (const [kind, [status, retryAfter]] of Object.entries(faults)) {
    await using metrics = await serveMetrics({
      append: () =>
        Promise.reject(
          new FinchError(kind as keyof typeof faults, "test/fault", "no", {
            ...(retryAfter !== undefined && { retryAfterSeconds: Number(retryAfter) }),
          }),
        ),
    });
    const up = series({ __name__: "up" }, [[0, 1]]);
    const answer = await metrics.post("/api/v1/write", body2(up), HEADERS_2);
    assert.deepEqual([answer.status, ...written(answer)], [status, "0", "0", "0"]);
    assert.equal(answer.headers.get("retry-after") ?? undefined, retryAfter);
    const body1 = encodeRemoteWrite({
      labels: [up.labels],
      timestampsMs: up.timestampsMs,
      values: up.values,
    });
    const first = await metrics.post("/api/v1/write", new Uint8Array(body1));
    assert.deepEqual([first.status, ...written(first)], [status, undefined, undefined, undefined]);
  }
  await using metrics = await serveMetrics();
  const broken = await metrics.post("/api/v1/write", new Uint8Array([0xff]), HEADERS_2);
  assert.deepEqual([broken.status, ...written(broken)], [400, "0", "0", "0"]);
  const gzip = await metrics.post("/api/v1/write", body2(), {
    ...HEADERS_2,
    "content-encoding": "gzip",
  });
  assert.deepEqual([gzip.status, ...written(gzip)], [415, "0", "0", "0"]);
});

test("a series over a limit is a 400 in both versions and dialects, and the rest is stored", async () => {
  await using metrics = await serveMetrics();
  const wide: Record<string, string> = { __name__: "wide" };
  for (let i = 0; i < 30; i++) wide[`l${i}`] = "x";
  for (const [name, labels] of [
    ["labels", wide],
    ["value", { __name__: "long", a: "x".repeat(2049) }],
    ["name", { __name__: "long", ["a".repeat(1025)]: "x" }],
  ] as const) {
    const list = [series(labels, [[0, 1]]), series({ __name__: "kept", for: name }, [[0, 2]])];
    const body1 = encodeRemoteWrite({
      labels: list.map((one) => one.labels),
      timestampsMs: Float64Array.of(NOW_MS, NOW_MS),
      values: Float64Array.of(1, 2),
    });
    for (const path of ["/api/v1/write", "/api/v1/push"]) {
      assert.equal((await metrics.post(path, new Uint8Array(body1))).status, 400, name);
      const answer = await metrics.post(path, body2(...list), HEADERS_2);
      assert.deepEqual([answer.status, ...written(answer)], [400, "1", "0", "0"], name);
    }
  }
  assert.equal(Object.keys(await metrics.query("kept")).length, 3);
});

test("over the rate is a 429 that says when, over the burst a 413; both leave nothing behind", async () => {
  let nowMs = NOW_MS;
  await using metrics = await serveMetrics({
    limits: { ingestionRate: { perSecond: 10, burst: 40 } },
    nowMs: () => nowMs,
  });
  const rows = (name: string, count: number) =>
    body2(
      series(
        { __name__: name },
        Array.from({ length: count }, (_, i) => [i + 1, i]),
      ),
    );
  const send = (name: string, count: number) =>
    metrics.post("/api/v1/write", rows(name, count), HEADERS_2);
  assert.equal((await send("first", 30)).status, 204);
  const late = await send("second", 30);
  assert.equal(late.status, 429);
  assert.equal(late.headers.get("retry-after"), "2");
  assert.match(late.text, /10 a second with bursts of 40 \(limits\.metrics\.ingestion_rate/);
  const never = await send("third", 41);
  assert.equal(never.status, 413);
  assert.match(never.text, /limits\.metrics\.ingestion_burst: 40.*send smaller batches/);
  nowMs += 2000;
  assert.equal((await send("second", 30)).status, 204);
  assert.equal((await send("third", 1)).status, 429);
  assert.deepEqual(Object.keys(await metrics.query('{__name__=~".+"}')), [
    '{__name__="first"}',
    '{__name__="second"}',
  ]);
});
