/**
 * Follows one growing file by inode and offset, through rotation by rename, copy-truncate, atomic replacement and restarts. It never delivers
 * half a line unless the file is gone, and says with every batch how far the file is read once the batch is taken.
 */
import type { FileHandle } from "node:fs/promises";
import { LineSplitter } from "./line-splitter.ts";
import {
  findCopy,
  findMissed,
  findRenamed,
  hasSignature,
  openIfThere,
  signatureOf,
  statOf,
} from "./rotated-file.ts";
import type { ReadRange } from "./line-stamps.ts";
import type { FileProgress, FinishedFile } from "./rotated-file.ts";

/** Lines of a batch: without it a large backlog would be read into memory at once. */
const BATCH_LINES_MAX = 2000;
const CHUNK_BYTES = 64 * 1024;
/** A file is told apart by its first bytes, as many as there are up to the last step; below the first step all that there are. */
const SIGNATURE_STEPS = [64, 128, 256, 512, 1024];

/** Whoever writes a log file goes on for a moment after it was renamed: so long it is looked at still. */
const LATE_MS = 10_000;

export interface LineBatch {
  readonly lines: readonly string[];
  /** The bytes of the file that the lines took. */
  readonly range: ReadRange;
  /** To be stored once the lines are taken downstream. */
  readonly progress: FileProgress | undefined;
}

/** Where lines that begin at `from` of a file are to end, when a run that was killed has read them. */
type EndOfRange = (identity: string, from: number) => number | undefined;

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: string;
  /** What ranges of it are known by: of a copy, the identity of the file it was made of. */
  readonly origin: string;
  readOffset: number;
  /** Time of the last write as of the last look. */
  modifiedMs: number;
  signature: string;
  signatureBytes: number;
}

/** Follows `path`; call {@link FileTail.next} when there may be news, one call at a time. */
export class FileTail implements AsyncDisposable {
  readonly path: string;
  readonly #encoding: string;
  readonly #tailFromEnd: boolean;
  readonly #nowMs: () => number;
  readonly #endOf: EndOfRange;
  #splitter: LineSplitter;
  #file: OpenFile | undefined;
  #progress: FileProgress | undefined;
  #opened = false;
  /** What stood at the path before; the next file is not chosen yet. */
  #finished: FinishedFile | undefined;
  /** The last file that was rotated away, with what came to it since. */
  #late:
    | { readonly file: OpenFile; readonly splitter: LineSplitter; readonly untilMs: number }
    | undefined;

  /** `progress` is what an earlier run stored. Without it reading starts at the beginning, or with `tailFromEnd` at the present end. */
  constructor(
    path: string,
    options: {
      readonly encoding: string;
      readonly tailFromEnd: boolean;
      readonly progress: FileProgress | undefined;
      readonly nowMs: () => number;
      readonly endOf: EndOfRange;
    },
  ) {
    this.path = path;
    this.#encoding = options.encoding;
    this.#tailFromEnd = options.tailFromEnd;
    this.#progress = options.progress;
    this.#nowMs = options.nowMs;
    this.#endOf = options.endOf;
    this.#splitter = new LineSplitter(options.encoding);
  }

  /** The next complete lines, or undefined when there are none now (also while the file does not exist). */
  async next(): Promise<LineBatch | undefined> {
    const late = await this.#readLate();
    if (late !== undefined) return late;
    this.#file ??= await this.#open();
    const file = this.#file;
    if (file === undefined) return undefined;
    const now = await statOf(this.path);
    if (now !== undefined && now.identity === file.identity) {
      // Written since, and yet as long as before: it may have been cut and have grown to the same length.
      const isUntouched = now.modifiedMs === file.modifiedMs;
      file.modifiedMs = now.modifiedMs;
      if (now.size === file.readOffset && isUntouched) return undefined;
      if (now.size < file.readOffset || !(await hasSignature(file.handle, progressOf(file, 0))))
        return this.#startOver(file);
    }
    const lines: string[] = [];
    const before = file.readOffset - this.#splitter.pendingBytes;
    const atEnd = await this.#readLines(file, this.#splitter, lines);
    if (lines.length > 0) return this.#batch(file, lines, before);
    return atEnd ? this.#settleEnd(file) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
    await this.#late?.file.handle.close();
    this.#late = undefined;
  }

