/** What the functions of `line_format` and `label_format` do, Loki's and those it takes from sprig. Names stand in `template-names.ts`. */
import { compileRegexp } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { describeError } from "@finch/runtime";
import { formatTime, parseTime } from "./go-time.ts";
import { parseByteSize, parseGoDuration } from "./go-text.ts";
import { BUILT_IN_FUNCTIONS } from "./template-built-ins.ts";
import { isTime, isTrue, TemplateRunFault, toFloat, toInteger } from "./template-value.ts";
import type { TemplateTime, TemplateValue } from "./template-value.ts";
import { TEMPLATE_OUTPUT_MAX } from "./limits.ts";

/** What a template sees of its line. */
export interface TemplateScope {
  readonly line: string;
  readonly timestampNs: bigint;
  readonly nowNs: () => bigint;
}

export type TemplateFunction = (
  args: readonly TemplateValue[],
  scope: TemplateScope,
) => TemplateValue;

const regexps = new Map<string, CompiledRegexp>();

function regexpOf(pattern: string): CompiledRegexp {
  let regexp = regexps.get(pattern);
  if (regexp === undefined) {
    try {
      regexp = compileRegexp(pattern, { anchored: false });
    } catch (error) {
      throw new TemplateRunFault(describeError(error), { cause: error });
    }
    if (regexps.size >= 100) regexps.clear();
    regexps.set(pattern, regexp);
  }
  return regexp;
}

/** A function of texts; arguments that are none fail as Go's template engine fails. */
function texts(
  count: number,
  apply: (...args: readonly string[]) => TemplateValue,
): TemplateFunction {
  return (args) => {
    checkCount(args, count);
    return apply(...args.map(asText));
  };
}

function asText(value: TemplateValue): string {
  if (typeof value === "string") return value;
  throw new TemplateRunFault(`wrong type for value; expected string; got ${goType(value)}`);
}

function asCount(value: TemplateValue): number {
  if (typeof value === "bigint") return Number(value);
  throw new TemplateRunFault(`wrong type for value; expected int; got ${goType(value)}`);
}

function goType(value: TemplateValue): string {
  if (typeof value === "number") return "float64";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "boolean") return "bool";
  return value === null ? "nil" : isTime(value) ? "time.Time" : typeof value;
}

function checkCount(args: readonly TemplateValue[], count: number): void {
  if (args.length !== count) {
    throw new TemplateRunFault(`wrong number of args: want ${count} got ${args.length}`);
  }
}

/** Trims characters of `cutset` from the start, the end or both. */
function trimSet(text: string, cutset: string, sides: "left" | "right" | "both"): string {
  const characters = Array.from(text);
  const set = new Set(cutset);
  let from = 0;
  let to = characters.length;
  if (sides !== "right") while (from < to && set.has(characters[from]!)) from++;
  if (sides !== "left") while (to > from && set.has(characters[to - 1]!)) to--;
  return characters.slice(from, to).join("");
}

function repeatText(count: number, text: string): string {
  if (count < 0) throw new TemplateRunFault("strings: negative Repeat count");
  if (count * text.length > TEMPLATE_OUTPUT_MAX) {
    throw new TemplateRunFault(`repeat makes more than ${TEMPLATE_OUTPUT_MAX} characters`);
  }
  return text.repeat(count);
}

function replaceText(text: string, from: string, to: string, count: number): string {
  if (count < 0) return text.replaceAll(from, () => to);
  const parts = text.split(from);
  const head = parts.slice(0, count + 1).join(to);
  return parts.length > count + 1 ? `${head}${from}${parts.slice(count + 1).join(from)}` : head;
}

function trunc(count: number, text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (count < 0) return bytes.length + count > 0 ? decode(bytes.subarray(count)) : text;
  return bytes.length > count ? decode(bytes.subarray(0, count)) : text;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function substr(from: number, to: number, text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (from < 0) return decode(bytes.subarray(0, Math.max(to, 0)));
  if (to < 0 || to > bytes.length) return decode(bytes.subarray(from));
  return decode(bytes.subarray(from, to));
}

function indent(count: number, text: string): string {
  const margin = repeatText(count, " ");
  return margin + text.replaceAll("\n", `\n${margin}`);
}

function align(count: number, text: string, left: boolean): string {
  const characters = Array.from(text);
  const width = Math.min(count, TEMPLATE_OUTPUT_MAX);
  if (width < 0 || characters.length === width) return text;
  if (characters.length > width) {
    return (left ? characters.slice(0, width) : characters.slice(characters.length - width)).join(
      "",
    );
  }
  const blank = " ".repeat(width - characters.length);
  return left ? text + blank : blank + text;
}

function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function unescapeQuery(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    throw new TemplateRunFault(`invalid URL escape ${JSON.stringify(text)}`, { cause: error });
  }
}

