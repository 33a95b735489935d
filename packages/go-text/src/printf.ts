/**
 * Go's `fmt.Sprintf` for the values that templates and configurations have. A verb that does not fit its value does not fail: it shows in
 * the text, as `%!d(string=x)`. Not built: hexadecimal and binary floats (`%x`, `%b` of a float), which print as verbs that do not fit.
 */
import { formatGoFloat } from "@finch/model";
import { formatExponent, quote } from "./conversions.ts";
import { PRINTF_WIDTH_MAX } from "./limits.ts";
import { isList, isMap, isTime, printValue } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import type { GoTime } from "./time-layout.ts";

const FLAGS = /[-+# 0]*/y;
const PLACE = /\[(\d+)\]/y;
const COUNT = /\*|\d+/y;

interface Directive {
  readonly verb: string;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly formatTime: (time: GoTime) => string;
}

export function formatPrintf(
  format: string,
  values: readonly TemplateValue[],
  formatTime: (time: GoTime) => string,
): string {
  return new Printer(format, values, formatTime).print();
}

class Printer {
  readonly #format: string;
  readonly #values: readonly TemplateValue[];
  readonly #formatTime: (time: GoTime) => string;
  #at = 0;
  #next = 0;
  #isReordered = false;
  #isBadPlace = false;

  constructor(
    format: string,
    values: readonly TemplateValue[],
    formatTime: (time: GoTime) => string,
  ) {
    this.#format = format;
    this.#values = values;
    this.#formatTime = formatTime;
  }

  print(): string {
    let text = "";
    for (;;) {
      const percent = this.#format.indexOf("%", this.#at);
      text += this.#format.slice(this.#at, percent < 0 ? undefined : percent);
      if (percent < 0) break;
      this.#at = percent + 1;
      text += this.#directive();
    }
    if (this.#isReordered || this.#next >= this.#values.length) return text;
    const extra = this.#values
      .slice(this.#next)
      .map((value) =>
        value === null ? "<nil>" : `${typeName(value)}=${printValue(value, this.#formatTime)}`,
      );
    return `${text}%!(EXTRA ${extra.join(", ")})`;
  }

  #directive(): string {
    this.#isBadPlace = false;
    let text = "";
    let flags = this.#match(FLAGS)![0];
    this.#place();
    const counted = this.#count();
    let width = 0;
    if (counted === "bad") text += "%!(BADWIDTH)";
    else if (counted !== undefined) {
      if (counted < 0) flags += "-";
      width = Math.abs(counted);
    }
    let precision: number | undefined;
    if (this.#format[this.#at] === ".") {
      this.#at++;
      this.#place();
      const digits = this.#count() ?? 0;
      if (digits === "bad" || digits < 0) text += "%!(BADPREC)";
      else precision = digits;
    }
    this.#place();
    const verb = String.fromCodePoint(this.#format.codePointAt(this.#at) ?? 0);
    if (this.#at >= this.#format.length) return `${text}%!(NOVERB)`;
    this.#at += verb.length;
    if (verb === "%") return `${text}%`;
    if (this.#isBadPlace) return `${text}%!${verb}(BADINDEX)`;
    if (this.#next >= this.#values.length) return `${text}%!${verb}(MISSING)`;
    const value = this.#values[this.#next++]!;
    const directive = {
      verb,
      flags,
      width: Math.min(width, PRINTF_WIDTH_MAX),
      precision: precision === undefined ? undefined : Math.min(precision, PRINTF_WIDTH_MAX),
      formatTime: this.#formatTime,
    };
    return text + formatVerb(value, directive);
  }

  /** `[3]`: the value that comes next. */
  #place(): void {
    const place = this.#match(PLACE);
    if (place === undefined) return;
    this.#isReordered = true;
    const index = Number(place[1]) - 1;
    if (index >= 0 && index < this.#values.length) this.#next = index;
    else this.#isBadPlace = true;
  }

  #count(): number | "bad" | undefined {
    const count = this.#match(COUNT)?.[0];
    if (count === undefined) return undefined;
    if (count !== "*") return Number(count);
    const value = this.#values[this.#next++];
    return typeof value === "bigint" && value >= -1_000_000n && value <= 1_000_000n
      ? Number(value)
      : "bad";
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#format);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }
}

function formatVerb(value: TemplateValue, directive: Directive): string {
  const { verb, flags, formatTime } = directive;
  if (verb === "T") return pad(value === null ? "<nil>" : typeName(value), directive);
  if (value === null) return verb === "v" ? pad("<nil>", directive) : `%!${verb}(<nil>)`;
  if (isList(value) || isMap(value)) return formatElements(value, directive);
  if (isTime(value))
    return verb === "v" || verb === "s"
      ? pad(formatTime(value), directive)
      : `%!${verb}(time.Time=${formatTime(value)})`;
  let text: string | undefined;
  let isNumeric = false;
  if (typeof value === "string") text = formatString(value, directive);
  else if (typeof value === "boolean") text = "vt".includes(verb) ? String(value) : undefined;
  else {
    isNumeric = !"cqU".includes(verb);
    text =
      typeof value === "bigint" ? formatWhole(value, directive) : formatFloat(value, directive);
  }
  if (text === undefined) return `%!${verb}(${typeName(value)}=${printValue(value, formatTime)})`;
  const padsZeros =
    flags.includes("0") &&
    !flags.includes("-") &&
    (!isNumeric || (!/Inf|NaN/.test(text) && !hasDigits(value, directive)));
  return padsZeros ? padZeros(text, directive.width, isNumeric) : pad(text, directive);
}

/** Of whole numbers, a precision says how many digits there are, and no more are padded. */
function hasDigits(value: TemplateValue, { precision }: Directive): boolean {
  return typeof value === "bigint" && precision !== undefined;
}

function pad(text: string, { width, flags }: Directive): string {
  const fill = " ".repeat(Math.max(0, width - Array.from(text).length));
  return flags.includes("-") ? text + fill : fill + text;
}

function padZeros(text: string, width: number, isNumeric: boolean): string {
  const sign = isNumeric && /^[-+ ]/.test(text) ? text[0]! : "";
  const length = Array.from(text).length;
  return sign + "0".repeat(Math.max(0, width - length)) + text.slice(sign.length);
}

/** Lists and maps: the verb holds for each element. */
function formatElements(
  value: readonly TemplateValue[] | ReadonlyMap<string, TemplateValue>,
  directive: Directive,
): string {
  const isSyntax = directive.verb === "v" && directive.flags.includes("#");
  const element = (inner: TemplateValue) =>
    inner === null ? (isSyntax ? "interface {}(nil)" : "<nil>") : formatVerb(inner, directive);
  if (isList(value)) {
    const inner = value.map(element);
    return isSyntax ? `[]interface {}{${inner.join(", ")}}` : `[${inner.join(" ")}]`;
  }
  const inner = [...value]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${formatVerb(key, directive)}:${element(field)}`);
  return isSyntax ? `map[string]interface {}{${inner.join(", ")}}` : `map[${inner.join(" ")}]`;
}

function formatString(value: string, { verb, flags, precision }: Directive): string | undefined {
  const cut = precision === undefined ? value : Array.from(value).slice(0, precision).join("");
  if (verb === "v" && flags.includes("#")) return quote(value);
  if (verb === "s" || verb === "v") return cut;
  if (verb === "q") return formatQuoted(cut, flags);
  if (verb !== "x" && verb !== "X") return undefined;
  const bytes = new TextEncoder().encode(value).subarray(0, precision);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const prefix = flags.includes("#") ? "0x" : "";
  const text = flags.includes(" ")
    ? hex.map((byte) => prefix + byte).join(" ")
    : hex.length === 0
      ? ""
      : prefix + hex.join("");
  return verb === "x" ? text : text.toUpperCase();
}

function formatQuoted(text: string, flags: string): string {
  if (flags.includes("#") && canBeRaw(text)) return `\`${text}\``;
  const quoted = quote(text);
  if (!flags.includes("+")) return quoted;
  return Array.from(quoted, (character) => {
    const point = character.codePointAt(0)!;
    if (point < 0x80) return character;
    const hex = point.toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
  }).join("");
}

/** What a raw string of Go can hold: no backquote, and of control characters only the tab. */
function canBeRaw(text: string): boolean {
  return Array.from(text).every((character) => {
    const code = character.codePointAt(0)!;
    return character === "\t" || (code >= 0x20 && code !== 0x7f && !"`\ufeff".includes(character));
  });
}

const BASES: Readonly<Record<string, number>> = { d: 10, v: 10, x: 16, X: 16, o: 8, O: 8, b: 2 };
const PREFIXES: Readonly<Record<string, string>> = { x: "0x", X: "0X", o: "0", b: "0b" };

function formatWhole(value: bigint, { verb, flags, precision }: Directive): string | undefined {
  if (verb === "c") return character(value);
  if (verb === "q") return `'${character(value).replaceAll(/['\\]/g, "\\$&")}'`;
  if (verb === "U") {
    const point = `U+${value.toString(16).toUpperCase().padStart(4, "0")}`;
    return flags.includes("#") ? `${point} '${character(value)}'` : point;
  }
  const base = Object.hasOwn(BASES, verb) ? BASES[verb] : undefined;
  if (base === undefined) return undefined;
  const isNegative = value < 0n;
  let digits = (isNegative ? -value : value).toString(base);
  if (verb === "X") digits = digits.toUpperCase();
  if (precision !== undefined)
    digits = precision === 0 && value === 0n ? "" : digits.padStart(precision, "0");
  if (verb === "O") digits = `0o${digits}`;
  else if (flags.includes("#")) digits = (PREFIXES[verb] ?? "") + digits;
  return signed(isNegative ? `-${digits}` : digits, flags);
}

/** What is no code point prints as the replacement character. */
function character(code: bigint): string {
  return code >= 0n && code <= 0x10ffffn ? String.fromCodePoint(Number(code)) : "\ufffd";
}

function signed(text: string, flags: string): string {
  if (/^[-+]/.test(text)) return text;
  if (flags.includes("+")) return `+${text}`;
  return flags.includes(" ") ? ` ${text}` : text;
}

function formatFloat(value: number, { verb, flags, precision }: Directive): string | undefined {
  if (!"vefgEFG".includes(verb)) return undefined;
  if (!Number.isFinite(value)) {
    const text = formatGoFloat(value);
    return flags.includes("+") || text !== "+Inf" ? signed(text, flags) : "+Inf";
  }
  return signed(formatFinite(value, verb, precision), flags);
}

function formatFinite(value: number, verb: string, precision: number | undefined): string {
  if (verb === "f" || verb === "F") return formatFixed(value, Math.min(precision ?? 6, 100));
  if (verb === "e" || verb === "E") {
    const [digits, exponent] = value.toExponential(Math.min(precision ?? 6, 100)).split("e");
    return `${digits}${verb}${formatExponent(Number(exponent))}`;
  }
  const text = precision === undefined ? formatGoFloat(value) : formatShort(value, precision);
  return verb === "G" ? text.toUpperCase() : text;
}

/** `%g` with a number of significant digits. */
function formatShort(value: number, precision: number): string {
  const significant = Math.max(1, Math.min(precision, 100));
  const exponential = value.toExponential(significant - 1);
  const exponent = Number(exponential.slice(exponential.indexOf("e") + 1));
  const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent < -4 || exponent >= significant) {
    return `${trim(exponential.slice(0, exponential.indexOf("e")))}e${formatExponent(exponent)}`;
  }
  return trim(value.toFixed(Math.max(0, significant - 1 - exponent)));
}

/** What the platform writes at most; enough to see every tie. */
const EXACT_DIGITS = 100;

/** Go's `%f`: a number that lies exactly between two texts takes the even one, where the platform takes the larger. */
function formatFixed(value: number, digits: number): string {
  if (Math.abs(value) >= 1e21) {
    return `${BigInt(value)}${digits > 0 ? `.${"0".repeat(digits)}` : ""}`;
  }
  const rounded = value.toFixed(digits);
  if (digits >= EXACT_DIGITS) return rounded;
  const exact = value.toFixed(EXACT_DIGITS);
  const cutAt = exact.length - EXACT_DIGITS + digits;
  if (!/^50*$/.test(exact.slice(cutAt))) return rounded;
  const truncated = exact.slice(0, digits > 0 ? cutAt : cutAt - 1);
  return Number(truncated.at(-1)) % 2 === 0 ? truncated : rounded;
}

function typeName(value: TemplateValue): string {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "float64";
  if (typeof value === "bigint") return "int";
  if (typeof value === "boolean") return "bool";
  if (value === null) return "<nil>";
  if (isList(value)) return "[]interface {}";
  return isMap(value) ? "map[string]interface {}" : "time.Time";
}
