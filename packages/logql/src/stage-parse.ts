/** The parser stages: json, logfmt, regexp, pattern, unpack. They add labels, never drop a line, and flag what they cannot read. */
import { compileRegexp } from "@finch/model";
import type { LabelExtraction } from "./ast.ts";
import { createJsonScanner, findPath, JsonFault, scanObject } from "./json-scan.ts";
import type { JsonScanner } from "./json-scan.ts";
import { parseJsonPath } from "./json-path.ts";
import { extractPattern, parseCapturePattern } from "./line-pattern.ts";
import { scanLogfmt } from "./logfmt-scan.ts";
import { EXTRACTED_SUFFIX, joinName, sanitizeName } from "./row-labels.ts";
import type { RowLabels, WantedLabels } from "./row-labels.ts";
import type { Row, Stage } from "./row.ts";

const JSON_ERROR = "JSONParserErr";
const LOGFMT_ERROR = "LogfmtParserErr";

/** Adds a found label unless nobody asks for it or it was found before. Answers false once all wanted ones are there. */
function found(labels: RowLabels, wanted: WantedLabels, plain: string, value: string): boolean {
  if (plain === "") return true;
  const name = labels.nameOf(plain);
  if (labels.isExtracted(name)) return true;
  if (wanted === undefined) {
    labels.set(name, value);
    return true;
  }
  if (!wanted.has(name)) return true;
  labels.set(name, value);
  return !labels.hasExtracted(wanted);
}

/** Whether a parser has nothing to find on a row any more; it then does not look at the line, and does not fail on it. */
function isDone(labels: RowLabels, wanted: WantedLabels): boolean {
  return wanted !== undefined && labels.hasExtracted(wanted);
}

function failJson(row: Row, error: unknown): void {
  if (!(error instanceof JsonFault)) throw error;
  row.labels.failParse(JSON_ERROR, error.message);
}

/** Keys seen so far as label names: log lines repeat their keys, and cleaning a key is slower than looking it up. */
const NAME_CACHE_MAX = 4096;

function createNameCache(): (key: string) => string {
  const names = new Map<string, string>();
  return (key) => {
    let name = names.get(key);
    if (name === undefined) {
      name = sanitizeName(key);
      if (names.size >= NAME_CACHE_MAX) names.clear();
      names.set(key, name);
    }
    return name;
  };
}

export function jsonStage(wanted: WantedLabels): Stage {
  const names = wanted === undefined ? [] : [...wanted];
  let labels: RowLabels;
  const scanner = createJsonScanner({
    field: (prefix, key) => {
      const name = joinName(prefix, key);
      return {
        name,
        wanted: wanted === undefined || wanted.has(name) || wanted.has(name + EXTRACTED_SUFFIX),
        inside: wanted === undefined || names.some((other) => other.startsWith(name)),
      };
    },
    scalar: ({ name }, value) => found(labels, wanted, name, value),
  });
  return (row) => {
    labels = row.labels;
    if (isDone(labels, wanted)) return true;
    const before = labels.extractedCount;
    try {
      scanObject(row.line, scanner);
    } catch (error) {
      if (error instanceof JsonFault && error.openAt !== undefined) {
        labels.takeBack(before);
        scanUpTo(row.line.slice(0, error.openAt), scanner);
      }
      failJson(row, error);
    }
    return true;
  };
}

/** Scans the part of a line that counts when the rest is an object without an end. */
function scanUpTo(text: string, scanner: JsonScanner): void {
  try {
    scanObject(text, scanner);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
  }
}

