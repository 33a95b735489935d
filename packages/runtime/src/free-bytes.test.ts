import assert from "node:assert/strict";
import { test } from "node:test";
import { freeBytes } from "./free-bytes.ts";

test("bytes that have their memory to themselves are freed", () => {
  const bytes = new Uint8Array(100);
  const alias = new Uint8Array(bytes.buffer);
  freeBytes(bytes);
  assert.equal(bytes.length, 0);
  assert.equal(alias.length, 0);
  freeBytes(bytes);
});

test("bytes that share their memory are left alone", () => {
  const memory = new Uint8Array([1, 2, 3, 4]);
  freeBytes(memory.subarray(1));
  freeBytes(Buffer.from("pooled"));
  assert.deepEqual([...memory], [1, 2, 3, 4]);
});
