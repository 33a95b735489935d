import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLabels, Labels } from "./labels.ts";
import { createMatcher, formatMatcher } from "./matcher.ts";

void test("label sets sort, drop what is empty and refuse a repeated name", () => {
  const labels = Labels.fromPairs(["b", "2", "a", "1", "c", ""]);
  assert.deepEqual(labels.pairs, ["a", "1", "b", "2"]);
  assert.equal(labels.toString(), '{a="1", b="2"}');
  assert.equal(Labels.fromObject({ a: "1", b: "2" }).key, labels.key);
  assert.deepEqual(Labels.raw(["b", "", "a", "1"]).pairs, ["a", "1", "b", ""]);
  assert.throws(() => Labels.fromPairs(["a", "1", "a", "2"]), RangeError);
});

void test("label sets are changed by making new ones", () => {
  const labels = Labels.fromObject({ a: "1", b: "2" });
  assert.deepEqual(labels.with("c", "3").toObject(), { a: "1", b: "2", c: "3" });
  assert.deepEqual(labels.with("a", "").toObject(), { b: "2" });
  assert.deepEqual(labels.keep(new Set(["a"])).toObject(), { a: "1" });
  assert.deepEqual(labels.drop(new Set(["a"])).toObject(), { b: "2" });
  assert.deepEqual(
    [...labels],
    [
      ["a", "1"],
      ["b", "2"],
    ],
  );
  assert.equal(labels.get("x"), "");
  assert.equal(labels.has("a"), true);
});

void test("label sets order name by name, the shorter first", () => {
  const sets = [{ a: "1", b: "2" }, { b: "1" }, { a: "1" }, {}].map((o) => Labels.fromObject(o));
  assert.deepEqual(sets.toSorted(compareLabels).map(String), [
    "{}",
    '{a="1"}',
    '{a="1", b="2"}',
    '{b="1"}',
  ]);
});

void test("matchers", () => {
  const rows = [
    ["=", "a", ["a"], ["", "b"]],
    ["!=", "a", ["", "b"], ["a"]],
    ["=~", "a|b.*", ["a", "bc"], ["", "ca"]],
    ["!~", "a|b.*", ["", "ca"], ["a", "b"]],
  ] as const;
  for (const [operator, value, yes, no] of rows) {
    const matcher = createMatcher("n", operator, value);
    assert.equal(formatMatcher(matcher), `n${operator}"${value}"`);
    for (const text of yes) assert.equal(matcher.matches(text), true, `${operator} ${text}`);
    for (const text of no) assert.equal(matcher.matches(text), false, `${operator} ${text}`);
  }
  assert.deepEqual(createMatcher("n", "=~", "a|b").literals, ["a", "b"]);
  assert.equal(createMatcher("n", "!~", "a|b").literals, undefined);
});
