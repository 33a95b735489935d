/** Bodies that real clients sent, whole and damaged. The captures stand outside of the repository; without them these tests are skipped. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeSnappy, encodeSnappy } from "@finch/codec";
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import {
  decodeLokiPush,
  decodeRemoteWrite,
  decodeRemoteWrite2,
  DEFAULT_EXPOSITION_LIMITS,
  DEFAULT_LOKI_PUSH_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeRemoteWrite,
  negotiateRemoteWrite,
  parseExposition,
} from "../src/index.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

interface Capture {
  readonly name: string;
  readonly body: Uint8Array;
  readonly header: (name: string) => string | undefined;
}

function capturesIn(folder: string): readonly Capture[] {
  const directory = join(CAPTURES, folder);
  return readdirSync(directory)
    .filter((file) => file.endsWith(".body"))
    .toSorted()
    .map((file) => {
      const { rawHeaders } = JSON.parse(
        readFileSync(join(directory, file.replace(/body$/, "json")), "utf8"),
      ) as { rawHeaders: string[] };
      const header = (name: string) => {
        const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
        return at < 0 ? undefined : rawHeaders[at + 1];
      };
      return {
        name: `${folder}/${file}`,
        body: new Uint8Array(readFileSync(join(directory, file))),
        header,
      };
    });
}

const decodeMetrics = (body: Uint8Array) =>
  decodeRemoteWrite(body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });

function decodeLogs(capture: Capture, body: Uint8Array) {
  return decodeLokiPush({
    body,
    contentType: capture.header("content-type"),
    contentEncoding: capture.header("content-encoding"),
    limits: DEFAULT_LOKI_PUSH_LIMITS,
  });
}

/** A decoder may take damaged bytes for something else, but what it throws is a FinchError of the sender's making. */
function mustRefuseOrRead(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof FinchError, String(error));
    assert.ok(["invalid", "too-large", "unsupported-media"].includes(error.kind), error.kind);
  }
}

for (const folder of ["remote-write-deb", "remote-write-sid", "remote-write-sid2"]) {
  void test(`${folder}: every body is read whole`, { skip }, () => {
    let samples = 0;
    let families = 0;
    for (const { name, body, header } of capturesIn(folder)) {
      const version = negotiateRemoteWrite(header("content-type"), header("content-encoding"));
      const { batch, skippedSeries } =
        version === "1.0"
          ? decodeMetrics(body)
          : decodeRemoteWrite2(body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
      assert.equal(skippedSeries, 0, name);
      samples += batch.values.length;
      families += batch.metadata.length;
      const labels = Array.from({ length: batch.seriesCount }, (_, s) => batch.labelsOf(s));
      for (const one of labels) assert.notEqual(one.get("__name__"), "");
      for (const time of batch.timestampsMs)
        assert.ok(time > 1.7e12 && time < 2e12, `${name}: ${time}`);
      sameAfterEncoding(batch, labels);
    }
    if (folder === "remote-write-deb")
      assert.ok(samples > 200 && families > 50, `${samples} samples, ${families} families`);
  });
}

function sameAfterEncoding(
  batch: ReturnType<typeof decodeMetrics>["batch"],
  labels: readonly Labels[],
): void {
  const rows = labels.flatMap((one, s) =>
    Array.from({ length: batch.sampleStarts[s + 1]! - batch.sampleStarts[s]! }, () => one),
  );
  const again = decodeMetrics(
    encodeRemoteWrite({
      labels: rows,
      timestampsMs: batch.timestampsMs,
      values: batch.values.slice(),
      metadata: batch.metadata,
    }),
  ).batch;
  assert.deepEqual(again.values, batch.values);
  assert.deepEqual(again.timestampsMs, batch.timestampsMs);
  assert.deepEqual(again.metadata, batch.metadata);
}

void test("loki: every body is read whole", { skip }, () => {
  for (const capture of capturesIn("loki")) {
    const { batch, faults } = decodeLogs(capture, capture.body);
    assert.deepEqual(faults, []);
    assert.ok(batch.streams.length > 0, capture.name);
    for (const { entries } of batch.streams) {
      assert.ok(entries.count > 0);
      assert.equal(entries.lineBounds[entries.count], entries.lines.length);
      for (const time of entries.timestampsNs) assert.ok(time > 1_700_000_000_000_000_000n);
    }
  }
});

void test("cut and flipped bodies are refused or read, nothing else", { skip }, () => {
  const metrics = capturesIn("remote-write-deb");
  const small = metrics[1]!.body;
  for (let cut = 0; cut < small.length; cut++)
    assert.throws(() => decodeMetrics(small.subarray(0, cut)), FinchError);
  const bodies = metrics.flatMap(({ body }) => [
    { body, decode: (damaged: Uint8Array) => decodeMetrics(damaged) },
    {
      body: decodeSnappy(body, { sizeMax: 1 << 24 }).slice(),
      decode: (damaged: Uint8Array) => decodeMetrics(encodeSnappy(damaged)),
    },
  ]);
  const logs = capturesIn("loki").map((capture) => ({
    body: capture.body,
    decode: (damaged: Uint8Array) => decodeLogs(capture, damaged),
  }));
  fc.assert(
    fc.property(
      fc.constantFrom(...bodies, ...logs),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      ({ body, decode }, changes) => {
        const damaged = body.slice();
        for (const [at, xor] of changes) damaged[at % damaged.length]! ^= xor;
        mustRefuseOrRead(() => {
          const result = decode(damaged);
          // What was accepted must also hold together when it is used.
          if ("skippedSeries" in result)
            for (let s = 0; s < result.batch.seriesCount; s++) result.batch.labelsOf(s);
        });
      },
    ),
    { numRuns: 1500 },
  );
});

for (const [file, contentType, count] of [
  ["captures/prom-client/prom-client-text.txt", "text/plain; version=0.0.4", 80],
  [
    "captures/prom-client/prom-client-openmetrics.txt",
    "application/openmetrics-text; version=1.0.0",
    79,
  ],
  ["captures/reference-exporters/node_exporter-deb.prom", "text/plain", 500],
  ["captures/reference-exporters/node_exporter-sid.prom", "text/plain", 500],
  ["captures/reference-exporters/postgres_exporter-sid.prom", "text/plain", 100],
  ["captures/reference-exporters/blackbox-sid-http_2xx.prom", "text/plain", 10],
  [
    "conformance/prometheus/exposition/alltypes.5mfs.om.txt",
    "application/openmetrics-text; version=1.0.0",
    53,
  ],
  ["conformance/prometheus/exposition/alltypes.237mfs.nometa.prom.txt", "text/plain", 1000],
  ["conformance/prometheus/exposition/promtool/metrics-test.prom", "text/plain", 20],
  ["conformance/prometheus/exposition/promtool/dump-test-1.prom", "text/plain", 15],
] as const) {
  const path = join(SHARED, file);
  const absent = existsSync(path)
    ? false
    : `${file} is not here: set FINCH_SHARED to the folder that has it`;
  void test(`exposition: ${file}`, { skip: absent }, () => {
    const text = readFileSync(path);
    const exposition = parseExposition(text, { contentType, limits: DEFAULT_EXPOSITION_LIMITS });
    assert.ok(exposition.count >= count, `${exposition.count} samples`);
    const lines = text
      .toString()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    assert.equal(exposition.count, lines.length);
    if (contentType.includes("openmetrics") && file.startsWith("conformance"))
      assert.ok(exposition.exemplars.length > 0);
  });
}
