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
  readHead,
  signatureOf,
  statOf,
} from "./rotated-file.ts";
import type { KnownPiece, LinePiece } from "./line-stamps.ts";
import type { FileProgress, FileStatus, FinishedFile } from "./rotated-file.ts";

/** Lines and bytes of a batch, about: without them a large backlog would be read into memory at once. */
const BATCH_LINES_MAX = 2000;
const BATCH_BYTES_MAX = 1 << 20;
const CHUNK_BYTES = 64 * 1024;
/** A file is told apart by its first bytes, as many as there are up to the last step; below the first step all that there are. */
const SIGNATURE_STEPS = [64, 128, 256, 512, 1024];

/** Whoever writes a log file goes on for a moment after it was renamed: so long it is looked at still. */
const LATE_MS = 10_000;

export interface LineBatch extends LinePiece {
  /** To be stored once the lines are taken downstream. */
  readonly progress: FileProgress | undefined;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: string;
  /** What was read at the path before it. */
  after: FinishedFile | undefined;
  readOffset: number;
  /** Time of the last write as of the last look. */
  modifiedMs: number;
  signature: string;
  signatureBytes: number;
}

/** How far a look has read; nothing has changed by it. */
interface Reading {
  readonly lines: string[];
  readonly splitter: LineSplitter;
  readonly readOffset: number;
}

/** Follows `path`; call {@link FileTail.next} when there may be news, one call at a time. */
export class FileTail implements AsyncDisposable {
  readonly path: string;
  readonly #encoding: string;
  readonly #tailFromEnd: boolean;
  readonly #nowMs: () => number;
  readonly #knownAt: (from: number) => readonly KnownPiece[];
  #splitter: LineSplitter;
  #file: OpenFile | undefined;
  #progress: FileProgress | undefined;
  #opened = false;
  /** What stood at the path before; the next file is not chosen yet. */
  #finished: FinishedFile | undefined;
  /** The last file that was rotated away, with what came to it since. */
  #late: { readonly file: OpenFile; splitter: LineSplitter; readonly untilMs: number } | undefined;

  /** `progress` is what an earlier run stored. Without it reading starts at the beginning, or with `tailFromEnd` at the present end. */
  constructor(
    path: string,
    options: {
      readonly encoding: string;
      readonly tailFromEnd: boolean;
      readonly progress: FileProgress | undefined;
      readonly nowMs: () => number;
      /** What a run that was killed has read from an offset on: it is read in the same pieces. */
      readonly knownAt: (from: number) => readonly KnownPiece[];
    },
  ) {
    this.path = path;
    this.#encoding = options.encoding;
    this.#tailFromEnd = options.tailFromEnd;
    this.#progress = options.progress;
    this.#nowMs = options.nowMs;
    this.#knownAt = options.knownAt;
    this.#splitter = new LineSplitter(options.encoding);
  }

