/** Messages of DNS (RFC 1035): a question to bytes, an answer from bytes, records as the text that rules look at (as miekg/dns prints them). */
import { DNS_CLASSES, DNS_TYPES } from "./dns-names.ts";

export interface DnsRecord {
  readonly type: number;
  /** `name ttl class type data`, parted by tabs up to the data. */
  readonly text: string;
  /** Of a SOA record. */
  readonly serial: number | undefined;
}

export interface DnsAnswer {
  readonly id: number;
  readonly isResponse: boolean;
  readonly rcode: number;
  readonly answer: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

export interface DnsQuestion {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly recursionDesired: boolean;
}

/** Throws a RangeError when the name cannot be asked for. */
export function encodeQuestion(question: DnsQuestion): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(question.id, 0);
  header.writeUInt16BE(question.recursionDesired ? 0x0100 : 0, 2);
  header.writeUInt16BE(1, 4);
  const labels = question.name.replace(/\.$/, "").split(".");
  const parts: Buffer[] = [header];
  for (const label of labels) {
    if (label === "" && labels.length === 1) break;
    const bytes = Buffer.from(label);
    if (bytes.length === 0 || bytes.length > 63)
      throw new RangeError(`${question.name} is no name of DNS`);
    parts.push(Buffer.of(bytes.length), bytes);
  }
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(question.type, 1);
  tail.writeUInt16BE(question.class, 3);
  return Buffer.concat([...parts, tail]);
}

/** Throws a RangeError for bytes that are no message. */
export function decodeAnswer(bytes: Buffer): DnsAnswer {
  const reader = new MessageReader(bytes);
  const id = reader.uint16();
  const flags = reader.uint16();
  const counts = [reader.uint16(), reader.uint16(), reader.uint16(), reader.uint16()] as const;
  for (let i = 0; i < counts[0]; i++) {
    reader.name();
    reader.skip(4);
  }
  const records = (count: number) => Array.from({ length: count }, () => reader.record());
  return {
    id,
    isResponse: (flags & 0x8000) !== 0,
    rcode: flags & 0xf,
    answer: records(counts[1]),
    authority: records(counts[2]),
    additional: records(counts[3]),
  };
}

const TYPE_NAMES = new Map([...DNS_TYPES].map(([name, code]) => [code, name]));
const CLASS_NAMES = new Map([...DNS_CLASSES].map(([name, code]) => [code, name]));
/** Jumps of compressed names in a message; a loop would never end. */
const JUMPS_MAX = 126;

class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#move(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#move(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#move(4));
  }

  skip(count: number): void {
    this.#move(count);
  }

  #move(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new RangeError("the message is cut short");
    this.#at = at + count;
    return at;
  }

  #take(count: number): Buffer {
    const at = this.#move(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A name with its final dot, escaped as in zone files. */
  name(): string {
    let text = "";
    let resume = -1;
    for (let jumps = 0; ;) {
      const length = this.uint8();
      if (length === 0) break;
      if ((length & 0xc0) === 0xc0) {
        const to = ((length & 0x3f) << 8) | this.uint8();
        if (resume < 0) resume = this.#at;
        if (++jumps > JUMPS_MAX) throw new RangeError("a name of the message has no end");
        this.#at = to;
      } else if (length > 63) throw new RangeError("a name of the message has a bad label");
      else text += `${escapeLabel(this.#take(length))}.`;
    }
    if (resume >= 0) this.#at = resume;
    return text === "" ? "." : text;
  }

  record(): DnsRecord {
    const name = this.name();
    const type = this.uint16();
    const class_ = this.uint16();
    const ttl = this.uint32();
    const length = this.uint16();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a record is cut short");
    const { text: data, serial } = this.#data(type, end);
    if (this.#at > end) throw new RangeError("a record is longer than it says");
    this.#at = end;
    const className = CLASS_NAMES.get(class_) ?? `CLASS${class_}`;
    const typeName = TYPE_NAMES.get(type) ?? `TYPE${type}`;
    return { type, serial, text: [name, ttl, className, typeName, data].join("\t") };
  }

  #data(type: number, end: number): { text: string; serial: number | undefined } {
    const plain = (text: string) => ({ text, serial: undefined });
    switch (TYPE_NAMES.get(type)) {
      case "A":
        return plain([...this.#take(4)].join("."));
      case "AAAA":
        return plain(formatIp6(this.#take(16)));
      case "NS":
      case "CNAME":
      case "PTR":
      case "DNAME":
        return plain(this.name());
      case "MX":
        return plain(`${this.uint16()} ${this.name()}`);
      case "SRV":
        return plain(`${this.uint16()} ${this.uint16()} ${this.uint16()} ${this.name()}`);
      case "TXT":
      case "SPF":
        return plain(this.#strings(end));
      case "CAA": {
        const flags = this.uint8();
        const tag = this.#take(this.uint8()).toString("latin1");
        return plain(`${flags} ${tag} ${quote(this.#take(end - this.#at))}`);
      }
      case "SOA": {
        const names = `${this.name()} ${this.name()}`;
        const serial = this.uint32();
        const times = [this.uint32(), this.uint32(), this.uint32(), this.uint32()];
        return { text: `${names} ${serial} ${times.join(" ")}`, serial };
      }
      default: {
        const bytes = this.#take(end - this.#at);
        return plain(String.raw`\# ${bytes.length} ${bytes.toString("hex")}`);
      }
    }
  }

  #strings(end: number): string {
    const strings: string[] = [];
    while (this.#at < end) strings.push(quote(this.#take(this.uint8())));
    return strings.join(" ");
  }
}

function escapeLabel(label: Buffer): string {
  let text = "";
  for (const byte of label) {
    const character = String.fromCharCode(byte);
    if (byte <= 32 || byte >= 127) text += `\\${String(byte).padStart(3, "0")}`;
    else text += /[."\\();@$]/.test(character) ? `\\${character}` : character;
  }
  return text;
}

function quote(bytes: Buffer): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    if (byte < 32 || byte >= 127) text += `\\${String(byte).padStart(3, "0")}`;
    else text += character === '"' || character === "\\" ? `\\${character}` : character;
  }
  return `"${text}"`;
}

/** RFC 5952: the longest run of zero groups becomes `::`. */
function formatIp6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === "0") length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(":");
  const head = groups.slice(0, best.start).join(":");
  return `${head}::${groups.slice(best.start + best.length).join(":")}`;
}
