import assert from "node:assert/strict";
import { test } from "node:test";
import { SampleMemoryPool } from "./sample-memory.ts";

test("memory of one user does not overlap, and is another's once it was closed", () => {
  const pool = new SampleMemoryPool();
  const memory = pool.open();
  assert.equal(memory.take(0).length, 0);
  const a = memory.take(100);
  memory.trim(a, 40);
  const b = memory.take(200_000);
  const c = memory.take(200_000);
  a.fill(1, 0, 40);
  b.fill(2);
  c.fill(3);
  assert.ok(a.subarray(0, 40).every((value) => value === 1));
  assert.ok(b.every((value) => value === 2));
  // Only what was taken last can be given back.
  memory.trim(b, 0);
  memory.take(10).fill(4);
  assert.ok(b.every((value) => value === 2));
  assert.ok(c.every((value) => value === 3));
  const large = memory.take(1_000_000);
  assert.equal(large.length, 1_000_000);
  memory.close();
  const buffers = new Set([b.buffer, c.buffer]);
  const other = pool.open();
  assert.ok(buffers.has(other.take(200_000).buffer) && buffers.has(other.take(200_000).buffer));
  assert.ok(!buffers.has(other.take(200_000).buffer));
});

test("what is in use is counted until it is closed or abandoned; what is abandoned is not used again", () => {
  const pool = new SampleMemoryPool();
  const [a, b] = [pool.open(), pool.open()];
  a.take(200_000);
  const { buffer } = b.take(200_000);
  b.take(200_000);
  const piece = pool.bytesInUse / 3;
  assert.ok(piece >= 8 * 200_000);
  b.abandon();
  assert.equal(b.take(10).length, 10);
  assert.equal(pool.bytesInUse, piece);
  a.close();
  assert.equal(pool.bytesInUse, 0);
  const c = pool.open();
  for (let i = 0; i < 3; i++) assert.notEqual(c.take(200_000).buffer, buffer);
});
