import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createBloomFilter, openBloomFilter } from "./bloom.ts";
import { crc32c } from "./crc32c.ts";
import { CodecError } from "./errors.ts";
import { hash32, hash64 } from "./hash.ts";

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

// The check value of the CRC catalogue, and the vectors of RFC 3720 appendix B.4.
const CRC: readonly [name: string, bytes: Uint8Array, expected: number][] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", bytesOf("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 times 0xff", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
];

for (const [name, bytes, expected] of CRC) {
  void test(`CRC-32C of ${name}`, () => assert.equal(crc32c(bytes), expected));
}

void test("a checksum goes on where another ended", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      const middle = Math.min(at, bytes.length);
      assert.equal(crc32c(bytes, middle, bytes.length, crc32c(bytes, 0, middle)), crc32c(bytes));
    }),
  );
});

// Published vectors of MurmurHash3 x86 32.
const MURMUR: readonly [text: string, seed: number, expected: number][] = [
  ["", 0, 0],
  ["", 1, 0x514e28b7],
  ["", 0xffffffff, 0x81f16f39],
  ["aaaa", 0x9747b28c, 0x5a97808a],
  ["aaa", 0x9747b28c, 0x283e0130],
  ["aa", 0x9747b28c, 0x5d211726],
  ["a", 0x9747b28c, 0x7fa09ea6],
  ["Hello, world!", 0x9747b28c, 0x24884cba],
  ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
];

for (const [text, seed, expected] of MURMUR) {
  void test(`hash of ${JSON.stringify(text)} with seed ${seed}`, () => {
    const bytes = bytesOf(text);
    assert.equal(hash32(bytes, 0, bytes.length, seed), expected);
  });
}

void test("the 64-bit hash is two of 32 bits", () => {
  const out = new Uint32Array(2);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      hash64(bytes, 0, bytes.length, out);
      assert.deepEqual([...out], [hash32(bytes), hash32(bytes, 0, bytes.length, 0x9747b28c)]);
    }),
  );
});

void test("a filter forgets nothing and seldom invents", () => {
  const filter = createBloomFilter(10_000, 10);
  const out = new Uint32Array(2);
  const key = (i: number) => {
    const bytes = bytesOf(`key ${i}`);
    hash64(bytes, 0, bytes.length, out);
    return out;
  };
  for (let i = 0; i < 10_000; i++) filter.add(key(i)[0]!, key(i)[1]!);
  const again = openBloomFilter(filter.bytes);
  let invented = 0;
  for (let i = 0; i < 10_000; i++) assert.ok(again.has(key(i)[0]!, key(i)[1]!));
  for (let i = 10_000; i < 20_000; i++) if (again.has(key(i)[0]!, key(i)[1]!)) invented++;
  assert.ok(invented < 200, `${invented} of 10000`);
  assert.throws(() => openBloomFilter(new Uint8Array(31)), CodecError);
  assert.throws(() => openBloomFilter(new Uint8Array(0)), CodecError);
});
