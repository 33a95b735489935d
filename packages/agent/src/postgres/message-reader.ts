/** Cuts what a server of PostgreSQL sends into its messages. */
import type { Socket } from "node:net";

export interface Message {
  /** The letter of its kind. */
  readonly type: string;
  readonly body: Buffer;
}

/** Rows are bound as a whole by whoever reads them; a single message beyond this is no message of a sane server. */
const MESSAGE_BYTES_MAX = 256 << 20;

export class MessageReader {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #size = 0;
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      this.#wake();
    });
    socket.on("error", (error) => {
      this.#error = error;
      this.#wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.resume();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The next message; rejects when the connection ends before it. */
  async next(): Promise<Message> {
    const head = await this.#take(5);
    const length = head.readInt32BE(1) - 4;
    if (length < 0 || length > MESSAGE_BYTES_MAX) {
      this.#socket.destroy();
      throw new Error("the server sends what is no message");
    }
    return { type: String.fromCharCode(head[0]!), body: await this.#take(length) };
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#size < count) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) throw new Error("the server closed the connection");
      await this.#changed.promise;
    }
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = all.length === count ? [] : [all.subarray(count)];
    this.#size -= count;
    return all.subarray(0, count);
  }
}
