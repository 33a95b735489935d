import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hashKey, keyHashWords } from "./key-hash.ts";
import { KeyHasher } from "./write-request-kernel.ts";

// What the kernel reads of a message is held to its twin in packages/wire/src/remote-write.test.ts.

const hasher = new KeyHasher();

test("the kernel hashes as its twin does, whatever the length and whatever stands around", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.oneof(
        fc.uint8Array({ maxLength: 70 }),
        fc.uint8Array({ minLength: 900, maxLength: 3000 }),
      ),
      (before, key) => {
        const bytes = Uint8Array.from([...before, ...key, 255, 255, 255]);
        const bounds = Uint32Array.of(before.length, before.length + key.length);
        assert.deepEqual(hasher.hash(bytes, bounds, 1).slice(), hashKey(key));
      },
    ),
  );
  const long = Uint8Array.from({ length: 1_200_000 }, (_, i) => i * 7);
  assert.deepEqual(hasher.hash(long, Uint32Array.of(0, long.length), 1).slice(), hashKey(long));
});

test("every bit, the length and the random words count", () => {
  const key = new TextEncoder().encode("some_metric of an instance");
  const seen = new Set([hashKey(key).join()]);
  for (let bit = 0; bit < 8 * key.length; bit++) {
    const flipped = key.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    seen.add(hashKey(flipped).join());
  }
  for (let zeros = 1; zeros < 20; zeros++) {
    const longer = new Uint8Array(key.length + zeros);
    longer.set(key);
    seen.add(hashKey(longer).join());
  }
  seen.add(hashKey(key, keyHashWords().toReversed()).join());
  assert.equal(seen.size, 1 + 8 * key.length + 19 + 1);
});
