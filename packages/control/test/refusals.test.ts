import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { REFUSALS_LOGGED_MAX } from "../src/limits.ts";
import { Refusals } from "../src/refusals.ts";
import { manualClock, START_MS } from "./control-directory.ts";

test("all refusals are counted, and the first of a minute logged", () => {
  const clock = manualClock(START_MS);
  const logged: string[] = [];
  const refusals = new Refusals(clock, {
    ...silentLogger,
    warn: (msg, fields) => void logged.push(`${msg} ${JSON.stringify(fields)}`),
  });
  const knock = () => refusals.record("token", { reason: "no" });
  for (let n = 0; n < REFUSALS_LOGGED_MAX + 5; n++) knock();
  assert.equal(logged.length, REFUSALS_LOGGED_MAX);
  assert.equal(logged[0], 'a token is refused {"reason":"no"}');
  clock.advance(60_000);
  refusals.record("certificate", { client: "x", reason: "no" });
  assert.deepEqual(logged.slice(REFUSALS_LOGGED_MAX), [
    'more were refused than the log tells {"count":5}',
    'a certificate is refused {"client":"x","reason":"no"}',
  ]);
  assert.deepEqual(refusals.families()[0]!.samples, [
    { labels: { kind: "certificate" }, value: 1 },
    { labels: { kind: "token" }, value: REFUSALS_LOGGED_MAX + 5 },
  ]);
});
