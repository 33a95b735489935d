/**
 * Label names and values by number, so that a text crosses from the main thread to a query worker once and not with every series. One
 * sender and one receiver belong together; both see the frames in the same order, and forget everything at the same frame.
 */

/** Texts numbered before both sides begin anew. Without it churning label values would fill both threads. */
const SYMBOLS_MAX = 200_000;
/** The same in UTF-16 units of all texts. */
const SYMBOL_LENGTH_MAX = 8 * 1024 * 1024;

/** Symbols that come with a frame. */
export interface FreshSymbols {
  /** The receiver forgets what it knew before it takes these. */
  readonly isRestart: boolean;
  /** Numbered on from the last one known. */
  readonly texts: readonly string[];
}

export class SymbolSender {
  readonly #numbers = new Map<string, number>();
  #length = 0;
  #fresh: string[] = [];
  #isRestart = false;

  /** Call before the first symbol of a frame. */
  begin(): void {
    this.#fresh = [];
    this.#isRestart = this.#numbers.size > SYMBOLS_MAX || this.#length > SYMBOL_LENGTH_MAX;
    if (!this.#isRestart) return;
    this.#numbers.clear();
    this.#length = 0;
  }

  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(text, number);
      this.#length += text.length;
      this.#fresh.push(text);
    }
    return number;
  }

  /** What the receiver needs to understand the frame at hand. */
  finish(): FreshSymbols {
    return { isRestart: this.#isRestart, texts: this.#fresh };
  }
}

export class SymbolReceiver {
  #texts: string[] = [];

  take({ isRestart, texts }: FreshSymbols): void {
    if (isRestart) this.#texts = [];
    for (const text of texts) this.#texts.push(text);
  }

  textOf(number: number): string {
    return this.#texts[number]!;
  }
}
