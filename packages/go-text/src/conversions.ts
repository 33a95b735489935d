/**
 * Text conversions that behave like Go's, because results and fault texts of LogQL and of agent stages are those of Go programs: durations, byte sizes,
 * floats, quoted strings. Pure functions; faults are thrown as {@link ConversionFault}, which callers turn into a label or a message.
 */
import {
  parseFloatText,
  parseGoDuration as parseStrictGoDuration,
  tryParseBytes,
  tryParseGoDuration,
} from "@finch/model";
import { describeError } from "@finch/runtime";

/** A value that does not convert; the message is Go's. */
export class ConversionFault extends Error {
  override readonly name = "ConversionFault";
}

/** Go's `strconv.ParseFloat(text, 64)`. */
export function parseGoFloat(text: string): number {
  const value = parseFloatText(text);
  if (value !== undefined) return value;
  const beyond = /^[+-]?[\d.]+(?:[eE][+-]?\d+)?$/.test(text) && Math.abs(Number(text)) === Infinity;
  throw new ConversionFault(
    `strconv.ParseFloat: parsing ${quote(text)}: ${beyond ? "value out of range" : "invalid syntax"}`,
  );
}

const UNIT_NS: ReadonlyMap<string, number> = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["μs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 60e9],
  ["h", 3600e9],
]);
const LONG_UNIT_NS: ReadonlyMap<string, number> = new Map([
  ["d", 86400e9],
  ["w", 7 * 86400e9],
  ["y", 365 * 86400e9],
]);

/** Go's `time.ParseDuration`, in nanoseconds: what a label value may hold. No days. */
export function parseGoDuration(text: string): number {
  const ns = tryParseGoDuration(text);
  if (ns !== undefined) return ns;
  try {
    return parseStrictGoDuration(text);
  } catch (error) {
    throw new ConversionFault(describeError(error), { cause: error });
  }
}

/** A duration as a query may write it: Go's form, or Prometheus' with `d`, `w` and `y`. Undefined when it is neither. */
export function parseQueryDuration(text: string): number | undefined {
  const negative = text.startsWith("-");
  let rest = negative || text.startsWith("+") ? text.slice(1) : text;
  if (rest === "") return undefined;
  if (rest === "0") return 0;
  let total = 0;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)/.exec(rest);
    if (part === null) return undefined;
    const [whole, number, unit] = part;
    total += Number(number) * (UNIT_NS.get(unit!) ?? LONG_UNIT_NS.get(unit!)!);
    rest = rest.slice(whole.length);
  }
  total = Math.trunc(total);
  return negative ? -total : total;
}

/** A byte size such as `1.5KiB`, `2,048` or `3mb`, whole bytes; units in any case, decimal unless written with an i. */
export function parseByteSize(text: string): number {
  const bytes = tryParseBytes(text);
  if (bytes !== undefined) return bytes;
  const digits = /^[\d.,]*/.exec(text)![0];
  // The number is read first, as in Go, and so is the first to be complained about.
  parseGoFloat(digits.replaceAll(",", ""));
  throw new ConversionFault(
    `unhandled size name: ${text.slice(digits.length).trim().toLowerCase()}`,
  );
}

/** Two digits at least, always signed, as Go does. */
export function formatExponent(exponent: number): string {
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${exponent < 0 ? "-" : "+"}${digits}`;
}

/** A string in double quotes that every Go and JSON reader understands. */
export function quote(text: string): string {
  return JSON.stringify(text);
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
const ESCAPE =
  /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\"']))/y;

/** What a Go string literal without its quotes means; undefined when an escape is wrong. */
export function unescapeGo(body: string): string | undefined {
  if (!body.includes("\\")) return body;
  let text = "";
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) text += new TextDecoder().decode(Uint8Array.from(bytes));
    bytes = [];
  };
  for (let i = 0; i < body.length;) {
    if (body[i] !== "\\") {
      flush();
      text += body[i]!;
      i++;
      continue;
    }
    ESCAPE.lastIndex = i;
    const match = ESCAPE.exec(body);
    if (match === null) return undefined;
    const [whole, hex, short, long, octal, simple] = match;
    if (hex !== undefined || octal !== undefined) {
      bytes.push(hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal!, 8) & 255);
    } else {
      flush();
      if (simple !== undefined) text += SIMPLE_ESCAPES[simple]!;
      else {
        const code = Number.parseInt((short ?? long)!, 16);
        if (code > 0x10ffff) return undefined;
        text += String.fromCodePoint(code);
      }
    }
    i += whole.length;
  }
  flush();
  return text;
}
