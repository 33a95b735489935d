import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync, zstdDecompressSync, constants } from "node:zlib";
import { ZstdPacker } from "./zstd-pack.ts";

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
