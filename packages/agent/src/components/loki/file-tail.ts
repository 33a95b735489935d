/**
 * Follows one growing file by inode and offset, through rotation by rename, copy-truncate, atomic replacement and restarts. It never delivers
 * half a line unless the file is gone, and says with every batch how far the file is read once the batch is taken.
 */
import { createHash } from "node:crypto";
import { open, readdir, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LineSplitter } from "./line-splitter.ts";

/** Lines of a batch: without it a large backlog would be read into memory at once. */
const BATCH_LINES_MAX = 2000;
const CHUNK_BYTES = 64 * 1024;
/** A file is told apart by its first bytes, as many as there are up to the last step. */
const SIGNATURE_STEPS = [64, 128, 256, 512, 1024];

/** What is remembered of a file between runs. */
export interface FileProgress {
  /** Device and inode. */
  readonly identity: string;
  /** Bytes whose lines were taken. */
  readonly offset: number;
  /** Hash of the first `signatureBytes` bytes; empty while the file is shorter than the first step. */
  readonly signature: string;
  readonly signatureBytes: number;
}

export interface LineBatch {
  readonly lines: readonly string[];
  /** Bytes of the file the lines took. */
  readonly bytes: number;
  /** To be stored once the lines are taken downstream; undefined when the file they came from is finished and gone. */
  readonly progress: FileProgress | undefined;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: string;
  readOffset: number;
  signature: string;
  signatureBytes: number;
}

/** Follows `path`; call {@link FileTail.next} when there may be news, one call at a time. */
export class FileTail implements AsyncDisposable {
  readonly path: string;
  readonly #encoding: string;
  readonly #tailFromEnd: boolean;
  #splitter: LineSplitter;
  #file: OpenFile | undefined;
  #progress: FileProgress | undefined;
  #opened = false;

  /** `progress` is what an earlier run stored. Without it reading starts at the beginning, or with `tailFromEnd` at the present end. */
  constructor(
    path: string,
    options: {
      readonly encoding: string;
      readonly tailFromEnd: boolean;
      readonly progress: FileProgress | undefined;
    },
  ) {
    this.path = path;
    this.#encoding = options.encoding;
    this.#tailFromEnd = options.tailFromEnd;
    this.#progress = options.progress;
    this.#splitter = new LineSplitter(options.encoding);
  }

  /** The next complete lines, or undefined when there are none now (also while the file does not exist). */
  async next(): Promise<LineBatch | undefined> {
    this.#file ??= await this.#open();
    const file = this.#file;
    if (file === undefined) return undefined;
    const now = await statOf(this.path);
    const same = now !== undefined && now.identity === file.identity;
    if (same && now.size === file.readOffset) return undefined;
    const lines: string[] = [];
    const before = file.readOffset - this.#splitter.pendingBytes;
    const atEnd = await this.#readLines(file, lines);
    if (lines.length > 0) return this.#batch(file, lines, before);
    return atEnd ? this.#settleEnd(file) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #open(): Promise<OpenFile | undefined> {
    const previous = this.#progress;
    if (previous !== undefined && !this.#opened) {
      const rotated = await findByIdentity(this.path, previous.identity);
      if (rotated !== undefined && rotated !== this.path) {
        const file = await openFile(rotated);
        if (file !== undefined && (await hasSignature(file.handle, previous))) {
          this.#opened = true;
          return Object.assign(file, {
            readOffset: previous.offset,
            signature: previous.signature,
            signatureBytes: previous.signatureBytes,
          });
        }
        await file?.handle.close();
      }
    }
    const file = await openFile(this.path);
    if (file === undefined) return undefined;
    const first = !this.#opened;
    this.#opened = true;
    file.readOffset = await startOffset(file.handle, previous, first && this.#tailFromEnd);
    return file;
  }

  async #readLines(file: OpenFile, lines: string[]): Promise<boolean> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    while (lines.length < BATCH_LINES_MAX) {
      const { bytesRead } = await file.handle.read(chunk, 0, CHUNK_BYTES, file.readOffset);
      if (bytesRead === 0) return true;
      file.readOffset += bytesRead;
      this.#splitter.push(chunk.subarray(0, bytesRead), lines);
    }
    return false;
  }

  async #batch(file: OpenFile, lines: readonly string[], before: number): Promise<LineBatch> {
    const offset = file.readOffset - this.#splitter.pendingBytes;
    await extendSignature(file);
    this.#progress = {
      identity: file.identity,
      offset,
      signature: file.signature,
      signatureBytes: file.signatureBytes,
    };
    return { lines, bytes: offset - before, progress: this.#progress };
  }

  /** At the end of what is open: is it still the file of that path, and as long as it was? */
  async #settleEnd(file: OpenFile): Promise<LineBatch | undefined> {
    const now = await statOf(this.path);
    if (now !== undefined && now.identity === file.identity) {
      if (now.size >= file.readOffset) return undefined;
      const cut = this.#finish();
      file.readOffset = 0;
      file.signature = "";
      file.signatureBytes = 0;
      this.#progress = { identity: file.identity, offset: 0, signature: "", signatureBytes: 0 };
      return cut;
    }
    // Rotated or removed: what was written between the last read and the rename is still in the open file.
    const lines: string[] = [];
    const before = file.readOffset - this.#splitter.pendingBytes;
    const atEnd = await this.#readLines(file, lines);
    if (!atEnd || lines.length > 0) return this.#batch(file, lines, before);
    const last = this.#finish();
    await file.handle.close();
    this.#file = undefined;
    if (now === undefined) this.#progress = undefined;
    return last;
  }

  #finish(): LineBatch | undefined {
    const bytes = this.#splitter.pendingBytes;
    const line = this.#splitter.flush();
    this.#splitter = new LineSplitter(this.#encoding);
    return line === undefined ? undefined : { lines: [line], bytes, progress: undefined };
  }
}

