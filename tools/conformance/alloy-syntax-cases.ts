/** Cases of the parser (errors expected at their places) and of the formatter (texts before and after). */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { decodeSource, formatDiagnosticLine, parseFile } from "@finch/alloy-syntax";
import type { Source } from "@finch/alloy-syntax";
import { formatConfig } from "@finch/agent";

/** `ERROR "regex"`: an error at the token before the comment; `ERROR HERE "regex"`: right behind that token. */
const EXPECTED = /\/\* *ERROR *(HERE)? *"([^"]*)" *\*\//g;

export function hasExpectedErrors(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes).search(EXPECTED) >= 0;
}

interface ExpectedError {
  readonly line: number;
  readonly column: number;
  readonly pattern: RegExp;
}

/** What is wrong: an error that was not expected, or one that did not come. */
export function checkParserErrors(path: string, bytes: Uint8Array): string | undefined {
  const source = decodeSource(path, bytes);
  const waiting = [...expectedErrors(source)];
  for (const diagnostic of parseFile(source).diagnostics) {
    const { line, column } = source.position(diagnostic.start);
    const index = waiting.findIndex(
      (one) => one.line === line && one.column === column && one.pattern.test(diagnostic.message),
    );
    if (index < 0) return `not expected: ${formatDiagnosticLine(diagnostic)}`;
    waiting.splice(index, 1);
  }
  const [missing] = waiting;
  return missing === undefined
    ? undefined
    : `no error at ${missing.line}:${missing.column} that matches ${String(missing.pattern)}`;
}

function* expectedErrors(source: Source): Iterable<ExpectedError> {
  for (const { 0: comment, 1: isBehind, 2: pattern, index } of source.text.matchAll(EXPECTED)) {
    const before = source.text.slice(0, index).trimEnd();
    const token = /(?:"(?:[^"\\\n]|\\.)*"|[\p{L}\p{Nd}_]+|[^\s])$/u.exec(before)?.[0] ?? "";
    const at = isBehind === undefined ? before.length - token.length : before.length;
    const place = source.position(at);
    yield { ...place, pattern: new RegExp(pattern ?? comment) };
  }
}

/** What is wrong with the formatted text of `NAME.in`, or with the error it is refused with. */
export async function checkFormat(path: string): Promise<string | undefined> {
  const beside = (suffix: string) => path.replace(/\.in$/, suffix);
  const text = await readFile(path, "utf8");
  if (existsSync(beside(".error"))) {
    const expected = (await readFile(beside(".error"), "utf8")).replaceAll("\r\n", "\n").trim();
    return checkRefusal(path, text, expected);
  }
  const expected = (await readFile(beside(".expect"), "utf8")).trimEnd();
  const formatted = formatConfig(text, path).trimEnd();
  if (formatted === expected) return undefined;
  const wanted = expected.split("\n");
  const line = formatted.split("\n").findIndex((one, index) => one !== wanted[index]);
  const at = line < 0 ? wanted.length : line + 1;
  return `formatted otherwise in line ${at}: ${JSON.stringify(formatted.split("\n")[at - 1])}, expected ${JSON.stringify(wanted[at - 1])}`;
}

function checkRefusal(path: string, text: string, expected: string): string | undefined {
  const { diagnostics } = parseFile(decodeSource(path, Buffer.from(text)));
  if (diagnostics.some(({ message }) => message.includes(expected))) return undefined;
  const [first] = diagnostics;
  return first === undefined
    ? `parses, but should be refused with ${expected}`
    : `refused with ${formatDiagnosticLine(first)}, expected ${expected}`;
}
