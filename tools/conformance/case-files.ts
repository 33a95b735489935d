/** Finds and reads the case files a conformance run is pointed at, and runs the cases of YAML files. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "@finch/runtime";
import { parse } from "yaml";

export interface CaseRun<Case> {
  /** Names of files that are taken where a path is a folder. */
  readonly files: RegExp;
  /** What is wrong with the answer to a case, or undefined; what it throws is a fault too. `number` counts the cases of the run from 0. */
  readonly check: (one: Case, number: number) => Promise<string | undefined> | string | undefined;
}

/** Checks each of the `cases` in YAML files at or below `paths`, and prints those that fail with their place. */
export async function runCases<Case extends { readonly id: string }>(
  paths: readonly string[],
  print: (line: string) => void,
  { files, check }: CaseRun<Case>,
): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  for (const file of await findFiles(paths, (name) => files.test(name))) {
    const { cases } = (await readYaml(file)) as { cases: readonly Case[] };
    for (const [index, one] of cases.entries()) {
      const fault = await attempt(() => check(one, passed + failed));
      if (fault === undefined) passed++;
      else {
        failed++;
        print(`${file}: case ${index + 1} ${one.id}: ${fault}`);
      }
    }
  }
  return { passed, failed };
}

async function attempt(
  check: () => Promise<string | undefined> | string | undefined,
): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    return describeError(error);
  }
}

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
