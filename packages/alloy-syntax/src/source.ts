/** A configuration's text with its name, and where an offset is in it. */
import { FinchError } from "@finch/runtime";
import { SOURCE_LENGTH_MAX } from "./limits.ts";

/** 1-based line and column; columns count characters (UTF-16 units) and tabs as one. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Offsets into {@link Source.text}; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export class Source {
  /** File name for messages. */
  readonly name: string;
  /** Without a byte-order mark. */
  readonly text: string;
  #lineStarts: Uint32Array | undefined;

  constructor(name: string, text: string) {
    if (text.length > SOURCE_LENGTH_MAX) {
      throw new FinchError(
        "too-large",
        "alloy-syntax/source-too-large",
        `${name} has ${text.length} characters, at most ${SOURCE_LENGTH_MAX} are read`,
      );
    }
    this.name = name;
    this.text = text.startsWith("\uFEFF") ? text.slice(1) : text;
  }

  get lineStarts(): Uint32Array {
    return (this.#lineStarts ??= findLineStarts(this.text));
  }

  position(offset: number): Position {
    const line = this.lineOf(offset);
    return { line, column: offset - this.lineStarts[line - 1]! + 1 };
  }

  lineOf(offset: number): number {
    const starts = this.lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /** The text of a 1-based line, without its line end; undefined when there is no such line. */
  lineText(line: number): string | undefined {
    const start = this.lineStarts[line - 1];
    if (start === undefined) return undefined;
    const end = this.lineStarts[line] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, "");
  }
}

/** A source from bytes; refuses invalid UTF-8 with the line it is on. */
export function decodeSource(name: string, bytes: Uint8Array): Source {
  try {
    return new Source(name, new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof FinchError) throw error;
    const lenient = new TextDecoder().decode(bytes);
    const line = lenient.slice(0, lenient.indexOf("\uFFFD")).split("\n").length;
    throw new FinchError(
      "invalid",
      "alloy-syntax/not-utf8",
      `${name}:${line}:1: the file is not valid UTF-8`,
      { cause: error },
    );
  }
}

function findLineStarts(text: string): Uint32Array {
  const starts: number[] = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return Uint32Array.from(starts);
}