function encodeBase64(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Bad input answers the fault's text, as sprig's function does. */
function decodeBase64(text: string): string {
  try {
    return decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  } catch {
    return "illegal base64 data at input byte 0";
  }
}

function converted(convert: (text: string) => number): TemplateFunction {
  return texts(1, (text) => {
    try {
      return convert(text!);
    } catch (error) {
      throw new TemplateRunFault(describeError(error), { cause: error });
    }
  });
}

function fromJson(text: string): TemplateValue {
  const convert = (value: unknown): TemplateValue => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value as TemplateValue;
    return new Map(Object.entries(value).map(([key, item]) => [key, convert(item)]));
  };
  try {
    return convert(JSON.parse(text));
  } catch {
    return null;
  }
}

const STRING_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  ToLower: texts(1, (text) => text!.toLowerCase()),
  ToUpper: texts(1, (text) => text!.toUpperCase()),
  lower: texts(1, (text) => text!.toLowerCase()),
  upper: texts(1, (text) => text!.toUpperCase()),
  title: texts(1, (text) =>
    text!.replaceAll(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  ),
  Replace: (args) =>
    replaceText(asText(args[0]!), asText(args[1]!), asText(args[2]!), asCount(args[3]!)),
  replace: texts(3, (from, to, text) => text!.replaceAll(from!, () => to!)),
  Trim: texts(2, (text, set) => trimSet(text!, set!, "both")),
  TrimLeft: texts(2, (text, set) => trimSet(text!, set!, "left")),
  TrimRight: texts(2, (text, set) => trimSet(text!, set!, "right")),
  TrimPrefix: texts(2, (text, prefix) => withoutPrefix(prefix!, text!)),
  TrimSuffix: texts(2, (text, suffix) => withoutSuffix(suffix!, text!)),
  TrimSpace: texts(1, (text) => text!.trim()),
  trim: texts(1, (text) => text!.trim()),
  trimAll: texts(2, (set, text) => trimSet(text!, set!, "both")),
  trimPrefix: texts(2, (prefix, text) => withoutPrefix(prefix!, text!)),
  trimSuffix: texts(2, (suffix, text) => withoutSuffix(suffix!, text!)),
  contains: texts(2, (part, text) => text!.includes(part!)),
  hasPrefix: texts(2, (prefix, text) => text!.startsWith(prefix!)),
  hasSuffix: texts(2, (suffix, text) => text!.endsWith(suffix!)),
  trunc: (args) => trunc(asCount(args[0]!), asText(args[1]!)),
  substr: (args) => substr(asCount(args[0]!), asCount(args[1]!), asText(args[2]!)),
  indent: (args) => indent(asCount(args[0]!), asText(args[1]!)),
  nindent: (args) => `\n${indent(asCount(args[0]!), asText(args[1]!))}`,
  repeat: (args) => repeatText(asCount(args[0]!), asText(args[1]!)),
  alignLeft: (args) => align(asCount(args[0]!), asText(args[1]!), true),
  alignRight: (args) => align(asCount(args[0]!), asText(args[1]!), false),
  regexReplaceAll: texts(3, (pattern, text, to) => regexpOf(pattern!).replaceAll(text!, to!)),
  regexReplaceAllLiteral: texts(3, (pattern, text, to) =>
    regexpOf(pattern!).replaceAll(text!, to!.replaceAll("$", "$$$$")),
  ),
  count: texts(2, (pattern, text) => {
    let found = 0n;
    // Every match becomes one character that cannot stand in a log line's text twice over: the growth counts them.
    const marked = regexpOf(pattern!).replaceAll(text!.replaceAll("\u0000", ""), "\u0000");
    for (const character of marked) if (character === "\u0000") found++;
    return found;
  }),
  urlencode: texts(1, (text) => escapeQuery(text!)),
  urldecode: texts(1, (text) => unescapeQuery(text!)),
  b64enc: texts(1, (text) => encodeBase64(text!)),
  b64dec: texts(1, (text) => decodeBase64(text!)),
  fromJson: texts(1, (text) => fromJson(text!)),
  default: (args) =>
    args.length > 1 && args[1] !== null && isTrue(args[1]!) ? args[1]! : args[0]!,
};

