/**
 * Conversion: each input below testdata/convert/FORMAT/ gives the configuration NAME.alloy and the findings NAME.txt beside it; where one of the two
 * is missing, there is none. Every configuration passes validation and stands in the standard format.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import {
  CONVERSION_FORMATS,
  conversionReport,
  convertConfig,
  formatConversionDiagnostic,
} from "../src/convert/index.ts";
import type { ConversionFormat } from "../src/convert/index.ts";
import { expandVariables } from "../src/convert/expand-variables.ts";
import { formatConfig, validateConfig } from "../src/index.ts";

const ROOT = join(import.meta.dirname, "../testdata/convert");

function readGolden(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** An input that a program reads with flags names them in a comment. */
function extraArgsOf(yaml: string): readonly string[] {
  return /^# extra-args: (.*)$/m.exec(yaml)?.[1]?.split(" ") ?? [];
}

for (const format of CONVERSION_FORMATS) {
  describe(`conversion of ${format}`, () => {
    const inputs = readdirSync(join(ROOT, format)).filter((name) => name.endsWith(".yaml"));
    assert.ok(inputs.length > 0, `there are inputs for ${format}`);
    for (const input of inputs) test(input, () => compare(format, input));
  });
}

async function compare(format: ConversionFormat, input: string): Promise<void> {
  const base = join(ROOT, format, basename(input, ".yaml"));
  const yaml = readFileSync(`${base}.yaml`, "utf8");
  const { text, diagnostics } = await convertConfig(yaml, {
    format,
    name: input,
    extraArgs: extraArgsOf(yaml),
    env: (variable) => (variable === "FINCH_TEST_LEVEL" ? "debug" : undefined),
  });
  const found = diagnostics.map((each) => `${formatConversionDiagnostic(each)}\n`).join("");
  assert.equal(found, readGolden(`${base}.txt`) ?? "");
  assert.equal(text, readGolden(`${base}.alloy`));
  if (text === undefined) return;
  assert.equal(formatConfig(text), text);
  assert.deepEqual(await validateConfig(text, "converted"), []);
}

test("no golden file is without its input", () => {
  for (const path of globSync(join(ROOT, "*/*.{alloy,txt}")))
    assert.ok(existsSync(path.replace(/\.(alloy|txt)$/, ".yaml")), path);
});

const FINDINGS = [
  { severity: "info", message: "i" },
  { severity: "warning", message: "w" },
  { severity: "error", message: "e" },
] as const;

const REPORTS: readonly [
  rule: string,
  findings: Parameters<typeof conversionReport>[0],
  bypassesErrors: boolean,
  report: RegExp,
][] = [
  ["nothing found", [], false, /^\nThe configuration was converted\.\n$/],
  ["errors hide what is less", FINDINGS, false, /^\(Error\) e\n\nNothing was written/],
  [
    "bypassed errors stand with the rest",
    FINDINGS,
    true,
    /^\(Info\) i\n\(Warning\) w\n\(Error\) e\n\nThe config/,
  ],
  [
    "critical findings hide all others, bypassed or not",
    [...FINDINGS, { severity: "critical", message: "c" }],
    true,
    /^\(Critical\) c\n\nNothing was written/,
  ],
];

for (const [rule, findings, bypassesErrors, report] of REPORTS)
  test(`report: ${rule}`, () =>
    assert.match(conversionReport(findings, { bypassesErrors }), report));

const BROKEN: readonly [rule: string, yaml: string, message: RegExp][] = [
  ["broken YAML", "clients: [\n", /^input\.yaml:2:1: /],
  ["a list in place of a map", "- a\n", /^input\.yaml:1:1: a map is wanted$/],
  [
    "an unknown key",
    "scrape_config: []\n",
    /^input\.yaml:1:16: scrape_config: there is no such key; did you mean scrape_configs\?$/,
  ],
];

for (const [rule, yaml, message] of BROKEN) {
  test(`input that cannot be read: ${rule}`, async () => {
    const options = {
      format: "promtail",
      name: "input.yaml",
      extraArgs: [],
      env: () => undefined,
    } as const;
    const { text, diagnostics } = await convertConfig(yaml, options);
    assert.equal(text, undefined);
    assert.deepEqual(
      diagnostics.map(({ severity }) => severity),
      ["critical"],
    );
    assert.match(diagnostics[0]!.message, message);
  });
}

test("an empty file gives an empty configuration", async () => {
  const options = {
    format: "promtail",
    name: "empty.yaml",
    extraArgs: [],
    env: () => undefined,
  } as const;
  assert.deepEqual(await convertConfig("", options), { text: "", diagnostics: [] });
});

test("extra arguments are refused where they mean nothing", async () => {
  const options = {
    format: "prometheus",
    name: "p.yaml",
    extraArgs: ["-x"],
    env: () => undefined,
  } as const;
  const { text, diagnostics } = await convertConfig("", options);
  assert.equal(text, undefined);
  assert.match(diagnostics[0]!.message, /extra arguments are not known here: -x/);
});

const EXPANSIONS: readonly [rule: string, text: string, expanded: string][] = [
  ["a variable", "a: ${SET}", "a: value"],
  ["none is empty", "a: ${NONE}", "a: "],
  ["a default for none and for empty", "${NONE:-x} ${EMPTY:-y} ${SET:-z}", "x y value"],
  ["a default for none only", "${NONE-x} ${EMPTY-y}", "x "],
  ["an assignment is a default", "${NONE:='x y'}", "x y"],
  ["escapes", "$${SET} \\\\d \\d \\/", "${SET} \\d \\d /"],
  ["numbers", "${1}", "${1}"],
  ["other dollars", "$SET $", "$SET $"],
];

for (const [rule, text, expanded] of EXPANSIONS)
  test(`variables: ${rule}`, () => {
    const values: Record<string, string> = { SET: "value", EMPTY: "" };
    const options = { name: "a.yaml", env: (name: string) => values[name], keepsNumbers: true };
    assert.equal(expandVariables(text, options), expanded);
  });
