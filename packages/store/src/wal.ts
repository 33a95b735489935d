/**
 * The write-ahead log: append-only segments, group commit, replay, cut. Used by both stores and by the agent's queues.
 * It knows nothing of what a payload means. Format and recovery rules: `docs/format/wal.md`.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { assert } from "@finch/runtime";
import type { FileHandle, FileSystem } from "@finch/runtime";
import type { OpenWal, Wal, WalOptions, WalPosition } from "./api.ts";
import { makeDurableDirectory } from "./durable-directory.ts";
import { diskFailed, queueFull, recordTooLarge, storeClosed } from "./errors.ts";
import { DAMAGED_SUFFIX, segmentName } from "./file-names.ts";
import {
  ALLOCATION_BYTES_MAX,
  ALLOCATION_BYTES_MIN,
  COMMIT_BYTES_MAX,
  RECORD_BYTES_MAX,
  SMALL_COMMITS_MAX,
} from "./limits.ts";
import {
  encodeRecord,
  encodeSegmentHeader,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
} from "./wal-format.ts";
import { renameSegmentRange } from "./wal-range.ts";
import type { SegmentRange } from "./wal-range.ts";
import { readRecords } from "./wal-reader.ts";
import { recoverSegments } from "./wal-recovery.ts";
import type { RecoveredSegments, Segment } from "./wal-recovery.ts";

/** What the stores need beyond the {@link Wal} that others get. */
export interface StoreWal extends Wal {
  /**
   * Grows whenever records were refused. A record that relies on an earlier one (a series by number) must be
   * written in full again when this has changed since.
   */
  readonly refusals: number;
  readonly recovered: RecoveredSegments;
  /** Copies of damaged segments that were set aside; something acknowledged may be missing when there is one. */
  readonly damagedPaths: readonly string[];
  /** Says once that something in a segment is damaged, and keeps a copy of it. */
  noteDamage(path: string, what: string): Promise<void>;
}

export const openWal: OpenWal = (options) =>
  openStoreWal({ ...options, firstSegment: 1, mustExist: false });

export interface StoreWalOptions extends WalOptions {
  /** The number to start with when the directory has no segment. */
  readonly firstSegment: number;
  /** Whether a log without any trace of a segment was removed, and is not a new one. */
  readonly mustExist: boolean;
}

export async function openStoreWal(options: StoreWalOptions): Promise<StoreWal> {
  const { fileSystem, directory, log } = options;
  await makeDurableDirectory(fileSystem, directory);
  const recovered = await recoverSegments(fileSystem, directory);
  if (recovered.tornBytes > 0)
    log.warn("cut a torn record from the end of the log", {
      directory,
      bytes: recovered.tornBytes,
    });
  const wal = new SegmentedWal(options, recovered);
  for (const { path, what } of recovered.faults) await wal.noteDamage(path, what);
  if (options.mustExist && recovered.range === undefined && recovered.segments.length === 0) {
    const first = segmentName(options.firstSegment);
    const what = `it is missing, and whatever else stood from ${first} on`;
    await wal.noteDamage(join(directory, first), what);
  }
  for (const path of recovered.removedPaths)
    log.info("removed an unfinished log segment", { path });
  return wal;
}

interface Waiting {
  /** Undefined for a step. */
  readonly payload: Uint8Array | undefined;
  /** What else must happen in order with the records: closing or starting a segment. */
  readonly step: (() => Promise<void>) | undefined;
  readonly resolve: (value: WalPosition) => void;
  readonly reject: (reason: unknown) => void;
}

/** The segment that takes records: those are its first `bytes`, and what follows up to `allocated` is zeros. */
interface OpenSegment {
  readonly number: number;
  readonly handle: FileHandle;
  bytes: number;
  allocated: number;
}

class SegmentedWal implements StoreWal {
  readonly recovered: RecoveredSegments;
  readonly damagedPaths: string[] = [];
  /** Damage that was told already. */
  readonly #told = new Set<string>();
  refusals = 0;
  readonly #options: WalOptions;
  /** Segments that take no more records, ascending. */
  #closed: Segment[];
  #current: OpenSegment | undefined;
  /** What the name of the file says that tells of them. */
  #range: SegmentRange | undefined;
  /** Settles when the range says what it was last told to. */
  #noting: Promise<void> = Promise.resolve();
  /** The next segment gets at least this number. */
  #nextNumber: number;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #draining: Promise<void> | undefined;
  #commitBuffer = new Uint8Array(0);
  /** Commits, one after the other, that needed less than a quarter of it. */
  #smallCommits = 0;
  #fsyncTotal = 0;
  #isClosed = false;

