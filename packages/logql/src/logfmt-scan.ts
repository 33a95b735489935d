/** A scanner over logfmt. In strict mode the first bad pair ends it; otherwise a bad pair is skipped up to the next blank. */
import { unescapeGo } from "@finch/go-text";

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
    if (stop === '"' || (stop === "=" && keyEnd === i)) {
      if (strict) return fault(keyEnd, `unexpected '${stop}'`);
      i = nextBlank(line, keyEnd);
      continue;
    }
    const key = line.slice(i, keyEnd);
    if (stop !== "=") {
      if (!pair(key, "")) return undefined;
      i = keyEnd;
      continue;
    }
    const valueStart = keyEnd + 1;
    const scanned = line[valueStart] === '"' ? quoted(line, valueStart) : plain(line, valueStart);
    if (typeof scanned.value === "string") {
      if (!pair(key, scanned.value)) return undefined;
    } else if (strict) return fault(scanned.end, scanned.value.fault);
    i = typeof scanned.value === "string" ? scanned.end : nextBlank(line, scanned.end);
  }
}

interface Scanned {
  readonly end: number;
  readonly value: string | { readonly fault: string };
}

function fault(position: number, what: string): string {
  return `logfmt syntax error at pos ${position + 1} : ${what}`;
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
      const value = unescapeGo(line.slice(from + 1, i).replaceAll("\\/", "/"));
      return { end: i + 1, value: value ?? { fault: "invalid quoted value" } };
    }
  }
  return { end: line.length, value: { fault: "unterminated quoted value" } };
}
