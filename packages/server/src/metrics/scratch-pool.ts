/** Memory that request after request is decoded in: fresh memory costs more than decoding does. */
import { WriteRequestReader } from "@finch/codec/kernels";

const BUFFER_BYTES = 1 << 20;
/** Kept while nobody uses them; requests beyond that many at once get fresh memory. */
const KEPT_MAX = 2;
/** A reader that one large request has grown beyond this is not kept. */
const READER_BYTES_MAX = 16 << 20;

/** A buffer and a reader that are the holder's until disposed; nothing that aliases them may be used after. */
class Scratch implements Disposable {
  readonly bytes = new Uint8Array(BUFFER_BYTES);
  readonly reader = new WriteRequestReader();
  readonly #giveBack: (scratch: Scratch) => void;

  constructor(giveBack: (scratch: Scratch) => void) {
    this.#giveBack = giveBack;
  }

  /** To be called once. */
  [Symbol.dispose](): void {
    this.#giveBack(this);
  }
}

export class ScratchPool {
  readonly #free: Scratch[] = [];
  readonly #giveBack = (scratch: Scratch): void => {
    if (this.#free.length < KEPT_MAX && scratch.reader.bytes <= READER_BYTES_MAX)
      this.#free.push(scratch);
  };

  take(): Scratch {
    return this.#free.pop() ?? new Scratch(this.#giveBack);
  }
}
