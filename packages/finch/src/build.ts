/** Which Finch this is: version from the package, commit from the checkout or, in a copy of one, from the file `REVISION`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildInfo } from "@finch/server";
import { PROJECT_ROOT, readVersion } from "./version.ts";

export async function readBuild(): Promise<BuildInfo> {
  const revision = (await readCommit(PROJECT_ROOT)) || (await readRevision(PROJECT_ROOT));
  return { version: readVersion(), revision, nodeVersion: process.version };
}

/** What finchctl notes in the copies it makes; empty elsewhere. */
async function readRevision(root: string): Promise<string> {
  return (await readFile(join(root, "REVISION"), "utf8").catch(() => "")).trim();
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
