import assert from "node:assert/strict";
import { test } from "node:test";
import { SeriesKeys } from "./series-keys.ts";

test("keys are found in any order, before and after the table grows", () => {
  const keys = new SeriesKeys();
  const bytes = Array.from({ length: 5000 }, (_, i) =>
    new TextEncoder().encode(`some_metric{instance="${i * 7}"}`),
  );
  for (let round = 0; round < 3; round++) {
    keys.rewind();
    for (let i = 0; i < bytes.length; i++) {
      const at = round === 2 ? bytes.length - 1 - i : i;
      const key = bytes[at]!;
      const found = keys.find(key, 0, key.length);
      assert.equal(found, round === 0 ? -1 : at);
      if (found < 0) keys.add({ source: key, start: 0, end: key.length }, at, 1e6);
    }
  }
});

test("a key is compared byte by byte, also where a successor is guessed", () => {
  const keys = new SeriesKeys();
  const text = new TextEncoder().encode("abcabdabe");
  keys.add({ source: text, start: 0, end: 3 }, 1, 1e6);
  keys.add({ source: text, start: 3, end: 6 }, 2, 1e6);
  const before = keys.bytes;
  keys.add({ source: text, start: 0, end: 9 }, 3, before + 8);
  assert.equal(keys.bytes, before, "a key beyond the limit is not kept");
  keys.rewind();
  assert.equal(keys.find(text, 0, 3), 1);
  assert.equal(keys.find(text, 6, 9), -1);
  assert.equal(keys.find(text, 3, 6), 2);
  assert.equal(keys.find(text, 3, 5), -1);
});