/** Where to begin in a newly opened file, given what is remembered of the file that stood at the path before. */
async function startOffset(
  handle: FileHandle,
  previous: FileProgress | undefined,
  fromEnd: boolean,
): Promise<number> {
  const { size } = await handle.stat();
  if (previous === undefined) return fromEnd ? size : 0;
  return size >= previous.offset && (await hasSignature(handle, previous)) ? previous.offset : 0;
}

async function openFile(path: string): Promise<OpenFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { dev, ino } = await handle.stat();
  return { handle, identity: `${dev}:${ino}`, readOffset: 0, signature: "", signatureBytes: 0 };
}

async function statOf(path: string): Promise<{ identity: string; size: number } | undefined> {
  try {
    const { dev, ino, size } = await stat(path);
    return { identity: `${dev}:${ino}`, size };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The path of a file that was renamed within its directory (`app.log` → `app.log.1`), or the path itself. */
async function findByIdentity(path: string, identity: string): Promise<string | undefined> {
  if ((await statOf(path))?.identity === identity) return path;
  const stem = basename(path).replace(/\.[^.]*$/, "");
  let names: readonly string[];
  try {
    names = await readdir(dirname(path));
  } catch {
    return undefined;
  }
  for (const name of names) {
    if (!name.startsWith(stem) || /\.(gz|xz|zst|bz2|z)$/i.test(name)) continue;
    const candidate = join(dirname(path), name);
    if ((await statOf(candidate))?.identity === identity) return candidate;
  }
  return undefined;
}

async function signatureOf(handle: FileHandle, bytes: number): Promise<string> {
  const head = Buffer.alloc(bytes);
  const { bytesRead } = await handle.read(head, 0, bytes, 0);
  return createHash("sha256").update(head.subarray(0, bytesRead)).digest("base64url");
}

async function hasSignature(handle: FileHandle, progress: FileProgress): Promise<boolean> {
  if (progress.signatureBytes === 0) {
    const { dev, ino } = await handle.stat();
    return `${dev}:${ino}` === progress.identity;
  }
  return (await signatureOf(handle, progress.signatureBytes)) === progress.signature;
}

async function extendSignature(file: OpenFile): Promise<void> {
  const step = SIGNATURE_STEPS.findLast((bytes) => bytes <= file.readOffset);
  if (step === undefined || step <= file.signatureBytes) return;
  file.signature = await signatureOf(file.handle, step);
  file.signatureBytes = step;
}
