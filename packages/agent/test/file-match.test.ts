import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { findFiles } from "../src/components/local/glob.ts";

const FILES = [
  "a.log",
  "b.txt",
  ".hidden.log",
  "x/c.log",
  "x/y/d.log",
  "x/y/d.log.1",
  "x/y/z/e.log",
  "pods/ns_pod_1/app/0.log",
  "pods/ns_pod_2/web/0.log",
  "[odd].log",
];

const CASES: readonly [pattern: string, exclude: string, found: readonly string[]][] = [
  ["a.log", "", ["a.log"]],
  ["nothing.log", "", []],
  ["*.log", "", [".hidden.log", "[odd].log", "a.log"]],
  [
    "**/*.log",
    "pods/**",
    [".hidden.log", "[odd].log", "a.log", "x/c.log", "x/y/d.log", "x/y/z/e.log"],
  ],
  ["x/*/*.log", "", ["x/y/d.log"]],
  ["x/**/d*", "", ["x/y/d.log", "x/y/d.log.1"]],
  ["x/**/d*", "**/*.[0-9]", ["x/y/d.log"]],
  ["{a.log,x/c.log}", "", ["a.log", "x/c.log"]],
  [
    "{x,pods}/**/[0e].log",
    "",
    ["pods/ns_pod_1/app/0.log", "pods/ns_pod_2/web/0.log", "x/y/z/e.log"],
  ],
  ["pods/*_1/*/*.log", "", ["pods/ns_pod_1/app/0.log"]],
  ["?.log", "", ["a.log"]],
  ["link/*.log", "", []],
  ["*.link", "", ["a.link"]],
  ["missing/**/*.log", "", []],
];

test("patterns find files", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "finch-glob-"));
  try {
    for (const file of FILES) {
      await mkdir(join(root, dirname(file)), { recursive: true });
      await writeFile(join(root, file), "");
    }
    await symlink(root, join(root, "x", "loop"));
    await symlink(join(root, "a.log"), join(root, "a.link"));
    for (const [pattern, exclude, found] of CASES) {
      await t.test(`${pattern} without ${exclude || "exceptions"}`, async () => {
        const { signal } = new AbortController();
        const result = await findFiles(join(root, pattern), {
          exclude: [exclude === "" ? "" : join(root, exclude)],
          signal,
        });
        assert.deepEqual(
          result.paths.map((path) => relative(root, path)),
          found,
        );
        assert.equal(result.limit, undefined);
      });
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
