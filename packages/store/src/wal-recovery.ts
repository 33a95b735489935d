/**
 * Finds out, at open, which WAL segments count and where the last one ends. The rules, and why a torn write and damage can be told
 * apart, stand in `docs/format/wal.md`.
 */
import { join } from "node:path";
import type { FileSystem } from "@finch/runtime";
import { corruptFile, otherFormat } from "./errors.ts";
import { segmentName, segmentOf } from "./file-names.ts";
import {
  decodeSegmentHeader,
  findLaterCommit,
  SEGMENT_HEADER_BYTES,
  WAL_VERSION,
} from "./wal-format.ts";
import type { SegmentHeader } from "./wal-format.ts";
import { readIntactRecords } from "./wal-reader.ts";

/** A segment and how many of its bytes count. */
export interface Segment {
  readonly number: number;
  readonly bytes: number;
}

export interface RecoveredSegments {
  /** Ascending. */
  readonly segments: readonly Segment[];
  readonly tornBytes: number;
  readonly removedPaths: readonly string[];
}

/** Validates headers and the end of the last segment, cuts what is torn, and removes segments of failed attempts. */
export async function recoverSegments(
  fileSystem: FileSystem,
  directory: string,
): Promise<RecoveredSegments> {
  const numbers: number[] = [];
  for (const name of await fileSystem.list(directory)) {
    const number = segmentOf(name);
    if (number !== undefined) numbers.push(number);
  }
  const removedPaths: string[] = [];
  let tornBytes = 0;
  const headers = new Map<number, SegmentHeader>();
  while (numbers.length > 0) {
    const last = numbers.at(-1)!;
    const header = await readHeader(fileSystem, directory, last);
    if (header !== undefined) {
      headers.set(last, header);
      break;
    }
    const path = join(directory, segmentName(last));
    tornBytes += await removeTornSegment(fileSystem, path, last);
    removedPaths.push(path);
    numbers.pop();
  }
  const chain = await followChain(fileSystem, directory, numbers, headers);
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
  if (removedPaths.length > 0) await fileSystem.syncDirectory(directory);
  return { segments: chain, tornBytes, removedPaths };
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

/** The last segment has no whole header: it was being created when the machine stopped, unless a record in it says otherwise. */
async function removeTornSegment(
  fileSystem: FileSystem,
  path: string,
  number: number,
): Promise<number> {
  const bytes = await fileSystem.readFile(path);
  if (findLaterCommit(bytes, 0, number) >= 0) {
    throw corruptFile(path, 0, "the header is damaged, but records follow");
  }
  await fileSystem.remove(path);
  return bytes.length;
}

/** Segments that count, from the last backwards over each header's `previous`. */
async function followChain(
  fileSystem: FileSystem,
  directory: string,
  numbers: readonly number[],
  headers: Map<number, SegmentHeader>,
): Promise<Segment[]> {
  const chain: Segment[] = [];
  let number = numbers.at(-1) ?? 0;
  let bytes = 0;
  while (number !== 0) {
    const path = join(directory, segmentName(number));
    const header = headers.get(number) ?? (await readHeader(fileSystem, directory, number));
    if (header === undefined) throw corruptFile(path, 0, "the segment header is damaged");
    if (chain.length > 0 && (await fileSystem.sizeOf(path)) < bytes) {
      throw corruptFile(
        path,
        await fileSystem.sizeOf(path),
        `the segment must have ${bytes} bytes, its end is missing`,
      );
    }
    chain.unshift({ number, bytes });
    if (!numbers.includes(header.previous)) {
      const earlier = numbers.find((other) => other < header.previous);
      if (earlier === undefined) break;
      const missing = join(directory, segmentName(header.previous));
      throw corruptFile(
        missing,
        0,
        `the segment is missing between ${segmentName(earlier)} and ${segmentName(number)}`,
      );
    }
    bytes = header.previousBytes;
    number = header.previous;
  }
  return chain;
}

async function cutTornTail(
  fileSystem: FileSystem,
  directory: string,
  number: number,
): Promise<{ readonly bytes: number; readonly tornBytes: number }> {
  const path = join(directory, segmentName(number));
  const handle = await fileSystem.open(path, "append");
  try {
    const size = await handle.size();
    const records = readIntactRecords({
      handle,
      path,
      segment: number,
      from: SEGMENT_HEADER_BYTES,
      to: size,
    });
    let step = await records.next();
    while (step.done !== true) step = await records.next();
    const end = step.value;
    if (end === size) return { bytes: end, tornBytes: 0 };
    const tail = new Uint8Array(size - end);
    const got = await handle.read(tail, end);
    const later = findLaterCommit(tail.subarray(0, got), end, number);
    if (later >= 0) {
      throw corruptFile(
        path,
        end,
        `a record's length or checksum is wrong, and an intact one follows at byte ${end + later}`,
      );
    }
    await handle.truncate(end);
    await handle.sync();
    return { bytes: end, tornBytes: size - end };
  } finally {
    await handle.close();
  }
}
