/**
 * Takes the log stream of a container apart: frames of eight bytes of header (stream, three zeroes, length) and payload, or the bare text of a terminal.
 * Every message begins with its time; what is longer than the engine's buffer comes in several messages and is put together here.
 * Format: https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Container/operation/ContainerAttach
 */
import { parseRfc3339 } from "@finch/model";
import { FinchError } from "@finch/runtime";

export type DockerStream = "stdout" | "stderr";

export interface ContainerLogLine {
  readonly stream: DockerStream;
  readonly timestampNs: bigint;
  /** Without the end of the line. */
  readonly line: string;
}

/** A longer line comes in several pieces; without a bound a program that never ends its line would fill the memory. */
const LINE_BYTES_MAX = 1 << 20;
/** Engines send messages of 16 KiB; a longer frame means that the stream is no log. */
const FRAME_BYTES_MAX = 4 << 20;
/** What the engine reads of a container at once, and repeats the time behind when it is a terminal. */
const TERMINAL_PIECE_BYTES = 16 << 10;
const HEADER_BYTES = 8;
const SYSTEM_ERROR = 3;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TIME_BYTES_MAX = 40;
/** `2026-11-20T17:29:02.305927407Z` */
const FIXED_TIME_LENGTH = 30;

interface OpenLine {
  timestampNs: bigint;
  parts: Uint8Array[];
  bytes: number;
}

