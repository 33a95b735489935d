import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseSelector } from "./selector.ts";

const labels = { env: "prod", host: "web-1", "collector.os": "linux", "odd name": "x" };

describe("selectors of collectors", () => {
  for (const [text, expected] of [
    ["{}", true],
    [" { } ", true],
    ['{env="prod"}', true],
    ['{env="prod",}', true],
    ['{env="dev"}', false],
    ['{env!="dev", host=~"web-.*"}', true],
    ['{host=~"web"}', false],
    ['{host!~"db-.*"}', true],
    ['{collector.os="linux"}', true],
    ['{"odd name"="x"}', true],
    ['{missing=""}', true],
    ['{toString=""}', true],
    ['{env="pr\\u006fd"}', true],
  ] as const) {
    test(`${text} is ${expected}`, () =>
      assert.equal(parseSelector(text).matches(labels), expected));
  }

  for (const [text, message] of [
    ["", /column 1: "\{" is expected/],
    ["{env}", /column 5: one of = != =~ !~ is expected/],
    ["{env=prod}", /column 6: a value in double quotes/],
    ['{env="prod"', /column 12: "," is expected/],
    ['{env="prod"} x', /column 14: nothing may follow/],
    ['{env=~"("}', /column 7: /],
    ['{env="\\q"}', /column 6: .* escape/],
    [`{${"a".repeat(5000)}="x"}`, /longer than/],
  ] as const) {
    test(`${text.slice(0, 20)} is refused with its place`, () =>
      assert.throws(() => parseSelector(text), { code: "control/bad-selector", message }));
  }
});
