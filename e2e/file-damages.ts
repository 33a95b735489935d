/** What can happen to a file on a sick disk, for the tests that damage one file after the other. */
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Does something to a file; says what, or undefined when there is nothing to do it to. */
export type Damage = (path: string, random: () => number) => string | undefined;

export const DAMAGES: readonly Damage[] = [
  (path, random) => {
    const bytes = readFileSync(path);
    if (bytes.length === 0) return undefined;
    const at = Math.floor(random() * bytes.length);
    bytes[at]! ^= 1 << Math.floor(random() * 8);
    writeFileSync(path, bytes);
    return `a bit at ${at} of ${bytes.length} flipped`;
  },
  (path, random) => {
    const size = statSync(path).size;
    const kept = Math.floor(random() * size);
    truncateSync(path, kept);
    return `cut to ${kept} of ${size}`;
  },
  (path, random) => {
    const bytes = readFileSync(path);
    const from = Math.floor(random() * bytes.length);
    bytes.fill(0, from, Math.min(bytes.length, from + 512));
    writeFileSync(path, bytes);
    return `zeros from ${from} of ${bytes.length}`;
  },
  (path) => {
    rmSync(path);
    return "removed";
  },
];

/** Paths below a directory, sorted. */
export function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}
