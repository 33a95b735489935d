/**
 * Turns text into tokens. Newlines matter as in Go: a terminator token stands where a line ends after an identifier, a literal or a closing
 * bracket. Comments are collected apart; faults become diagnostics and the scan goes on.
 */
import { makeError } from "./diagnostics.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { DIAGNOSTICS_MAX } from "./limits.ts";
import type { Source } from "./source.ts";
import type { Comment, Token, TokenKind } from "./tokens.ts";

export interface ScanResult {
  /** Ends with an `end` token. */
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
  readonly diagnostics: readonly Diagnostic[];
}

const BLANK = /[ \t\r]+/y;
const IDENTIFIER = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
const NUMBER = /(?:[0-9]+(?:(\.)[0-9]*)?|(\.)[0-9]+)(?:([eE])[+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\n]|\\[^\n])*"/y;
const RAW_STRING = /`[^`]*`/y;
const LINE_COMMENT = /\/\/[^\n]*/y;
const SYMBOL = /\|\||&&|==|!=|<=|>=|[<>+\-*/%^!=()[\]{},.]/y;
const KEYWORDS: ReadonlySet<string> = new Set(["true", "false", "null"]);
/** A line may end a statement after these. */
const ENDS_STATEMENT: ReadonlySet<TokenKind> = new Set([
  "identifier",
  "number",
  "float",
  "string",
  "raw-string",
  "keyword",
  ")",
  "]",
  "}",
]);

export function scan(source: Source): ScanResult {
  return new Scanner(source).run();
}

class Scanner {
  readonly #source: Source;
  readonly #text: string;
  readonly #tokens: Token[] = [];
  readonly #comments: Comment[] = [];
  readonly #diagnostics: Diagnostic[] = [];
  #offset = 0;
  #endsStatement = false;

  constructor(source: Source) {
    this.#source = source;
    this.#text = source.text;
  }

  run(): ScanResult {
    const text = this.#text;
    while (this.#offset < text.length && this.#diagnostics.length < DIAGNOSTICS_MAX) this.#step();
    this.#offset = text.length;
    this.#terminate();
    this.#tokens.push({ kind: "end", start: text.length, end: text.length, text: "" });
    return { tokens: this.#tokens, comments: this.#comments, diagnostics: this.#diagnostics };
  }

  #step(): void {
    if (this.#match(BLANK) !== undefined) {
      this.#offset = BLANK.lastIndex;
      return;
    }
    const char = this.#text[this.#offset]!;
    if (char === "\n") {
      this.#terminate();
      this.#offset++;
    } else if (char === "/" && this.#text[this.#offset + 1] === "/") this.#lineComment();
    else if (char === "/" && this.#text[this.#offset + 1] === "*") this.#blockComment();
    else if (char === '"') this.#string();
    else if (char === "`") this.#rawString();
    else this.#wordOrSymbol(char);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.#text) ?? undefined;
  }

  #push(kind: TokenKind, text: string): void {
    this.#tokens.push({ kind, start: this.#offset, end: this.#offset + text.length, text });
    this.#offset += text.length;
    this.#endsStatement = ENDS_STATEMENT.has(kind);
  }

  #terminate(): void {
    if (!this.#endsStatement) return;
    this.#tokens.push({ kind: "terminator", start: this.#offset, end: this.#offset, text: "" });
    this.#endsStatement = false;
  }

  #fault(message: string, end: number): void {
    this.#diagnostics.push(makeError(this.#source, { start: this.#offset, end }, message));
  }

  #lineComment(): void {
    const text = this.#match(LINE_COMMENT)![0];
    this.#comments.push({
      text: text.replace(/\r$/, ""),
      start: this.#offset,
      end: this.#offset + text.length,
    });
    this.#offset += text.length;
  }

  #blockComment(): void {
    const close = this.#text.indexOf("*/", this.#offset + 2);
    if (close < 0) {
      this.#fault("block comment not terminated", this.#offset + 2);
      this.#offset = this.#text.length;
      return;
    }
    const text = this.#text.slice(this.#offset, close + 2);
    if (text.includes("\n")) this.#terminate();
    this.#comments.push({ text, start: this.#offset, end: close + 2 });
    this.#offset = close + 2;
  }

  #string(): void {
    const match = this.#match(STRING);
    if (match !== undefined) {
      this.#push("string", match[0]);
      return;
    }
    const newline = this.#text.indexOf("\n", this.#offset);
    const end = newline < 0 ? this.#text.length : newline;
    this.#fault(
      "string literal not terminated; close it with a double quote on the same line",
      end,
    );
    this.#push("bad", this.#text.slice(this.#offset, end));
    this.#endsStatement = true;
  }

  #rawString(): void {
    const match = this.#match(RAW_STRING);
    if (match !== undefined) {
      this.#push("raw-string", match[0]);
      return;
    }
    this.#fault("raw string literal not terminated; close it with a backtick", this.#offset + 1);
    this.#push("bad", this.#text.slice(this.#offset));
  }

  #wordOrSymbol(char: string): void {
    const word = this.#match(IDENTIFIER)?.[0];
    if (word !== undefined) {
      this.#push(KEYWORDS.has(word) ? "keyword" : "identifier", word);
      return;
    }
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const isFloat = number[1] !== undefined || number[2] !== undefined || number[3] !== undefined;
      this.#push(isFloat ? "float" : "number", number[0]);
      return;
    }
    const symbol = this.#match(SYMBOL)?.[0];
    if (symbol !== undefined) this.#push(symbol as TokenKind, symbol);
    else this.#illegal(char);
  }

  #illegal(char: string): void {
    if (char === "'") {
      const newline = this.#text.indexOf("\n", this.#offset);
      const close = this.#text.indexOf("'", this.#offset + 1);
      const end = close > 0 && (newline < 0 || close < newline) ? close + 1 : this.#offset + 1;
      this.#fault("illegal single-quoted string; use double quotes", end);
      this.#push("bad", this.#text.slice(this.#offset, end));
      this.#endsStatement = true;
      return;
    }
    const shown = String.fromCodePoint(this.#text.codePointAt(this.#offset)!);
    const hint = char === "#" ? "; comments begin with //" : "";
    this.#fault(
      char === "\0" ? "illegal character NUL" : `illegal character ${JSON.stringify(shown)}${hint}`,
      this.#offset + shown.length,
    );
    this.#push("bad", shown);
  }
}
