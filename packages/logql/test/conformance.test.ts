/** Runs the shared case files, where they are present, and this package's own scripts. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runLogqlFiles } from "../../../tools/conformance/logql.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SHARED = process.env["FINCH_SHARED"] ?? join(ROOT, "../shared");

/** Cases that passed when this was last looked at; it only ever goes up. */
const PASSED_MIN = 836;

async function run(...paths: readonly string[]) {
  const lines: string[] = [];
  const totals = await runLogqlFiles(paths, (line) => lines.push(line));
  return { ...totals, lines };
}

test("the package's own scripts pass", async () => {
  const { passed, failed, lines } = await run(join(import.meta.dirname, "../testdata/scripts"));
  assert.equal(failed, 0, lines.join("\n"));
  assert.ok(passed >= 40, `only ${passed} evals`);
});

const folders = ["loki/logqltest", "loki/logql-bench", "authored/logql-cases.yaml"].map((name) =>
  join(SHARED, "conformance", name),
);
const present = folders.every((folder) => existsSync(folder));

test(
  "the shared cases pass as many as before",
  { skip: present ? false : `no case files in ${SHARED}; set FINCH_SHARED` },
  async () => {
    const { passed, lines } = await run(...folders);
    assert.ok(passed >= PASSED_MIN, `${passed} passed\n${lines.join("\n")}`);
  },
);
