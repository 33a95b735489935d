/** The label notation of Loki's push API and of Prometheus' messages: `{a="b", c='d', e=`f`}`. */
import { isUtf8 } from "node:buffer";
import { FinchError } from "@finch/runtime";

const NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const SPACE = /[ \t\r\n]*/y;

/** `name, value, name, value …` in the order written. A fault names the column, counted from 1. */
export function parseLabelString(text: string): string[] {
  const cursor: Cursor = { text, at: 0 };
  skipSpace(cursor);
  take(cursor, "{");
  const pairs: string[] = [];
  for (;;) {
    skipSpace(cursor);
    if (text[cursor.at] === "}") break;
    pairs.push(takeName(cursor));
    skipSpace(cursor);
    take(cursor, "=");
    skipSpace(cursor);
    pairs.push(takeQuoted(cursor));
    skipSpace(cursor);
    if (text[cursor.at] !== ",") break;
    cursor.at++;
  }
  take(cursor, "}");
  skipSpace(cursor);
  if (cursor.at < text.length) throw badLabels(cursor, "nothing more after }");
  return pairs;
}

/** Whether a name may stand in label notation without quotes. */
export function isLabelName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}

interface Cursor {
  readonly text: string;
  at: number;
}

function skipSpace(cursor: Cursor): void {
  SPACE.lastIndex = cursor.at;
  SPACE.test(cursor.text);
  cursor.at = SPACE.lastIndex;
}

function take(cursor: Cursor, expected: string): void {
  if (cursor.text[cursor.at] !== expected) throw badLabels(cursor, expected);
  cursor.at++;
}

function takeName(cursor: Cursor): string {
  NAME.lastIndex = cursor.at;
  const match = NAME.exec(cursor.text);
  if (match === null) throw badLabels(cursor, "a label name");
  cursor.at = NAME.lastIndex;
  return match[0];
}

function takeQuoted(cursor: Cursor): string {
  const { text } = cursor;
  const quote = text[cursor.at];
  if (quote !== '"' && quote !== "'" && quote !== "`") throw badLabels(cursor, "a quoted value");
  const start = ++cursor.at;
  if (quote === "`") {
    const end = text.indexOf("`", start);
    if (end < 0) throw badLabels({ text, at: text.length }, "a closing `");
    cursor.at = end + 1;
    return text.slice(start, end);
  }
  let value = "";
  let copiedTo = start;
  for (;;) {
    const character = text[cursor.at];
    if (character === undefined || character === "\n")
      throw badLabels(cursor, `a closing ${quote}`);
    if (character === quote) {
      value += text.slice(copiedTo, cursor.at++);
      return value;
    }
    if (character === "\\") {
      value += text.slice(copiedTo, cursor.at) + takeEscape(cursor);
      copiedTo = cursor.at;
    } else cursor.at++;
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

const CODE_ESCAPE = /(?:\\(?:x[0-9a-fA-F]{2}|[0-7]{3}))+|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}/y;

/** An escape sequence as Go writes them. Those by `\x` or octal name bytes, so a run of them is one piece of UTF-8. */
function takeEscape(cursor: Cursor): string {
  const next = cursor.text[cursor.at + 1] ?? "";
  if (Object.hasOwn(SIMPLE_ESCAPES, next)) {
    cursor.at += 2;
    return SIMPLE_ESCAPES[next]!;
  }
  CODE_ESCAPE.lastIndex = cursor.at;
  const [escape] = CODE_ESCAPE.exec(cursor.text) ?? [];
  if (escape === undefined) throw badLabels(cursor, "an escape sequence");
  const text = /^\\[uU]/.test(escape) ? characterOf(escape) : textOfBytes(escape);
  if (text === undefined) throw badLabels(cursor, "an escape of a character");
  cursor.at += escape.length;
  return text;
}

function characterOf(escape: string): string | undefined {
  const code = Number.parseInt(escape.slice(2), 16);
  return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)
    ? undefined
    : String.fromCodePoint(code);
}

function textOfBytes(escapes: string): string | undefined {
  const bytes = Buffer.from(
    escapes
      .slice(1)
      .split("\\")
      .map((digits) =>
        digits.startsWith("x") ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 8),
      ),
  );
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

function badLabels(cursor: Cursor, expected: string): FinchError {
  const { text, at } = cursor;
  const found = at >= text.length ? "the end" : JSON.stringify(text.slice(at, at + 10));
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  const message = `error parsing labels ${shown}: parse error at line 1, col ${at + 1}: expected ${expected}, found ${found}`;
  return new FinchError("invalid", "wire/bad-labels", message);
}