  constructor(options: StoreWalOptions, recovered: RecoveredSegments) {
    this.#options = options;
    this.recovered = recovered;
    this.#closed = [...recovered.segments];
    this.#range = recovered.range;
    const last = Math.max(recovered.segments.at(-1)?.number ?? 0, recovered.range?.last ?? 0);
    this.#nextNumber = Math.max(last + 1, options.firstSegment);
  }

  append(payload: Uint8Array): Promise<WalPosition> {
    assert(payload.length > 0, "a WAL record has a payload");
    const max = this.#options.pendingBytesMax;
    const fault =
      payload.length > RECORD_BYTES_MAX
        ? recordTooLarge(payload.length, RECORD_BYTES_MAX)
        : this.#queuedBytes > 0 && this.#queuedBytes + payload.length > max
          ? queueFull("bytes waiting for the log", max)
          : undefined;
    if (fault === undefined) return this.#enqueue(payload, undefined);
    this.refusals++;
    return Promise.reject(fault);
  }

  async rotate(): Promise<number> {
    return (await this.#enqueue(undefined, () => this.#closeSegment())).segment;
  }

  async cut(segment: number): Promise<void> {
    // The newest segment carries the numbering on: without it a later open would start at 1 again. Those before it go first: on a full
    // disk they make the room that the next one needs.
    await this.#removeClosed(Math.min(segment, this.#closed.at(-1)?.number ?? 0));
    if (this.#closed.length > 0 && this.#closed.at(-1)!.number < segment) {
      await this.#enqueue(undefined, async () => {
        if (this.#current === undefined) await this.#startSegment();
      });
    }
    await this.#removeClosed(segment);
  }

  async *read(
    from: WalPosition | undefined,
  ): AsyncGenerator<{ readonly payload: Uint8Array; readonly next: WalPosition }> {
    const { fileSystem, directory } = this.#options;
    const segments =
      this.#current === undefined ? [...this.#closed] : [...this.#closed, { ...this.#current }];
    for (const { number: segment, bytes } of segments) {
      if (from !== undefined && segment < from.segment) continue;
      const start =
        from !== undefined && segment === from.segment ? from.offset : SEGMENT_HEADER_BYTES;
      if (start >= bytes) continue;
      const path = join(directory, segmentName(segment));
      const handle = await fileSystem.open(path, "read");
      try {
        const source = { handle, path, segment, from: start, to: bytes };
        const records = readRecords(source, ({ offset, bytes: lost }) =>
          this.noteDamage(path, `${lost} bytes at byte ${offset} are damaged and left out`),
        );
        for await (const { payload, end } of records) {
          yield { payload, next: { segment, offset: end } };
        }
      } finally {
        await handle.close();
      }
    }
  }

