/** Small bodies that promise much: each must be refused without taking the memory it asks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import { FinchError } from "@finch/runtime";
import {
  decodeLokiPush,
  decodeRemoteWrite,
  DEFAULT_EXPOSITION_LIMITS,
  DEFAULT_LOKI_PUSH_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  parseExposition,
} from "../src/index.ts";

const MEMORY_BYTES_MAX = 256 << 20;

function memoryBytes(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

function push(body: Uint8Array, contentType?: string, contentEncoding?: string) {
  return decodeLokiPush({ body, contentType, contentEncoding, limits: DEFAULT_LOKI_PUSH_LIMITS });
}

const write = (body: Uint8Array) =>
  decodeRemoteWrite(body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
const text = (value: string) => new Uint8Array(Buffer.from(value));
const declares4GiB = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x41);

/** One series of `count` empty samples: two bytes each, twenty-one times less when compressed. */
function emptySamples(count: number): Uint8Array {
  const series = new Uint8Array(count * 2);
  for (let i = 0; i < series.length; i += 2) series[i] = 0x12;
  const writer = new ProtobufWriter();
  writer.writeBytes(1, series);
  return encodeSnappy(writer.finish());
}

function emptyEntries(count: number): Uint8Array {
  const stream = new ProtobufWriter();
  stream.writeString(1, '{a="b"}');
  for (let i = 0; i < count; i++) stream.writeBytes(2, new Uint8Array(0));
  const writer = new ProtobufWriter();
  writer.writeBytes(1, stream.finish());
  return encodeSnappy(writer.finish());
}

const BOMBS: readonly [name: string, run: () => unknown, kind: string][] = [
  ["remote write that declares 4 GiB", () => write(declares4GiB), "invalid"],
  ["push that declares 4 GiB", () => push(declares4GiB), "too-large"],
  ["series of 2 million empty samples", () => write(emptySamples(2_000_000)), "too-large"],
  ["stream of 600 thousand empty entries", () => push(emptyEntries(600_000)), "too-large"],
  [
    "gzip of 200 MB",
    () => push(gzipSync(Buffer.alloc(200 << 20, "[")), "application/json", "gzip"),
    "too-large",
  ],
  [
    "8 million nested arrays",
    () => push(text("[".repeat(8_000_000)), "application/json"),
    "invalid",
  ],
  [
    "5 million objects",
    () => push(text(`[${"{},".repeat(5_000_000)}`), "application/json"),
    "too-large",
  ],
  [
    "2 million samples",
    () =>
      parseExposition("a 1\n".repeat(2_000_000), {
        contentType: undefined,
        limits: DEFAULT_EXPOSITION_LIMITS,
      }),
    "too-large",
  ],
];

for (const [name, run, kind] of BOMBS) {
  void test(name, () => {
    const before = memoryBytes();
    assert.throws(run, (error: unknown) => {
      assert.ok(error instanceof FinchError, String(error));
      assert.equal(error.kind, kind, error.message);
      return true;
    });
    assert.ok(memoryBytes() - before < MEMORY_BYTES_MAX);
  });
}
