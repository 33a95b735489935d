import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Labels } from "@finch/model";
import { runRelabelFiles } from "../../../tools/conformance/relabel.ts";
import { compileRules, createRelabeler, relabel, relabelFault } from "./relabel.ts";
import type { NameScheme, RelabelConfig } from "./relabel.ts";

type LabelObject = Readonly<Record<string, string>>;

const CASES: readonly [
  rule: string,
  input: LabelObject,
  rules: readonly RelabelConfig[],
  output: LabelObject | undefined,
][] = [
  [
    "a group the regex does not have is empty text",
    { ns: "a/b", uid: "7" },
    [
      {
        sourceLabels: ["ns", "uid"],
        separator: "/",
        targetLabel: "__path__",
        replacement: "/var/log/pods/*$1/$2/*.log",
      },
    ],
    { ns: "a/b", uid: "7", __path__: "/var/log/pods/*a/b/7//*.log" },
  ],
  [
    "alternatives are anchored as a group",
    { phase: "xFailed" },
    [{ action: "drop", sourceLabels: ["phase"], regex: "Pending|Failed" }],
    { phase: "xFailed" },
  ],
  [
    "an empty replacement removes the label",
    { a: "1", b: "2" },
    [{ sourceLabels: ["a"], targetLabel: "b", replacement: "" }],
    { a: "1" },
  ],
  [
    "$1x is a group called 1x",
    { a: "v" },
    [{ sourceLabels: ["a"], targetLabel: "b", replacement: "$1x-" }],
    { a: "v", b: "-" },
  ],
  [
    "$$ is a dollar, a lone $ too",
    { a: "v" },
    [{ sourceLabels: ["a"], targetLabel: "b", replacement: "$$1 $" }],
    { a: "v", b: "$1 $" },
  ],
  [
    "a named group",
    { a: "x-y" },
    [
      {
        sourceLabels: ["a"],
        regex: "(?P<first>[^-]+)-.*",
        targetLabel: "b",
        replacement: "${first}!",
      },
    ],
    { a: "x-y", b: "x!" },
  ],
  [
    "the target is a template, too",
    { a: "name-value" },
    [{ sourceLabels: ["a"], regex: "([^-]+)-(.+)", targetLabel: "${1}", replacement: "$2" }],
    { a: "name-value", name: "value" },
  ],
  [
    "a target that expands to no legal name changes nothing",
    { a: "x-y" },
    [{ sourceLabels: ["a"], targetLabel: "$1", replacement: "v" }],
    { a: "x-y" },
  ],
  [
    "dot matches a newline",
    { a: "x\ny" },
    [{ action: "keep", sourceLabels: ["a"], regex: "x.y" }],
    { a: "x\ny" },
  ],
  [
    "keepequal",
    { a: "1", b: "2" },
    [{ action: "keepequal", sourceLabels: ["a"], targetLabel: "b" }],
    undefined,
  ],
  [
    "labelmap does not see what it writes",
    { a_b: "1" },
    [{ action: "labelmap", regex: "a_(.+)", replacement: "a_a_$1" }],
    { a_b: "1", a_a_b: "1" },
  ],
  ["labeldrop", { a1: "1", b: "2" }, [{ action: "labeldrop", regex: "a.*" }], { b: "2" }],
  [
    "uppercase joins its sources",
    { a: "x", b: "y" },
    [{ action: "uppercase", sourceLabels: ["a", "b"], targetLabel: "c" }],
    { a: "x", b: "y", c: "X;Y" },
  ],
];

for (const [rule, input, rules, output] of CASES) {
  test(`relabel: ${rule}`, () => {
    assert.deepEqual(
      relabel(Labels.fromObject(input), compileRules(rules, { names: "legacy" }))?.toObject(),
      output,
    );
  });
}

const REFUSED: readonly [config: RelabelConfig, names: NameScheme, message: RegExp][] = [
  [{ action: "" }, "legacy", /cannot be empty/],
  [{ action: "replace" }, "legacy", /requires 'target_label' value/],
  [{ targetLabel: "a-b" }, "legacy", /"a-b" is invalid 'target_label'/],
  [{ targetLabel: "bar.foo${1}" }, "legacy", /invalid 'target_label'/],
  [
    { action: "lowercase", targetLabel: "a", replacement: "x" },
    "utf8",
    /'replacement' can not be set/,
  ],
  [
    { action: "dropequal", targetLabel: "a", separator: "," },
    "utf8",
    /requires only 'source_labels' and 'target_label'/,
  ],
  [{ action: "labelkeep", targetLabel: "a" }, "utf8", /requires only 'regex'/],
  [{ targetLabel: "a", regex: "(?=x)" }, "utf8", /error parsing regexp/],
];

for (const [config, names, message] of REFUSED) {
  test(`relabel refuses ${JSON.stringify(config)}`, () =>
    assert.match(relabelFault(config, { names }) ?? "", message));
}

test("names are free with the utf8 scheme", () => {
  assert.equal(relabelFault({ targetLabel: "a-b" }, { names: "utf8" }), undefined);
  assert.equal(relabelFault({ targetLabel: "${1}label" }, { names: "legacy" }), undefined);
});

test("labels no rule changes come back as the same object", () => {
  const labels = Labels.fromObject({ a: "1" });
  const relabeler = createRelabeler(
    compileRules([{ action: "keep", sourceLabels: ["a"], regex: "1" }], { names: "legacy" }),
  );
  assert.equal(relabeler(labels), labels);
});

const AUTHORED = fileURLToPath(
  new URL("../../../../shared/conformance/authored/relabel-cases.yaml", import.meta.url),
);

test(
  "the authored conformance cases pass",
  { skip: existsSync(AUTHORED) ? false : "the conformance folder is not here" },
  async () => {
    const lines: string[] = [];
    const { passed, failed } = await runRelabelFiles([AUTHORED], (line) => lines.push(line));
    assert.deepEqual(lines, []);
    assert.equal(failed, 0);
    assert.ok(passed >= 17);
  },
);
