/** Packets of MySQL's protocol on a socket, and the values in them. The socket stays paused: it can be handed to TLS between two packets. */
import { once } from "node:events";
import type { Socket } from "node:net";

/** A packet as long as this goes on in the next one. */
const PACKET_BYTES_MAX = 0xffffff;
/** A message beyond this is no answer to what an exporter asks. */
const MESSAGE_BYTES_MAX = 64 << 20;

export class PacketStream {
  readonly socket: Socket;
  #sequence: number;

  constructor(socket: Socket, sequence = 0) {
    this.socket = socket;
    this.#sequence = sequence;
  }

  /** Number of the next packet. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Each command begins to count anew. */
  restart(): void {
    this.#sequence = 0;
  }

  /** The next message; rejects when the connection ends before. */
  async read(): Promise<Buffer> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const head = await readExactly(this.socket, 4);
      const length = head.readUIntLE(0, 3);
      this.#sequence = (head[3]! + 1) & 0xff;
      bytes += length;
      if (bytes > MESSAGE_BYTES_MAX) throw new Error("the server sends too long a message");
      if (length > 0) parts.push(await readExactly(this.socket, length));
      if (length < PACKET_BYTES_MAX) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    }
  }

  write(payload: Uint8Array): void {
    const head = Buffer.alloc(4);
    head.writeUIntLE(payload.byteLength, 0, 3);
    head[3] = this.#sequence;
    this.#sequence = (this.#sequence + 1) & 0xff;
    this.socket.write(Buffer.concat([head, payload]));
  }
}

async function readExactly(socket: Socket, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let missing = count; missing > 0;) {
    const there = Math.min(missing, socket.readableLength);
    const part = there === 0 ? null : (socket.read(there) as Buffer | null);
    if (part === null) {
      if (socket.readableEnded || socket.destroyed)
        throw socket.errored ?? new Error("the server closed the connection");
      await somethingHappens(socket);
    } else {
      parts.push(part);
      missing -= part.length;
    }
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Resolves when there is more to read, or never will be. */
async function somethingHappens(socket: Socket): Promise<void> {
  const waiting = new AbortController();
  try {
    await Promise.race(
      ["readable", "end", "close"].map((event) => once(socket, event, { signal: waiting.signal })),
    );
  } finally {
    waiting.abort();
  }
}

/** Reads values one after the other. */
export class PacketCursor {
  readonly #packet: Buffer;
  #at: number;

  constructor(packet: Buffer, at = 0) {
    this.#packet = packet;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#packet.length;
  }

  integer(bytes: number): number {
    const value = this.#packet.readUIntLE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  bytes(count: number): Buffer {
    const bytes = this.#packet.subarray(this.#at, this.#at + count);
    this.#at += count;
    return bytes;
  }

  rest(): Buffer {
    return this.bytes(this.#packet.length - this.#at);
  }

  /** Up to a zero, or to the end. */
  terminated(): string {
    const zero = this.#packet.indexOf(0, this.#at);
    const end = zero === -1 ? this.#packet.length : zero;
    const text = this.#packet.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** A number of one to nine bytes. */
  length(): number {
    const first = this.integer(1);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.integer(2);
    if (first === 0xfd) return this.integer(3);
    const value = Number(this.#packet.readBigUInt64LE(this.#at));
    this.#at += 8;
    return value;
  }

  /** A text with its length before it; null where SQL has it. */
  text(): string | null {
    if (this.#packet[this.#at] === 0xfb) {
      this.#at++;
      return null;
    }
    return this.bytes(this.length()).toString("utf8");
  }
}
