/** Configurations from Prometheus' own tests: what Prometheus takes is converted, what it refuses is refused or reported. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { convertConfig } from "../src/convert/index.ts";
import { validateConfig } from "../src/index.ts";

const CONFIGS = join(import.meta.dirname, "../../../../shared/conformance/prometheus/config");
const skip = existsSync(CONFIGS) ? false : "../shared/conformance/prometheus is not here";

test("configurations from Prometheus' own tests", { skip }, async (t) => {
  const names = readdirSync(CONFIGS).filter((name) => /\.ya?ml$/.test(name));
  assert.ok(names.length > 50, `only ${names.length} found`);
  for (const name of names) {
    await t.test(name, async () => {
      const { text, diagnostics } = await convertConfig(readFileSync(join(CONFIGS, name), "utf8"), {
        format: "prometheus",
        name,
        extraArgs: [],
        env: () => undefined,
      });
      const told = diagnostics.map(({ severity, message }) => `${severity} ${message}`).join("\n");
      if (name.includes(".bad.")) {
        const isReported = diagnostics.some(({ severity }) => severity === "error");
        assert.ok(text === undefined || isReported, told);
        for (const { message } of diagnostics) assert.match(message, /^\S+\.yml:\d+:\d+: /);
        return;
      }
      assert.ok(text !== undefined, told);
      assert.deepEqual(await validateConfig(text, name), []);
    });
  }
});
