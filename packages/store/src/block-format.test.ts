import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { CodecError } from "@finch/codec";
import { compressBytes, decompressBytes, decompressTogether } from "./block-format.ts";

test("pages decompressed together are what each is alone, packed or not", async () => {
  const pages = [
    new Uint8Array(16_384).fill(7),
    new Uint8Array(randomBytes(500)),
    new Uint8Array(0),
    Uint8Array.from({ length: 20_000 }, (_, i) => i % 13),
    new Uint8Array(300_000).fill(1),
  ];
  const stored = await Promise.all(pages.map(compressBytes));
  // With the last one they are more than is decompressed in one go.
  for (const count of [0, 1, 2, 3, 4, 5]) {
    const { bodies, memory } = await decompressTogether([...stored.slice(0, count), ...stored]);
    assert.equal(bodies.length, count + 5);
    for (const [index, body] of bodies.entries()) {
      const expected = pages[index < count ? index : index - count]!;
      assert.deepEqual(new Uint8Array(body), expected);
    }
    assert.equal(memory.length > 0, count < 5);
  }
  assert.deepEqual(new Uint8Array(await decompressBytes(stored[0]!)), pages[0]);
  const lying = stored[0]!.slice();
  lying[1]! ^= 1;
  await assert.rejects(decompressTogether([lying, stored[3]!]));
  await assert.rejects(decompressTogether([Uint8Array.of(1)]), CodecError);
});
