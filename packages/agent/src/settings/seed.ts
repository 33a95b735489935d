/** The id of this agent among others: made once, and kept in `alloy_seed.json` below the storage path, where Alloy keeps its own. */
import { randomUUID } from "node:crypto";
import type { Clock, FileSystem } from "@finch/runtime";
import { replaceFile } from "../replace-file.ts";

const NAME = "alloy_seed.json";

export async function readSeed(
  directory: string,
  {
    fileSystem,
    clock,
    version,
  }: { readonly fileSystem: FileSystem; readonly clock: Clock; readonly version: string },
): Promise<string> {
  const known = await readKnown(directory, fileSystem);
  if (known !== undefined) return known;
  const id = randomUUID();
  const seed = { UID: id, created_at: new Date(clock.nowMs()).toISOString(), version };
  await replaceFile(fileSystem, { directory, name: NAME }, `${JSON.stringify(seed)}\n`);
  return id;
}

/** Undefined when there is none, or what is there says nothing. */
async function readKnown(directory: string, fileSystem: FileSystem): Promise<string | undefined> {
  if (!(await fileSystem.list(directory)).includes(NAME)) return undefined;
  const bytes = await fileSystem.readFile(`${directory}/${NAME}`);
  try {
    const { UID: id } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly UID?: unknown };
    return typeof id === "string" && id !== "" ? id : undefined;
  } catch {
    return undefined;
  }
}