function withoutPrefix(prefix: string, text: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function withoutSuffix(suffix: string, text: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

function foldIntegers(step: (total: bigint, value: bigint) => bigint): TemplateFunction {
  return (args) => BigInt.asIntN(64, args.map(toInteger).reduce(step));
}

function foldFloats(step: (total: number, value: number) => number): TemplateFunction {
  return (args) => args.map(toFloat).reduce(step);
}

function divisor(value: bigint): bigint {
  if (value === 0n) throw new TemplateRunFault("runtime error: integer divide by zero");
  return value;
}

const NUMBER_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  int: ([value]) => toInteger(value),
  float64: ([value]) => toFloat(value),
  add: foldIntegers((total, value) => total + value),
  sub: foldIntegers((total, value) => total - value),
  mul: foldIntegers((total, value) => total * value),
  div: foldIntegers((total, value) => total / divisor(value)),
  mod: foldIntegers((total, value) => total % divisor(value)),
  max: foldIntegers((total, value) => (value > total ? value : total)),
  min: foldIntegers((total, value) => (value < total ? value : total)),
  addf: foldFloats((total, value) => total + value),
  subf: foldFloats((total, value) => total - value),
  mulf: foldFloats((total, value) => total * value),
  divf: foldFloats((total, value) => total / value),
  maxf: foldFloats((total, value) => Math.max(total, value)),
  minf: foldFloats((total, value) => Math.min(total, value)),
  ceil: ([value]) => Math.ceil(toFloat(value)),
  floor: ([value]) => Math.floor(toFloat(value)),
  round: ([value, places, half]) => {
    const scale = 10 ** Number(toInteger(places));
    const scaled = toFloat(value) * scale;
    const threshold = half === undefined ? 0.5 : toFloat(half);
    const fraction = scaled - Math.trunc(scaled);
    return (fraction >= threshold ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
  },
  bytes: converted(parseByteSize),
  duration: converted((text) => parseGoDuration(text) / 1e9),
  duration_seconds: converted((text) => parseGoDuration(text) / 1e9),
};

function asTime(value: TemplateValue | undefined): TemplateTime {
  if (value !== undefined && isTime(value)) return value;
  throw new TemplateRunFault(
    `wrong type for value; expected time.Time; got ${goType(value ?? null)}`,
  );
}

const EPOCH_SCALE: ReadonlyMap<number, bigint> = new Map([
  [5, 86_400_000_000_000n],
  [10, 1_000_000_000n],
  [13, 1_000_000n],
  [16, 1000n],
  [19, 1n],
]);

function floorDivide(value: bigint, size: bigint): bigint {
  return value >= 0n || value % size === 0n ? value / size : value / size - 1n;
}

const TIME_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  now: (_, scope) => ({ ns: scope.nowNs(), zone: "UTC" }),
  date: ([layout, time]) => {
    const value = time!;
    if (isTime(value)) return formatTime(asText(layout!), value);
    const seconds = typeof value === "bigint" ? value : toInteger(value);
    return formatTime(asText(layout!), { ns: seconds * 1_000_000_000n, zone: "UTC" });
  },
  toDate: texts(2, (layout, text) => parseTime(layout!, text!, "UTC")),
  toDateInZone: texts(3, (layout, zone, text) => parseTime(layout!, text!, zone!)),
  unixEpoch: ([time]) => String(floorDivide(asTime(time).ns, 1_000_000_000n)),
  unixEpochMillis: ([time]) => String(floorDivide(asTime(time).ns, 1_000_000n)),
  unixEpochNanos: ([time]) => String(asTime(time).ns),
  unixToTime: texts(1, (epoch) => {
    const scale = EPOCH_SCALE.get(epoch!.length);
    if (scale === undefined || !/^\d+$/.test(epoch!)) {
      throw new TemplateRunFault(`unable to parse time '${epoch!}'`);
    }
    return { ns: BigInt(epoch!) * scale, zone: "UTC" };
  }),
};

/** Every function by name. */
export const TEMPLATE_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  ...BUILT_IN_FUNCTIONS,
  ...STRING_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  __line__: (_, scope) => scope.line,
  __timestamp__: (_, scope) => ({ ns: scope.timestampNs, zone: "UTC" }),
};
