import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runAlloyFiles } from "../../../tools/conformance/alloy.ts";

const CONFIGS = fileURLToPath(
  new URL("../../../../shared/conformance/alloy-configs", import.meta.url),
);

test(
  "public configurations parse, format, and validate or name what is not built",
  { skip: existsSync(CONFIGS) ? false : "the conformance folder is not here" },
  async () => {
    const lines: string[] = [];
    const { passed, failed } = await runAlloyFiles([CONFIGS], (line) => lines.push(line));
    assert.equal(failed, 0, lines.join("\n"));
    assert.ok(passed >= 230, `only ${passed} ran`);
  },
);
