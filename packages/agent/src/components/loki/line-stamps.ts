/**
 * Times for lines that have none of their own. The piece of a file that lines were read from is written down with its time before they are handed on: lines
 * that a crash makes the next run read again get the times they had, and a store that keeps an entry once keeps them once. A piece is recognised by its offset
 * and its lines, and not by its file: what was read at a path may by then stand in a copy, and something else at the path.
 */
import { crc32 } from "node:zlib";
import { describeError } from "@finch/runtime";
import type { FileHandle, FileSystem, Logger } from "@finch/runtime";
import { isProgress } from "./rotated-file.ts";
import type { FileProgress } from "./rotated-file.ts";

const FILE = "line-stamps.jsonl";
/** More pieces than so many that no saved position covers are not remembered: without it they would grow while positions cannot be saved. */
const PIECES_MAX = 20_000;

/** Pause before what could not be stored is tried again. */
const RETRY_MS = 1000;

/** Lines that stand in a row in a file. */
export interface LinePiece {
  /** Where they begin. */
  readonly begin: FileProgress;
  /** Offset of the byte behind them. */
  readonly to: number;
  readonly lines: readonly string[];
}

/** What an earlier run read, and did not live to save a position behind. */
export interface KnownPiece {
  readonly to: number;
  /** Whether these are its lines. */
  readonly holds: (lines: readonly string[]) => boolean;
}

/** Times for the lines of a piece: `firstNs`, `firstNs + 1` … in their order. */
export interface LineTimes {
  readonly firstNs: bigint;
  /** To be called when all of them are taken downstream, and the position behind them is what is saved next. */
  readonly taken: () => void;
}

/** A piece with its times, and what its lines are recognised by wherever a file was moved or copied to. */
interface StampedPiece {
  readonly key: string;
  readonly begin: FileProgress;
  readonly to: number;
  readonly count: number;
  readonly checksum: number;
  readonly ns: bigint;
  state: "known" | "read" | "taken";
}

export interface LineStampOptions {
  /** Is there. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
  readonly nowNs: () => bigint;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class LineStamps implements AsyncDisposable {
  readonly #options: LineStampOptions;
  /** By key, in the order they were begun; of all keys `#count`. */
  readonly #pieces = new Map<string, StampedPiece[]>();
  #count = 0;
  #lastNs = 0n;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #queued = "";
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  private constructor(options: LineStampOptions) {
    this.#options = options;
  }

  /** Takes over what the run before left. */
  static async open(options: LineStampOptions): Promise<LineStamps> {
    const { directory, fileSystem } = options;
    const stamps = new LineStamps(options);
    if ((await fileSystem.list(directory)).includes(FILE))
      for (const piece of parsePieces(await fileSystem.readFile(`${directory}/${FILE}`)))
        stamps.#add(piece);
    await stamps.#write(() => stamps.#replace());
    return stamps;
  }

  /** What an earlier run read from this offset on, of one file or of others that stood at its path after it. */
  knownAt(key: string, from: number): readonly KnownPiece[] {
    return this.#known(key)
      .filter(({ begin }) => begin.offset === from)
      .map((piece) => ({ to: piece.to, holds: (lines) => isOf(piece, lines) }));
  }

  /** Where an earlier run was reading for this key when it ended: the first piece that no saved position covers. */
  oldest(key: string): FileProgress | undefined {
    return this.#known(key)[0]?.begin;
  }

