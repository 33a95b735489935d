/** OTTL's words. Numbers have no sign here: a minus is an operator, as in `attributes["a"] -1`. */
import { unescapeGo } from "@finch/go-text";
import { OttlFault } from "./fault.ts";

export type TokenKind =
  | "bytes"
  | "double"
  | "int"
  | "string"
  | "name"
  | "operator"
  | "punctuation"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written; of a string, what it means. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const TOKEN =
  /(?<blank>\s+)|(?<bytes>0x[0-9a-fA-F]+)|(?<double>\d*\.\d+(?:[eE][-+]?\d+)?)|(?<int>\d+)|(?<string>"(?:\\.|[^\\"])*")|(?<name>[A-Za-z][A-Za-z0-9_]*)|(?<operator>==|!=|>=|<=|=>|[<>+\-*/=])|(?<punctuation>[(){}[\],.:])/suy;

/** The words of `text`, with an `end` behind the last. Throws an OttlFault at what is none. */
export function readTokens(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let start = 0; start < text.length;) {
    TOKEN.lastIndex = start;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw new OttlFault(describeMisfit(text, start), text, start);
    const end = TOKEN.lastIndex;
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined)!;
    const written = text.slice(start, end);
    if (kind !== "blank") {
      const meant = kind === "string" ? stringOf(written, text, start) : written;
      tokens.push({ kind: kind as TokenKind, text: meant, start, end });
    }
    start = end;
  }
  tokens.push({ kind: "end", text: "", start: text.length, end: text.length });
  return tokens;
}

export function describeToken(token: Token): string {
  if (token.kind === "end") return "the end";
  return token.kind === "string" ? `the string ${JSON.stringify(token.text)}` : `"${token.text}"`;
}

function stringOf(written: string, text: string, start: number): string {
  const body = written.slice(1, -1);
  if (body.includes("\n"))
    throw new OttlFault("a string may not span lines; write \\n", text, start);
  const meant = unescapeGo(body);
  if (meant === undefined)
    throw new OttlFault("wrong escape in a string; a backslash is written \\\\", text, start);
  return meant;
}

function describeMisfit(text: string, start: number): string {
  if (text[start] === '"') return "this string has no closing quote";
  if (text[start] === "'") return "strings stand in double quotes";
  return `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(start)!))}`;
}
