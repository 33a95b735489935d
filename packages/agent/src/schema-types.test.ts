import assert from "node:assert/strict";
import { test } from "node:test";
import { defineComponent } from "./component.ts";
import { block, choice, maybe, notYet, oneOf, optional, required } from "./schema.ts";
import type { BlockChoices } from "./schema.ts";

const STAGES = {
  drop: { source: optional("string", "", "Source.") },
  match: {
    selector: required("string", "Selector."),
    stage: choice((): BlockChoices => STAGES, "Stages."),
  },
};

/** Fails to compile when `Actual` and `Expected` differ. */
function same<Expected>() {
  return <Actual>(
    value: Actual,
    ..._proof: (<T>() => T extends Actual ? 1 : 2) extends <T>() => T extends Expected ? 1 : 2
      ? []
      : [never]
  ) => value;
}

const component = defineComponent({
  name: "test.types",
  stability: "generally-available",
  summary: "Checks inferred types.",
  arguments: {
    targets: required("list(string)", "Targets."),
    interval: optional("duration", 60_000, "Interval."),
    scheme: oneOf(["http", "https"], "http", "Scheme."),
    token: maybe("secret", "Token."),
    auth: block({ user: optional("string", "", "User.") }, { repeat: "optional", doc: "Auth." }),
    rule: block({ regex: required("string", "Regex.") }, { repeat: "many", doc: "Rules." }),
    stage: choice(STAGES, "Stages."),
    clustering: notYet("block", "Clustering."),
  },
  exports: {},
  run: async (context) => {
    const values = context.arguments();
    same<number>()(values.interval);
    same<"http" | "https">()(values.scheme);
    same<string | undefined>()(values.token?.reveal());
    same<string | undefined>()(values.auth?.user);
    same<readonly { readonly regex: string }[]>()(values.rule);
    same<undefined>()(values.clustering);
    for (const stage of values.stage) {
      if (stage.name === "drop") same<string>()(stage.values.source);
      else same<string>()(stage.values.selector);
    }
    await Promise.resolve();
  },
});

test("a declaration is plain data with inferred argument types", () => {
  assert.equal(component.arguments.scheme.default, "http");
  assert.deepEqual(component.arguments.stage.choices(), STAGES);
});