  statistics(): ReturnType<Wal["statistics"]> {
    let bytes = this.#current?.bytes ?? 0;
    for (const segment of this.#closed) bytes += segment.bytes;
    return {
      bytes,
      segments: this.#closed.length + (this.#current === undefined ? 0 : 1),
      fsyncTotal: this.#fsyncTotal,
      tornBytes: this.recovered.tornBytes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
    await this.#closeSegment();
  }

  /** Says once what is damaged, and keeps a copy of the segment, which else goes with the next cut. */
  async noteDamage(path: string, what: string): Promise<void> {
    const { fileSystem, log } = this.#options;
    if (this.#told.has(`${path} ${what}`)) return;
    this.#told.add(`${path} ${what}`);
    const aside = `${path}${DAMAGED_SUFFIX}`;
    log.error("the log is damaged; what is intact is taken, what was acknowledged there is lost", {
      path,
      what,
      aside,
    });
    if (this.damagedPaths.includes(aside)) return;
    this.damagedPaths.push(aside);
    await copyAside(fileSystem, path, aside).catch((error: unknown) =>
      log.warn("cannot keep a copy of a damaged log segment", { path, cause: String(error) }),
    );
  }

  /** One by one and each made durable, so that after a crash no segment is missing between others. */
  async #removeClosed(before: number): Promise<void> {
    const { fileSystem, directory } = this.#options;
    if ((this.#closed[0]?.number ?? before) >= before) return;
    await this.#noteRange(this.#closed.find(({ number }) => number >= before)?.number);
    await fileSystem.syncDirectory(directory);
    for (
      let first = this.#closed[0];
      first !== undefined && first.number < before;
      first = this.#closed[0]
    ) {
      await fileSystem.remove(join(directory, segmentName(first.number)));
      await fileSystem.syncDirectory(directory);
      this.#closed.shift();
    }
  }

  #enqueue(payload: Waiting["payload"], step: Waiting["step"]): Promise<WalPosition> {
    if (this.#isClosed) return Promise.reject(storeClosed(this.#options.directory));
    const promise = new Promise<WalPosition>((resolve, reject) => {
      this.#queue.push({ payload, step, resolve, reject });
    });
    this.#queuedBytes += payload?.length ?? 0;
    this.#draining ??= this.#drain();
    return promise;
  }

  /** Runs while somebody waits. Whatever arrives during a commit is in the next. */
  async #drain(): Promise<void> {
    // What has come with it, or is read in the next turn of the event loop, shares the first commit.
    await setImmediate();
    await setImmediate();
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      if (first.step !== undefined) {
        this.#queue.shift();
        await this.#runStep(first, first.step);
        continue;
      }
      const commit = this.#takeCommit();
      try {
        const positions = await this.#write(commit);
        for (const [index, waiting] of commit.entries()) waiting.resolve(positions[index]!);
      } catch (error) {
        this.#refuse(commit, error);
      }
    }
    this.#draining = undefined;
  }

  async #runStep(waiting: Waiting, step: () => Promise<void>): Promise<void> {
    try {
      await step();
      waiting.resolve({ segment: this.#nextNumber, offset: SEGMENT_HEADER_BYTES });
    } catch (error) {
      waiting.reject(diskFailed(this.#options.directory, error));
    }
  }

  #takeCommit(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of this.#queue) {
      if (payload === undefined || (count > 0 && bytes + payload.length > COMMIT_BYTES_MAX)) break;
      bytes += payload.length;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /** One durable write; its failure ends the segment at its last durable record, for good. */
  async #write(commit: readonly Waiting[]): Promise<WalPosition[]> {
    if (this.#current !== undefined && this.#current.bytes > this.#options.segmentBytesMax)
      await this.#closeSegment();
    const current = this.#current ?? (await this.#startSegment());
    const { number: segment, bytes: commitOffset, handle } = current;
    const positions: WalPosition[] = [];
    let total = 0;
    for (const { payload } of commit) total += RECORD_HEADER_BYTES + payload!.length;
    this.#fitCommitBuffer(total);
    let at = 0;
    for (const { payload } of commit) {
      at = encodeRecord(this.#commitBuffer, at, { segment, commitOffset, payload: payload! });
      positions.push({ segment, offset: commitOffset + at });
    }
    try {
      await allocate(current, commitOffset + total);
      await handle.write(this.#commitBuffer.subarray(0, total), commitOffset);
    } catch (error) {
      // After a failed fsync nobody knows what is on disk, and a second fsync may report success for lost bytes: leave the file.
      await this.#closeSegment();
      throw error;
    }
    this.#fsyncTotal++;
    current.bytes = commitOffset + total;
    return positions;
  }

  /** Sees to it that a commit of so many bytes has room, and that room is given back that is no longer needed. */
  #fitCommitBuffer(total: number): void {
    const { length } = this.#commitBuffer;
    this.#smallCommits = total < length / 4 ? this.#smallCommits + 1 : 0;
    if (total > length) this.#commitBuffer = new Uint8Array(total + (total >>> 2));
    else if (this.#smallCommits > SMALL_COMMITS_MAX) {
      this.#commitBuffer = new Uint8Array(total);
      this.#smallCommits = 0;
    }
  }

  /** Rejects the commit and every record that waits behind it; steps behind it still happen. */
  #refuse(commit: readonly Waiting[], cause: unknown): void {
    this.refusals++;
    const error = diskFailed(this.#options.directory, cause);
    this.#options.log.error("cannot write the log", {
      directory: this.#options.directory,
      cause: String(cause),
    });
    const refused = this.#queue.filter((waiting) => waiting.payload !== undefined);
    this.#queue = this.#queue.filter((waiting) => waiting.payload === undefined);
    this.#queuedBytes = 0;
    for (const waiting of [...commit, ...refused]) waiting.reject(error);
  }

  async #startSegment(): Promise<OpenSegment> {
    const { fileSystem, directory } = this.#options;
    const number = this.#nextNumber++;
    const path = join(directory, segmentName(number));
    const previous = this.#closed.at(-1);
    let handle: FileHandle | undefined;
    try {
      handle = await fileSystem.open(path, "log");
      await handle.write(
        encodeSegmentHeader({
          segment: number,
          previous: previous?.number ?? 0,
          previousBytes: previous?.bytes ?? 0,
        }),
        0,
      );
      await fileSystem.syncDirectory(directory);
    } catch (error) {
      // Best effort: what stays is found and removed at the next open, and its number is never used again.
      await handle?.close().catch(() => {});
      await fileSystem.remove(path).catch(() => {});
      throw error;
    }
    this.#current = {
      number,
      handle,
      bytes: SEGMENT_HEADER_BYTES,
      allocated: SEGMENT_HEADER_BYTES,
    };
    // Behind the sync, so that no crash leaves a name that tells of a segment that is not there.
    await this.#noteRange(this.#closed[0]?.number).catch((error: unknown) => {
      const cause = String(error);
      this.#options.log.warn("a missing log segment would not be noticed", { path, cause });
    });
    return this.#current;
  }

