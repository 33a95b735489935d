/** `@finch/logql/syntax` runs in a browser: nothing it reaches uses what only Node has. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

test("the syntax subpath reaches no platform module", () => {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, "utf8");
    assert.doesNotMatch(text, /"node:|\bBuffer\b|\bprocess\.|\bsetImmediate\b/, path);
    for (const [, specifier] of text.matchAll(/from "(\.[^"]+)"/g))
      visit(join(dirname(path), specifier!));
  };
  visit(join(import.meta.dirname, "../src/syntax.ts"));
  assert.ok(seen.size > 10, `only ${seen.size} modules`);
});
