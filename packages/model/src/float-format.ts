/**
 * Doubles as text in the forms Go programs print, which clients compare as strings. All are the shortest digits that read back to the
 * same number; they differ in when an exponent appears. NaN is `NaN`, infinities are `+Inf` and `-Inf`, negative zero is `-0`.
 */

/** Never an exponent (`strconv` format 'f', precision -1): values in Loki's answers and in text formats. */
export function formatFloat(value: number): string {
  const magnitude = Math.abs(value);
  if ((magnitude >= 1e-6 && magnitude < 1e21) || Object.is(value, 0)) return String(value);
  return special(value) ?? plain(value);
}

/** Go's `%v` and 'g': an exponent below 1e-4 and from 1e6 on, of at least two digits: LogQL templates. */
export function formatGoFloat(value: number): string {
  const text = special(value);
  if (text !== undefined) return text;
  const magnitude = Math.abs(value);
  // Go takes "-4 <= exponent < 6" for the shortest form.
  return magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)
    ? scientific(value)
    : plain(value);
}

/** Digits and exponent always, at least two exponent digits (`strconv` format 'e', precision -1): `1e+00`, values of `/api/v1/alerts`. */
export function formatScientificFloat(value: number): string {
  return Object.is(value, -0) ? "-0e+00" : (special(value) ?? scientific(value));
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (Object.is(value, -0)) return "-0";
  return undefined;
}

function scientific(value: number): string {
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits}e${exponent[0]!}${exponent.slice(1).padStart(2, "0")}`;
}

/** Writes the shortest digits out, whatever the exponent; up to 309 before or 324 after the point. */
function plain(value: number): string {
  const [mantissa = "", exponentText = ""] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const point = Number(exponentText) + 1;
  const sign = value < 0 ? "-" : "";
  if (point <= 0) return value === 0 ? "0" : `${sign}0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return sign + digits.padEnd(point, "0");
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?[0-9]+)$/;

/** What Go's `ParseFloat` reads, without underscores: decimals, `NaN`, `Inf`, `+infinity`, hexadecimal with `p`. Undefined for anything else. */
export function parseFloatText(text: string): number | undefined {
  if (DECIMAL.test(text)) {
    const value = Number(text);
    // Go calls a decimal beyond the largest double out of range instead of infinite.
    return Number.isFinite(value) ? value : undefined;
  }
  const word = /^([+-]?)(nan|inf|infinity)$/i.exec(text);
  if (word !== null) {
    const [, sign, name = ""] = word;
    if (name.toLowerCase() === "nan") return sign === "" ? Number.NaN : undefined;
    return sign === "-" ? -Infinity : Infinity;
  }
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal === null) return undefined;
  const [, sign, whole = "", fraction = "", exponent = ""] = hexadecimal;
  const digits = whole + fraction;
  if (digits === "" || digits.length > 13) return undefined;
  const value = Number.parseInt(digits, 16) * 2 ** (Number(exponent) - 4 * fraction.length);
  return Number.isFinite(value) ? (sign === "-" ? -value : value) : undefined;
}
