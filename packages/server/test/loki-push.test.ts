/** Loki's push at its edges: bytes that are no text, large lines, large bodies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import { createMatcher } from "@finch/model";
import { JSON_TYPE, NOW_NS, ns, openApi, pushBody, rangeData } from "./logs-api.ts";
import type { LogsApiUnderTest } from "./logs-api.ts";

/** Bytes of a stream's lines as they are stored, oldest first. */
async function storedLines(api: LogsApiUnderTest, job: string): Promise<readonly Buffer[]> {
  const pages = api.store.select(
    {
      matchers: [createMatcher("job", "=", job)],
      startNs: 0n,
      endNs: NOW_NS + 1n,
      needles: [],
      lines: "all",
      direction: "forward",
      signal: AbortSignal.timeout(10_000),
    },
    { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 },
  );
  const lines: Buffer[] = [];
  for await (const { entries } of pages)
    for (let row = 0; row < entries.count; row++)
      lines.push(
        Buffer.from(entries.lines.slice(entries.lineBounds[row], entries.lineBounds[row + 1])),
      );
  return lines;
}

function protobufPush(job: string, lines: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new ProtobufWriter();
  const stream = writer.begin(1);
  writer.writeString(1, `{job="${job}"}`);
  for (const line of lines) {
    const entry = writer.begin(2);
    const time = writer.begin(1);
    writer.writeInt64(1, Number(NOW_NS / 1_000_000_000n) - 1);
    writer.end(time);
    writer.writeBytes(2, line);
    writer.end(entry);
  }
  writer.end(stream);
  return new Uint8Array(encodeSnappy(writer.finish()));
}

const ODD_LINES = ["00", "610062", "fffe80", "c3bc00ff", ""].map((hex) => Buffer.from(hex, "hex"));

test("protobuf: lines are bytes, whatever they are", async () => {
  await using api = await openApi("disk");
  const answer = await api.post("/loki/api/v1/push", protobufPush("odd", ODD_LINES));
  assert.equal(answer.status, 204, answer.text);
  assert.deepEqual(await storedLines(api, "odd"), ODD_LINES);
  const { result } = (await rangeData(api, { query: '{job="odd"}' })) as {
    result: { values: [string, string][] }[];
  };
  const shown = result.flatMap(({ values }) => values.map(([, line]) => line));
  assert.deepEqual(
    shown.toSorted(),
    ODD_LINES.map((line) => line.toString("utf8")).toSorted(),
    "readers get what JSON can say of them",
  );
});

test("JSON: bytes that are no UTF-8 are stored as they came", async () => {
  await using api = await openApi("disk");
  const [before, after] = pushBody([{ job: "raw" }, [[ns(1), "a\0ü#z"]]]).split("#");
  const body = Buffer.concat([Buffer.from(before!), Buffer.of(0xff, 0x80), Buffer.from(after!)]);
  for (const [encoding, bytes] of [
    ["", body],
    ["gzip", gzipSync(body)],
    ["deflate", deflateSync(body)],
  ] as const) {
    const answer = await api.post("/loki/api/v1/push", new Uint8Array(bytes), {
      ...JSON_TYPE,
      ...(encoding !== "" && { "content-encoding": encoding }),
    });
    assert.equal(answer.status, 204, answer.text);
  }
  // Three times the same line at the same time is one.
  assert.deepEqual(await storedLines(api, "raw"), [Buffer.from("6100c3bcff807a", "hex")]);
});

test("a line of 10 MB is refused by name, and the rest of the push is stored", async () => {
  await using api = await openApi("disk");
  const huge = "x".repeat(10 << 20);
  const body = pushBody([
    { job: "huge" },
    [
      [ns(2), huge],
      [ns(1), "small"],
    ],
  ]);
  const answers = [
    await api.post("/loki/api/v1/push", body, JSON_TYPE),
    await api.post(
      "/loki/api/v1/push",
      protobufPush("huge", [Buffer.from(huge), Buffer.from("small")]),
    ),
  ];
  for (const { status, text } of answers) {
    assert.equal(status, 400);
    assert.match(
      text,
      /^max entry size '262144' bytes exceeded for stream '\{job="huge"\}' while adding an entry with length '10485760' bytes\n$/,
    );
  }
  const lines = await storedLines(api, "huge");
  assert.deepEqual(new Set(lines.map(String)), new Set(["small"]));
});

test("bodies over the limit are 413, before and after decompression", async () => {
  await using api = await openApi("disk", { pushBytesMax: 2000, pushDecodedBytesMax: 10_000 });
  const long = (length: number) => pushBody([{ job: "l" }, [[ns(1), "x".repeat(length)]]]);
  const plain = await api.post("/loki/api/v1/push", long(3000), JSON_TYPE);
  assert.equal(plain.status, 413, plain.text);
  const packed = await api.post("/loki/api/v1/push", new Uint8Array(gzipSync(long(100_000))), {
    ...JSON_TYPE,
    "content-encoding": "gzip",
  });
  assert.equal(packed.status, 413);
  assert.match(packed.text, /decodes to more than 10000 bytes: send smaller batches/);
  const snappy = await api.post("/loki/api/v1/push", protobufPush("l", [Buffer.alloc(30_000)]));
  assert.equal(snappy.status, 413, snappy.text);
  assert.equal((await storedLines(api, "l")).length, 0);
});
