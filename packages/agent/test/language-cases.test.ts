import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runAlloyFiles } from "../../../tools/conformance/alloy.ts";
import { temporaryDirectory } from "./component-harness.ts";

const CASES = join(import.meta.dirname, "../testdata/language");

async function runIn(directory: string, options: readonly string[] = []) {
  const lines: string[] = [];
  const counts = await runAlloyFiles(
    [directory],
    (line) => lines.push(line.replaceAll(`${directory}/`, "")),
    new Set(options),
  );
  return { ...counts, lines };
}

test("cases of every form pass", async () => {
  assert.deepEqual(await runIn(CASES), { passed: 11, failed: 0, lines: [] });
});

/** A change of a case, and what the runner says of it then. */
const SPOILED: readonly [file: string, from: string, to: string, fault: RegExp][] = [
  ["layout.expect", "// one", "//one", /^layout\.in: formatted otherwise in line 7: /],
  ["refused.error", "double quoted", "single quoted", /^refused\.in: refused with .*expected exp/],
  ["parser/errors.alloy", "ERROR HERE", "ERROR", /errors\.alloy: not expected: .*missing ','/],
  ["parser/errors.alloy", "+ * /*", "+ /*", /errors\.alloy: no error at 8:9 that matches/],
  ["parser/valid.alloy", "inner { }", "inner {", /valid\.alloy: Error: .*is not closed/],
  ["validation.diags", 'name "size"', 'name "width"', /txtar: not expected: .*name "size"/],
  ["validation.txtar", 'loki.ecco "b" { }', "", /txtar: not reported: Error: a\.alloy:5:1/],
  ["expressions.yaml", "value: a,b", "value: a", /case 1 join: is "a,b", expected "a"/],
  ["pipeline.test.yaml", "count: 1", "count: 2", /pipeline\.test\.yaml: .*2/],
  ["expressions.yaml", "error: secrets", "error: nobody", /case 4 .*, expected nobody may not/],
];

for (const [file, from, to, fault] of SPOILED) {
  test(`a case that does not hold fails: ${file} with ${to || "less"}`, async () => {
    await using directory = await temporaryDirectory();
    await cp(CASES, directory.path, { recursive: true });
    const path = join(directory.path, file);
    const text = await readFile(path, "utf8");
    assert.ok(text.includes(from));
    await writeFile(path, text.replace(from, to));
    const { failed, lines } = await runIn(directory.path);
    assert.equal(failed, 1);
    assert.match(lines.join("\n"), fault);
  });
}

test("the table tells what runs, what is needed, and what has faults", async () => {
  await using directory = await temporaryDirectory();
  const write = (name: string, text: string) => writeFile(join(directory.path, name), text);
  await write("a.alloy", 'loki.echo "a" { }\n');
  await write("b.alloy", 'otelcol.exporter.kafka "k" { }\n\nfaro.receiver "f" { }\n');
  await write("c.alloy", 'loki.echo "a" {\n\tx = 1\n}\n');
  const { passed, failed, lines } = await runIn(directory.path, ["--table"]);
  assert.deepEqual([passed, failed], [2, 1]);
  assert.match(lines.join("\n"), /^\| a\.alloy \| runs \|$/m);
  assert.match(lines.join("\n"), /^\| b\.alloy \| needs .*otelcol\.exporter\.kafka.* \|$/m);
  assert.match(lines.join("\n"), /^\| c\.alloy \| faults: unrecognized attribute name "x" \|$/m);
  assert.match(lines.at(-1)!, /1 run, 1 need what is not built, 1 have faults/);
});
