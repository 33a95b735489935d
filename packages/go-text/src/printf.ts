/** Go's `fmt.Sprintf` for the values templates have. */
import { formatGoFloat } from "@finch/model";
import { formatExponent } from "./conversions.ts";
import { PRINTF_WIDTH_MAX } from "./limits.ts";
import { printValue } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import type { GoTime } from "./time-layout.ts";

/** Flags, width, precision, number of the value, verb. */
const VERB = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(?:\[(\d+)\])?([a-zA-Z%])|%/g;

export function formatPrintf(
  format: string,
  values: readonly TemplateValue[],
  formatTime: (time: GoTime) => string,
): string {
  let index = 0;
  let isReordered = false;
  const take = (): TemplateValue | undefined => values[index++];
  const takeCount = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const count = Number(text === "*" ? take() : text);
    return Math.max(0, Math.min(count, PRINTF_WIDTH_MAX)) || 0;
  };
  let result = format.replaceAll(VERB, (whole: string, ...groups: (string | undefined)[]) => {
    const [flags, widthText, precisionText, place, verb] = groups;
    if (verb === undefined) return "%!(NOVERB)";
    if (verb === "%") return "%";
    const width = takeCount(widthText) ?? 0;
    const precision = whole.includes(".") ? (takeCount(precisionText) ?? 0) : undefined;
    if (place !== undefined) {
      isReordered = true;
      index = Number(place) - 1;
    }
    const value = take();
    if (value === undefined) return `%!${verb}(${place === undefined ? "MISSING" : "BADINDEX"})`;
    const text = formatVerb(verb, value, { flags: flags!, precision, formatTime });
    return pad(text, width, flags!, typeof value !== "string");
  });
  if (index < values.length && !isReordered) {
    const extra = values
      .slice(index)
      .map((value) => `${typeName(value)}=${printValue(value, formatTime)}`);
    result += `%!(EXTRA ${extra.join(", ")})`;
  }
  return result;
}

function pad(text: string, width: number, flags: string, numeric: boolean): string {
  const length = Array.from(text).length;
  if (length >= width) return text;
  const fill = width - length;
  if (flags.includes("-")) return text + " ".repeat(fill);
  if (!flags.includes("0")) return " ".repeat(fill) + text;
  const sign = numeric && /^[+-]/.test(text) ? text[0]! : "";
  return sign + "0".repeat(fill) + text.slice(sign.length);
}

interface VerbOptions {
  readonly flags: string;
  readonly precision: number | undefined;
  readonly formatTime: (time: GoTime) => string;
}

function formatVerb(verb: string, value: TemplateValue, options: VerbOptions): string {
  const { flags, precision, formatTime } = options;
  const mark = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const plus = (text: string) =>
    text.startsWith("-") || text.startsWith("+") ? text : mark + text;
  if (verb === "T") return typeName(value);
  if (verb === "v") return cut(printValue(value, formatTime), undefined);
  if (typeof value === "string") {
    if (verb === "s") return cut(value, precision);
    if (verb === "q") return JSON.stringify(cut(value, precision));
    if (verb === "x" || verb === "X") return hexOf(value, verb);
  }
  if (typeof value === "bigint") {
    if (verb === "d") return plus(String(value));
    if (verb === "x") return plus(value.toString(16));
    if (verb === "X") return plus(value.toString(16).toUpperCase());
    if (verb === "o") return plus(value.toString(8));
    if (verb === "b") return plus(value.toString(2));
    if (verb === "c") return character(value);
    if (verb === "U") return `U+${value.toString(16).toUpperCase().padStart(4, "0")}`;
  }
  if (typeof value === "number") {
    const text = formatFloatVerb(verb, value, precision);
    if (text !== undefined) return plus(text);
  }
  if (typeof value === "boolean" && verb === "t") return String(value);
  if (typeof value === "object" && verb === "s") return printValue(value, formatTime);
  return `%!${verb}(${typeName(value)}=${printValue(value, formatTime)})`;
}

function formatFloatVerb(
  verb: string,
  value: number,
  precision: number | undefined,
): string | undefined {
  if (!Number.isFinite(value)) return "eEfFgG".includes(verb) ? formatGoFloat(value) : undefined;
  if (verb === "f" || verb === "F") return formatFixed(value, Math.min(precision ?? 6, 100));
  if (verb === "e" || verb === "E") {
    const [digits, exponent] = value.toExponential(Math.min(precision ?? 6, 100)).split("e");
    return `${digits}${verb}${formatExponent(Number(exponent))}`;
  }
  if (verb !== "g" && verb !== "G") return undefined;
  if (precision === undefined) return formatGoFloat(value);
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

/** What is no code point prints as the replacement character. */
function character(code: bigint): string {
  return code >= 0n && code <= 0x10ffffn ? String.fromCodePoint(Number(code)) : "\ufffd";
}

function cut(text: string, precision: number | undefined): string {
  return precision === undefined ? text : Array.from(text).slice(0, precision).join("");
}

function hexOf(text: string, verb: string): string {
  const bytes = new TextEncoder().encode(text);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return verb === "x" ? hex : hex.toUpperCase();
}

function typeName(value: TemplateValue): string {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "float64";
  if (typeof value === "bigint") return "int";
  if (typeof value === "boolean") return "bool";
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return "[]interface {}";
  return value instanceof Map ? "map[string]interface {}" : "time.Time";
}
