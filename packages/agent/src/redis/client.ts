/**
 * A connection to Redis: commands go out as they come, replies come back in their order.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import { connect, isIP, type Socket } from "node:net";
import { describeError, FinchError } from "@finch/runtime";
import type { RedisAddress } from "./address.ts";

/** A reply that a server gives instead of a result, such as `NOAUTH Authentication required.` */
export class RedisRefusal {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export type RedisReply = string | number | null | RedisRefusal | readonly RedisReply[];

export interface RedisServer {
  readonly address: RedisAddress;
  /** For connecting, and for each reply. */
  readonly timeoutMs: number;
  /** As `tls.connect` takes them. */
  readonly tls: Readonly<Record<string, unknown>>;
}

/** Of all replies that were not taken yet; what is longer is no answer to what is asked here. */
const HELD_BYTES_MAX = 64 << 20;
const DEPTH_MAX = 16;

interface Waiting {
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (error: Error) => void;
}

export class RedisConnection implements Disposable {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #held: Buffer = Buffer.alloc(0);
  #fault: FinchError | undefined;
  readonly #leave: () => void;

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    const onAbort = () => this.#fail(fault("the scrape was broken off"));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#leave = () => signal.removeEventListener("abort", onAbort);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("timeout", () => this.#fail(fault("it did not answer in time")));
    socket.on("error", (error) => this.#fail(fault(describeError(error))));
    socket.on("close", () => this.#fail(fault("it closed the connection")));
  }

  /** Rejects with `agent/redis` when the server cannot be reached. What is pending when `signal` aborts rejects, too. */
  static async open(server: RedisServer, signal: AbortSignal): Promise<RedisConnection> {
    signal.throwIfAborted();
    const socket = openSocket(server);
    socket.setTimeout(server.timeoutMs);
    const connection = new RedisConnection(socket, signal);
    const connected = Promise.withResolvers<RedisReply>();
    connection.#waiting.push(connected);
    socket.once(server.address.hasTls ? "secureConnect" : "connect", () => {
      connection.#waiting.shift();
      connected.resolve(null);
    });
    try {
      await connected.promise;
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
    return connection;
  }

  /** The reply, refusals among them. */
  ask(...command: readonly string[]): Promise<RedisReply> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    const waiting = Promise.withResolvers<RedisReply>();
    this.#waiting.push(waiting);
    const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
    this.#socket.write(`*${command.length}\r\n${parts.join("")}`);
    return waiting.promise;
  }

  [Symbol.dispose](): void {
    this.#leave();
    this.#fault ??= fault("the connection is closed");
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    try {
      const reader = new ReplyReader(this.#held);
      for (let reply = reader.next(); reply !== undefined; reply = reader.next())
        this.#waiting.shift()?.resolve(reply.value);
      this.#held = this.#held.subarray(reader.taken);
      if (this.#held.length > HELD_BYTES_MAX)
        this.#fail(fault(`a reply is longer than ${HELD_BYTES_MAX} bytes`));
    } catch (error) {
      this.#fail(error as FinchError);
    }
  }

  #fail(error: FinchError): void {
    this.#fault ??= error;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#fault);
  }
}

function openSocket({ address, tls }: RedisServer): Socket {
  const { socketPath, host, port } = address;
  if (socketPath !== undefined) return connect({ path: socketPath });
  if (!address.hasTls) return connect({ host, port });
  // Loaded for those who use it.
  const { connect: connectTls } = process.getBuiltinModule("node:tls");
  return connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
}

/** Replies out of bytes; what is not whole yet stays. */
class ReplyReader {
  /** Bytes of whole replies. */
  taken = 0;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Undefined when the next reply is not all there. */
  next(): { readonly value: RedisReply } | undefined {
    const value = this.#read(0);
    if (value === undefined) return undefined;
    this.taken = this.#at;
    return { value };
  }

  #read(depth: number): RedisReply | undefined {
    if (depth > DEPTH_MAX) throw fault("a reply nests too deep");
    const line = this.#line();
    if (line === undefined) return undefined;
    const text = line.slice(1);
    switch (line[0]) {
      case "+":
        return text;
      case "-":
        return new RedisRefusal(text);
      case ":":
        return this.#number(text);
      case "$":
        return this.#text(this.#number(text));
      case "*":
        return this.#list(this.#number(text), depth);
      default:
        throw fault(`it is no Redis: it says ${JSON.stringify(line.slice(0, 100))}`);
    }
  }

  #line(): string | undefined {
    const end = this.#bytes.indexOf("\r\n", this.#at);
    if (end < 0) return undefined;
    const line = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #number(text: string): number {
    if (!/^-?\d+$/.test(text)) throw fault(`${JSON.stringify(text.slice(0, 100))} is no number`);
    return Number(text);
  }

  #text(length: number): string | null | undefined {
    if (length < 0) return null;
    const end = this.#at + length;
    if (this.#bytes.length < end + 2) return undefined;
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #list(length: number, depth: number): readonly RedisReply[] | null | undefined {
    if (length < 0) return null;
    const elements: RedisReply[] = [];
    for (let i = 0; i < length; i++) {
      const element = this.#read(depth + 1);
      if (element === undefined) return undefined;
      elements.push(element);
    }
    return elements;
  }
}

function fault(message: string): FinchError {
  return new FinchError("unavailable", "agent/redis", message);
}
