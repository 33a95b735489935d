/**
 * Telling files apart across rotation: by device and inode, by a hash of their beginning, and by the names that rotation gives
 * (`app.log` → `app.log.1`, `app.log-20240229`, `app-20240229.log`).
 */
import { createHash } from "node:crypto";
import { open, readdir, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";

/** What is remembered of a file between runs. */
export interface FileProgress {
  /** Device and inode. */
  readonly identity: string;
  /** Bytes whose lines were taken. */
  readonly offset: number;
  /** Hash of the first `signatureBytes` bytes. */
  readonly signature: string;
  readonly signatureBytes: number;
  /** The file that stood at the path before, to which something may come still. */
  readonly late?: FileProgress;
}

/** Whether this, of a file of ours, is what is remembered of a file. */
export function isProgress(value: unknown): value is FileProgress {
  const progress = value as Partial<FileProgress> | null;
  return (
    typeof progress === "object" &&
    progress !== null &&
    Number.isSafeInteger(progress.offset) &&
    typeof progress.identity === "string" &&
    typeof progress.signature === "string" &&
    Number.isSafeInteger(progress.signatureBytes) &&
    (progress.late === undefined || isProgress(progress.late))
  );
}

/** A file that was rotated away and read to its end. */
export interface FinishedFile {
  readonly progress: FileProgress;
  /** Time of its last write. */
  readonly modifiedMs: number;
}

export interface FileStatus {
  readonly identity: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** What is known of a file at a path; undefined when there is none. */
export async function statOf(path: string): Promise<FileStatus | undefined> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(path);
    return { identity: `${dev}:${ino}`, size, modifiedMs: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Opens a file to read; undefined when there is none. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The first `bytes` bytes of a file, or all it has. */
export async function readHead(handle: FileHandle, bytes: number): Promise<Buffer> {
  const head = Buffer.alloc(bytes);
  const { bytesRead } = await handle.read(head, 0, bytes, 0);
  return head.subarray(0, bytesRead);
}

export function signatureOf(head: Buffer): string {
  return createHash("sha256").update(head).digest("base64url");
}

/** Whether the file begins like the one remembered, or is it by its inode when nothing of its beginning is remembered. */
export async function hasSignature(handle: FileHandle, progress: FileProgress): Promise<boolean> {
  if (progress.signatureBytes === 0) {
    const { dev, ino } = await handle.stat();
    return `${dev}:${ino}` === progress.identity;
  }
  return signatureOf(await readHead(handle, progress.signatureBytes)) === progress.signature;
}

/** The path of the remembered file if it was renamed within its directory. */
export async function findRenamed(
  path: string,
  progress: FileProgress,
): Promise<string | undefined> {
  if ((await statOf(path))?.identity === progress.identity) return undefined;
  const stem = basename(path).replace(/\.[^.]*$/, "");
  return firstOf(await siblings(path, (name) => name.startsWith(stem)), async (other, status) => {
    return status.identity === progress.identity && (await beginsLike(other, progress));
  });
}

/** The copy that copy-truncate made of the remembered file before it cut it: same beginning, another inode, and at least as long. */
export async function findCopy(path: string, progress: FileProgress): Promise<string | undefined> {
  if (progress.signatureBytes === 0) return undefined;
  return firstOf(await rotatedSiblings(path), async (other, status) => {
    return (
      status.identity !== progress.identity &&
      status.size >= progress.offset &&
      (await beginsLike(other, progress))
    );
  });
}

/**
 * The file that was rotated away next after `finished`, which was last written at `modifiedMs`: a second rotation came before the first was noticed. `current` is the
 * identity of the file that stood at the path before this was called, which is no such file even if it is rotated away by now.
 */
export async function findMissed(
  path: string,
  { progress: finished, modifiedMs }: FinishedFile,
  current: string | undefined,
): Promise<string | undefined> {
  const later: { readonly other: string; readonly modifiedMs: number }[] = [];
  for (const other of await rotatedSiblings(path)) {
    const status = await statOf(other);
    if (status === undefined || status.size === 0 || status.modifiedMs <= modifiedMs) continue;
    if (status.identity === current || status.identity === finished.identity) continue;
    // A copy of what was read just now is not news.
    if (finished.signatureBytes > 0 && (await beginsLike(other, finished))) continue;
    later.push({ other, modifiedMs: status.modifiedMs });
  }
  return later.toSorted((a, b) => a.modifiedMs - b.modifiedMs)[0]?.other;
}

async function beginsLike(path: string, progress: FileProgress): Promise<boolean> {
  const handle = await openIfThere(path);
  if (handle === undefined) return false;
  try {
    return await hasSignature(handle, progress);
  } finally {
    await handle.close();
  }
}

/** Files that are named as rotation names what stood at `path`; of others with a similar name nothing is known. */
function rotatedSiblings(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const extension = extname(name);
  const stem = name.slice(0, name.length - extension.length);
  const isStamp = (text: string) => /^[-._]\d[-._:T\d]*$/.test(text);
  return siblings(path, (other) => {
    if (other.startsWith(name) && isStamp(other.slice(name.length))) return true;
    if (extension === "" || !other.startsWith(stem) || !other.endsWith(extension)) return false;
    return isStamp(other.slice(stem.length, other.length - extension.length));
  });
}

/** Other uncompressed files of the directory. */
async function siblings(
  path: string,
  isWanted: (name: string) => boolean,
): Promise<readonly string[]> {
  let names: readonly string[];
  try {
    names = await readdir(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .filter(
      (name) => name !== basename(path) && isWanted(name) && !/\.(gz|xz|zst|bz2|z)$/i.test(name),
    )
    .map((name) => join(dirname(path), name));
}

async function firstOf(
  paths: readonly string[],
  isIt: (path: string, status: FileStatus) => Promise<boolean>,
): Promise<string | undefined> {
  for (const path of paths) {
    const status = await statOf(path);
    if (status !== undefined && (await isIt(path, status))) return path;
  }
  return undefined;
}
