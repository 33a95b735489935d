import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { createHostCheck } from "./host-check.ts";

type Row = readonly [
  rule: string,
  method: string,
  headers: Record<string, string>,
  passes: boolean,
];

const ROWS: readonly Row[] = [
  ["localhost", "GET", { host: "localhost:3000" }, true],
  ["an address", "POST", { host: "192.168.1.4:3000" }, true],
  ["IPv6", "GET", { host: "[::1]:3000" }, true],
  ["the machine's name", "GET", { host: "Box:3000" }, true],
  ["no Host", "POST", {}, true],
  ["a foreign name", "GET", { host: "evil.example:3000" }, false],
  ["same origin", "POST", { host: "localhost:3000", origin: "http://localhost:3000" }, true],
  ["other port", "POST", { host: "localhost:3000", origin: "http://localhost:8000" }, false],
  ["foreign page", "POST", { host: "127.0.0.1:3000", origin: "https://evil.example" }, false],
  ["an opaque origin", "POST", { host: "127.0.0.1:3000", origin: "null" }, false],
  [
    "reading from elsewhere is the browser's to refuse",
    "GET",
    { host: "127.0.0.1:3000", origin: "https://evil.example" },
    true,
  ],
  [
    "a WebSocket from elsewhere",
    "GET",
    { host: "127.0.0.1:3000", origin: "https://evil.example", upgrade: "websocket" },
    false,
  ],
  [
    "a WebSocket of our own",
    "GET",
    { host: "127.0.0.1:3000", origin: "http://127.0.0.1:3000", upgrade: "websocket" },
    true,
  ],
];

test("who may ask", () => {
  const check = createHostCheck({ names: ["box"] });
  for (const [rule, method, headers, passes] of ROWS) {
    const ask = () => check({ method, headers } as unknown as IncomingMessage);
    if (passes) assert.doesNotThrow(ask, rule);
    else assert.throws(ask, /not reached as|may not change/, rule);
  }
});

test("where any name is fine, foreign pages still may not change anything", () => {
  const check = createHostCheck({ names: undefined });
  const ask = (method: string, headers: Record<string, string>) => () =>
    check({ method, headers } as unknown as IncomingMessage);
  assert.doesNotThrow(ask("POST", { host: "loki:3100" }));
  assert.throws(
    ask("POST", { host: "loki:3100", origin: "https://evil.example" }),
    /may not change/,
  );
});
