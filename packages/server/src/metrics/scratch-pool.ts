/** Buffers that request after request decompresses into: fresh memory costs more than decoding does. */

const BUFFER_BYTES = 1 << 20;
/** Kept while nobody uses them; requests beyond that many at once get fresh memory. */
const KEPT_MAX = 2;

export class ScratchPool {
  readonly #free: Uint8Array[] = [];

  /** A buffer that is the caller's until disposed; nothing that aliases it may be used after. */
  take(): { readonly bytes: Uint8Array } & Disposable {
    const bytes = this.#free.pop() ?? new Uint8Array(BUFFER_BYTES);
    let returned = false;
    return {
      bytes,
      [Symbol.dispose]: () => {
        if (!returned && this.#free.length < KEPT_MAX) this.#free.push(bytes);
        returned = true;
      },
    };
  }
}
