/** Reads the parameters of Prometheus' HTTP API; every fault names the parameter as Prometheus does. */
import { parseDurationParameter, parsePrometheusTime } from "@finch/model";
import type { Matcher } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import type { LabelScope } from "@finch/store";
import { distinctSelectors } from "../label-lists.ts";

/** Characters of all selectors of a request, which are parsed at once. Without it their patterns would take seconds. */
const SELECTORS_LENGTH_MAX = 16 * 1024;

/** Times that stand for "no bound" in label queries: the range of a JavaScript date. */
const OPEN_START_MS = -8_640_000_000_000_000;
const OPEN_END_MS = 8_640_000_000_000_000;

export function badParameter(name: string, message: string): FinchError {
  return new FinchError(
    "invalid",
    "server/bad-parameter",
    `invalid parameter "${name}": ${message}`,
  );
}

/** Refuses a text that takes too long to parse; `option` is what sets the limit, if anything does. */
export function refuseLongQuery(query: string, lengthMax: number, option?: string): void {
  if (query.length <= lengthMax) return;
  const remedy = option === undefined ? "" : `; the limit is set by ${option}`;
  throw badParameter("query", `it has ${query.length} characters, more than ${lengthMax}${remedy}`);
}

/** Runs `read`; an `invalid` fault of it becomes one of the parameter, any other fault stays what it is. */
export function inParameter<Value>(name: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof FinchError && error.kind === "invalid")
      throw badParameter(name, error.message);
    throw error;
  }
}

/** The bounds of Prometheus' own times, which clients send for "no bound"; their years have more than four digits. */
const BOUNDS: Readonly<Record<string, number>> = {
  "-292273086-05-16T16:47:06Z": OPEN_START_MS,
  "292277025-08-18T07:12:54.999999999Z": OPEN_END_MS,
};

/** Unix milliseconds; the fault repeats the name, as Prometheus' does for times that may be left out. */
export function readTime(parameters: URLSearchParams, name: string, otherwise: number): number {
  const text = parameters.get(name);
  if (text === null || text === "") return otherwise;
  try {
    return BOUNDS[text] ?? parsePrometheusTime(text);
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    throw badParameter(name, `invalid time value for '${name}': ${error.message}`);
  }
}

/** `start` and `end`, either of which may be left out. */
export function readTimeRange(parameters: URLSearchParams): {
  readonly startMs: number;
  readonly endMs: number;
} {
  return {
    startMs: readTime(parameters, "start", OPEN_START_MS),
    endMs: readTime(parameters, "end", OPEN_END_MS),
  };
}

export function readRequiredTime(parameters: URLSearchParams, name: string): number {
  return inParameter(name, () => parsePrometheusTime(parameters.get(name) ?? ""));
}

/** Milliseconds, or undefined when not given. */
export function readDuration(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  return inParameter(name, () => parseDurationParameter(text));
}

/** `limit`: 0 or not given means none. */
export function readLimit(parameters: URLSearchParams): number {
  const limit = readSignedLimit(parameters, "limit") ?? 0;
  if (limit < 0) throw badParameter("limit", "limit must be non-negative");
  return limit;
}

/** A whole number, or undefined when not given. */
export function readSignedLimit(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw badParameter(
      name,
      `cannot parse ${JSON.stringify(text)} to a valid limit: give a whole number`,
    );
  }
  return Number(text);
}

/** Selections of `match[]`; each must be able to miss an unlabelled series, as in Prometheus. */
export function readSelectors(parameters: URLSearchParams): readonly (readonly Matcher[])[] {
  const selectors = distinctSelectors(parameters.getAll("match[]"));
  const length = selectors.reduce((sum, text) => sum + text.length, 0);
  if (length > SELECTORS_LENGTH_MAX) {
    throw badParameter(
      "match[]",
      `the selectors have ${length} characters together, more than ${SELECTORS_LENGTH_MAX}`,
    );
  }
  return selectors.map((text) => {
    const matchers = parseMetricSelector(text);
    if (matchers.some((matcher) => !matcher.matches(""))) return matchers;
    throw new FinchError(
      "invalid",
      "server/bad-parameter",
      "match[] must contain at least one non-empty matcher",
    );
  });
}

/** As {@link readSelectors}, but refuses a request that has none. */
export function readRequiredSelectors(
  parameters: URLSearchParams,
): readonly (readonly Matcher[])[] {
  if (!parameters.has("match[]"))
    throw new FinchError("invalid", "server/no-selector", "no match[] parameter provided");
  return inParameter("match[]", () => readSelectors(parameters));
}

/** A switch as Go's `ParseBool` reads it; undefined when not given. */
export function readSwitch(parameters: URLSearchParams, name: string): boolean | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw badParameter(name, `${JSON.stringify(text)} is neither true nor false`);
}

/** One scope per selector (or one for everything), over `start` to `end`; none when the end is before the start, which Prometheus answers with nothing. */
export function readScopes(parameters: URLSearchParams): readonly LabelScope[] {
  const range = readTimeRange(parameters);
  return scopesOf(readSelectors(parameters), range);
}

/** One scope per selector; one for everything when there is none. */
export function scopesOf(
  selectors: readonly (readonly Matcher[])[],
  range: { readonly startMs: number; readonly endMs: number },
): readonly LabelScope[] {
  if (range.endMs < range.startMs) return [];
  const all = selectors.length === 0 ? [[]] : selectors;
  return all.map((matchers) => ({ matchers, ...range }));
}

/** The name behind an `U__`-escaped one: `_2e_` is a dot, `__` an underscore. Anything not escaped so is returned as it is. */
export function unescapeLabelName(name: string): string {
  if (!name.startsWith("U__")) return name;
  const escaped = name.slice(3);
  if (!/^(?:[A-Za-z0-9:]|__|_[0-9a-fA-F]{1,6}_)*$/.test(escaped)) return name;
  return escaped.replaceAll(/__|_([0-9a-fA-F]{1,6})_/g, (_, code: string | undefined) => {
    if (code === undefined) return "_";
    const point = Number.parseInt(code, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : "\uFFFD";
  });
}
