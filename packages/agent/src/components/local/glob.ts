/**
 * Finds the files a doublestar pattern names: `*` within a path element, `**` over any number of them, `{a,b}`, `[a-z]`, `?`. The walk starts at
 * the longest prefix without a pattern and enters only directories the pattern can reach. Bounded in directories, files and depth.
 */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import picomatch from "picomatch";

/** Directories one pattern may read. Without it `/**` walks a whole disk every ten seconds. */
export const GLOB_DIRECTORIES_MAX = 20_000;

/** Files one pattern may name. Without it a pattern that names everything tails everything. */
export const GLOB_FILES_MAX = 10_000;

/** Directories below the start. Without it links that mount a tree into itself are walked without end. */
const GLOB_DEPTH_MAX = 64;

const OPTIONS = { dot: true, nonegate: true, noextglob: true, strictSlashes: true } as const;

export interface GlobResult {
  /** Absolute paths of regular files, sorted. */
  readonly paths: readonly string[];
  /** Set when a bound was reached: which, for a message. */
  readonly limit: string | undefined;
}

export async function findFiles(
  pattern: string,
  options: { readonly exclude: readonly string[]; readonly signal: AbortSignal },
): Promise<GlobResult> {
  const absolute = resolve(pattern);
  const excludes = options.exclude
    .filter((text) => text !== "")
    .map((text) => picomatch(resolve(text), OPTIONS));
  const isExcluded = (path: string) => excludes.some((matches) => matches(path));
  const { base, rest } = splitPattern(absolute);
  if (rest.length === 0) {
    const isThere = await isFile(absolute);
    return { paths: isThere && !isExcluded(absolute) ? [absolute] : [], limit: undefined };
  }
  const walk = new Walk(picomatch(absolute, OPTIONS), isExcluded, options.signal);
  await walk.directory(base, rest, 0);
  return { paths: walk.paths.toSorted(), limit: walk.limit };
}

/** The directory a pattern starts in, and its elements from the first with a wildcard on. */
function splitPattern(absolute: string): {
  readonly base: string;
  readonly rest: readonly string[];
} {
  const elements = absolute.split("/").slice(1);
  const first = elements.findIndex((element) => /[*?[{\\]/.test(element));
  if (first < 0) return { base: absolute, rest: [] };
  // A brace may hold slashes, so what is behind it cannot be cut into elements.
  const rest = elements.slice(first);
  const brace = rest.findIndex((element) => element.includes("{"));
  return {
    base: `/${elements.slice(0, first).join("/")}`,
    rest: brace < 0 ? rest : [...rest.slice(0, brace), "**"],
  };
}

class Walk {
  readonly paths: string[] = [];
  limit: string | undefined;
  readonly #matches: (path: string) => boolean;
  readonly #isExcluded: (path: string) => boolean;
  readonly #signal: AbortSignal;
  #directories = 0;

  constructor(
    matches: (path: string) => boolean,
    isExcluded: (path: string) => boolean,
    signal: AbortSignal,
  ) {
    this.#matches = matches;
    this.#isExcluded = isExcluded;
    this.#signal = signal;
  }

  /** Reads a directory; `rest` are the elements its entries are held against, the first possibly `**`. */
  async directory(path: string, rest: readonly string[], depth: number): Promise<void> {
    if (this.limit !== undefined || this.#signal.aborted) return;
    if (this.#directories++ >= GLOB_DIRECTORIES_MAX) {
      this.limit = `${GLOB_DIRECTORIES_MAX} directories`;
      return;
    }
    for (const entry of await readDirectory(path)) {
      const entryPath = join(path, entry.name);
      const kind = await kindOf(entry, entryPath);
      if (kind === "file" && this.#matches(entryPath) && !this.#isExcluded(entryPath))
        this.#add(entryPath);
      else if (kind === "directory" && depth < GLOB_DEPTH_MAX) {
        const next = descend(rest, entry.name);
        if (next !== undefined) await this.directory(entryPath, next, depth + 1);
      }
    }
  }

  #add(path: string): void {
    if (this.paths.length >= GLOB_FILES_MAX) this.limit = `${GLOB_FILES_MAX} files`;
    else this.paths.push(path);
  }
}

/** What is left of the elements inside directory `name`, or undefined when the pattern cannot reach into it. */
function descend(rest: readonly string[], name: string): readonly string[] | undefined {
  const [first, ...others] = rest;
  if (first === undefined) return undefined;
  if (first === "**") return rest;
  if (others.length === 0) return undefined;
  return picomatch.isMatch(name, first, OPTIONS) ? others : undefined;
}

/** Entries of a directory, sorted; none when it cannot be read, which is normal below `/var/log`. */
async function readDirectory(path: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES" || code === "EPERM" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** Links are followed to files, not to directories: a tree may link to itself. */
async function kindOf(entry: Dirent, path: string): Promise<"file" | "directory" | "other"> {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() && (await isFile(path)) ? "file" : "other";
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
