import assert from "node:assert/strict";
import { test } from "node:test";
import { SeriesKeys } from "./series-keys.ts";

const COUNT = 5000;
/** Many share their first word, and with it their slot. */
const hashes = Uint32Array.from({ length: 4 * COUNT }, (_, i) =>
  i % 4 === 0 ? (i >>> 2) % 100 : Math.imul(i, 0x9e3779b1),
);

test("keys are found in any order, before and after the table grows", () => {
  const keys = new SeriesKeys();
  for (let round = 0; round < 3; round++) {
    keys.rewind();
    for (let i = 0; i < COUNT; i++) {
      const at = round === 2 ? COUNT - 1 - i : i;
      const found = keys.find(hashes, at);
      assert.equal(found, round === 0 ? -1 : at + 7);
      if (found < 0) keys.add(hashes, at, { series: at + 7, bytesMax: 1e6 });
    }
  }
});

test("each word of a hash counts, also where a successor is guessed; beyond the limit nothing is kept", () => {
  const keys = new SeriesKeys();
  const few = Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  keys.add(few, 0, { series: 1, bytesMax: 1e6 });
  keys.add(few, 1, { series: 2, bytesMax: 1e6 });
  const before = keys.bytes;
  keys.add(Uint32Array.of(9, 9, 9, 9), 0, { series: 3, bytesMax: before + 8 });
  assert.equal(keys.bytes, before);
  assert.equal(keys.find(Uint32Array.of(9, 9, 9, 9), 0), -1);
  for (let word = 0; word < 4; word++) {
    keys.rewind();
    assert.equal(keys.find(few, 0), 1);
    const other = few.slice(4);
    other[word]!++;
    assert.equal(keys.find(other, 0), -1);
    assert.equal(keys.find(few, 1), 2);
  }
});

test("all of a request at once are found as one by one", () => {
  const one = new SeriesKeys();
  const all = new SeriesKeys();
  for (let i = 0; i < COUNT; i++) {
    one.add(hashes, i, { series: i + 7, bytesMax: 1e6 });
    all.add(hashes, i, { series: i + 7, bytesMax: 1e6 });
  }
  // Runs in order with jumps, repetitions and strangers in between, sent twice.
  const wanted = Array.from(
    { length: 3000 },
    (_, i) => (i % 97 === 0 ? i * 7919 : i) % (2 * COUNT),
  );
  const request = new Uint32Array(4 * wanted.length);
  for (const [i, key] of wanted.entries())
    for (let word = 0; word < 4; word++)
      request[4 * i + word] =
        key < COUNT ? hashes[4 * key + word]! : ~hashes[4 * (key - COUNT) + word]!;
  for (let round = 0; round < 2; round++) {
    const found = new Int32Array(wanted.length);
    const unknown = all.findAll(request, wanted.length, found);
    one.rewind();
    assert.deepEqual(
      [...found],
      wanted.map((_, i) => one.find(request, i)),
    );
    assert.equal(unknown, found.filter((series) => series < 0).length);
    assert.ok(unknown > 0 && unknown < wanted.length / 10);
  }
});
