/** Which files of the checkout are ours: what the tidy test and the test run walk over. */
import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const SKIPPED = /(^|\/)(node_modules|dist|testdata|coverage|data)\//;

/** Paths relative to the root that match any of the globs, sorted; generated and installed files left out. */
export function listFiles(...globs: readonly string[]): readonly string[] {
  const found = globs.flatMap((glob) => globSync(glob, { cwd: ROOT }));
  return [...new Set(found)]
    .filter((path) => !SKIPPED.test(path) && statSync(join(ROOT, path)).isFile())
    .toSorted((a, b) => (a < b ? -1 : 1));
}

export function readSource(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The package a path belongs to, or undefined outside `packages/`. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(relative(ROOT, join(ROOT, path)))?.[1];
}
