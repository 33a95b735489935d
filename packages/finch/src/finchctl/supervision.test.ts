import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AGENT, SERVICE } from "./layout.ts";
import { supervisionOf } from "./supervision.ts";

/** Why units cannot be checked here; false when they can. */
function noSystemdAnalyze(): string | false {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "pipe" });
    return false;
  } catch {
    return "no systemd-analyze here";
  }
}

void describe("how programs are kept running", () => {
  for (const program of [SERVICE, AGENT]) {
    void test(`the script of ${program.name} is one for sh`, () => {
      const { content } = supervisionOf(program, { systemd: false });
      execFileSync("sh", ["-n"], { input: content, stdio: ["pipe", "pipe", "pipe"] });
    });
    void test(
      `systemd takes the unit of ${program.name}`,
      { skip: noSystemdAnalyze() },
      async () => {
        const directory = await mkdtemp(join(tmpdir(), "finchctl-"));
        try {
          const { content } = supervisionOf(program, { systemd: true });
          const path = join(directory, `${program.name}.service`);
          // The program is not installed here, and systemd looks for it.
          await writeFile(path, content.replace(program.link, "/bin/true "));
          const said = execFileSync("systemd-analyze", ["verify", "--man=no", path], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
          });
          assert.equal(said, "");
        } finally {
          await rm(directory, { recursive: true });
        }
      },
    );
  }
});
