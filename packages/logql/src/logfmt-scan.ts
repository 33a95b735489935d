/** A scanner over logfmt. In strict mode the first bad pair ends it; otherwise a bad pair is skipped, up to the next blank unless it has quotes. */
import { ESCAPES } from "./json-scan.ts";

/** Hands the pairs of a line to `pair` until it answers false; a bare key has the value "". Answers the first fault in strict mode. */
export function scanLogfmt(
  line: string,
  strict: boolean,
  pair: (key: string, value: string) => boolean,
): string | undefined {
  let i = 0;
  for (;;) {
    while (i < line.length && line.charCodeAt(i) <= 32) i++;
    if (i >= line.length) return undefined;
    const keyEnd = endOfKey(line, i);
    const stop = line[keyEnd];
    const key = line.slice(i, keyEnd);
    const isBad = stop === '"' || (stop === "=" && keyEnd === i);
    if (isBad || key.includes("\ufffd")) {
      if (strict) return fault(line, keyEnd, isBad ? `unexpected '${stop}'` : "invalid key");
      i = nextBlank(line, keyEnd);
      continue;
    }
    if (stop !== "=") {
      if (!pair(key, "")) return undefined;
      i = keyEnd;
      continue;
    }
    const valueStart = keyEnd + 1;
    const isQuoted = line[valueStart] === '"';
    const { end, value } = isQuoted ? quoted(line, valueStart) : plain(line, valueStart);
    if (typeof value === "string") {
      if (!pair(key, value)) return undefined;
      i = end;
    } else if (strict) return fault(line, end, value.fault);
    else i = isQuoted ? end : nextBlank(line, end);
  }
}

interface Scanned {
  readonly end: number;
  readonly value: string | { readonly fault: string };
}

/** Places are counted in bytes. */
function fault(line: string, index: number, what: string): string {
  return `logfmt syntax error at pos ${Buffer.byteLength(line.slice(0, index)) + 1} : ${what}`;
}

function endOfKey(line: string, from: number): number {
  let i = from;
  for (; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (c <= 32 || c === 61 || c === 34) break;
  }
  return i;
}

function nextBlank(line: string, from: number): number {
  let i = from;
  while (i < line.length && line.charCodeAt(i) > 32) i++;
  return i;
}

function plain(line: string, from: number): Scanned {
  const end = endOfKey(line, from);
  const stop = line[end];
  if (stop === "=" || stop === '"') return { end, value: { fault: `unexpected '${stop}'` } };
  return { end, value: line.slice(from, end) };
}

function quoted(line: string, from: number): Scanned {
  for (let i = from + 1; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (c === 92) i++;
    else if (c === 34) {
      const value = unescape(line.slice(from + 1, i));
      return { end: i + 1, value: value ?? { fault: "invalid quoted value" } };
    }
  }
  return { end: line.length, value: { fault: "unterminated quoted value" } };
}

const SIMPLE: Readonly<Record<string, string>> = { ...ESCAPES, "'": "'" };

/** The escapes of JSON and that of a single quote; undefined when there is another. */
function unescape(raw: string): string | undefined {
  if (!raw.includes("\\")) return raw;
  let isValid = true;
  const text = raw.replaceAll(
    /\\(?:u([\da-fA-F]{4})|([^]))/g,
    (_, hex?: string, simple?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      const meaning = SIMPLE[simple!];
      isValid &&= meaning !== undefined;
      return meaning ?? "";
    },
  );
  return isValid ? text.toWellFormed() : undefined;
}
