/**
 * Which segments a log has, from the first to the last that was begun, as the name of an empty file beside them: a rename is all that a new segment or a cut
 * costs. Recovery holds it against the segments it finds, for one that was removed as a whole leaves no other trace when it was the first or the last.
 */
import { join } from "node:path";
import type { FileSystem } from "@finch/runtime";
import { segmentName, segmentRangeName, segmentRangeOf } from "./file-names.ts";

export interface SegmentRange {
  readonly first: number;
  readonly last: number;
}

/** Of the names in a directory: the newest, and what is left of older ones. */
export function findSegmentRange(names: readonly string[]): {
  readonly range: SegmentRange | undefined;
  readonly staleNames: readonly string[];
} {
  // Numbers have leading zeros, and ranges move forward only.
  const all = names.filter((name) => segmentRangeOf(name) !== undefined).toSorted();
  const newest = all.pop();
  return {
    range: newest === undefined ? undefined : segmentRangeOf(newest),
    staleNames: all,
  };
}

/** Makes the name say `to`. It is durable with the next sync of the directory. */
export async function renameSegmentRange(
  fileSystem: FileSystem,
  directory: string,
  { from, to }: { readonly from: SegmentRange | undefined; readonly to: SegmentRange },
): Promise<void> {
  const path = join(directory, segmentRangeName(to.first, to.last));
  if (from !== undefined) {
    try {
      await fileSystem.rename(join(directory, segmentRangeName(from.first, from.last)), path);
      return;
    } catch (error) {
      // Somebody removed it.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  await (await fileSystem.open(path, "create")).close();
}

/** What is not there though the range says so. Numbers in between are not all segments: those of failed attempts are left out. */
export function missingSegments(
  directory: string,
  range: SegmentRange,
  found: readonly { readonly number: number }[],
): { readonly path: string; readonly what: string }[] {
  const missing: { readonly path: string; readonly what: string }[] = [];
  const first = found[0]?.number;
  const last = found.at(-1)?.number;
  if (first !== undefined && first > range.first) {
    const what = `it is missing, and whatever else stood before ${segmentName(first)}`;
    missing.push({ path: join(directory, segmentName(range.first)), what });
  }
  if (last === undefined || last < range.last) {
    const place =
      last === undefined ? `from ${segmentName(range.first)} on` : `after ${segmentName(last)}`;
    const what = `it is missing, and whatever else stood ${place}`;
    missing.push({ path: join(directory, segmentName(range.last)), what });
  }
  return missing;
}
