/** The parser stages: json, logfmt, regexp, pattern, unpack. They add labels, never drop a line, and flag what they cannot read. */
import { compileRegexp } from "@finch/model";
import type { LabelExtraction } from "./ast.ts";
import {
  createJsonScanner,
  findPath,
  JsonFault,
  readStringFields,
  scanObject,
} from "./json-scan.ts";
import { parseJsonPath } from "./json-path.ts";
import { extractPattern, parseCapturePattern } from "./line-pattern.ts";
import { scanLogfmt } from "./logfmt-scan.ts";
import { sanitizeName, sanitizePart } from "./row-labels.ts";
import type { RowLabels, WantedLabels } from "./row-labels.ts";
import type { Row, Stage } from "./row.ts";

const JSON_ERROR = "JSONParserErr";
const LOGFMT_ERROR = "LogfmtParserErr";

/** Adds a found label unless nobody asks for it or it was found before. Answers false once all wanted ones are there. */
function found(labels: RowLabels, wanted: WantedLabels, plain: string, value: string): boolean {
  if (plain === "") return true;
  const name = labels.nameOf(plain);
  if (wanted === undefined) {
    if (!labels.isExtracted(name)) labels.extract(name, value);
    return true;
  }
  if (!wanted.has(name) || labels.isExtracted(name)) return true;
  labels.extract(name, value);
  return labels.extractedCount < wanted.size;
}

function failJson(row: Row, error: unknown): void {
  if (!(error instanceof JsonFault)) throw error;
  row.labels.fail(JSON_ERROR, error.message);
}

/** Keys seen so far as label names: log lines repeat their keys, and cleaning a key is slower than looking it up. */
const NAME_CACHE_MAX = 4096;

function createNameCache(): (prefix: string, key: string) => string {
  const byPrefix = new Map<string, Map<string, string>>();
  let size = 0;
  return (prefix, key) => {
    let names = byPrefix.get(prefix);
    if (names === undefined) {
      names = new Map();
      byPrefix.set(prefix, names);
    }
    let name = names.get(key);
    if (name === undefined) {
      name = prefix === "" ? sanitizeName(key) : `${prefix}_${sanitizePart(key)}`;
      if (++size > NAME_CACHE_MAX) {
        byPrefix.clear();
        size = 0;
      } else names.set(key, name);
    }
    return name;
  };
}

export function jsonStage(wanted: WantedLabels): Stage {
  const nameOf = createNameCache();
  let labels: RowLabels;
  const scanner = createJsonScanner({
    field: (prefix, key) => {
      const name = nameOf(prefix, key);
      return {
        name,
        wanted: wanted === undefined || wanted.has(name) || wanted.has(`${name}_extracted`),
      };
    },
    scalar: ({ name }, value) => found(labels, wanted, name, value),
  });
  return (row) => {
    labels = row.labels;
    try {
      scanObject(row.line, scanner);
    } catch (error) {
      failJson(row, error);
    }
    return true;
  };
}

/** `json name="path", …`: names are set even when a parser found them before; a path that leads nowhere makes an empty label. */
export function jsonPathStage(extractions: readonly LabelExtraction[]): Stage {
  const paths = extractions.map(({ label, expression }) => ({
    label,
    path: parseJsonPath(expression),
  }));
  return (row) => {
    const { line, labels } = row;
    if (line.trimStart()[0] !== "{") {
      if (line !== "") labels.fail(JSON_ERROR, "expecting json object, but it is not");
      return true;
    }
    for (const { label, path } of paths) {
      const name = labels.nameOf(label);
      try {
        const value = findPath(line, path);
        if (value !== undefined || labels.find(name) === undefined) labels.set(name, value ?? "");
      } catch (error) {
        failJson(row, error);
        if (labels.find(name) === undefined) labels.set(name, "");
      }
    }
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
    return found(labels, wanted, nameOf("", key), value);
  };
  return (row) => {
    labels = row.labels;
    const fault = scanLogfmt(row.line, strict, pair);
    if (fault !== undefined) labels.fail(LOGFMT_ERROR, fault);
    return true;
  };
}

/** `logfmt name="key", …`. */
export function logfmtKeyStage(
  extractions: readonly LabelExtraction[],
  options: LogfmtOptions,
): Stage {
  return (row) => {
    const values = new Map<string, string>();
    const fault = scanLogfmt(row.line, options.strict, (key, value) => {
      if (!values.has(key)) values.set(key, value);
      return true;
    });
    if (fault !== undefined) row.labels.fail(LOGFMT_ERROR, fault);
    for (const { label, expression } of extractions) {
      const name = row.labels.nameOf(label);
      const value = values.get(expression);
      if (value !== undefined || row.labels.find(name) === undefined) {
        row.labels.set(name, value ?? "");
      }
    }
    return true;
  };
}

export function regexpStage(expression: string, wanted: WantedLabels): Stage {
  const regexp = compileRegexp(expression, { anchored: false });
  const names = regexp.groupNames;
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
    extractPattern(parts, line, (name, value) => found(labels, wanted, name, value));
    return true;
  };
}

const PACKED_LINE = "_entry";

/** `unpack`: the string fields become labels and `_entry` the line, both only when there is an `_entry`. */
export function unpackStage(wanted: WantedLabels): Stage {
  return (row) => {
    if (row.line === "") return true;
    try {
      const fields = readStringFields(row.line);
      const packed = fields.find(([key]) => key === PACKED_LINE);
      if (packed === undefined) return true;
      for (const [key, value] of fields) {
        if (key !== PACKED_LINE) found(row.labels, wanted, sanitizeName(key), value);
      }
      row.line = packed[1];
    } catch (error) {
      failJson(row, error);
    }
    return true;
  };
}

const ESCAPE = String.fromCharCode(27);
/** ECMA-48: control sequences (colours among them), operating system commands up to their end, and single escapes. */
const CONTROL = new RegExp(
  [
    `${ESCAPE}\\[[0-?]*[ -/]*[@-~]`,
    `${ESCAPE}\\][^${ESCAPE}\u0007]*(?:\u0007|${ESCAPE}\\\\)`,
    `${ESCAPE}[@-Z\\\\-_]`,
  ].join("|"),
  "g",
);

/** `decolorize`: the line without ANSI escape sequences. */
export const decolorizeStage: Stage = (row) => {
  if (row.line.includes(ESCAPE)) row.line = row.line.replaceAll(CONTROL, "");
  return true;
};
