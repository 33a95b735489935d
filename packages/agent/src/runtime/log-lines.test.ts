import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEvent } from "@finch/runtime";
import { formatAgentLine } from "./log-lines.ts";

const event = (part: string): LogEvent => ({
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 670),
  level: "warn",
  part,
  msg: "it is late",
  fields: { count: 2, gone: undefined, path: "/a b", text: 'x="y"' },
});

test("lines of components name path and id as Alloy does", () => {
  assert.equal(
    formatAgentLine(event("mod.a/loki.write.b"), "logfmt"),
    'ts=2026-01-02T03:04:05.67Z level=warn msg="it is late" component_path=/mod.a component_id=loki.write.b count=2 path="/a b" text="x=\\"y\\""',
  );
  assert.match(
    formatAgentLine(event("loki.write.b"), "logfmt"),
    / component_path=\/ component_id=loki\.write\.b /,
  );
  assert.match(
    formatAgentLine(event("remotecfg"), "logfmt"),
    / msg="it is late" service=remotecfg /,
  );
});

test("lines as JSON", () => {
  assert.deepEqual(JSON.parse(formatAgentLine(event("loki.write.b"), "json")), {
    ts: "2026-01-02T03:04:05.67Z",
    level: "warn",
    msg: "it is late",
    component_path: "/",
    component_id: "loki.write.b",
    count: 2,
    path: "/a b",
    text: 'x="y"',
  });
});