  /** The segments from `first` on, those that are closed and the one that is not. One at a time: a cut and a new segment may come together. */
  #noteRange(first: number | undefined): Promise<void> {
    const noted = this.#noting.then(() => this.#renameRange(first));
    this.#noting = noted.catch(() => {});
    return noted;
  }

  async #renameRange(first: number | undefined): Promise<void> {
    const last = this.#current?.number ?? this.#closed.at(-1)?.number;
    if (last === undefined) return;
    // Never back: a segment that is cut and still listed, since the removal failed half-way, may be gone.
    const to = { first: Math.max(first ?? last, this.#range?.first ?? 0), last };
    const { fileSystem, directory } = this.#options;
    await renameSegmentRange(fileSystem, directory, { from: this.#range, to });
    this.#range = to;
  }

  /** Gives back the space behind its records; the next segment's header says where this one ends, whether or not that works. */
  async #closeSegment(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const { number, handle, bytes, allocated } = current;
    this.#current = undefined;
    this.#closed.push({ number, bytes });
    const warn = (msg: string) => (error: unknown) =>
      this.#options.log.warn(msg, { segment: number, cause: String(error) });
    if (allocated > bytes)
      await handle.truncate(bytes).catch(warn("cannot cut a log segment to its records"));
    await handle.close().catch(warn("cannot close a log segment"));
  }
}

/** What room is made of, once for all segments: nobody writes to it, so that it takes no memory. */
let zeros: Uint8Array | undefined;

/**
 * Sees to it that the file has room up to `end`, of zeros that are durable: a commit into them changes no metadata, which makes it durable for two
 * thirds of the work and of the wait. Room grows with the segment, so that a log of little traffic takes little.
 */
async function allocate(segment: OpenSegment, end: number): Promise<void> {
  if (end <= segment.allocated) return;
  const from = segment.allocated;
  const step = Math.min(ALLOCATION_BYTES_MAX, Math.max(ALLOCATION_BYTES_MIN, segment.bytes));
  // Also when the write fails there may be something.
  segment.allocated = Math.max(end, from + step);
  zeros ??= new Uint8Array(ALLOCATION_BYTES_MAX);
  for (let at = from; at < segment.allocated; at += zeros.length)
    await segment.handle.write(zeros.subarray(0, segment.allocated - at), at);
}

/** Copies a segment that is there, unless an earlier start did. */
async function copyAside(fileSystem: FileSystem, path: string, aside: string): Promise<void> {
  if ((await fileSystem.sizeOf(aside)) > 0 || (await fileSystem.sizeOf(path)) === 0) return;
  const bytes = await fileSystem.readFile(path);
  const handle = await fileSystem.open(aside, "create");
  try {
    await handle.write(bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
