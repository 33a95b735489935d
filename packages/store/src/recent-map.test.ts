import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentMap } from "./recent-map.ts";

test("what was used of late stays, the rest is forgotten", () => {
  const map = new RecentMap<string>(10);
  map.set(-1, "kept");
  for (let key = 0; key < 100; key++) {
    map.set(key, String(key));
    assert.equal(map.get(-1), "kept");
    assert.equal(map.get(key), String(key));
  }
  let held = 0;
  for (let key = 0; key < 100; key++) if (map.get(key) !== undefined) held++;
  assert.ok(held >= 9 && held <= 20, `${held} held`);
  assert.equal(map.get(0), undefined);
});
