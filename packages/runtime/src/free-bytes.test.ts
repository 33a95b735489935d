import assert from "node:assert/strict";
import { test } from "node:test";
import { freeBytes, joinBytes } from "./free-bytes.ts";

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

test("chunks are joined in order and freed; one alone is taken as it is", () => {
  const chunks = [[1, 2], [], [3]].map((bytes) => Uint8Array.from(bytes));
  assert.deepEqual([...joinBytes(chunks)], [1, 2, 3]);
  assert.ok(chunks.every(({ length }) => length === 0));
  const alone = new Uint8Array(3);
  assert.equal(joinBytes([alone]), alone);
  assert.equal(joinBytes([]).length, 0);
});
