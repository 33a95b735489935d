/**
 * The queue on disk between a sink's receiver and its senders: a WAL and a stored position per sender. What `push` resolved for survives any
 * crash; a sender that dies between sending and storing its position sends again. Damage of the disk costs the records it hit: the WAL names
 * it in the log and goes on behind it. When the queue is full, `push` waits: the back-pressure
 * reaches the source, which reads on later.
 */
import { FinchError } from "@finch/runtime";
import type { FileSystem, Logger } from "@finch/runtime";
import { openWal } from "@finch/store/wal";
import type { Wal, WalPosition } from "@finch/store/wal";
import { openPositions } from "./positions.ts";
import type { Positions } from "./positions.ts";
import { unlessAborted } from "./until-aborted.ts";

/** A segment is the unit of freeing space: larger ones free it late, smaller ones make many files. */
const SEGMENT_BYTES_MAX = 8 << 20;
/** Share of its size at which the queue counts as full, early enough that nobody has to wait when only one sender is behind. */
const FULL_SHARE = 0.9;
/** What may wait for an fsync; more would only be memory. */
const PENDING_BYTES_MAX = 32 << 20;

/** Free space that records must leave, and at most this share of a small disk: positions need some to be saved, and records that are sent go off the disk only then. */
const FREE_BYTES_MIN = 16 << 20;
const FREE_SHARE_MAX = 0.05;
/** On a disk with so many times the room that must stay, the next look comes after a second: a look costs as much as a write of a small record. */
const AMPLE_TIMES = 16;
const LOOK_AGAIN_MS = 1000;

export interface DurableQueueOptions {
  /** Holds `wal/` and the positions; made when it is not there. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
  /** Size on disk at which `push` waits for the senders. */
  readonly bytesMax: number;
  /** Names of the senders. What is sent by all of them is removed. */
  readonly senders: readonly string[];
}

/** Records a sender is to send, and where it stands afterwards. */
export interface QueueBatch {
  readonly records: readonly Uint8Array[];
  readonly next: WalPosition;
}

