/** Holds docs/components/ and the examples in it against the declarations of the components. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatDiagnosticLine } from "@finch/alloy-syntax";
import { COMPONENTS, formatConfig, validateConfig } from "@finch/agent";
import { renderComponentPages } from "./component-pages.ts";
import { ROOT } from "./source-files.ts";

const PAGES = join(ROOT, "docs/components");
const EXAMPLES = join(ROOT, "packages/agent/testdata/examples");

test("the pages are what `npm run docs` writes", async () => {
  const pages = await renderComponentPages();
  assert.deepEqual(readdirSync(PAGES).toSorted(), [...pages.keys()].toSorted());
  for (const [name, text] of pages)
    assert.ok(
      readFileSync(join(PAGES, name), "utf8") === text,
      `docs/components/${name} is not current: npm run docs`,
    );
});

test("each component has an example that is formatted, validates, and holds it", async () => {
  for (const name of Object.keys(COMPONENTS)) {
    const text = readFileSync(join(EXAMPLES, `${name}.alloy`), "utf8");
    assert.equal(formatConfig(text, name), text, `${name}: not formatted`);
    const diagnostics = await validateConfig(text, `${name}.alloy`);
    const told = diagnostics.filter(({ message }) => !/ does not run here: /.test(message));
    assert.deepEqual(told.map(formatDiagnosticLine), []);
    assert.match(text, new RegExp(`^${name.replaceAll(".", "\\.")} "`, "m"));
  }
});
