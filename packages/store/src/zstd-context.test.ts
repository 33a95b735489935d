import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync, zstdDecompressSync, constants } from "node:zlib";
import { CodecError } from "@finch/codec";
import { ZstdPacker } from "./zstd-pack.ts";
import { ZstdUnpacker } from "./zstd-unpack.ts";

const LEVEL = 1;

function bodyOf(length: number): Uint8Array {
  const body = new Uint8Array(length);
  let state = length + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    // A part that does not compress between parts that do.
    body[i] = i % 997 < 500 ? i : state >>> 24;
  }
  return body;
}

test("frames of one context are those of a context each", () => {
  const frames = new ZstdPacker(LEVEL);
  assert.ok(frames.isKept, "this Node's contexts are kept");
  for (const length of [0, 1, 47, 48, 255, 4096, 65_536, 131_072, 300_001, 1 << 20, 100, 5]) {
    const body = bodyOf(length);
    const frame = frames.compress(body);
    const alone = zstdCompressSync(body, {
      params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    });
    assert.deepEqual(frame, new Uint8Array(alone), `${length} bytes`);
    assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), body, `${length} bytes`);
  }
});

test("bytes that do not compress have room", () => {
  const noise = new Uint8Array(200_000);
  let state = 7;
  for (let i = 0; i < noise.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise[i] = state >>> 11;
  }
  const frame = new ZstdPacker(LEVEL).compress(noise);
  assert.ok(frame.length > noise.length);
  assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), noise);
});

test("bodies come back one after the other, each in memory of its own", () => {
  const unpacker = new ZstdUnpacker();
  assert.ok(unpacker.isKept, "this Node's contexts are kept");
  const bodies = [0, 1, 47, 255, 4096, 20_000, 131_072, 300_001, 1 << 20, 100, 5].map(bodyOf);
  const unpacked = bodies.map((body) => unpacker.unpack(zstdCompressSync(body), body.length));
  for (const [i, body] of bodies.entries()) assert.deepEqual(unpacked[i], body);
});

test("what is no frame of the length is told, and the next is not hurt", () => {
  const unpacker = new ZstdUnpacker();
  const body = bodyOf(5000);
  const frame = zstdCompressSync(body);
  const flipped = Uint8Array.from(frame);
  flipped[1] = flipped[1]! ^ 255;
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ["not zstd", bodyOf(300), 300],
    ["nothing", new Uint8Array(0), 10],
    ["a flipped magic", flipped, 5000],
    ["shorter than told", frame, 5001],
    ["longer than told", frame, 4999],
    ["much longer than told", zstdCompressSync(bodyOf(900_000)), 10],
    ["two frames", Buffer.concat([frame, frame]), 5000],
    ["bytes behind the frame", Buffer.concat([frame, Uint8Array.of(1, 2, 3)]), 5000],
    ...Array.from({ length: 40 }, (_, i) => {
      const end = Math.floor((i * frame.length) / 40);
      return [`cut at ${end}`, frame.subarray(0, end), 5000] as const;
    }),
  ];
  for (const [name, bytes, length] of cases) {
    assert.throws(() => unpacker.unpack(bytes, length), CodecError, name);
    assert.deepEqual(unpacker.unpack(frame, body.length), body, name);
  }
});
