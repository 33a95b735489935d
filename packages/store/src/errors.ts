/** The faults the store throws. Every message names the file or the limit, and what to do about it. */
import { basename, dirname } from "node:path";
import { FinchError } from "@finch/runtime";
import { blockOf } from "./file-names.ts";

/** Seconds after which a sender should try again when the disk refuses. */
const DISK_RETRY_SECONDS = 10;
const QUEUE_RETRY_SECONDS = 1;

/** Bytes on disk that do not check out, where a torn write cannot explain them. */
export function corruptFile(path: string, offset: number, what: string): FinchError {
  const directory = dirname(path);
  // A block is whole or not there: without one of its files it would be refused again.
  const unit = blockOf(basename(directory)) === undefined ? path : directory;
  return new FinchError(
    "corrupt",
    "store/corrupt-file",
    `${path} is damaged at byte ${offset}: ${what}. Restore it from a backup, or move ${unit} elsewhere to go on without it`,
    { fields: { path, offset } },
  );
}

/** A file written by a newer Finch. */
export function newerFormat(path: string, found: number, known: number): FinchError {
  return new FinchError(
    "unsupported",
    "store/newer-format",
    `${path} has format version ${found}, this Finch reads up to ${known}: start the newer Finch that wrote it`,
    { fields: { path, found, known } },
  );
}

/** A file of a version that this Finch does not read; an older one was written before the format was settled. */
export function otherFormat(path: string, found: number, known: number): FinchError {
  if (found > known) return newerFormat(path, found, known);
  return new FinchError(
    "unsupported",
    "store/older-format",
    `${path} has format version ${found}, this Finch reads version ${known}: start with another data directory, or the Finch that wrote it`,
    { fields: { path, found, known } },
  );
}

/** The disk refused a write or an fsync; nothing of it was acknowledged. */
export function diskFailed(path: string, cause: unknown): FinchError {
  const code = (cause as { code?: string }).code ?? "";
  const why =
    code === "ENOSPC" || code === "EDQUOT"
      ? "the disk is full; free some space"
      : "the disk refused a write; check its health";
  return new FinchError("unavailable", "store/disk-failed", `cannot write ${path}: ${why}`, {
    cause,
    retryAfterSeconds: DISK_RETRY_SECONDS,
    fields: { path, code },
  });
}

/** Free space is below `freeBytesMin`. */
export function diskLow(directory: string, freeBytes: number, wantedBytes: number): FinchError {
  return new FinchError(
    "unavailable",
    "store/disk-low",
    `${directory} has ${freeBytes} bytes free, writes need ${wantedBytes} to stay: free some space or shorten the retention`,
    { retryAfterSeconds: DISK_RETRY_SECONDS, fields: { directory, freeBytes, wantedBytes } },
  );
}

export function queueFull(limit: string, max: number): FinchError {
  return new FinchError(
    "limited",
    "store/queue-full",
    `${limit} is at its limit of ${max} bytes: send less or try again`,
    {
      retryAfterSeconds: QUEUE_RETRY_SECONDS,
      fields: { limit, max },
    },
  );
}

export function recordTooLarge(bytes: number, max: number): FinchError {
  return new FinchError(
    "too-large",
    "store/record-too-large",
    `a write of ${bytes} bytes is over the limit of ${max}: send smaller requests`,
  );
}

export function storeClosed(what: string): FinchError {
  return new FinchError("unavailable", "store/closed", `${what} is closed`);
}

export function directoryLocked(directory: string, holder: string): FinchError {
  return new FinchError(
    "conflict",
    "store/directory-locked",
    `${directory} is in use by ${holder}: stop that process first, or choose another data directory`,
    { fields: { directory } },
  );
}

/** Deletes of lines are kept or wanted, and the store was opened without what reads their queries. */
export function noSelections(path: string): FinchError {
  return new FinchError(
    "unsupported",
    "store/no-selections",
    `${path}: lines are deleted by queries, and this store was opened without what reads them`,
    { fields: { path } },
  );
}

/** The query of a delete that was taken once and cannot be read now. */
export function badSelection(path: string, query: string, cause: unknown): FinchError {
  return new FinchError(
    "unsupported",
    "store/bad-selection",
    `${path} has a delete whose query this Finch cannot read: ${JSON.stringify(query)}. Start the Finch that wrote it, or move the file elsewhere and see what it deletes again`,
    { cause, fields: { path, query } },
  );
}

export function noSuchDelete(): FinchError {
  return new FinchError(
    "not-found",
    "store/no-such-delete",
    "could not find delete request with given id",
  );
}

/** What is off the disk cannot be had back. */
export function deleteBegun(message: string): FinchError {
  return new FinchError("invalid", "store/delete-begun", message);
}
