/** An answer that arrives chunk by chunk, for the one who sends it on. */
import type { QueryFigures } from "./query-protocol.ts";

export class AnswerStream {
  /** Resolves at the end, with undefined when the answer was broken off. */
  readonly figures: Promise<QueryFigures | undefined>;
  readonly #chunks: Uint8Array[] = [];
  readonly #events: { readonly onTaken: () => void; readonly onLeft: () => void };
  #settle: (figures: QueryFigures | undefined) => void = () => {};
  #fault: unknown;
  #isOver = false;
  #wake: (() => void) | undefined;

  /** `onTaken` follows each chunk that was sent on, `onLeft` says that nobody reads any more. */
  constructor(events: { readonly onTaken: () => void; readonly onLeft: () => void }) {
    this.#events = events;
    this.figures = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  finish(chunk: Uint8Array, figures: QueryFigures): void {
    this.#isOver = true;
    this.#settle(figures);
    this.add(chunk);
  }

  /** The rest will not come: whoever reads gets `fault`. */
  breakOff(fault: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#fault = fault;
    this.#settle(undefined);
    this.#wake?.();
  }

  /** To be read once. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#fault !== undefined) throw this.#fault;
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          yield chunk;
          this.#events.onTaken();
        } else if (this.#isOver) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      if (!this.#isOver) this.#events.onLeft();
    }
  }
}
