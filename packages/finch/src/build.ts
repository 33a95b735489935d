/** Which Finch this is: version from the package, commit from the checkout. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildInfo } from "@finch/server";
import { PROJECT_ROOT, readVersion } from "./version.ts";

export async function readBuild(): Promise<BuildInfo> {
  const revision = await readCommit(PROJECT_ROOT);
  return { version: readVersion(), revision, nodeVersion: process.version };
}

/** The commit checked out, read from `.git` without running git; empty when there is none. */
async function readCommit(root: string): Promise<string> {
  const read = (name: string) => readFile(join(root, ".git", name), "utf8").catch(() => "");
  const head = (await read("HEAD")).trim();
  if (!head.startsWith("ref: ")) return head;
  const ref = head.slice(5);
  const loose = (await read(ref)).trim();
  if (loose !== "") return loose;
  const packed = (await read("packed-refs")).split("\n").find((line) => line.endsWith(` ${ref}`));
  return packed?.split(" ")[0] ?? "";
}