  async #open(): Promise<OpenFile | undefined> {
    if (this.#finished !== undefined) return this.#openNext(this.#finished);
    const previous = this.#progress;
    const first = !this.#opened;
    if (previous !== undefined && first) {
      const renamed = await findRenamed(this.path, previous);
      const rest = renamed === undefined ? undefined : await resume(renamed, previous);
      if (rest !== undefined) {
        this.#opened = true;
        return rest;
      }
    }
    const handle = await openIfThere(this.path);
    if (handle === undefined) return undefined;
    const file = await openFile(handle);
    this.#opened = true;
    const { size } = await handle.stat();
    if (previous === undefined) {
      file.readOffset = first && this.#tailFromEnd ? size : 0;
      return file;
    }
    if (await isContinued(handle, previous)) return Object.assign(file, resumed(previous));
    // It was cut, or another stands in its place: what was not read of it may be in a copy.
    const copy = first ? await this.#openCopy(previous) : undefined;
    if (copy === undefined) return file;
    await handle.close();
    return copy;
  }

  /** The file behind one that was rotated away. That at the path is opened first: whatever is rotated away from then on, it is not missed. */
  async #openNext(finished: FinishedFile): Promise<OpenFile | undefined> {
    const handle = await openIfThere(this.path);
    const current = handle === undefined ? undefined : await openFile(handle);
    const missed = await findMissed(this.path, finished, current?.identity);
    const missedHandle = missed === undefined ? undefined : await openIfThere(missed);
    if (missedHandle === undefined) {
      if (current === undefined) return undefined;
      this.#finished = undefined;
      const isSame = await isContinued(current.handle, finished.progress);
      return isSame ? Object.assign(current, resumed(finished.progress)) : current;
    }
    this.#finished = undefined;
    await handle?.close();
    return openFile(missedHandle);
  }

  async #openCopy(progress: FileProgress): Promise<OpenFile | undefined> {
    const copy = await findCopy(this.path, progress);
    return copy === undefined ? undefined : resume(copy, progress);
  }

  /** The file was cut: the rest of what it held may be in the copy that copy-truncate makes, then it is read from its beginning. */
  async #startOver(file: OpenFile): Promise<LineBatch | undefined> {
    const copy = await this.#openCopy(progressOf(file, file.readOffset));
    if (copy !== undefined) {
      await file.handle.close();
      this.#file = copy;
      return undefined;
    }
    const cut = this.#finish(file);
    Object.assign(file, { readOffset: 0, signature: "", signatureBytes: 0 });
    this.#progress = progressOf(file, 0);
    return cut;
  }

  /** Lines that came to a file after it was rotated away. They are not remembered: the position is in the next file already. */
  async #readLate(): Promise<LineBatch | undefined> {
    const late = this.#late;
    if (late === undefined) return undefined;
    const lines: string[] = [];
    const from = late.file.readOffset - late.splitter.pendingBytes;
    await this.#readLines(late.file, late.splitter, lines);
    if (this.#nowMs() >= late.untilMs) {
      this.#late = undefined;
      await late.file.handle.close();
      const last = late.splitter.flush();
      if (last !== undefined) lines.push(last);
    }
    if (lines.length === 0) return undefined;
    const range = rangeOf(late.file, from, late.file.readOffset - late.splitter.pendingBytes);
    return { lines, range, progress: this.#progress };
  }

  async #readLines(file: OpenFile, splitter: LineSplitter, lines: string[]): Promise<boolean> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const from = file.readOffset - splitter.pendingBytes;
    const end = this.#endOf(file.origin, from) ?? Infinity;
    while (lines.length < BATCH_LINES_MAX && file.readOffset < end) {
      const wanted = Math.min(CHUNK_BYTES, end - file.readOffset);
      const { bytesRead } = await file.handle.read(chunk, 0, wanted, file.readOffset);
      if (bytesRead === 0) return true;
      file.readOffset += bytesRead;
      splitter.push(chunk.subarray(0, bytesRead), lines);
    }
    return false;
  }

  async #batch(file: OpenFile, lines: readonly string[], before: number): Promise<LineBatch> {
    const offset = file.readOffset - this.#splitter.pendingBytes;
    await extendSignature(file);
    this.#progress = progressOf(file, offset);
    return { lines, range: rangeOf(file, before, offset), progress: this.#progress };
  }

  /** At the end of what is open, and nothing new in it: is it still the file of that path? */
  async #settleEnd(file: OpenFile): Promise<LineBatch | undefined> {
    const now = await statOf(this.path);
    if (now !== undefined && now.identity === file.identity) return undefined;
    // Rotated or removed: what was written between the last read and the rename is still in the open file.
    const lines: string[] = [];
    const before = file.readOffset - this.#splitter.pendingBytes;
    const atEnd = await this.#readLines(file, this.#splitter, lines);
    if (!atEnd || lines.length > 0) return this.#batch(file, lines, before);
    await extendSignature(file);
    const last = this.#finish(file);
    const { mtimeMs } = await file.handle.stat();
    await this.#retire(file);
    this.#finished = { progress: progressOf(file, file.readOffset), modifiedMs: mtimeMs };
    this.#file = await this.#openNext(this.#finished);
    return last;
  }

  async #retire(file: OpenFile): Promise<void> {
    await this.#late?.file.handle.close();
    this.#late = {
      file,
      splitter: new LineSplitter(this.#encoding),
      untilMs: this.#nowMs() + LATE_MS,
    };
  }

  /** Nothing more comes to the file: its last half line is a line. */
  #finish(file: OpenFile): LineBatch | undefined {
    const range = rangeOf(file, file.readOffset - this.#splitter.pendingBytes, file.readOffset);
    const line = this.#splitter.flush();
    this.#splitter = new LineSplitter(this.#encoding);
    this.#progress = progressOf(file, file.readOffset);
    return line === undefined ? undefined : { lines: [line], range, progress: this.#progress };
  }
}

