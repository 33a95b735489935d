/**
 * Finds out, at open, which WAL segments count and where the last one ends. The rules, and why a torn write and damage can be told
 * apart, stand in `docs/format/wal.md`.
 */
import { join } from "node:path";
import type { FileSystem } from "@finch/runtime";
import { otherFormat } from "./errors.ts";
import { segmentName, segmentOf } from "./file-names.ts";
import {
  decodeSegmentHeader,
  endOfContent,
  findIntactRecord,
  findLaterCommit,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  WAL_VERSION,
} from "./wal-format.ts";
import type { SegmentHeader } from "./wal-format.ts";
import { findSegmentRange, missingSegments } from "./wal-range.ts";
import type { SegmentRange } from "./wal-range.ts";
import { readIntactRecords } from "./wal-reader.ts";

/** A segment and how many of its bytes count. */
export interface Segment {
  readonly number: number;
  readonly bytes: number;
}

export interface RecoveredSegments {
  /** Ascending. */
  readonly segments: readonly Segment[];
  /** What the directory said there should be. */
  readonly range: SegmentRange | undefined;
  readonly tornBytes: number;
  readonly removedPaths: readonly string[];
  /** What is wrong with the chain of segments; damaged records are found when they are read. */
  readonly faults: readonly WalFault[];
}

/** Damage that was worked around. `path` is the file it concerns, which may be missing. */
export interface WalFault {
  readonly path: string;
  readonly what: string;
}

/** Validates headers and the end of the last segment, cuts what is torn, and removes segments of failed attempts. */
export async function recoverSegments(
  fileSystem: FileSystem,
  directory: string,
): Promise<RecoveredSegments> {
  const numbers: number[] = [];
  const names = await fileSystem.list(directory);
  const { range, staleNames } = findSegmentRange(names);
  for (const name of staleNames) await fileSystem.remove(join(directory, name));
  for (const name of names) {
    const number = segmentOf(name);
    if (number !== undefined) numbers.push(number);
  }
  const removedPaths: string[] = [];
  const faults: WalFault[] = [];
  let tornBytes = 0;
  while (numbers.length > 0) {
    const last = numbers.at(-1)!;
    if ((await readHeader(fileSystem, directory, last)) !== undefined) break;
    // The range says that the header was whole once, or records behind it do.
    if (range !== undefined && last <= range.last) break;
    const path = join(directory, segmentName(last));
    const bytes = await fileSystem.readFile(path);
    if (findLaterCommit(bytes, 0, last) >= 0) break;
    await fileSystem.remove(path);
    tornBytes += bytes.length;
    removedPaths.push(path);
    numbers.pop();
  }
  const chain = await followChain(fileSystem, directory, numbers, faults);
  for (const number of numbers) {
    if (chain.some((segment) => segment.number === number)) continue;
    const path = join(directory, segmentName(number));
    await fileSystem.remove(path);
    removedPaths.push(path);
  }
  const last = chain.at(-1);
  if (last !== undefined) {
    const end = await cutTornTail(fileSystem, directory, last.number);
    tornBytes += end.tornBytes;
    chain[chain.length - 1] = { number: last.number, bytes: end.bytes };
  }
  if (range !== undefined) faults.push(...missingSegments(directory, range, chain));
  if (numbers.length > 0 || removedPaths.length + staleNames.length > 0)
    await fileSystem.syncDirectory(directory);
  return { segments: chain, range, tornBytes, removedPaths, faults };
}

async function readHeader(
  fileSystem: FileSystem,
  directory: string,
  number: number,
): Promise<SegmentHeader | undefined> {
  const path = join(directory, segmentName(number));
  const handle = await fileSystem.open(path, "read");
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const got = await handle.read(bytes, 0);
    const header = decodeSegmentHeader(bytes.subarray(0, got));
    if (header === undefined) return undefined;
    if (header.version !== WAL_VERSION) throw otherFormat(path, header.version, WAL_VERSION);
    return header.segment === number ? header : undefined;
  } finally {
    await handle.close();
  }
}

/**
 * Segments that count, from the last backwards over each header's `previous`. Where a header or a segment is damaged or missing, the next lower one is
 * taken whole: if it is one of a failed attempt, its records were refused, and being sent again they are repetitions.
 */
async function followChain(
  fileSystem: FileSystem,
  directory: string,
  numbers: readonly number[],
  faults: WalFault[],
): Promise<Segment[]> {
  const chain: Segment[] = [];
  let number = numbers.at(-1) ?? 0;
  let bytes = Infinity;
  while (number !== 0) {
    const path = join(directory, segmentName(number));
    const size = await fileSystem.sizeOf(path);
    if (bytes !== Infinity && size < bytes)
      faults.push({ path, what: `its end is missing: it has ${size} bytes of ${bytes}` });
    chain.unshift({ number, bytes: Math.min(bytes, size) });
    const header = await readHeader(fileSystem, directory, number);
    const below = (limit: number): number => numbers.findLast((other) => other < limit) ?? 0;
    if (header === undefined) {
      faults.push({ path, what: "the segment header is damaged" });
      [number, bytes] = [below(number), Infinity];
    } else if (numbers.includes(header.previous)) {
      [number, bytes] = [header.previous, header.previousBytes];
    } else {
      // Either it was cut, with all that is older, or it is missing.
      let earlier = below(header.previous);
      // One without records is left over from a failed attempt: it says nothing about those after it.
      while (earlier > 0 && !(await hasRecords(fileSystem, directory, earlier)))
        earlier = below(earlier);
      if (earlier > 0) {
        const missing = join(directory, segmentName(header.previous));
        faults.push({
          path: missing,
          what: `the segment before ${segmentName(number)} is missing`,
        });
      }
      [number, bytes] = [earlier, Infinity];
    }
  }
  return chain;
}

/** Whether anything was written behind the header. */
async function hasRecords(
  fileSystem: FileSystem,
  directory: string,
  number: number,
): Promise<boolean> {
  const handle = await fileSystem.open(join(directory, segmentName(number)), "read");
  try {
    const bytes = new Uint8Array(RECORD_HEADER_BYTES);
    const got = await handle.read(bytes, SEGMENT_HEADER_BYTES);
    return endOfContent(bytes.subarray(0, got)) > 0;
  } finally {
    await handle.close();
  }
}

/**
 * Where the last segment ends; room behind it is given back. Behind a bad record either nothing was acknowledged, and it is cut off, or it is
 * damage, and reading goes on behind it.
 */
async function cutTornTail(
  fileSystem: FileSystem,
  directory: string,
  number: number,
): Promise<{ readonly bytes: number; readonly tornBytes: number }> {
  const path = join(directory, segmentName(number));
  const handle = await fileSystem.open(path, "append");
  try {
    const size = await handle.size();
    for (let from = SEGMENT_HEADER_BYTES; ;) {
      const source = { handle, path, segment: number, from, to: size };
      const records = readIntactRecords(source);
      let step = await records.next();
      while (step.done !== true) step = await records.next();
      const end = step.value;
      if (end >= size) {
        // A process that was killed may have written it without a sync: what later segments build on must be durable.
        await handle.sync();
        return { bytes: size, tornBytes: 0 };
      }
      const tail = new Uint8Array(size - end);
      const got = tail.subarray(0, await handle.read(tail, end));
      if (findLaterCommit(got, end, number) < 0) {
        await handle.truncate(end);
        await handle.sync();
        return { bytes: end, tornBytes: endOfContent(got) };
      }
      from = end + findIntactRecord(got, end, number);
    }
  } finally {
    await handle.close();
  }
}
