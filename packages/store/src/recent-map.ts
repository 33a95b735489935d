/** What was made of late, by number: a bounded memory that forgets by generations, so that neither a use nor a forgetting costs more than a look-up. */
export class RecentMap<Value> {
  readonly #generationMax: number;
  #young = new Map<number, Value>();
  #old = new Map<number, Value>();

  /** Keeps the `generationMax` entries used last, and up to as many more. */
  constructor(generationMax: number) {
    this.#generationMax = generationMax;
  }

  get(key: number): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: number, value: Value): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