export class ContainerLogReader {
  readonly #isTty: boolean;
  readonly #open: Record<DockerStream, OpenLine | undefined> = {
    stdout: undefined,
    stderr: undefined,
  };
  readonly #time = new TimeParser();
  #held: Buffer = Buffer.alloc(0);
  /** Messages without a time that can be read; they get the one of the message before. */
  timesMissing = 0;

  /** `isTty`: whether the container has a terminal, whose output has no frames. */
  constructor(options: { readonly isTty: boolean }) {
    this.#isTty = options.isTty;
  }

  /** The lines that `chunk` completes. Throws `agent/docker-log` when the engine reports a fault, or when these are no frames. */
  push(chunk: Uint8Array): ContainerLogLine[] {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#held.length === 0 ? fresh : Buffer.concat([this.#held, fresh]);
    const lines: ContainerLogLine[] = [];
    const end = this.#isTty ? this.#readText(bytes, lines) : this.#readFrames(bytes, lines);
    // A copy, or a few bytes would hold on to the whole chunk.
    this.#held = end === bytes.length ? EMPTY : Buffer.from(bytes.subarray(end));
    return lines;
  }

  /** What is left when the container has ended: lines without an end. */
  finish(): ContainerLogLine[] {
    const lines: ContainerLogLine[] = [];
    if (this.#isTty && this.#held.length > 0) this.#addTerminalLine(this.#held, lines);
    for (const stream of ["stdout", "stderr"] as const) this.#close(stream, lines);
    this.#held = EMPTY;
    return lines;
  }

  /** Where the first incomplete frame begins. */
  #readFrames(bytes: Buffer, lines: ContainerLogLine[]): number {
    let at = 0;
    while (at + HEADER_BYTES <= bytes.length) {
      const kind = bytes[at]!;
      const size = bytes.readUInt32BE(at + 4);
      const isFrame = kind <= SYSTEM_ERROR && bytes[at + 1] === 0 && bytes[at + 2] === 0;
      if (!isFrame || size > FRAME_BYTES_MAX)
        throw badStream("the engine sends something that is no log stream");
      const start = at + HEADER_BYTES;
      if (start + size > bytes.length) break;
      const payload = bytes.subarray(start, start + size);
      if (kind === SYSTEM_ERROR) throw badStream(payload.toString("utf8").trim());
      this.#addPayload(kind === 2 ? "stderr" : "stdout", payload, lines);
      at = start + size;
    }
    return at;
  }

  /** One message, as a rule; several lines in one frame have a time each. */
  #addPayload(stream: DockerStream, payload: Buffer, lines: ContainerLogLine[]): void {
    let at = 0;
    while (at < payload.length) {
      const end = payload.indexOf(LF, at);
      this.#addMessage(stream, payload.subarray(at, end < 0 ? payload.length : end), lines);
      if (end < 0) return;
      this.#close(stream, lines);
      at = end + 1;
    }
  }

  #addMessage(stream: DockerStream, message: Buffer, lines: ContainerLogLine[]): void {
    const open = this.#open[stream];
    const { timestampNs, start } = this.#readTime(message, open?.timestampNs);
    const content = message.subarray(start);
    if (open === undefined) {
      this.#open[stream] = { timestampNs, parts: [content], bytes: content.length };
      return;
    }
    if (open.bytes + content.length > LINE_BYTES_MAX) {
      this.#close(stream, lines);
      this.#open[stream] = { timestampNs, parts: [content], bytes: content.length };
      return;
    }
    open.parts.push(content);
    open.bytes += content.length;
  }

  #close(stream: DockerStream, lines: ContainerLogLine[]): void {
    const open = this.#open[stream];
    if (open === undefined) return;
    this.#open[stream] = undefined;
    const [first] = open.parts;
    const content = open.parts.length === 1 ? (first as Buffer) : Buffer.concat(open.parts);
    lines.push({ stream, timestampNs: open.timestampNs, line: lineOf(content) });
  }

  /** Where the last incomplete line begins. */
  #readText(bytes: Buffer, lines: ContainerLogLine[]): number {
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(LF, at);
      if (end < 0) break;
      this.#addTerminalLine(bytes.subarray(at, end), lines);
      at = end + 1;
    }
    if (bytes.length - at <= LINE_BYTES_MAX) return at;
    this.#addTerminalLine(bytes.subarray(at), lines);
    return bytes.length;
  }

  #addTerminalLine(bytes: Buffer, lines: ContainerLogLine[]): void {
    const { timestampNs, start } = this.#readTime(bytes, undefined);
    const parts: Buffer[] = [];
    const time = bytes.subarray(0, start);
    let at = start;
    // A long line has its time again at each piece the engine read.
    while (
      start > 0 &&
      bytes.length - at > TERMINAL_PIECE_BYTES &&
      bytes.subarray(at + TERMINAL_PIECE_BYTES, at + TERMINAL_PIECE_BYTES + start).equals(time)
    ) {
      parts.push(bytes.subarray(at, at + TERMINAL_PIECE_BYTES));
      at += TERMINAL_PIECE_BYTES + start;
    }
    const rest = bytes.subarray(at);
    const content = parts.length === 0 ? rest : Buffer.concat([...parts, rest]);
    lines.push({ stream: "stdout", timestampNs, line: lineOf(content) });
  }

  #readTime(
    message: Buffer,
    fallback: bigint | undefined,
  ): { readonly timestampNs: bigint; readonly start: number } {
    const blank = message.subarray(0, TIME_BYTES_MAX).indexOf(SPACE);
    const timestampNs =
      blank > 0 ? this.#time.parse(message.toString("latin1", 0, blank)) : undefined;
    if (timestampNs !== undefined) return { timestampNs, start: blank + 1 };
    this.timesMissing++;
    return { timestampNs: fallback ?? this.#time.last, start: 0 };
  }
}

const EMPTY = Buffer.alloc(0);

function lineOf(content: Buffer): string {
  const end = content.length - (content[content.length - 1] === CR ? 1 : 0);
  return content.toString("utf8", 0, end);
}

function badStream(message: string): FinchError {
  return new FinchError("unavailable", "agent/docker-log", message);
}

/** Lines of one second come together, so the second is worked out once. */
class TimeParser {
  /** The last time that was read. */
  last = 0n;
  #second = "";
  #secondNs = 0n;

  parse(text: string): bigint | undefined {
    if (text.length === FIXED_TIME_LENGTH && text.startsWith(this.#second) && this.#second !== "") {
      const fraction = Number(text.slice(20, 29));
      if (text[19] === "." && text[29] === "Z" && Number.isInteger(fraction))
        return (this.last = this.#secondNs + BigInt(fraction));
    }
    const ns = parseRfc3339(text);
    if (ns === undefined) return undefined;
    if (text.length === FIXED_TIME_LENGTH && text.endsWith("Z")) {
      this.#second = text.slice(0, 19);
      this.#secondNs = ns - (ns % 1_000_000_000n);
    }
    return (this.last = ns);
  }
}
