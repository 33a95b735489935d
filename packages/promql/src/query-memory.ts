/**
 * What a query holds in memory while it runs, in samples and in bytes, against its limits and against what all queries may hold together.
 * Samples read stay to the end of the query. Columns that an expression makes are given back when the expression around it has its own
 * value: evaluation goes down and up the tree one node at a time, so a stack of frames knows who made what.
 */
import { FinchError } from "@finch/runtime";
import { ERROR_CODES } from "./errors.ts";
import type { EngineLimits } from "./limits.ts";

/** A value and a presence byte. */
const STEP_BYTES = 9;
/** A time and a value. */
const SAMPLE_BYTES = 16;
/** A series besides its columns: label set, objects. */
const SERIES_BYTES = 256;
/** Shared accounts are told of changes of this size: they may be contended. */
const TOLD_BYTES = 64 * 1024;

/** What all queries hold that share memory, those of other threads included. */
export interface SharedMemory {
  /** Bytes held by all queries, and how many queries there are. */
  bytesHeld(): number;
  queries(): number;
  /** One query more or less, with what it holds more or less. */
  add(bytes: number, queries: number): void;
}

/** Shared by the queries of one engine. */
export function createSharedMemory(): SharedMemory {
  let bytesHeld = 0;
  let queries = 0;
  return {
    bytesHeld: () => bytesHeld,
    queries: () => queries,
    add: (bytes, more) => {
      bytesHeld += bytes;
      queries += more;
    },
  };
}

interface Frame {
  samples: number;
  bytes: number;
  /** What the values of the expressions below hold. */
  samplesBelow: number;
  bytesBelow: number;
}

export class QueryMemory {
  samplesPeak = 0;
  bytesPeak = 0;
  readonly #limits: EngineLimits;
  readonly #shared: SharedMemory;
  readonly #frames: Frame[] = [];
  #samples = 0;
  #bytes = 0;
  /** What `#shared` knows of. */
  #bytesTold = 0;
  #isReleased = false;

  constructor(limits: EngineLimits, shared: SharedMemory) {
    this.#limits = limits;
    this.#shared = shared;
    shared.add(0, 1);
    this.enter();
  }

  /** Series read from the source, with samples together. */
  loadSeries(series: number, samples: number): void {
    this.#hold(samples, samples * SAMPLE_BYTES + series * SERIES_BYTES);
  }

  /** A series made by an expression; `samples` of its steps hold something. */
  makeSeries(steps: number, samples: number): void {
    const frame = this.#frames.at(-1)!;
    const bytes = steps * STEP_BYTES + SERIES_BYTES;
    frame.samples += samples;
    frame.bytes += bytes;
    this.#hold(samples, bytes);
  }

  /** Call before an expression is evaluated, and {@link leave} when it has its value. */
  enter(): void {
    this.#frames.push({ samples: 0, bytes: 0, samplesBelow: 0, bytesBelow: 0 });
  }

  /** Gives back what the expression's operands held; what made no series of its own passes its operands' on. */
  leave(): void {
    const { samples, bytes, samplesBelow, bytesBelow } = this.#frames.pop()!;
    const above = this.#frames.at(-1)!;
    if (bytes === 0) {
      above.samplesBelow += samplesBelow;
      above.bytesBelow += bytesBelow;
      return;
    }
    above.samplesBelow += samples;
    above.bytesBelow += bytes;
    this.#hold(-samplesBelow, -bytesBelow);
  }

  /** The query has ended, whichever way. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#shared.add(-this.#bytesTold, -1);
  }

  #hold(samples: number, bytes: number): void {
    this.#samples += samples;
    this.#bytes += bytes;
    this.samplesPeak = Math.max(this.samplesPeak, this.#samples);
    this.bytesPeak = Math.max(this.bytesPeak, this.#bytes);
    const { samplesMax, memoryBytesMax, memoryTogetherBytesMax } = this.#limits;
    if (this.#samples > samplesMax) throw tooManySamples(samplesMax);
    if (this.#bytes > memoryBytesMax) throw tooMuchMemory(memoryBytesMax);
    const untold = this.#bytes - this.#bytesTold;
    if (this.#isReleased || Math.abs(untold) < Math.min(TOLD_BYTES, memoryTogetherBytesMax / 64))
      return;
    this.#bytesTold = this.#bytes;
    this.#shared.add(untold, 0);
    if (untold > 0) this.#makeRoom();
  }

  /** The large ones give way: a small query goes on, however much the others hold. */
  #makeRoom(): void {
    const { memoryTogetherBytesMax } = this.#limits;
    if (this.#shared.bytesHeld() <= memoryTogetherBytesMax) return;
    if (this.#bytes * this.#shared.queries() <= memoryTogetherBytesMax) return;
    // At once, so that not all of them give way.
    this.release();
    throw new FinchError(
      "unavailable",
      ERROR_CODES.busy,
      `the queries that run now hold ${mebibytes(memoryTogetherBytesMax)} of samples and results, which is all they may; try again shortly`,
      { retryAfterSeconds: 2 },
    );
  }
}

function tooManySamples(limit: number): FinchError {
  return new FinchError(
    "unprocessable",
    ERROR_CODES.samples,
    `query processing would load too many samples into memory in query execution (limit ${limit})`,
  );
}

function tooMuchMemory(limit: number): FinchError {
  return new FinchError(
    "unprocessable",
    ERROR_CODES.memory,
    `query processing needs more than ${mebibytes(limit)} of memory for samples and results: select fewer series, a shorter range or a larger step`,
  );
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 102.4) / 10} MiB`;
}
