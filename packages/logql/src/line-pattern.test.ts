import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  extractPattern,
  matchesPattern,
  parseCapturePattern,
  parseFilterPattern,
} from "./line-pattern.ts";

/** Pattern, line, captures. */
const CAPTURES: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  ["<a> <b>", "x y z", { a: "x", b: "y z" }],
  ["<_> <b>", "x y", { b: "y" }],
  ["level=<l> ", "level=info x", { l: "info" }],
  ["level=<l> ", "at level=info x", {}],
  ["<_>level=<l> <_>", "at level=info x", { l: "info" }],
  ["<a>-<b>", "no dash here", { a: "no dash here" }],
  ["[<a>] <b>", "[x] ", { a: "x", b: "" }],
  ["<a> ", "", {}],
  ['<ip> - [<_>] "<m> <u>"', '1.2.3.4 - [now] "GET /x"', { ip: "1.2.3.4", m: "GET", u: "/x" }],
  ["<not a capture> <a>", "<not a capture> x", { a: "x" }],
];

describe("extractPattern", () => {
  for (const [pattern, line, captures] of CAPTURES) {
    test(`${pattern} on ${line}`, () => {
      const found: Record<string, string> = {};
      extractPattern(parseCapturePattern(pattern), line, (name, value) => {
        found[name] = value;
      });
      assert.deepEqual(found, captures);
    });
  }
});

/** Pattern, line, whether it fits. */
const FILTERS: readonly (readonly [string, string, boolean])[] = [
  ["GET <_> 200", "GET /api 200", true],
  ["GET <_> 200", "xx GET /api 200", true],
  ["GET <_> 200", "GET /api 200 slow", false],
  ["GET <_> 200", "GET  200", false],
  ["<_> end", "the end", true],
  ["<_> end", " end", false],
  ["start <_>", "start x", true],
  ["start <_>", "start ", false],
  ["whole", "whole", true],
  ["whole", "a whole", true],
  ["whole", "whole b", false],
  ["<_>", "", false],
  ["", "", true],
  ["", "x", false],
];

describe("matchesPattern", () => {
  for (const [pattern, line, fits] of FILTERS) {
    test(`${pattern} on ${JSON.stringify(line)}`, () => {
      assert.equal(matchesPattern(parseFilterPattern(pattern), line), fits);
    });
  }
});
