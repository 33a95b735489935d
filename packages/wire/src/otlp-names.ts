/**
 * OTLP's names of metrics, units and attributes as names of metrics and labels, by the rules of the OpenTelemetry compatibility document as
 * Prometheus applies them: names without what its classic names cannot hold, with unit and type as suffixes. Either can be turned off.
 */

export const OTLP_STRATEGIES = [
  "UnderscoreEscapingWithSuffixes",
  "UnderscoreEscapingWithoutSuffixes",
  "NoUTF8EscapingWithSuffixes",
  "NoTranslation",
] as const;

export type OtlpStrategy = (typeof OTLP_STRATEGIES)[number];

export type OtlpNameKind = "counter" | "gauge" | "other";

/** What a strategy does: `escapes` to classic names, `adds` suffixes. */
export function rulesOf(strategy: OtlpStrategy): {
  readonly escapes: boolean;
  readonly adds: boolean;
} {
  return {
    escapes: strategy.startsWith("Underscore"),
    adds: strategy.endsWith("WithSuffixes"),
  };
}

/** UCUM's units as Prometheus calls them. */
const UNITS: ReadonlyMap<string, string> = new Map([
  ["d", "days"],
  ["h", "hours"],
  ["min", "minutes"],
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["us", "microseconds"],
  ["ns", "nanoseconds"],
  ["By", "bytes"],
  ["KiBy", "kibibytes"],
  ["MiBy", "mebibytes"],
  ["GiBy", "gibibytes"],
  ["TiBy", "tibibytes"],
  ["KBy", "kilobytes"],
  ["MBy", "megabytes"],
  ["GBy", "gigabytes"],
  ["TBy", "terabytes"],
  ["m", "meters"],
  ["V", "volts"],
  ["A", "amperes"],
  ["J", "joules"],
  ["W", "watts"],
  ["g", "grams"],
  ["Cel", "celsius"],
  ["Hz", "hertz"],
  ["1", ""],
  ["%", "percent"],
]);

/** The units behind a slash. */
const PER_UNITS: ReadonlyMap<string, string> = new Map([
  ["s", "second"],
  ["m", "minute"],
  ["h", "hour"],
  ["d", "day"],
  ["w", "week"],
  ["mo", "month"],
  ["y", "year"],
]);

/** The metric's name, or undefined when nothing of it is left. */
export function metricNameOf(
  metric: { readonly name: string; readonly unit: string; readonly kind: OtlpNameKind },
  strategy: OtlpStrategy,
): string | undefined {
  const { escapes, adds } = rulesOf(strategy);
  const { name } = metric;
  if (!escapes) {
    const plain = adds ? withSuffixes(metric) : name;
    return plain === "" ? undefined : plain;
  }
  const escaped = withoutLeadingDigit(
    adds
      ? joinTokens(metric)
      : name
          .split(/[^a-zA-Z0-9:_]+/)
          .filter((part) => part !== "")
          .join("_"),
  );
  return escaped !== name && /^_*$/.test(escaped) ? undefined : escaped || undefined;
}

/** The unit for the metric's metadata: `By/s` is `bytes_per_second`. */
export function unitNameOf(unit: string): string {
  const { main, per } = unitParts(unit);
  return [cleanUnit(main), cleanUnit(per)]
    .filter((part) => part !== "")
    .join("_")
    .replace(/^_|_$/g, "");
}

/** The label's name, or undefined when nothing of it is left. */
export function labelNameOf(attribute: string, strategy: OtlpStrategy): string | undefined {
  if (/^_*$/.test(attribute)) return undefined;
  if (!rulesOf(strategy).escapes) return attribute;
  // What begins and ends with two underscores keeps them.
  const reserved = attribute.length >= 4 && attribute.startsWith("__") && attribute.endsWith("__");
  const inner = (reserved ? attribute.slice(2, -2) : attribute).replaceAll(/[^a-zA-Z0-9]+/g, "_");
  const name = reserved ? `__${inner}__` : inner;
  if (/^_*$/.test(name)) return undefined;
  return /^[0-9]/.test(name) ? `key_${name}` : name;
}

function withoutLeadingDigit(name: string): string {
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

/** Escapes and adds suffixes: words of the name, then the unit and the type unless the name has them. */
function joinTokens(metric: {
  readonly name: string;
  readonly unit: string;
  readonly kind: OtlpNameKind;
}): string {
  let tokens = metric.name.split(/[^a-zA-Z0-9:]+/).filter((token) => token !== "");
  const parts = unitParts(metric.unit);
  let main = cleanUnit(parts.main);
  let per = cleanUnit(parts.per);
  if (tokens.includes(main)) main = "";
  per = per === "per_" ? "" : per.replace(/_$/, "");
  if (tokens.includes(per)) per = "";
  if (per !== "") main = main.replace(/_$/, "");
  tokens.push(...[main, per].filter((part) => part !== ""));
  for (const word of typeWords(metric))
    tokens = [...tokens.filter((token) => token !== word), word];
  return tokens.join("_");
}

/** The word that the type puts last. */
function typeWords({
  unit,
  kind,
}: {
  readonly unit: string;
  readonly kind: OtlpNameKind;
}): readonly string[] {
  if (kind === "counter") return ["total"];
  return kind === "gauge" && unit === "1" ? ["ratio"] : [];
}

/** Adds suffixes to a name that stays as it is otherwise. */
function withSuffixes(metric: {
  readonly name: string;
  readonly unit: string;
  readonly kind: OtlpNameKind;
}): string {
  let { name } = metric;
  const words = typeWords(metric);
  for (const word of words) name = trimSuffix(name, word);
  const { main, per } = unitParts(metric.unit);
  if (per !== "") name = trimSuffix(name, per);
  if (main !== "" && !name.endsWith(main)) name += `_${main}`;
  if (per !== "") name += `_${per}`;
  for (const word of words) name += `_${word}`;
  return name;
}

/** Without the suffix and the one character before it. */
function trimSuffix(name: string, suffix: string): string {
  return name.endsWith(suffix) && name.length > suffix.length + 1
    ? name.slice(0, -(suffix.length + 1))
    : name;
}

/** Both sides of the first slash by their tables; what is in braces is a remark and no unit. */
function unitParts(unit: string): { readonly main: string; readonly per: string } {
  const slash = unit.indexOf("/");
  const main = (slash < 0 ? unit : unit.slice(0, slash)).trim();
  const per = slash < 0 ? "" : unit.slice(slash + 1).trim();
  const perName = /[{}]/.test(per) ? "" : (PER_UNITS.get(per) ?? per);
  return {
    main: /[{}]/.test(main) ? "" : (UNITS.get(main) ?? main),
    per: perName === "" ? "" : `per_${perName}`,
  };
}

function cleanUnit(unit: string): string {
  return unit
    .replaceAll(/[^a-zA-Z0-9:]/g, "_")
    .replaceAll(/_+/g, "_")
    .replace(/^_/, "");
}
