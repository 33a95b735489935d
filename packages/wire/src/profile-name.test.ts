import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { formatProfileName, parseProfileName } from "./profile-name.ts";

void describe("the name of an ingested profile", () => {
  const cases: readonly (readonly [rule: string, text: string, labels: object])[] = [
    ["an application alone", "shop.api", { __name__: "shop.api" }],
    ["empty braces", "shop.api{}", { __name__: "shop.api" }],
    ["labels", "shop{region=eu,version=1}", { __name__: "shop", region: "eu", version: "1" }],
    ["blanks around", " shop { region = eu , b=c }", { __name__: "shop", region: "eu", b: "c" }],
    [
      "names with dots, values with anything",
      "a{otel.scope.name=x/y=z}",
      { __name__: "a", "otel.scope.name": "x/y=z" },
    ],
    ["what is no label is left out", "a{what,b=c,=d}", { __name__: "a", b: "c" }],
    ["the last of a label wins", "a{b=1,b=2}", { __name__: "a", b: "2" }],
    ["an empty value is none", "a{b=}", { __name__: "a" }],
  ];
  for (const [rule, text, labels] of cases)
    void test(rule, () => assert.deepEqual(parseProfileName(text).toObject(), labels));

  void test("what is formatted is parsed", () => {
    const labels = Labels.fromObject({ __name__: "shop.api", region: "eu", "a.b": "c/d" });
    assert.equal(formatProfileName(labels), "shop.api{a.b=c/d,region=eu}");
    assert.equal(parseProfileName(formatProfileName(labels)).key, labels.key);
  });

  void test("without an application, or with another name among its labels", () => {
    assert.throws(() => parseProfileName("{a=b}"), /no application/);
    assert.throws(() => parseProfileName("a{__name__=b}"), /__name__ is the application's/);
  });
});