  /** Whether there is a file that is being read. */
  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** The next complete lines, or undefined when there are none now (also while the file does not exist). */
  async next(): Promise<LineBatch | undefined> {
    const late = await this.#readLate();
    if (late !== undefined) return late;
    this.#file ??= await this.#open();
    const file = this.#file;
    if (file === undefined) return undefined;
    const now = await statOf(this.path);
    const isCurrent = now !== undefined && now.identity === file.identity;
    if (isCurrent) {
      // Written since, and yet as long as before: it may have been cut and have grown to the same length.
      const isUntouched = now.modifiedMs === file.modifiedMs;
      file.modifiedMs = now.modifiedMs;
      if (now.size === file.readOffset && isUntouched) return undefined;
      if (now.size < file.readOffset) return this.#startOver(file);
      if (file.signatureBytes === 0 && (await this.#isBehind(file, now))) return this.next();
    }
    const reading = await this.#read(file, this.#splitter);
    // Looked at after reading: it may have been cut meanwhile.
    if (isCurrent && !(await hasSignature(file.handle, progressOf(file, 0))))
      return this.#startOver(file);
    if (reading.lines.length > 0) return this.#batch(file, reading);
    this.#adopt(file, reading);
    return this.#settleEnd(file);
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
    if (previous?.late !== undefined) {
      // Once, however long there is no file at the path.
      const { late, ...rest } = previous;
      this.#progress = rest;
      await this.#reopenLate(late);
    }
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
    if (previous === undefined) {
      if (first && this.#tailFromEnd) file.readOffset = (await handle.stat()).size;
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
    const current = handle === undefined ? undefined : await openFile(handle, finished);
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
    return openFile(missedHandle, finished);
  }

  /** A file that was empty when it was opened has something now: but was it cut in between, so that what it held first stands in copies? */
  async #isBehind(file: OpenFile, { size }: FileStatus): Promise<boolean> {
    await extendSignature(file, size);
    if (file.after === undefined) return false;
    const missed = await findMissed(this.path, file.after, file.identity);
    const handle = missed === undefined ? undefined : await openIfThere(missed);
    if (handle === undefined) return false;
    await file.handle.close();
    this.#file = await openFile(handle, file.after);
    return true;
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
      return this.next();
    }
    const after = { progress: progressOf(file, file.readOffset), modifiedMs: file.modifiedMs };
    const cut = this.#finish(file);
    Object.assign(file, { after, readOffset: 0, signature: "", signatureBytes: 0 });
    this.#progress = progressOf(file, 0);
    return cut ?? this.next();
  }

  /** Lines that came to a file after it was rotated away. */
  async #readLate(): Promise<LineBatch | undefined> {
    const late = this.#late;
    if (late === undefined) return undefined;
    const { file } = late;
    const begin = progressOf(file, file.readOffset - late.splitter.pendingBytes);
    const { lines, splitter, readOffset } = await this.#read(file, late.splitter);
    file.readOffset = readOffset;
    late.splitter = splitter;
    if (this.#nowMs() >= late.untilMs) {
      this.#late = undefined;
      await file.handle.close();
      const last = splitter.flush();
      if (last !== undefined) lines.push(last);
    }
    if (lines.length === 0) return undefined;
    const to = readOffset - splitter.pendingBytes;
    // As long as nothing of the next file is read.
    if (this.#progress?.identity === file.identity) this.#progress = progressOf(file, to);
    return { lines, begin, to, progress: this.#stored() };
  }

  /** After a stop: whoever wrote to the file may still do so. */
  async #reopenLate(progress: FileProgress): Promise<void> {
    const path = await findRenamed(this.path, progress);
    const file = path === undefined ? undefined : await resume(path, progress);
    if (file !== undefined) this.#late = this.#lateOf(file);
  }

  #lateOf(file: OpenFile) {
    const untilMs = this.#nowMs() + LATE_MS;
    return { file, splitter: new LineSplitter(this.#encoding), untilMs };
  }

  /** What is to be remembered: how far the file is read and, beside another, the one before it. */
  #stored(): FileProgress | undefined {
    const late = this.#late;
    const progress = this.#progress;
    if (late === undefined || progress === undefined) return progress;
    if (progress.identity === late.file.identity) return progress;
    const { file, splitter } = late;
    return { ...progress, late: progressOf(file, file.readOffset - splitter.pendingBytes) };
  }

  async #read(file: OpenFile, splitter: LineSplitter): Promise<Reading> {
    return (await this.#readKnown(file, splitter)) ?? readNew(file, splitter);
  }

  /** A piece that a run before has read from here on, if it is the same still. */
  async #readKnown(file: OpenFile, { pendingBytes }: LineSplitter): Promise<Reading | undefined> {
    const from = file.readOffset - pendingBytes;
    for (const { to, holds } of this.#knownAt(from)) {
      const splitter = new LineSplitter(this.#encoding);
      const reading = await readOn(file.handle, splitter, from, (_, offset) => to - offset);
      if (reading.readOffset < to) continue;
      // The last line of a file that was rotated away may have no end.
      const last = splitter.flush();
      if (last !== undefined) reading.lines.push(last);
      if (holds(reading.lines)) return reading;
    }
    return undefined;
  }

  async #batch(file: OpenFile, reading: Reading): Promise<LineBatch> {
    const begin = progressOf(file, file.readOffset - this.#splitter.pendingBytes);
    this.#adopt(file, reading);
    await extendSignature(file, file.readOffset);
    const to = file.readOffset - this.#splitter.pendingBytes;
    this.#progress = progressOf(file, to);
    return { lines: reading.lines, begin, to, progress: this.#stored() };
  }

  #adopt(file: OpenFile, { splitter, readOffset }: Reading): void {
    file.readOffset = readOffset;
    this.#splitter = splitter;
  }

  /** At the end of what is open, and nothing new in it: is it still the file of that path? */
  async #settleEnd(file: OpenFile): Promise<LineBatch | undefined> {
    const now = await statOf(this.path);
    if (now !== undefined && now.identity === file.identity) return undefined;
    // Rotated or removed: what was written between the last read and the rename is still in the open file.
    const reading = await this.#read(file, this.#splitter);
    if (reading.lines.length > 0) return this.#batch(file, reading);
    this.#adopt(file, reading);
    await extendSignature(file, file.readOffset);
    const last = this.#finish(file);
    const { mtimeMs } = await file.handle.stat();
    await this.#retire(file);
    this.#finished = { progress: progressOf(file, file.readOffset), modifiedMs: mtimeMs };
    this.#file = await this.#openNext(this.#finished);
    return last ?? (this.#file === undefined ? undefined : this.next());
  }

  async #retire(file: OpenFile): Promise<void> {
    await this.#late?.file.handle.close();
    this.#late = this.#lateOf(file);
  }

  /** Nothing more comes to the file: its last half line is a line. */
  #finish(file: OpenFile): LineBatch | undefined {
    const begin = progressOf(file, file.readOffset - this.#splitter.pendingBytes);
    const line = this.#splitter.flush();
    this.#splitter = new LineSplitter(this.#encoding);
    this.#progress = progressOf(file, file.readOffset);
    if (line === undefined) return undefined;
    return { lines: [line], begin, to: file.readOffset, progress: this.#stored() };
  }
}

async function openFile(handle: FileHandle, after?: FinishedFile): Promise<OpenFile> {
  const { dev, ino, size } = await handle.stat();
  const identity = `${dev}:${ino}`;
  const file: OpenFile = {
    handle,
    identity,
    after,
    readOffset: 0,
    modifiedMs: 0,
    signature: "",
    signatureBytes: 0,
  };
  await extendSignature(file, size);
  return file;
}

/** Opens the file that holds the rest of what is remembered, where it goes on. */
async function resume(path: string, progress: FileProgress): Promise<OpenFile | undefined> {
  const handle = await openIfThere(path);
  return handle === undefined
    ? undefined
    : Object.assign(await openFile(handle), resumed(progress));
}

/** A file that was written anew with the same beginning, and put in its place, goes on where the other was. */
async function isContinued(handle: FileHandle, progress: FileProgress): Promise<boolean> {
  const { size } = await handle.stat();
  return size >= progress.offset && (await hasSignature(handle, progress));
}

/** Where nothing of the beginning is remembered, what stands there is believed. */
function resumed({ offset, signature, signatureBytes }: FileProgress) {
  return { readOffset: offset, ...(signatureBytes > 0 ? { signature, signatureBytes } : {}) };
}

function progressOf(
  { identity, signature, signatureBytes }: OpenFile,
  offset: number,
): FileProgress {
  return { identity, offset, signature, signatureBytes };
}

/** Signs as many bytes of the beginning as a step has below `bytes`; not those of a file that was cut since it was signed last. */
async function extendSignature(file: OpenFile, bytes: number): Promise<void> {
  const wanted = SIGNATURE_STEPS.findLast((step) => step <= bytes) ?? bytes;
  if (wanted <= file.signatureBytes) return;
  const head = await readHead(file.handle, wanted);
  const isCut = head.length < wanted;
  const signed = head.subarray(0, file.signatureBytes);
  if (isCut || (signed.length > 0 && signatureOf(signed) !== file.signature)) return;
  file.signature = signatureOf(head);
  file.signatureBytes = wanted;
}

/** About a batch of what comes next. */
function readNew(file: OpenFile, before: LineSplitter): Promise<Reading> {
  const from = file.readOffset;
  return readOn(file.handle, before.fork(), from, (lines, offset) => {
    const isEnough = lines >= BATCH_LINES_MAX || (lines > 0 && offset - from >= BATCH_BYTES_MAX);
    return isEnough ? 0 : CHUNK_BYTES;
  });
}

/** Reads on until no byte is wanted or there. */
async function readOn(
  handle: FileHandle,
  splitter: LineSplitter,
  from: number,
  wantedBytes: (lines: number, offset: number) => number,
): Promise<Reading> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const lines: string[] = [];
  let readOffset = from;
  for (;;) {
    const wanted = Math.min(CHUNK_BYTES, wantedBytes(lines.length, readOffset));
    const { bytesRead } = await handle.read(chunk, 0, wanted, readOffset);
    if (bytesRead === 0) return { lines, splitter, readOffset };
    readOffset += bytesRead;
    splitter.push(chunk.subarray(0, bytesRead), lines);
  }
}
