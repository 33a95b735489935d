/** Memory that request after request is decoded in: fresh memory costs more than decoding does. */
import { WriteRequestReader } from "@finch/codec/kernels";

const BUFFER_BYTES = 1 << 20;
/** Kept while nobody uses them; requests beyond that many at once get fresh memory. */
const KEPT_MAX = 2;
/** A reader that one large request has grown beyond this is not kept. */
const READER_BYTES_MAX = 16 << 20;

interface Scratch {
  readonly bytes: Uint8Array;
  readonly reader: WriteRequestReader;
}

export class ScratchPool {
  readonly #free: Scratch[] = [];

  /** A buffer and a reader that are the caller's until disposed; nothing that aliases them may be used after. */
  take(): Scratch & Disposable {
    const scratch = this.#free.pop() ?? {
      bytes: new Uint8Array(BUFFER_BYTES),
      reader: new WriteRequestReader(),
    };
    let returned = false;
    return {
      ...scratch,
      [Symbol.dispose]: () => {
        const isKept = this.#free.length < KEPT_MAX && scratch.reader.bytes <= READER_BYTES_MAX;
        if (!returned && isKept) this.#free.push(scratch);
        returned = true;
      },
    };
  }
}
