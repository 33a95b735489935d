/** The remote-write cases that a decoder decides alone. The case file stands outside of the repository; without it these tests are skipped. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import {
  decodeRemoteWrite,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeRemoteWrite,
  negotiateRemoteWrite,
} from "../src/index.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const FILE = join(SHARED, "conformance/authored/remote-write-cases.yaml");
const skip = existsSync(FILE)
  ? false
  : "no conformance cases here: set FINCH_SHARED to the folder that has them";

const PROTOBUF = "application/x-protobuf";

interface Sent {
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly body: Uint8Array;
}

function send(changes: Partial<Sent>): Sent {
  const labels = [Labels.fromObject({ __name__: "conformance_sample", job: "test" })];
  const body = encodeRemoteWrite({
    labels,
    timestampsMs: Float64Array.of(1_700_000_000_000),
    values: Float64Array.of(1),
  });
  return { contentType: PROTOBUF, contentEncoding: "snappy", body, ...changes };
}

function withFirstByte(byte: number): Uint8Array {
  const body = send({}).body.slice();
  body[0] = byte;
  return body;
}

const REQUESTS: Readonly<Record<string, () => Sent>> = {
  "rw1-sample": () => send({}),
  "rw1-explicit-proto": () => send({ contentType: `${PROTOBUF};proto=prometheus.WriteRequest` }),
  "ct-json": () => send({ contentType: "application/json" }),
  "ct-unknown-proto": () =>
    send({ contentType: `${PROTOBUF};proto=io.prometheus.write.v3.Request` }),
  "ce-gzip": () => send({ contentEncoding: "gzip" }),
  "bad-snappy": () => send({ body: withFirstByte(0xff) }),
};

const STATUS: Readonly<Record<string, string>> = {
  "unsupported-media": "415",
  "too-large": "413",
  invalid: "400",
};

function statusOf(sent: Sent): string {
  try {
    negotiateRemoteWrite(sent.contentType, sent.contentEncoding);
    const { batch } = decodeRemoteWrite(sent.body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
    assert.equal(batch.labelsOf(0).get("__name__"), "conformance_sample");
    return "2xx";
  } catch (error) {
    assert.ok(error instanceof FinchError, String(error));
    return STATUS[error.kind] ?? error.kind;
  }
}

/** Identifier and expected status of each case; the file is a flat list, so two lines of each are all that is needed. */
function readCases(): ReadonlyMap<string, string> {
  const cases = new Map<string, string>();
  for (const block of readFileSync(FILE, "utf8")
    .split(/^- id: /m)
    .slice(1)) {
    const status = /^ {2}status: '?([^'\n]*)'?$/m.exec(block)?.[1];
    if (status !== undefined) cases.set(block.split("\n")[0]!.trim(), status);
  }
  return cases;
}

for (const [id, request] of Object.entries(REQUESTS)) {
  void test(`remote write: ${id}`, { skip }, () =>
    assert.equal(statusOf(request()), readCases().get(id)),
  );
}

void test("remote write 2.0 is refused so that senders fall back", { skip }, () => {
  assert.equal(
    statusOf(send({ contentType: `${PROTOBUF};proto=io.prometheus.write.v2.Request` })),
    "415",
  );
});
