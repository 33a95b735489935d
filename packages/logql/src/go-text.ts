/**
 * Text conversions that behave like Go's, because LogQL's results and error texts are those of Go programs: durations, byte sizes,
 * floats, quoted strings. Pure functions; faults are thrown as {@link ConversionFault}, which callers turn into a label or a message.
 */

/** A value that does not convert; the message is Go's. */
export class ConversionFault extends Error {
  override readonly name = "ConversionFault";
}

const FLOAT = /^[+-]?(?:\d+(?:_?\d)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const HEX_FLOAT = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?\d+)$/;
const SPECIAL_FLOAT = /^([+-]?)(inf|infinity|nan)$/i;

/** Go's `strconv.ParseFloat(text, 64)`. */
export function parseGoFloat(text: string): number {
  if (FLOAT.test(text) && !text.includes("_")) {
    const value = Number(text);
    if (Number.isFinite(value)) return value;
    throw new ConversionFault(`strconv.ParseFloat: parsing ${quote(text)}: value out of range`);
  }
  const special = SPECIAL_FLOAT.exec(text);
  if (special !== null) {
    const [, sign, name] = special;
    if (name!.toLowerCase() === "nan") {
      if (sign === "") return NaN;
    } else return sign === "-" ? -Infinity : Infinity;
  }
  const hex = HEX_FLOAT.exec(text);
  if (hex !== null && (hex[2] !== "" || (hex[3] ?? "") !== "")) {
    const fraction = hex[3] ?? "";
    const mantissa = Number(`0x${hex[2]!}${fraction}`);
    const value = mantissa * 2 ** (Number(hex[4]) - 4 * fraction.length);
    return hex[1] === "-" ? -value : value;
  }
  throw new ConversionFault(`strconv.ParseFloat: parsing ${quote(text)}: invalid syntax`);
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
  const negative = text.startsWith("-");
  let rest = negative || text.startsWith("+") ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (rest === "") throw new ConversionFault(`time: invalid duration ${quote(text)}`);
  let total = 0;
  while (rest !== "") {
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(rest);
    if (number === null) throw new ConversionFault(`time: invalid duration ${quote(text)}`);
    rest = rest.slice(number[0].length);
    const unit = /^[^.\d]*/.exec(rest)![0];
    if (unit === "") throw new ConversionFault(`time: missing unit in duration ${quote(text)}`);
    const scale = UNIT_NS.get(unit);
    if (scale === undefined) {
      throw new ConversionFault(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`);
    }
    total += Number(number[0]) * scale;
    rest = rest.slice(unit.length);
  }
  total = Math.trunc(total);
  return negative ? -total : total;
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

const BYTE_SCALE: ReadonlyMap<string, number> = new Map(
  ["", "k", "m", "g", "t", "p", "e"].flatMap((prefix, power): [string, number][] =>
    power === 0
      ? [
          ["", 1],
          ["b", 1],
        ]
      : [
          [prefix, 1000 ** power],
          [`${prefix}b`, 1000 ** power],
          [`${prefix}i`, 1024 ** power],
          [`${prefix}ib`, 1024 ** power],
        ],
  ),
);

/** A byte size such as `1.5KiB`, `2,048` or `3mb`, whole bytes; units in any case, decimal unless written with an i. */
export function parseByteSize(text: string): number {
  const digits = /^[\d.,]*/.exec(text)![0];
  const value = parseGoFloat(digits.replaceAll(",", ""));
  const unit = text.slice(digits.length).trim().toLowerCase();
  const scale = BYTE_SCALE.get(unit);
  if (scale === undefined) throw new ConversionFault(`unhandled size name: ${unit}`);
  const bytes = value * scale;
  if (bytes >= 2 ** 64) throw new ConversionFault(`too large: ${text}`);
  return Math.trunc(bytes);
}

/** A float as Go's `%v` prints it: shortest digits, with an exponent below 1e-4 and from 1e6. */
export function formatGoFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const exponential = value.toExponential();
  const split = exponential.indexOf("e");
  const exponent = Number(exponential.slice(split + 1));
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${exponential.slice(0, split)}e${formatExponent(exponent)}`;
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
