/** What an OTLP request may hold, whatever its signal. Each limit says what breaks without it. */
import { tooLarge } from "./errors.ts";

export interface OtlpLimits {
  /** Bytes after decompression. */
  readonly decodedBytesMax: number;
  /** Messages and attributes; an empty one takes two bytes as sent and a hundred as an object. */
  readonly elementsMax: number;
  /** Attribute values inside values; a decoder that follows them recurses. */
  readonly valueDepthMax: number;
  /** Brackets of a JSON body, open at once and in all, as it would be an object many times its size before it can be looked at. */
  readonly jsonDepthMax: number;
  readonly jsonContainersMax: number;
}

export const DEFAULT_OTLP_LIMITS: OtlpLimits = {
  decodedBytesMax: 64 << 20,
  elementsMax: 500_000,
  valueDepthMax: 16,
  jsonDepthMax: 128,
  jsonContainersMax: 2_000_000,
};

/** Counts what a request makes in memory. */
export class ElementBudget {
  readonly #max: number;
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  take(count: number): void {
    this.#used += count;
    if (this.#used > this.#max)
      throw tooLarge(
        `the request has more than ${this.#max} points and attributes: send smaller batches`,
      );
  }
}
