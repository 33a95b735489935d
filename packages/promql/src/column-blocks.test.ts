import assert from "node:assert/strict";
import { test } from "node:test";
import { ColumnBlocks } from "./column-blocks.ts";

test("columns of a block are apart, and go together when the blocks are freed", () => {
  const blocks = new ColumnBlocks(100);
  const columns = Array.from({ length: 200 }, (_, number) => blocks.values().fill(number));
  assert.ok(columns.every((column, number) => column.every((value) => value === number)));
  const integers = blocks.integers();
  blocks.free();
  assert.ok([...columns, integers].every(({ length }) => length === 0));
  assert.deepEqual(blocks.values(), new Float64Array(100));
});
