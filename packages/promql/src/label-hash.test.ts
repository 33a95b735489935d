import assert from "node:assert/strict";
import { test } from "node:test";
import { xxHash64 } from "./label-hash.ts";

/** Known answers of xxHash64 with seed 0. */
const KNOWN: readonly (readonly [text: string, hash: bigint])[] = [
  ["", 0xef46db3751d8e999n],
  ["a", 0xd24ec4f1a98c6e5bn],
  ["abc", 0x44bc2cf5ad770999n],
  ["The quick brown fox jumps over the lazy dog", 0x0b242d361fda71bcn],
];

for (const [text, hash] of KNOWN) {
  void test(`xxHash64 of ${JSON.stringify(text)}`, () => {
    assert.equal(xxHash64(new TextEncoder().encode(text)), hash);
  });
}