export interface DurableQueue extends AsyncDisposable {
  /** Resolves when the record is durable. Waits while the queue is full; rejects with `unavailable` when the disk is, or nearly. */
  push(record: Uint8Array, signal: AbortSignal): Promise<void>;
  /**
   * Waits until there is something to send, then up to `waitMs` for more, and gives up to `bytesMax` of it (one record at least). The same
   * records come again until {@link DurableQueue.commit}. Rejects with the signal's reason.
   */
  take(
    sender: string,
    options: { readonly bytesMax: number; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<QueueBatch>;
  /** Stores that the sender is done with everything before `next`. */
  commit(sender: string, next: WalPosition): Promise<void>;
  /**
   * Whether the queue is about full, so that `push` waits, only for this sender: another one has nearly everything. One that is dead for days
   * must not keep the others from what is new.
   */
  holdsOthersBack(sender: string): boolean;
  /** Bytes on disk. */
  bytes(): number;
}

/** Opens the queue with what the last run left in it. */
export async function openDurableQueue(options: DurableQueueOptions): Promise<DurableQueue> {
  const { directory, fileSystem, log } = options;
  await fileSystem.makeDirectory(directory);
  const wal = await openWal({
    directory: `${directory}/wal`,
    fileSystem,
    log,
    segmentBytesMax: Math.min(SEGMENT_BYTES_MAX, Math.max(64 << 10, options.bytesMax / 4)),
    pendingBytesMax: PENDING_BYTES_MAX,
  });
  const positions = await openPositions<WalPosition>({
    directory,
    fileSystem,
    log,
    isValue: isPosition,
  });
  for (const known of positions.keys())
    if (!options.senders.includes(known)) positions.delete(known);
  // Only several senders are compared with the end.
  const newest = options.senders.length > 1 ? await wal.rotate() : undefined;
  return new WalQueue(options, wal, positions, newest);
}

function isPosition(value: unknown): value is WalPosition {
  const position = value as Partial<WalPosition> | null;
  return (
    typeof position === "object" &&
    position !== null &&
    typeof position.segment === "number" &&
    typeof position.offset === "number"
  );
}

/** Somebody waits for pushes and commits that make `isDue` true. */
interface Waiting {
  readonly isDue: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

class WalQueue implements DurableQueue {
  readonly #options: DurableQueueOptions;
  readonly #wal: Wal;
  readonly #positions: Positions<WalPosition>;
  #end: WalPosition | undefined;
  /** The newest segment at the start; undefined with one sender. */
  readonly #newestAtStart: number | undefined;
  readonly #waiting = new Set<Waiting>();
  #closed: FinchError | undefined;
  /** Resolves when the push before has entered the log or given up: what is pushed at once keeps its order. Undefined when none is under way. */
  #turn: Promise<void> | undefined;
  /** Until then, on the monotonic clock, the disk has ample room. */
  #ampleUntilMs = 0;

  constructor(
    options: DurableQueueOptions,
    wal: Wal,
    positions: Positions<WalPosition>,
    newestAtStart: number | undefined,
  ) {
    this.#options = options;
    this.#newestAtStart = newestAtStart;
    this.#wal = wal;
    this.#positions = positions;
  }

  bytes(): number {
    return this.#wal.statistics().bytes;
  }

  holdsOthersBack(sender: string): boolean {
    const { bytesMax, senders } = this.#options;
    const end = this.#end?.segment ?? this.#newestAtStart;
    if (senders.length < 2 || end === undefined || this.bytes() < bytesMax * FULL_SHARE)
      return false;
    const isNear = (name: string) => (this.#positions.get(name)?.segment ?? 0) >= end - 1;
    return !isNear(sender) && senders.some(isNear);
  }

  async push(record: Uint8Array, signal: AbortSignal): Promise<void> {
    const before = this.#turn;
    const own = Promise.withResolvers<void>();
    this.#turn = own.promise;
    const hasRoom = () =>
      this.bytes() + record.length <= this.#options.bytesMax || !this.#hasUnsent();
    let appended: Promise<WalPosition>;
    try {
      signal.throwIfAborted();
      if (before !== undefined) await unlessAborted(before, signal);
      if (!hasRoom()) await this.#until(hasRoom, signal);
      await this.#leaveRoom(record.length);
      appended = this.#wal.append(record);
    } finally {
      void Promise.resolve(before).then(() => this.#endTurn(own));
    }
    this.#end = await appended;
    this.#announce();
  }

  #endTurn(own: PromiseWithResolvers<void>): void {
    if (this.#turn === own.promise) this.#turn = undefined;
    own.resolve();
  }

  async take(
    sender: string,
    options: { readonly bytesMax: number; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<QueueBatch> {
    const { bytesMax, waitMs, signal } = options;
    for (;;) {
      let batch = await this.#read(sender, bytesMax);
      const unread = () => this.#unreadBytes(batch.next);
      if (batch.bytes === 0 && unread() === 0) await this.#until(() => unread() > 0, signal);
      const deadline = AbortSignal.timeout(waitMs);
      const either = AbortSignal.any([signal, deadline]);
      // What a look has left cannot be read; another one pays when enough has come since.
      let left = batch.bytes === 0 ? 0 : unread();
      const isEnough = () => batch.bytes + unread() - left >= bytesMax;
      while (!batch.isFull && !deadline.aborted) {
        if (!isEnough()) await this.#until(isEnough, either).catch(() => signal.throwIfAborted());
        batch = await this.#read(sender, bytesMax);
        left = unread();
      }
      if (batch.bytes > 0) return batch;
    }
  }

  async commit(sender: string, next: WalPosition): Promise<void> {
    this.#positions.set(sender, next);
    try {
      await this.#positions.save();
    } catch {
      // What all senders are done with makes room, on a disk that others have filled. Who has the old position then goes on at the first record there is.
      await this.#cut();
      await this.#positions.save();
    }
    await this.#cut();
    this.#announce();
  }

  #cut(): Promise<void> {
    const done = this.#options.senders.map((name) => this.#positions.get(name)?.segment ?? 0);
    return this.#wal.cut(Math.min(...done));
  }

  async #leaveRoom(bytes: number): Promise<void> {
    if (performance.now() < this.#ampleUntilMs) return;
    const { directory, fileSystem } = this.#options;
    const { totalBytes, freeBytes } = await fileSystem.space(directory);
    const wantedBytes = Math.min(FREE_BYTES_MIN, totalBytes * FREE_SHARE_MAX);
    if (freeBytes - bytes >= AMPLE_TIMES * wantedBytes)
      this.#ampleUntilMs = performance.now() + LOOK_AGAIN_MS;
    if (freeBytes - bytes >= wantedBytes) return;
    throw new FinchError(
      "unavailable",
      "agent/queue-disk-low",
      `${directory} has ${freeBytes} bytes free, and ${Math.ceil(wantedBytes)} must stay free for positions: free some space`,
      { fields: { directory, freeBytes, wantedBytes } },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new FinchError("canceled", "agent/queue-closed", "the queue is closed");
    this.#closed = closed;
    for (const { reject } of this.#waiting) reject(closed);
    await this.#positions.save();
    await this.#wal[Symbol.asyncDispose]();
  }

  /** Something is not sent yet by somebody; only then waiting for room can end. */
  #hasUnsent(): boolean {
    const end = this.#end;
    if (end === undefined) return this.bytes() > 0;
    return this.#options.senders.some((sender) => {
      const at = this.#positions.get(sender);
      return (
        at === undefined ||
        at.segment < end.segment ||
        (at.segment === end.segment && at.offset < end.offset)
      );
    });
  }

  /** A guess from positions, exact within one segment: good enough to decide whether reading again pays. */
  #unreadBytes(from: WalPosition): number {
    const end = this.#end;
    if (end === undefined) return 0;
    return end.segment === from.segment ? end.offset - from.offset : SEGMENT_BYTES_MAX;
  }

  /** `isFull`: no more fits, whatever comes. */
  async #read(
    sender: string,
    bytesMax: number,
  ): Promise<QueueBatch & { readonly bytes: number; readonly isFull: boolean }> {
    const records: Uint8Array[] = [];
    let bytes = 0;
    let isFull = false;
    let next = this.#positions.get(sender) ?? { segment: 0, offset: 0 };
    for await (const record of this.#wal.read(this.#positions.get(sender))) {
      isFull = bytes > 0 && bytes + record.payload.length > bytesMax;
      if (isFull) break;
      records.push(record.payload);
      bytes += record.payload.length;
      next = record.next;
    }
    return { records, next, bytes, isFull: isFull || bytes >= bytesMax };
  }

  #announce(): void {
    for (const { isDue, resolve } of this.#waiting) if (isDue()) resolve();
  }

  /** Resolves after the change that makes `isDue` true; rejects when the queue is closed, or with the signal's reason. */
  async #until(isDue: () => boolean, signal: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const due = Promise.withResolvers<void>();
    const waiting = { isDue, resolve: due.resolve, reject: due.reject };
    this.#waiting.add(waiting);
    try {
      await unlessAborted(due.promise, signal);
    } finally {
      this.#waiting.delete(waiting);
    }
  }
}
