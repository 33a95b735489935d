/** Fields inside of a line: JSON objects and logfmt, read for display and for filters made by a click. Pure. */

/** What a line turned out to hold; `format` names the LogQL parser that finds the same fields. */
export interface ParsedFields {
  readonly format: "json" | "logfmt" | "none";
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** A line of more fields than this is cut: no one reads on, and every field is a row. */
const FIELDS_MAX = 200;
const LOGFMT_PAIR = /(?:^|\s)([A-Za-z_@][\w.@/-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)/g;

export function parseFields(line: string): ParsedFields {
  const text = line.trim();
  if (text.startsWith("{")) {
    const fields = jsonFields(text);
    if (fields !== undefined) return { format: "json", fields: fields.slice(0, FIELDS_MAX) };
  }
  const fields = logfmtFields(text);
  return fields.length >= 2
    ? { format: "logfmt", fields: fields.slice(0, FIELDS_MAX) }
    : { format: "none", fields: [] };
}

/** Nested names are joined by `_`, as LogQL's json parser does. */
function jsonFields(text: string): [string, string][] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const fields: [string, string][] = [];
  flatten("", value, fields);
  return fields;
}

function flatten(prefix: string, value: unknown, out: [string, string][]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    out.push([prefix, typeof value === "string" ? value : JSON.stringify(value)]);
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    const key = name.replaceAll(/[^A-Za-z0-9_]/g, "_");
    flatten(prefix === "" ? key : `${prefix}_${key}`, inner, out);
  }
}

function logfmtFields(text: string): [string, string][] {
  const fields: [string, string][] = [];
  for (const [, name, raw] of text.matchAll(LOGFMT_PAIR)) {
    const quoted = raw!.startsWith('"');
    fields.push([name!.replaceAll(/[^A-Za-z0-9_]/g, "_"), quoted ? unquote(raw!) : raw!]);
  }
  return fields;
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(["\\nt])/g, (_all, mark: string) => {
    if (mark === "n") return "\n";
    return mark === "t" ? "\t" : mark;
  });
}

type Field = readonly [name: string, value: string];

/** A query with a parser gives a line's own fields once more; shown once they say as much. */
export function withoutKnown(fields: readonly Field[], known: readonly Field[]): Field[] {
  return fields.filter(
    ([name, value]) => !known.some((field) => field[0] === name && field[1] === value),
  );
}
