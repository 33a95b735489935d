/** Integrations whose exporter is not built are converted the moment it is: what their tables give must be arguments that Alloy has. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Fields } from "../src/convert/fields.ts";
import { ConversionLog } from "../src/convert/conversion-log.ts";
import { EXPORTERS } from "../src/convert/static-exporters.ts";
import { parseYamlConfig } from "../src/yaml-config.ts";

const SCHEMA = join(import.meta.dirname, "../../../../shared/reference/alloy/schema.json");
const skip = existsSync(SCHEMA) ? false : "../shared/reference/alloy is not here";

interface Component {
  readonly sections: Readonly<Record<string, readonly (readonly [string, ...unknown[]])[]>>;
  readonly blocks: readonly (readonly [string, ...unknown[]])[];
}

/** Values of which each field takes one. */
const VALUES = ["1", "true", "1m", "a", "[a]", "{}", "[{ name: a }]"];

/** Names of the statements that a table gives. */
function namesOf(fields: Fields): readonly string[] {
  return Object.entries(fields).flatMap(([key, field]) => {
    for (const value of VALUES) {
      const log = new ConversionLog();
      const node = parseYamlConfig(value, "value.yaml");
      const statements = log.guard(() => field({ key, node, log }));
      if (statements !== undefined) return statements.map(({ name }) => name);
    }
    return assert.fail(`${key} takes no value`);
  });
}

test("exporters get arguments that Alloy has", { skip }, () => {
  const schema = JSON.parse(readFileSync(SCHEMA, "utf8")) as Record<string, Component>;
  for (const { component, fields, blocks = {} } of Object.values(EXPORTERS)) {
    const known = schema[component];
    assert.ok(known !== undefined, component);
    const blockNames = known.blocks.map(([name]) => name);
    const inSection = (section: string) => (known.sections[section] ?? []).map(([name]) => name);
    for (const name of namesOf(fields))
      assert.ok([...inSection(""), ...blockNames].includes(name), `${component}: ${name}`);
    for (const [block, table] of Object.entries(blocks)) {
      assert.ok(blockNames.includes(block), `${component}: ${block}`);
      for (const name of namesOf(table))
        assert.ok(inSection(block).includes(name), `${component}: ${block}.${name}`);
    }
  }
});
