/** Remote read over real HTTP: both kinds of answers hold what was written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import type { Matcher, Series } from "@finch/model";
import { decodeReadFrames, decodeReadResponse, encodeReadRequest } from "@finch/wire";
import type { ReadResponseType, ReadResults } from "@finch/wire";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import type { Row } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

/** Written in an order that is not that of labels; each row is a sample. */
const ROWS: readonly Row[] = ["c", "a", "b"].flatMap((job) =>
  Array.from({ length: 300 }, (_, i): Row => [
    { __name__: "m", job, "é.x": "ü" },
    300 - i,
    i === 299 ? Number.POSITIVE_INFINITY : i / 7,
  ]),
);

async function read(
  api: ServedMetrics,
  type: ReadResponseType,
  queries: readonly (readonly Matcher[])[],
): Promise<ReadResults> {
  const body = encodeReadRequest({
    queries: queries.map((matchers) => ({ startMs: NOW_MS - 200_000, endMs: NOW_MS, matchers })),
    acceptedTypes: [type],
  });
  const reply = await fetch(`http://127.0.0.1:${api.port}/api/v1/read`, {
    method: "POST",
    body: new Uint8Array(body),
  });
  const answer = new Uint8Array(await reply.arrayBuffer());
  assert.equal(reply.status, 200, new TextDecoder().decode(answer));
  if (type === "samples") {
    assert.equal(reply.headers.get("content-type"), "application/x-protobuf");
    assert.equal(reply.headers.get("content-encoding"), "snappy");
    return decodeReadResponse(answer, { decodedBytesMax: 1 << 24 });
  }
  assert.equal(
    reply.headers.get("content-type"),
    "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
  );
  return decodeReadFrames(answer);
}

const jobsOf = (series: readonly Series[]) => series.map(({ labels }) => labels.get("job"));

test("samples and chunks: every sample of the range, every kind of matcher", async () => {
  await using api = await openApi();
  assert.equal((await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS)).status, 204);
  const name = createMatcher("__name__", "=", "m");
  const queries = [
    [name],
    [name, createMatcher("job", "!=", "b")],
    [name, createMatcher("job", "=~", "a|zzz"), createMatcher("é.x", "!~", "u")],
    [createMatcher("__name__", "=", "nothing")],
  ];
  const samples = await read(api, "samples", queries);
  assert.deepEqual(
    samples.map((series) => jobsOf(series).toSorted()),
    [["a", "b", "c"], ["a", "c"], ["a"], []],
  );
  const chunks = await read(api, "streamed-xor-chunks", queries);
  // A stream says nothing of a query without series, least of all of the last ones.
  assert.deepEqual(chunks.map(jobsOf), [["a", "b", "c"], ["a", "c"], ["a"]]);
  for (const [index, series] of chunks[0]!.entries()) {
    assert.deepEqual(
      series,
      samples[0]!.find(({ labels }) => labels.key === series.labels.key),
    );
    assert.equal(series.timestampsMs.length, 200, `series ${index}`);
    assert.deepEqual([series.values[0], series.values.at(-1)], [100 / 7, Infinity]);
  }
});

test("what is wrong with a request is said in plain text", async () => {
  await using api = await openApi({
    select: async function* () {
      yield* [];
      throw new Error("the disk is on fire");
    },
  });
  const rows: readonly [body: Uint8Array, status: number, error: RegExp][] = [
    [new Uint8Array(0), 400, /remote read: snappy/],
    [Uint8Array.of(1, 0, 0xff), 400, /remote read: protobuf/],
    [new Uint8Array((1 << 20) + 1), 413, /./],
    [
      encodeReadRequest({
        queries: [{ startMs: 0, endMs: 1, matchers: [] }],
        acceptedTypes: ["streamed-xor-chunks"],
      }),
      500,
      /the disk is on fire/,
    ],
  ];
  for (const [body, status, error] of rows) {
    const answer = await api.post("/api/v1/read", new Uint8Array(body));
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, error);
  }
  assert.equal((await api.get("/api/v1/read")).status, 405);
});
