/** Reads lines and bytes of a socket as they are asked for. One reader at a time; its signal ends every wait. */
import type { Socket } from "node:net";

/** As with Go's scanner: a longer line ends the reading. */
const LINE_BYTES_MAX = 64 << 10;

export class SocketReader {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #onData = (chunk: Buffer) => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > LINE_BYTES_MAX) this.#socket.pause();
    this.#wake();
  };
  readonly #onEnd = () => {
    this.#ended = true;
    this.#wake();
  };
  readonly #onError = (error: Error) => {
    this.#error = error;
    this.#wake();
  };

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onEnd);
    socket.on("error", this.#onError);
  }

  /** Stops reading, so that TLS can begin on the socket. */
  release(): void {
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
    this.#socket.off("error", this.#onError);
    this.#socket.pause();
  }

  /** The next line without its end; undefined when there is none. Rejects when the connection fails or time is up. */
  async readLine(): Promise<string | undefined> {
    for (;;) {
      const end = this.#bytes.indexOf(10);
      if (end >= 0) {
        const line = this.#bytes.toString("utf8", 0, end);
        this.#take(end + 1);
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      if (this.#bytes.length > LINE_BYTES_MAX)
        throw new Error(`a line is longer than ${LINE_BYTES_MAX} bytes`);
      if (this.#ended && this.#error === undefined && !this.#signal.aborted) {
        if (this.#bytes.length === 0) return undefined;
        const rest = this.#bytes.toString("utf8");
        this.#take(this.#bytes.length);
        return rest;
      }
      await this.#wait();
    }
  }

  /** Exactly so many bytes; undefined when the connection ends before. */
  async readBytes(count: number): Promise<Buffer | undefined> {
    while (this.#bytes.length < count) {
      if (this.#ended && this.#error === undefined && !this.#signal.aborted) return undefined;
      await this.#wait();
    }
    const bytes = this.#bytes.subarray(0, count);
    this.#take(count);
    return bytes;
  }

  #take(count: number): void {
    this.#bytes = this.#bytes.subarray(count);
    if (this.#bytes.length <= LINE_BYTES_MAX) this.#socket.resume();
  }

  async #wait(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    this.#signal.throwIfAborted();
    await this.#changed.promise;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
