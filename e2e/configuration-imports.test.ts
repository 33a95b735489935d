/** A configuration that is checked for the fleet asks nobody and reads nothing: whoever may edit one must not reach through Finch what only Finch can. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { validateRemoteConfig } from "@finch/agent";
import { listen } from "./original-finch.ts";

test("imports and remote values of a configuration are not followed when it is checked", async () => {
  let asked = 0;
  await using target = await listen(
    createServer((_message, response) => {
      asked++;
      response.end('declare "a" { }');
    }),
  );
  const url = `http://${target.address}/module.alloy`;
  const secret = "/etc/hostname";
  const blocks = [
    `import.http "a" {\n  url = "${url}"\n}`,
    `import.git "a" {\n  repository = "${url}"\n  path = "a.alloy"\n}`,
    `import.file "a" {\n  filename = "${secret}"\n}`,
    `remote.http "a" {\n  url = "${url}"\n}`,
    `local.file "a" {\n  filename = "${secret}"\n}`,
    `remotecfg {\n  url = "${url}"\n}`,
  ];
  for (const block of blocks) {
    const diagnostics = await validateRemoteConfig(block, "attempt");
    assert.doesNotMatch(
      JSON.stringify(diagnostics.map(({ message }) => message)),
      /ECONNREFUSED|ENOENT/,
    );
  }
  assert.equal(asked, 0);
});
