/**
 * Writes the reference pages of the agent's components (docs/components/) from their declarations: `npm run docs`. Each page holds
 * the example `packages/agent/testdata/examples/NAME.alloy`; for a component that has none, a draft is written there first.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ALLOY_COMPONENTS,
  componentIndexPage,
  componentPage,
  COMPONENTS,
  draftExample,
} from "@finch/agent";
import { ROOT } from "./source-files.ts";

const PAGES = join(ROOT, "docs/components");
const EXAMPLES = join(ROOT, "packages/agent/testdata/examples");

/** Every page by file name. Throws for a component without an example. */
export async function renderComponentPages(): Promise<ReadonlyMap<string, string>> {
  const definitions = await Promise.all(Object.values(COMPONENTS).map((load) => load()));
  const pages = new Map([["README.md", componentIndexPage(definitions, ALLOY_COMPONENTS.size)]]);
  for (const definition of definitions) {
    const example = await readFile(join(EXAMPLES, `${definition.name}.alloy`), "utf8");
    pages.set(`${definition.name}.md`, componentPage(definition, example));
  }
  return pages;
}

async function writeDrafts(): Promise<void> {
  const written = new Set(await readdir(EXAMPLES));
  for (const [name, load] of Object.entries(COMPONENTS)) {
    if (written.has(`${name}.alloy`)) continue;
    const path = join(EXAMPLES, `${name}.alloy`);
    await writeFile(path, draftExample(await load()));
    process.stdout.write(`${path}: a draft, make it an example to learn from\n`);
  }
}

async function main(): Promise<void> {
  await mkdir(PAGES, { recursive: true });
  await mkdir(EXAMPLES, { recursive: true });
  await writeDrafts();
  const pages = await renderComponentPages();
  for (const name of await readdir(PAGES)) if (!pages.has(name)) await rm(join(PAGES, name));
  for (const [name, text] of pages) await writeFile(join(PAGES, name), text);
  process.stdout.write(`${PAGES}: ${pages.size} pages\n`);
}

if (import.meta.main) await main();
