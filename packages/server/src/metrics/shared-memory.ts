/**
 * What queries hold together, counted across threads: a slot for each worker in memory that all of them see. When a worker is lost, the main
 * thread clears its slot. Two words a slot: kibibytes held, queries.
 */
import { assert } from "@finch/runtime";
import type { SharedMemory } from "@finch/promql";

const SLOT_WORDS = 2;

/** Workers that can be counted. */
export const SLOTS_MAX = 64;

export class MemorySlots {
  readonly buffer = new SharedArrayBuffer(4 * SLOT_WORDS * SLOTS_MAX);
  readonly #words = new Int32Array(this.buffer);
  readonly #isTaken = new Uint8Array(SLOTS_MAX);

  /** Bytes held by all queries now. */
  get bytesHeld(): number {
    return bytesOf(this.#words);
  }

  /** A slot for a worker, which is its own until {@link free}. */
  take(): number {
    const slot = this.#isTaken.indexOf(0);
    assert(slot >= 0, "there are fewer workers than slots");
    this.#isTaken[slot] = 1;
    return slot;
  }

  /** The worker has ended, and with it whatever it held. */
  free(slot: number): void {
    Atomics.store(this.#words, SLOT_WORDS * slot, 0);
    Atomics.store(this.#words, SLOT_WORDS * slot + 1, 0);
    this.#isTaken[slot] = 0;
  }
}

/** The account of the queries of one worker, which knows of all others. */
export function openSlot(buffer: SharedArrayBuffer, slot: number): SharedMemory {
  const words = new Int32Array(buffer);
  let bytesHeld = 0;
  return {
    bytesHeld: () => bytesOf(words),
    queries: () => {
      let queries = 0;
      for (let at = 1; at < words.length; at += SLOT_WORDS) queries += Atomics.load(words, at);
      return queries;
    },
    add: (bytes, queries) => {
      bytesHeld += bytes;
      Atomics.store(words, SLOT_WORDS * slot, Math.ceil(bytesHeld / 1024));
      Atomics.add(words, SLOT_WORDS * slot + 1, queries);
    },
  };
}

function bytesOf(words: Int32Array): number {
  let kibibytes = 0;
  for (let at = 0; at < words.length; at += SLOT_WORDS) kibibytes += Atomics.load(words, at);
  return kibibytes * 1024;
}
