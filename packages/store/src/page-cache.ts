/** Decoded parts of block indexes, least recently used out first, bounded in bytes. One per store. */

interface Entry {
  readonly value: unknown;
  readonly bytes: number;
}

export class PageCache {
  readonly #bytesMax: number;
  #bytes = 0;
  /** In order of use, oldest first. */
  readonly #entries = new Map<string, Entry>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What was kept under `key`, or what `load` makes; keys of different types of value must differ. */
  async get<T>(
    key: string,
    load: () => Promise<{ readonly value: T; readonly bytes: number }>,
  ): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value as T;
    }
    const made = await load();
    const raced = this.#entries.get(key);
    this.#bytes += made.bytes - (raced?.bytes ?? 0);
    this.#entries.set(key, made);
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
    return made.value;
  }
}
