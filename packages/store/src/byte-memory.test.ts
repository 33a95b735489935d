import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteMemory } from "./byte-memory.ts";

const MIB = 1 << 20;

test("pieces have the next size, and come back", () => {
  const memory = new ByteMemory(4 * MIB);
  const rows = [
    [0, 64],
    [65, 128],
    [4096, 4096],
    [4097, 6144],
    [6145, 8192],
    [MIB, MIB],
    [MIB + 1, 1.5 * MIB],
  ] as const;
  for (const [bytes, size] of rows) assert.equal(memory.take(bytes).length, size, `${bytes} bytes`);
  const piece = memory.take(MIB);
  memory.give(piece.subarray(5, 7));
  const other = memory.take(0.75 * MIB);
  assert.notEqual(other.buffer, piece.buffer, "a piece of another size");
  const again = memory.take(0.9 * MIB);
  assert.equal(again.buffer, piece.buffer);
  assert.equal(again.length, MIB);
  assert.notEqual(memory.take(0.9 * MIB).buffer, piece.buffer, "each is given out once");
});

test("no more is kept than was said", () => {
  const memory = new ByteMemory(2 * MIB);
  const pieces = [memory.take(MIB), memory.take(MIB), memory.take(MIB)];
  for (const piece of pieces) memory.give(piece);
  const taken = [memory.take(MIB), memory.take(MIB), memory.take(MIB)];
  const known = taken.filter(({ buffer }) => pieces.some((piece) => piece.buffer === buffer));
  assert.equal(known.length, 2);
});

test("sizes that nobody asks for make room for others", () => {
  const memory = new ByteMemory(2 * MIB);
  const [small, large] = [memory.take(MIB / 2), memory.take(MIB)];
  const others = [memory.take(MIB), memory.take(MIB / 2)];
  memory.give(large);
  memory.give(small);
  memory.give(memory.take(MIB / 2));
  for (const piece of others) memory.give(piece);
  const taken = [memory.take(MIB / 2), memory.take(MIB / 2), memory.take(MIB)];
  assert.ok(
    taken.slice(0, 2).every((piece) => [small, others[1]].some((o) => o!.buffer === piece.buffer)),
  );
  assert.ok(taken[2]!.buffer === others[0]!.buffer, "the piece that came last stayed");
});

test("what nobody needed for a while is dropped", () => {
  const memory = new ByteMemory(8 * MIB);
  const pieces = [memory.take(MIB), memory.take(MIB)];
  for (const piece of pieces) memory.give(piece);
  memory.trim();
  const again = memory.take(MIB);
  assert.ok(pieces.some(({ buffer }) => buffer === again.buffer));
  memory.give(again);
  memory.trim();
  const known = [memory.take(MIB), memory.take(MIB)].filter(({ buffer }) =>
    pieces.some((piece) => piece.buffer === buffer),
  );
  assert.equal(known.length, 1, "the one that was taken in between");
});
