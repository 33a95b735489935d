/** The faults of this package: what is wrong with the bytes of a client, and how a protocol calls it. */
import { CodecError } from "@finch/codec";
import { FinchError } from "@finch/runtime";

/** Codes: `wire/bad-body`, `wire/too-large`, `wire/unsupported-media`, `wire/bad-labels`, `wire/bad-exposition`. */
export function badBody(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "wire/bad-body", message, { cause });
}

export function tooLarge(message: string, cause?: unknown): FinchError {
  return new FinchError("too-large", "wire/too-large", message, { cause });
}

export function unsupportedMedia(message: string): FinchError {
  return new FinchError("unsupported-media", "wire/unsupported-media", message);
}

/** Runs a decoder and turns its CodecError into a fault of the sender, with `what` in front. */
export function translateCodecErrors<Result>(what: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw badBody(`${what}: ${error.message}`, error);
  }
}

/** Messages about parts of a request, at most so many of them; all are counted. */
export class FaultList {
  readonly messages: string[] = [];
  readonly #max: number;
  count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(message: string): void {
    this.count++;
    if (this.messages.length < this.#max) this.messages.push(message);
  }
}