  /** All is read that there is: what an earlier run read and this one has not found does not come any more. */
  caughtUp(key: string): void {
    if (this.#pieces.has(key)) this.#drop(key, ({ state }) => state === "known");
  }

  /**
   * To be called before the lines are handed on: it resolves when their times are stored, for a disk that is full too, on which the queues behind wait as well.
   * Rejects only when `signal` aborts.
   */
  async begin(key: string, piece: LinePiece, signal: AbortSignal): Promise<LineTimes> {
    const { begin, to, lines } = piece;
    const known = this.#known(key).find(
      (one) => one.begin.offset === begin.offset && one.to === to && isOf(one, lines),
    );
    if (known !== undefined) {
      known.state = "read";
      return timesOf(known);
    }
    const stamped: StampedPiece = {
      key,
      begin,
      to,
      count: lines.length,
      checksum: checksumOf(lines),
      ns: this.#next(lines.length),
      state: "read",
    };
    if (this.#count >= PIECES_MAX) this.#dropOldest();
    this.#add(stamped);
    this.#queued += formatPiece(stamped);
    while (!(await this.#write(() => this.#append()))) await this.#options.sleep(RETRY_MS, signal);
    return timesOf(stamped);
  }

  /** The time of the first of so many lines. No two lines get the same. */
  #next(lines: number): bigint {
    const now = this.#options.nowNs();
    const first = now > this.#lastNs ? now : this.#lastNs + 1n;
    this.#lastNs = first + BigInt(Math.max(0, lines - 1));
    return first;
  }

  /** Saves positions with `save`; pieces that were taken before need not be known afterwards. */
  async forgetAfter(save: () => Promise<void>): Promise<void> {
    const done = new Set(
      [...this.#pieces.values()].flat().filter(({ state }) => state === "taken"),
    );
    await save();
    if (done.size === 0) return;
    for (const key of this.#pieces.keys()) this.#drop(key, (piece) => done.has(piece));
    await this.#write(() => this.#replace());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  #known(key: string): readonly StampedPiece[] {
    return this.#pieces.get(key)?.filter(({ state }) => state === "known") ?? [];
  }

  #add(piece: StampedPiece): void {
    const pieces = this.#pieces.get(piece.key);
    if (pieces === undefined) this.#pieces.set(piece.key, [piece]);
    else pieces.push(piece);
    this.#count++;
  }

  #drop(key: string, isGone: (piece: StampedPiece) => boolean): void {
    const pieces = this.#pieces.get(key) ?? [];
    const left = pieces.filter((piece) => !isGone(piece));
    this.#count -= pieces.length - left.length;
    if (left.length > 0) this.#pieces.set(key, left);
    else this.#pieces.delete(key);
  }

  /** Of the key that has had one for longest. */
  #dropOldest(): void {
    const [key, pieces] = this.#pieces.entries().next().value!;
    this.#drop(key, (piece) => piece === pieces[0]);
  }

  /** One write at a time; whether it succeeded. */
  async #write(work: () => Promise<void>): Promise<boolean> {
    while (this.#writing !== undefined) await this.#writing;
    let isDone = false;
    this.#writing = work()
      .then(() => {
        isDone = true;
        this.#hasFailed = false;
      })
      .catch((error: unknown) => {
        if (!this.#hasFailed)
          this.#options.log.warn(
            "times of lines cannot be stored; lines that are new wait until they can",
            { error: describeError(error) },
          );
        this.#hasFailed = true;
      })
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
    return isDone;
  }

  /** Not synced: what is written is the system's when the process is killed. A power cut may take it. */
  async #append(): Promise<void> {
    if (this.#file === undefined) return this.#replace();
    const queued = this.#takeQueued();
    const bytes = encoder.encode(queued.text);
    try {
      await this.#file.write(bytes, this.#fileBytes);
    } catch (error) {
      queued.giveBack();
      throw error;
    }
    this.#fileBytes += bytes.length;
  }

  /** What waits to be written; it goes back where that fails. */
  #takeQueued() {
    const text = this.#queued;
    this.#queued = "";
    return { text, giveBack: () => void (this.#queued = text + this.#queued) };
  }

  async #replace(): Promise<void> {
    const { directory, fileSystem } = this.#options;
    const bytes = encoder.encode([...this.#pieces.values()].flat().map(formatPiece).join(""));
    // It is among the pieces.
    const queued = this.#takeQueued();
    const temporary = `${directory}/${FILE}.tmp`;
    let file: FileHandle | undefined;
    try {
      await fileSystem.remove(temporary);
      file = await fileSystem.open(temporary, "create");
      await file.write(bytes, 0);
      await fileSystem.rename(temporary, `${directory}/${FILE}`);
    } catch (error) {
      queued.giveBack();
      await file?.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
    this.#fileBytes = bytes.length;
  }
}

const encoder = new TextEncoder();

function timesOf(piece: StampedPiece): LineTimes {
  return { firstNs: piece.ns, taken: () => void (piece.state = "taken") };
}

function isOf({ count, checksum }: StampedPiece, lines: readonly string[]): boolean {
  return lines.length === count && checksumOf(lines) === checksum;
}

/** Of the first line and the last: files are written at their end only, so what lies between is the same when these are. */
function checksumOf(lines: readonly string[]): number {
  return crc32(lines.at(-1) ?? "", crc32(lines[0] ?? ""));
}

function formatPiece({ key, begin, to, count, checksum, ns }: StampedPiece): string {
  return `${JSON.stringify([key, begin, to, count, checksum, String(ns)])}\n`;
}

/** Up to the first line that is not one of a piece: the process was killed while it was written. */
function parsePieces(bytes: Uint8Array): StampedPiece[] {
  const pieces: StampedPiece[] = [];
  for (const text of new TextDecoder().decode(bytes).split("\n")) {
    const piece = parsePiece(text);
    if (piece === undefined) break;
    pieces.push(piece);
  }
  return pieces;
}

function parsePiece(text: string): StampedPiece | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [key, begin, to, count, checksum, ns] = fields as unknown[];
  if (typeof key !== "string" || !isProgress(begin)) return undefined;
  if (![to, count, checksum].every((number) => Number.isSafeInteger(number))) return undefined;
  if (typeof ns !== "string" || !/^[0-9]{1,20}$/.test(ns)) return undefined;
  return {
    key,
    begin,
    to: to as number,
    count: count as number,
    checksum: checksum as number,
    ns: BigInt(ns),
    state: "known",
  };
}
