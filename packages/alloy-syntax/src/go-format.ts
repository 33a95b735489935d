/** Go's `Sprintf` for the values of the language: `%s %d %v %q %t %f %e %g %x %X %o %b %c %%` with flags, width and precision. */
import { formatGoFloat } from "@finch/model";
import { Capsule, FunctionValue, isArray, isObject, Secret, ValueFault } from "./values.ts";
import type { Value } from "./values.ts";

const VERB = /%([-+# 0]*)([0-9]{1,4}|\*)?(?:\.([0-9]{1,3})?)?([^])?/gu;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

/** A wrong verb does not fail; it shows in the text as `%!d(string=x)`, as in Go. Secrets are refused. */
export function formatText(format: string, args: readonly Value[]): string {
  let next = 0;
  const text = format.replaceAll(
    VERB,
    (
      whole: string,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      verb: string | undefined,
    ) => {
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      if (width === "*")
        throw new ValueFault("%* in string.format", { argument: 0, isUnsupported: true });
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const argument = args[next++]!;
      if (argument instanceof Secret)
        throw new ValueFault("secrets may not be converted into strings", { argument: next });
      const hasPrecision = precision !== undefined || whole.includes(".");
      return formatOne(argument, {
        flags,
        width: Number(width ?? 0),
        precision: hasPrecision ? Number(precision ?? 0) : undefined,
        verb,
      });
    },
  );
  const extra = args.slice(next).map((value) => `${goType(value)}=${plain(value)}`);
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(", ")})`;
}

function formatOne(value: Value, directive: Directive): string {
  const { flags, width, precision, verb } = directive;
  let body: string | undefined;
  if (typeof value === "string") body = formatString(value, verb, precision);
  else if (typeof value === "bigint") body = formatWhole(value, verb, flags);
  else if (typeof value === "number") body = formatFloating(value, verb, flags, precision);
  else if (verb === "v" || (verb === "t" && typeof value === "boolean")) body = plain(value);
  if (body === undefined) return `%!${verb}(${goType(value)}=${plain(value)})`;
  if (flags.includes("-")) return body.padEnd(width);
  const isNumeric = typeof value === "bigint" || typeof value === "number";
  if (!(flags.includes("0") && isNumeric)) return body.padStart(width);
  const sign = /^[+-]/.test(body) ? body[0]! : "";
  return sign + body.slice(sign.length).padStart(width - sign.length, "0");
}

function formatString(
  value: string,
  verb: string,
  precision: number | undefined,
): string | undefined {
  const cut = precision === undefined ? value : Array.from(value).slice(0, precision).join("");
  if (verb === "s" || verb === "v") return cut;
  if (verb === "q") return JSON.stringify(cut);
  if (verb === "x" || verb === "X") {
    const hex = Buffer.from(cut, "utf8").toString("hex");
    return verb === "x" ? hex : hex.toUpperCase();
  }
  return undefined;
}

const BASES: Readonly<Record<string, number>> = { d: 10, v: 10, x: 16, X: 16, o: 8, b: 2 };

function formatWhole(value: bigint, verb: string, flags: string): string | undefined {
  if (verb === "c")
    return String.fromCodePoint(Number(value >= 0n && value <= 0x10ffffn ? value : 0xfffdn));
  const base = Object.hasOwn(BASES, verb) ? BASES[verb] : undefined;
  if (base === undefined) return undefined;
  const digits = value.toString(base);
  return signed(verb === "X" ? digits.toUpperCase() : digits, flags);
}

function formatFloating(
  value: number,
  verb: string,
  flags: string,
  precision: number | undefined,
): string | undefined {
  const digits = Math.min(precision ?? 6, 100);
  switch (verb) {
    case "f":
    case "F":
      return signed(value.toFixed(digits), flags);
    case "e":
      return signed(twoDigitExponent(value.toExponential(digits)), flags);
    case "g":
    case "v":
      return signed(
        precision === undefined
          ? formatGoFloat(value)
          : twoDigitExponent(String(Number(value.toPrecision(Math.max(1, digits))))),
        flags,
      );
    default:
      return undefined;
  }
}

function twoDigitExponent(text: string): string {
  return text.replace(/e([+-])([0-9])$/, "e$10$2");
}

function signed(text: string, flags: string): string {
  if (text.startsWith("-")) return text;
  if (flags.includes("+")) return `+${text}`;
  return flags.includes(" ") ? ` ${text}` : text;
}

function goType(value: Value): string {
  if (value === null) return "<nil>";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float64";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  return isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

/** As `%v` prints it. */
function plain(value: Value): string {
  if (value === null) return "<nil>";
  if (typeof value === "number") return formatGoFloat(value);
  if (isArray(value)) return `[${value.map(plain).join(" ")}]`;
  if (isObject(value)) {
    const fields = [...value].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `map[${fields.map(([key, field]) => `${key}:${plain(field)}`).join(" ")}]`;
  }
  if (value instanceof Capsule || value instanceof FunctionValue || value instanceof Secret)
    throw new ValueFault("only numbers, strings, bools, arrays and objects can be formatted");
  return String(value);
}
