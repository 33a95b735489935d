import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatLabelSelector, matchesSelector } from "./label-selector.ts";
import type { LabelSelector } from "./label-selector.ts";

const ROWS: readonly {
  readonly name: string;
  readonly selector: LabelSelector;
  readonly text: string | undefined;
  readonly matches: readonly object[];
  readonly misses: readonly object[];
}[] = [
  { name: "everything", selector: {}, text: undefined, matches: [{}, { a: "1" }], misses: [] },
  {
    name: "labels with their values",
    selector: { matchLabels: { b: "2", a: "1" } },
    text: "a=1,b=2",
    matches: [{ a: "1", b: "2", c: "3" }],
    misses: [{}, { a: "1" }, { a: "1", b: "3" }],
  },
  {
    name: "In",
    selector: { matchExpressions: [{ key: "a", operator: "In", values: ["1", "2"] }] },
    text: "a in (1,2)",
    matches: [{ a: "2" }],
    misses: [{}, { a: "3" }],
  },
  {
    name: "NotIn is true where the label is missing",
    selector: { matchExpressions: [{ key: "a", operator: "NotIn", values: ["1"] }] },
    text: "a notin (1)",
    matches: [{}, { a: "2" }],
    misses: [{ a: "1" }],
  },
  {
    name: "Exists, with an empty value too",
    selector: { matchExpressions: [{ key: "a", operator: "Exists" }] },
    text: "a",
    matches: [{ a: "" }],
    misses: [{}],
  },
  {
    name: "DoesNotExist",
    selector: { matchExpressions: [{ key: "a", operator: "DoesNotExist" }] },
    text: "!a",
    matches: [{ b: "1" }],
    misses: [{ a: "" }],
  },
];

describe("label selectors", () => {
  for (const { name, selector, text, matches, misses } of ROWS)
    test(name, () => {
      assert.equal(formatLabelSelector(selector), text);
      for (const labels of matches) assert.ok(matchesSelector(selector, labels as never));
      for (const labels of misses) assert.ok(!matchesSelector(selector, labels as never));
    });

  test("an operator that is none", () => {
    const selector = { matchExpressions: [{ key: "a", operator: "Has" }] };
    assert.throws(() => matchesSelector(selector, {}), /unknown operator "Has"/);
  });
});
