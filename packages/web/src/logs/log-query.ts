/** LogQL written from what was typed and clicked. Pure. */
import { levelAliases, LEVELS, type Level } from "./log-line.ts";

/** A value clicked in a line. `where` says how LogQL reaches it. */
export interface FieldFilter {
  readonly name: string;
  readonly value: string;
  readonly exclude: boolean;
  readonly where: "stream" | "metadata" | "json" | "logfmt";
}

export interface LogFilter {
  readonly text: string;
  readonly isRegex: boolean;
  /** Empty means all. */
  readonly levels: ReadonlySet<Level>;
  readonly fields: readonly FieldFilter[];
}

export const NO_FILTER: LogFilter = { text: "", isRegex: false, levels: new Set(), fields: [] };

/** Every stream has a service name, so this reaches all of them. */
const EVERYTHING = 'service_name=~".+"';

/** The log query for a filter; `levels: false` leaves the levels out, as counting them needs. */
export function logQuery(
  filter: LogFilter,
  { levels }: { readonly levels: boolean } = { levels: true },
): string {
  const parts = [selector(filter.fields)];
  if (filter.text !== "") parts.push(lineFilter(filter));
  if (levels && filter.levels.size > 0) parts.push(levelFilter(filter.levels));
  for (const field of filter.fields) if (field.where === "metadata") parts.push(labelFilter(field));
  for (const format of ["json", "logfmt"] as const) {
    const own = filter.fields.filter((field) => field.where === format);
    if (own.length > 0) parts.push(`| ${format}`, ...own.map(labelFilter));
  }
  return parts.join(" ");
}

/** Lines per level and step. */
export function volumeQuery(filter: LogFilter, stepSeconds: number): string {
  return `sum by (detected_level) (count_over_time(${logQuery(filter, { levels: false })} [${stepSeconds}s]))`;
}

/** Why a search text cannot be used as a regular expression, else undefined. The server has the last word: it knows RE2. */
export function regexFault(filter: LogFilter): string | undefined {
  if (!filter.isRegex || filter.text === "") return undefined;
  try {
    new RegExp(filter.text);
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** A pattern that finds the searched text in a line; undefined if there is nothing to find. */
export function searchPattern(filter: LogFilter): RegExp | undefined {
  if (filter.text === "" || regexFault(filter) !== undefined) return undefined;
  return new RegExp(filter.isRegex ? filter.text : escapeRegex(filter.text), "gi");
}

/** Adds a filter; the same one again takes it away, its opposite replaces it. */
export function toggleField(filter: LogFilter, field: FieldFilter): LogFilter {
  const same = (other: FieldFilter): boolean =>
    other.name === field.name && other.value === field.value && other.where === field.where;
  const known = filter.fields.find(same);
  const rest = filter.fields.filter((other) => !same(other));
  const again = known !== undefined && known.exclude === field.exclude;
  return { ...filter, fields: again ? rest : [...rest, field] };
}

export function toggleLevel(filter: LogFilter, level: Level): LogFilter {
  const levels = new Set(filter.levels);
  if (!levels.delete(level)) levels.add(level);
  return { ...filter, levels: levels.size === LEVELS.length ? new Set() : levels };
}

/** A text as a LogQL string. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

function selector(fields: readonly FieldFilter[]): string {
  const own = fields.filter((field) => field.where === "stream");
  const matchers = own.map(
    (field) => `${field.name}${field.exclude ? "!=" : "="}${quote(field.value)}`,
  );
  const bounded = own.some((field) => !field.exclude && field.value !== "");
  return `{${[...(bounded ? [] : [EVERYTHING]), ...matchers].join(", ")}}`;
}

function lineFilter(filter: LogFilter): string {
  return `|~ ${quote(`(?i)${filter.isRegex ? filter.text : escapeRegex(filter.text)}`)}`;
}

function levelFilter(levels: ReadonlySet<Level>): string {
  const names = LEVELS.filter((level) => levels.has(level)).flatMap(levelAliases);
  return `| detected_level=~${quote(names.join("|"))}`;
}

function labelFilter(field: FieldFilter): string {
  return `| ${field.name}${field.exclude ? "!=" : "="}${quote(field.value)}`;
}

function escapeRegex(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
