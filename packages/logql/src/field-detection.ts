/**
 * What fields log lines have: looks into each line as JSON, else as logfmt, and at its structured metadata and the labels a pipeline made,
 * and keeps the values of each field, their type, and how to get at it. For the server's `detected_fields`.
 */
import { tryParseBytes, tryParseGoDuration } from "@finch/model";
import type { LogEntry } from "./log-query.ts";
import type { Labels } from "@finch/model";
import { createJsonScanner, JsonFault, scanObject } from "./json-scan.ts";
import { scanLogfmt } from "./logfmt-scan.ts";
import {
  ERROR_DETAILS_LABEL,
  ERROR_LABEL,
  EXTRACTED_SUFFIX,
  joinName,
  sanitizeName,
} from "./row-labels.ts";

export type FieldType = "string" | "int" | "float" | "boolean" | "duration" | "bytes";
export type FieldParser = "json" | "logfmt";

export interface DetectedField {
  /** As a label that the parser makes. */
  readonly name: string;
  readonly type: FieldType;
  /** Each value once, in the order they were met. */
  readonly values: ReadonlySet<string>;
  /** Parsers that find it; none for structured metadata and for what the pipeline made. */
  readonly parsers: readonly FieldParser[];
  /** Keys that lead to it in a JSON line. */
  readonly jsonPath: readonly string[] | undefined;
}

export interface FieldDetector {
  /** Takes an entry of the stream in. */
  add(stream: Labels, entry: LogEntry): void;
  /** Sorted by name. */
  fields(): readonly DetectedField[];
}

interface FieldBuilder {
  readonly values: Set<string>;
  readonly parsers: Set<FieldParser>;
  type: FieldType | undefined;
  jsonPath: readonly string[] | undefined;
}

/** Makes a detector of at most `fieldsMax` fields; further ones are left out. */
export function createFieldDetector(options: {
  readonly fieldsMax: number;
  /** The one field that is looked for; undefined for all. */
  readonly only?: string;
}): FieldDetector {
  const fields = new Map<string, FieldBuilder>();
  const note = (name: string, value: string): FieldBuilder | undefined => {
    if (options.only !== undefined && name !== options.only) return undefined;
    let field = fields.get(name);
    if (field === undefined) {
      if (fields.size >= options.fieldsMax) return undefined;
      field = { values: new Set(), parsers: new Set(), type: undefined, jsonPath: undefined };
      fields.set(name, field);
    }
    if (!field.values.has(value)) {
      field.values.add(value);
      field.type = joinTypes(field.type, typeOf(value));
    }
    return field;
  };
  const scanLine = createLineScanner();
  return {
    add: (stream, { line, structuredMetadata, parsed }) => {
      for (const [name, value] of structuredMetadata) note(name, value);
      for (const [name, value] of parsed) {
        if (name !== ERROR_LABEL && name !== ERROR_DETAILS_LABEL) note(name, value);
      }
      const { parser, found } = scanLine(line);
      for (const [plain, { value, path }] of found) {
        const isTaken = stream.has(plain) || structuredMetadata.has(plain);
        const field = note(isTaken ? plain + EXTRACTED_SUFFIX : plain, value);
        field?.parsers.add(parser);
        if (field !== undefined && path !== undefined) field.jsonPath ??= path;
      }
    },
    fields: () =>
      [...fields]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { values, parsers, type, jsonPath }]) => ({
          name,
          type: type ?? "string",
          values,
          parsers: [...parsers].toSorted(),
          jsonPath,
        })),
  };
}

interface FoundValue {
  readonly value: string;
  readonly path: readonly string[] | undefined;
}

/** Reads lines one after the other: as JSON when they are an object throughout, else as logfmt. The first of equal names counts. */
function createLineScanner(): (line: string) => {
  readonly parser: FieldParser;
  readonly found: ReadonlyMap<string, FoundValue>;
} {
  /** Keys that lead to a name, of objects and of values. */
  const paths = new Map<string, readonly string[]>();
  let found = new Map<string, FoundValue>();
  const scanner = createJsonScanner({
    field: (prefix, key) => {
      const name = joinName(prefix, key);
      paths.set(name, [...(prefix === "" ? [] : (paths.get(prefix) ?? [])), key]);
      return { name, wanted: name !== "", inside: true };
    },
    scalar: ({ name }, value) => {
      if (!found.has(name)) found.set(name, { value, path: paths.get(name) });
      return true;
    },
  });
  return (line) => {
    found = new Map();
    try {
      scanObject(line, scanner);
      return { parser: "json", found };
    } catch (error) {
      if (!(error instanceof JsonFault)) throw error;
    }
    found = new Map();
    scanLogfmt(line, false, (key, value) => {
      const name = sanitizeName(key);
      if (value !== "" && name !== "" && !found.has(name))
        found.set(name, { value, path: undefined });
      return true;
    });
    return { parser: "logfmt", found };
  };
}

const INTEGER = /^[+-]?\d{1,19}$/;
const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const BOOLEAN = /^(?:true|false|True|False|TRUE|FALSE)$/;

function typeOf(value: string): FieldType {
  if (INTEGER.test(value)) return "int";
  if (FLOAT.test(value)) return "float";
  if (BOOLEAN.test(value)) return "boolean";
  if (tryParseGoDuration(value) !== undefined) return "duration";
  if (tryParseBytes(value) !== undefined) return "bytes";
  return "string";
}

/** The type that both fit: a field is of a type when all its values are. */
function joinTypes(known: FieldType | undefined, next: FieldType): FieldType {
  if (known === undefined || known === next) return next;
  const both = new Set([known, next]);
  if (both.has("int") && both.has("float")) return "float";
  return "string";
}
