import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestEnd } from "./http-request-end.ts";

test("a signal that is asked for before or after the end has the first reason", () => {
  for (const isEarly of [true, false]) {
    const end = new RequestEnd();
    if (isEarly) assert.equal(end.signal.aborted, false);
    end.abort("first");
    end.abort("second");
    assert.equal(end.signal.aborted, true);
    assert.equal(end.signal.reason, "first");
    assert.equal(end.signal, end.signal);
  }
});
