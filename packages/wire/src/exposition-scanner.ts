/** Tokens of the exposition formats: names, quoted strings, label sets and numbers, with line and column in every fault. */
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { ExpositionLimits } from "./limits.ts";

const METRIC_NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const TOKEN = /[^ \t\n{]+/y;

/** A cursor over exposition text. */
export class ExpositionScanner {
  readonly text: string;
  at = 0;
  readonly #limits: ExpositionLimits;

  constructor(text: string, limits: ExpositionLimits) {
    this.text = text;
    this.#limits = limits;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The character here; the end of the text counts as the end of a line. */
  peek(): string {
    return this.text[this.at] ?? "\n";
  }

  /** Moves past spaces and tabs; false when there are none. */
  skipSpace(): boolean {
    const start = this.at;
    for (;;) {
      const character = this.text[this.at];
      if (character !== " " && character !== "\t") return this.at > start;
      this.at++;
    }
  }

  /** Moves past `expected` if it stands here. */
  take(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** The rest of the line, without its end; moves to the next line. */
  restOfLine(): string {
    const newline = this.text.indexOf("\n", this.at);
    const end = newline < 0 ? this.text.length : newline;
    const rest = this.text.slice(this.at, end);
    this.at = end + 1;
    return rest;
  }

  /** Moves past the end of the line. */
  endLine(): void {
    if (this.peek() !== "\n") throw this.fault("the end of the line");
    this.at++;
  }

  /** A metric name, quoted or bare. */
  metricName(): string {
    return this.peek() === '"' ? this.quoted() : this.#match(METRIC_NAME, "a metric name");
  }

  /** A word up to the next space, line end or brace. */
  token(expected: string): string {
    return this.#match(TOKEN, expected);
  }

  /** The text in double quotes that starts here, with `\\`, `\"` and `\n` undone; other backslashes stay. */
  quoted(): string {
    const start = this.at + 1;
    for (let i = start; ; i++) {
      const code = this.text.charCodeAt(i);
      if (code === 0x22) {
        this.at = i + 1;
        const raw = this.text.slice(start, i);
        return raw.includes("\\") ? unescapeText(raw) : raw;
      }
      if (code === 0x5c) i++;
      if (i >= this.text.length || code === 0x0a) {
        this.at = i;
        throw this.fault('a closing "');
      }
    }
  }

  /** The end of a label set that starts here with `{`: the place behind its `}`. Only quotes are minded. */
  labelSetEnd(): number {
    let quoted = false;
    for (let i = this.at + 1; i < this.text.length; i++) {
      const code = this.text.charCodeAt(i);
      if (code === 0x0a) break;
      if (code === 0x22) quoted = !quoted;
      else if (code === 0x5c && quoted) i++;
      else if (code === 0x7d && !quoted) return i + 1;
    }
    throw this.fault("a label set that ends with }");
  }

  /** Reads `{…}` and adds its pairs; a string without `=` is the metric name. */
  labelSet(pairs: string[]): void {
    this.at++;
    for (;;) {
      this.skipSpace();
      if (this.take("}")) return;
      this.#label(pairs);
      this.skipSpace();
      if (this.take(",")) continue;
      if (!this.take("}")) throw this.fault(", or }");
      return;
    }
  }

  #label(pairs: string[]): void {
    const start = this.at;
    const isQuoted = this.peek() === '"';
    const name = isQuoted ? this.quoted() : this.#match(LABEL_NAME, "a label name");
    this.skipSpace();
    if (isQuoted && this.peek() !== "=") {
      this.#add(pairs, "__name__", name, start);
      return;
    }
    if (!this.take("=")) throw this.fault("=");
    this.skipSpace();
    if (this.peek() !== '"') throw this.fault("a value in double quotes");
    this.#add(pairs, name, this.quoted(), start);
  }

  #add(pairs: string[], name: string, value: string, start: number): void {
    const { labelsPerSeriesMax, labelNameBytesMax, labelValueBytesMax } = this.#limits;
    let wrong: string | undefined;
    if (name === "") wrong = "a label name that is not empty";
    else if (isLonger(name, labelNameBytesMax))
      wrong = `a name of at most ${labelNameBytesMax} bytes`;
    else if (isLonger(value, labelValueBytesMax))
      wrong = `a value of at most ${labelValueBytesMax} bytes`;
    else if (pairs.length / 2 >= labelsPerSeriesMax) wrong = `at most ${labelsPerSeriesMax} labels`;
    if (wrong !== undefined) {
      this.at = start;
      throw this.fault(wrong);
    }
    pairs.push(name, value);
  }

  /** The labels of pairs read since `start`; a name given twice is a fault there. */
  labelsOf(pairs: readonly string[], start: number): Labels {
    try {
      return Labels.fromPairs(pairs);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.at = start;
      throw this.fault(`each label once (${error.message})`);
    }
  }

  #match(pattern: RegExp, expected: string): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) throw this.fault(expected);
    this.at = pattern.lastIndex;
    return match[0];
  }

  /** A fault at the current place. */
  fault(expected: string): FinchError {
    const before = this.text.slice(0, this.at);
    const lineStart = before.lastIndexOf("\n") + 1;
    let line = 1;
    for (let i = before.indexOf("\n"); i >= 0; i = before.indexOf("\n", i + 1)) line++;
    const found = this.done ? "the end" : JSON.stringify(this.text.slice(this.at, this.at + 12));
    const place = `${line}:${this.at - lineStart + 1}`;
    return new FinchError(
      "invalid",
      "wire/bad-exposition",
      `parse error at ${place}: expected ${expected}, found ${found}`,
    );
  }
}

function isLonger(text: string, bytesMax: number): boolean {
  return (
    text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)
  );
}

/** Undoes `\\`, `\n` and `\"`; a backslash before anything else stays. */
export function unescapeText(text: string): string {
  return text.replaceAll(/\\([\\n"])/g, (_, character: string) =>
    character === "n" ? "\n" : character,
  );
}
