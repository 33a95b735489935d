import assert from "node:assert/strict";
import { test } from "node:test";
import { closestName } from "./closest-name.ts";

const ROWS: readonly [given: string, closest: string | undefined][] = [
  ["retension", "retention"],
  ["listne", "listen"],
  ["Log", "log"],
  ["memory-limit", "memory_limit"],
  ["x", undefined],
  ["banana", undefined],
  ["lo", "log"],
];

test("the closest name, when close enough", () => {
  for (const [given, closest] of ROWS) {
    assert.equal(
      closestName(given, ["listen", "retention", "log", "memory_limit"]),
      closest,
      given,
    );
  }
});
