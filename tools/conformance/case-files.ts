/** Finds and reads the case files a conformance run is pointed at. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";

/** The files at or below `paths` whose names `wanted` accepts, sorted. A path that is a file itself is taken as it is. */
export async function findFiles(
  paths: readonly string[],
  wanted: (name: string) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if ((await stat(path)).isFile()) {
      found.push(path);
      continue;
    }
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && wanted(entry.name)) found.push(join(entry.parentPath, entry.name));
    }
  }
  return found.toSorted();
}

export async function readYaml(path: string): Promise<unknown> {
  return parse(await readFile(path, "utf8"), { maxAliasCount: 1000 });
}
