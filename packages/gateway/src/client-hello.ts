/** What a TLS client says first (RFC 8446 4.1.2), as far as it is needed before the handshake: the name it wants, and the protocols it offers. */

export interface ClientHello {
  readonly serverName: string;
  readonly protocols: readonly string[];
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
/** A hello may be split over records; a longer one is not looked at. */
const HELLO_BYTES_MAX = 32 * 1024;

/** `more` while `bytes` are only the beginning of a hello; `other` when they are none. */
export function readClientHello(bytes: Buffer): ClientHello | "more" | "other" {
  if (bytes.length > HELLO_BYTES_MAX) return "other";
  const message = joinRecords(bytes);
  if (typeof message === "string") return message;
  try {
    return readHello(new Cursor(message));
  } catch (error) {
    if (error instanceof RangeError) return "other";
    throw error;
  }
}

/** The handshake message over the records it came in. */
function joinRecords(bytes: Buffer): Buffer | "more" | "other" {
  const parts: Buffer[] = [];
  let length = 0;
  for (let at = 0; ;) {
    if (bytes.length < at + 5)
      return bytes[at] === HANDSHAKE || bytes.length === at ? "more" : "other";
    if (bytes[at] !== HANDSHAKE) return "other";
    const size = bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, at + 5 + size));
    length += Math.min(size, bytes.length - at - 5);
    at += 5 + size;
    const message = Buffer.concat(parts);
    if (length >= 1 && message[0] !== CLIENT_HELLO) return "other";
    if (length >= 4 && length >= 4 + message.readUIntBE(1, 3)) return message.subarray(4, length);
    if (at >= bytes.length) return "more";
  }
}

function readHello(cursor: Cursor): ClientHello {
  cursor.skip(2 + 32);
  cursor.skip(cursor.number(1));
  cursor.skip(cursor.number(2));
  cursor.skip(cursor.number(1));
  let serverName = "";
  let protocols: string[] = [];
  const extensions = cursor.part(cursor.number(2));
  while (extensions.isLeft) {
    const type = extensions.number(2);
    const body = extensions.part(extensions.number(2));
    if (type === SERVER_NAME) serverName = readServerName(body);
    else if (type === ALPN) protocols = readProtocols(body);
  }
  return { serverName, protocols };
}

function readServerName(body: Cursor): string {
  const list = body.part(body.number(2));
  while (list.isLeft) {
    const kind = list.number(1);
    const name = list.part(list.number(2)).text();
    if (kind === 0) return name;
  }
  return "";
}

function readProtocols(body: Cursor): string[] {
  const list = body.part(body.number(2));
  const protocols: string[] = [];
  while (list.isLeft) protocols.push(list.part(list.number(1)).text());
  return protocols;
}

/** Reads on; past the end is a RangeError. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isLeft(): boolean {
    return this.#at < this.#bytes.length;
  }

  number(size: 1 | 2): number {
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  skip(size: number): void {
    this.part(size);
  }

  part(size: number): Cursor {
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new RangeError("the hello is cut short");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return new Cursor(part);
  }

  text(): string {
    return this.#bytes.toString("latin1");
  }
}
