/** Bodies written here once must stay readable, and be written the same: a peer of another version sends them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import {
  decodeLokiPush,
  decodeRemoteWrite,
  DEFAULT_LOKI_PUSH_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeLokiPush,
  encodeRemoteWrite,
} from "../src/index.ts";

const FILE = new URL("../testdata/bodies.json", import.meta.url);

function remoteWrite(): Uint8Array {
  const values = Float64Array.of(0.5, 0, -1e300);
  setStaleAt(wordsOf(values), 1);
  const up = Labels.fromObject({ __name__: "up", instance: "a:1", job: "größe" });
  return encodeRemoteWrite({
    labels: [up, up, Labels.fromObject({ __name__: "http_requests_total", code: "200" })],
    timestampsMs: Float64Array.of(1_700_000_000_000, 1_700_000_015_000, -1),
    values,
    metadata: [{ family: "http_requests", type: "counter", help: "Requests.", unit: "" }],
  });
}

function lokiPush(): Uint8Array {
  const lines = new Uint8Array(Buffer.from("first zeile ß"));
  return encodeLokiPush([
    {
      labels: Labels.fromObject({ app: "web", path: 'C:\\"x"' }),
      entries: {
        count: 2,
        timestampsNs: BigInt64Array.of(1_700_000_000_123_456_789n, -1n),
        lines,
        lineBounds: Uint32Array.of(0, 6, lines.length),
        metadataSets: [Labels.EMPTY, Labels.fromObject({ trace_id: "abc" })],
        metadataOf: Uint32Array.of(0, 1),
      },
    },
  ]);
}

void test("golden bodies", () => {
  const golden = { remoteWrite: hex(remoteWrite()), lokiPush: hex(lokiPush()) };
  if (process.env["UPDATE_GOLDEN"] === "1")
    writeFileSync(FILE, `${JSON.stringify(golden, null, 2)}\n`);
  const stored = JSON.parse(readFileSync(FILE, "utf8")) as typeof golden;
  assert.deepEqual(golden, stored);
  const { batch } = decodeRemoteWrite(new Uint8Array(Buffer.from(stored.remoteWrite, "hex")), {
    limits: DEFAULT_REMOTE_WRITE_LIMITS,
  });
  assert.deepEqual(Array.from(batch.sampleStarts), [0, 2, 3]);
  assert.deepEqual(Array.from(batch.timestampsMs), [1_700_000_000_000, 1_700_000_015_000, -1]);
  assert.deepEqual([...wordsOf(batch.values.slice(1, 2))], [2, 0x7ff00000]);
  assert.equal(batch.labelsOf(0).get("job"), "größe");
  const body = new Uint8Array(Buffer.from(stored.lokiPush, "hex"));
  const [stream] = decodeLokiPush({
    body,
    contentType: undefined,
    contentEncoding: undefined,
    limits: DEFAULT_LOKI_PUSH_LIMITS,
  }).batch.streams;
  assert.equal(stream!.labels.get("path"), 'C:\\"x"');
  assert.deepEqual(Array.from(stream!.entries.timestampsNs), [1_700_000_000_123_456_789n, -1n]);
  assert.equal(
    stream!.entries.metadataSets[stream!.entries.metadataOf[1]!]!.get("trace_id"),
    "abc",
  );
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
