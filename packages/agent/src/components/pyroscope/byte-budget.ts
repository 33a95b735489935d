/** Bytes that may be held at once: whoever wants more waits until others have given theirs back, first come, first served. */
export class ByteBudget {
  readonly #max: number;
  #taken = 0;
  readonly #waiting: { readonly bytes: number; readonly admit: () => void }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Resolves when the bytes may be held; give them back with {@link give}. More than the whole budget is let in when nobody else holds any. Rejects with the
   * signal's reason when `signal` aborts first.
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#taken += bytes;
      return;
    }
    const admitted = Promise.withResolvers<void>();
    const place = { bytes, admit: () => admitted.resolve() };
    const leave = () => {
      const at = this.#waiting.indexOf(place);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      admitted.reject(signal.reason as Error);
      this.#admit();
    };
    this.#waiting.push(place);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await admitted.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  give(bytes: number): void {
    this.#taken -= bytes;
    this.#admit();
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#max;
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.bytes)) return;
      this.#waiting.shift();
      this.#taken += first.bytes;
      first.admit();
    }
  }
}