/** What a line that is looked at by paths begins with; others are an error, of which nothing is said. */
const JSON_START = /^["{[]/;

/** `json name="path", …`: names are set even when a parser found them before; a path that leads nowhere makes an empty label. */
export function jsonPathStage(
  extractions: readonly LabelExtraction[],
  wanted: WantedLabels,
): Stage {
  const paths = extractions.map(({ label, expression }) => ({
    label,
    path: parseJsonPath(expression),
  }));
  return (row) => {
    const { line, labels } = row;
    if (isDone(labels, wanted)) return true;
    if (!JSON_START.test(line)) {
      if (line !== "") labels.failParse(JSON_ERROR);
      return true;
    }
    for (const { label, path } of paths) {
      try {
        const value = findPath(line, path);
        if (value !== undefined) labels.set(labels.nameOf(label), value);
      } catch (error) {
        failJson(row, error);
      }
    }
    for (const { label } of paths) if (labels.find(label) === undefined) labels.set(label, "");
    return true;
  };
}

export interface LogfmtOptions {
  readonly strict: boolean;
  readonly keepEmpty: boolean;
}

export function logfmtStage(options: LogfmtOptions, wanted: WantedLabels): Stage {
  const { strict, keepEmpty } = options;
  const nameOf = createNameCache();
  let labels: RowLabels;
  const pair = (key: string, value: string): boolean => {
    if (value === "" && !keepEmpty) return true;
    const clean = value.includes("\ufffd") ? value.replaceAll("\ufffd", " ") : value;
    return found(labels, wanted, nameOf(key), clean);
  };
  return (row) => {
    labels = row.labels;
    if (isDone(labels, wanted)) return true;
    const fault = scanLogfmt(row.line, strict, pair);
    if (fault !== undefined) labels.failParse(LOGFMT_ERROR, fault);
    return true;
  };
}

/** `logfmt name="key", …`: the names are set, first to nothing, then to every value that their key has in turn. */
export function logfmtKeyStage(
  extractions: readonly LabelExtraction[],
  options: LogfmtOptions,
  wanted: WantedLabels,
): Stage {
  const nameOf = createNameCache();
  const labelsOf = new Map<string, string[]>();
  for (const { label, expression } of extractions) {
    const key = sanitizeName(expression);
    labelsOf.set(key, [...(labelsOf.get(key) ?? []), label]);
  }
  return ({ line, labels }) => {
    if (isDone(labels, wanted)) return true;
    for (const { label } of extractions) if (labels.nameOf(label) === label) labels.set(label, "");
    const fault = scanLogfmt(line, options.strict, (key, value) => {
      const clean = value.includes("\ufffd") ? "" : value;
      for (const label of labelsOf.get(nameOf(key)) ?? []) labels.set(labels.nameOf(label), clean);
      return true;
    });
    if (fault !== undefined) labels.failParse(LOGFMT_ERROR, fault);
    return true;
  };
}

export function regexpStage(expression: string, wanted: WantedLabels): Stage {
  const regexp = compileRegexp(expression, { anchored: false });
  const names = regexp.groupNames.map(sanitizeName);
  return ({ line, labels }) => {
    const groups = regexp.exec(line);
    if (groups === undefined) return true;
    for (let i = 1; i < names.length; i++) {
      if (names[i] !== "") found(labels, wanted, names[i]!, groups[i] ?? "");
    }
    return true;
  };
}

export function patternStage(expression: string, wanted: WantedLabels): Stage {
  const parts = parseCapturePattern(expression);
  return ({ line, labels }) => {
    if (isDone(labels, wanted)) return true;
    extractPattern(parts, line, (name, value) => found(labels, wanted, name, value));
    return true;
  };
}

const PACKED_LINE = "_entry";

/** `unpack`: the string fields become labels and `_entry` the line, both only when there is an `_entry`. When nobody reads labels a line that fails is no error. */
export function unpackStage(wanted: WantedLabels): Stage {
  let fields: [name: string, value: string][] = [];
  let packed: string | undefined;
  const scanner = createJsonScanner({
    field: (_, key) => ({ name: key, wanted: true, inside: false }),
    scalar: ({ name }, value, quoted) => {
      if (quoted && name === PACKED_LINE) packed = value;
      else if (quoted) fields.push([sanitizeName(name), value]);
      return true;
    },
  });
  return (row) => {
    const { line, labels } = row;
    if (line === "") return true;
    fields = [];
    packed = undefined;
    try {
      if (line[0] !== "{") throw new JsonFault("expecting json object(6), but it is not");
      scanObject(line, scanner);
    } catch (error) {
      if (wanted?.size !== 0) failJson(row, error);
      return true;
    }
    if (packed === undefined) return true;
    for (const [name, value] of fields) found(labels, wanted, name, value);
    row.line = packed;
    return true;
  };
}

const ESCAPE = String.fromCharCode(27);
/** ECMA-48: control sequences (colours among them), operating system commands up to their end, and short escapes (character sets, modes). */
const CONTROL = new RegExp(
  [
    `(?:${ESCAPE}\\[|\u009b)[0-?]*[ -/]*[@-~]`,
    `(?:${ESCAPE}\\]|\u009d)[^${ESCAPE}\u0007\u009c]*(?:\u0007|\u009c|${ESCAPE}\\\\)`,
    `${ESCAPE}[ -/]*[0-Z\\\\^-~]`,
  ].join("|"),
  "g",
);
const CONTROL_START = new RegExp(`[${ESCAPE}\u009b\u009d]`);

/** `decolorize`: the line without ANSI escape sequences. */
export const decolorizeStage: Stage = (row) => {
  if (CONTROL_START.test(row.line)) row.line = row.line.replaceAll(CONTROL, "");
  return true;
};
