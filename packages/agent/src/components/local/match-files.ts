/** Targets with patterns as targets with paths, one a file: for `local.file_match` and for `loki.source.file` with `file_match`. */
import { stat } from "node:fs/promises";
import { Labels } from "@finch/model";
import type { Target } from "../../receivers.ts";
import { findFiles } from "./glob.ts";

export interface MatchedFiles {
  readonly targets: readonly Target[];
  /** What to say when a pattern names more files than are looked at. */
  readonly limit: string | undefined;
}

/** `__path__` of each target is a pattern, `__path_exclude__` takes files out again; other labels are copied to each file. */
export async function matchFiles(
  patterns: readonly Target[],
  options: {
    /** Files last changed before are left out. */
    readonly changedSinceMs: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<MatchedFiles> {
  const { changedSinceMs, signal } = options;
  const targets: Target[] = [];
  let limit: string | undefined;
  for (const pattern of patterns) {
    const found = await findFiles(pattern.get("__path__"), {
      exclude: [pattern.get("__path_exclude__")],
      signal,
    });
    limit ??=
      found.limit === undefined
        ? undefined
        : `${pattern.get("__path__")} names more than ${found.limit}; the rest is left out`;
    for (const path of found.paths) {
      if (changedSinceMs !== undefined && (await isOlder(path, changedSinceMs))) continue;
      targets.push(toTarget(pattern, path));
    }
  }
  return { targets, limit };
}

function toTarget(pattern: Target, path: string): Target {
  return Labels.fromObject({ ...pattern.drop(EXCLUDE_LABEL).toObject(), __path__: path });
}

const EXCLUDE_LABEL: ReadonlySet<string> = new Set(["__path_exclude__"]);

async function isOlder(path: string, thanMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < thanMs;
  } catch {
    return true;
  }
}