async function openFile(handle: FileHandle, origin?: string): Promise<OpenFile> {
  const { dev, ino } = await handle.stat();
  const identity = `${dev}:${ino}`;
  const known = { handle, identity, origin: origin ?? identity };
  return { ...known, readOffset: 0, modifiedMs: 0, signature: "", signatureBytes: 0 };
}

/** Opens the file that holds the rest of what is remembered, where it goes on. */
async function resume(path: string, progress: FileProgress): Promise<OpenFile | undefined> {
  const handle = await openIfThere(path);
  if (handle === undefined) return undefined;
  return Object.assign(
    await openFile(handle, progress.origin ?? progress.identity),
    resumed(progress),
  );
}

/** A file that was written anew with the same beginning, and put in its place, goes on where the other was. */
async function isContinued(handle: FileHandle, progress: FileProgress): Promise<boolean> {
  const { size } = await handle.stat();
  return size >= progress.offset && (await hasSignature(handle, progress));
}

function resumed({ offset, signature, signatureBytes }: FileProgress) {
  return { readOffset: offset, signature, signatureBytes };
}

function rangeOf({ origin }: OpenFile, from: number, to: number): ReadRange {
  return { identity: origin, from, to };
}

function progressOf(
  { identity, origin, signature, signatureBytes }: OpenFile,
  offset: number,
): FileProgress {
  const progress = { identity, offset, signature, signatureBytes };
  return origin === identity ? progress : { ...progress, origin };
}

async function extendSignature(file: OpenFile): Promise<void> {
  const bytes = SIGNATURE_STEPS.findLast((step) => step <= file.readOffset) ?? file.readOffset;
  if (bytes <= file.signatureBytes) return;
  file.signature = await signatureOf(file.handle, bytes);
  file.signatureBytes = bytes;
}
