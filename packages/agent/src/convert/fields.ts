/**
 * Tables that say what becomes of each key of a YAML map: `{ refresh_interval: duration(), tls_config: nested("tls_config", TLS) }`. A key
 * that no table names is refused with its place. Statements come out in the order of the table, whatever the order of the input.
 */
import { formatGoDuration, parseDuration, tryParseGoDuration } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, literal, textList, textMap } from "./alloy-tree.ts";
import type { Expression, Statement } from "./alloy-tree.ts";
import type { ConversionLog, ConversionSeverity } from "./conversion-log.ts";

export interface FieldContext {
  readonly key: string;
  readonly node: YamlNode;
  readonly log: ConversionLog;
}

/** What becomes of the value of one key. */
export type Field = (context: FieldContext) => readonly Statement[];
export type Fields = Readonly<Record<string, Field>>;

/** Statements of a map, by a table. */
export function convertFields(
  node: YamlNode,
  fields: Fields,
  log: ConversionLog,
): readonly Statement[] {
  return convertFound(node.fields(Object.keys(fields)), fields, log);
}

/** As {@link convertFields}, for values that are looked up already: those of a map with what it inherits, or some of its keys. */
export function convertFound(
  found: Partial<Record<string, YamlNode>>,
  fields: Fields,
  log: ConversionLog,
): readonly Statement[] {
  return Object.entries(fields).flatMap(([key, field]) => {
    const value = found[key];
    return value === undefined ? [] : field({ key, node: value, log });
  });
}

function valueField(name: string | undefined, read: (node: YamlNode) => Expression): Field {
  return ({ key, node }) => [attribute(name ?? key, read(node), node)];
}

/** `name` is the name of the attribute where it is not that of the key. */
export const text = (name?: string): Field => valueField(name, (node) => literal(node.text()));
export const number = (name?: string): Field => valueField(name, (node) => literal(node.number()));
export const bool = (name?: string): Field => valueField(name, (node) => literal(readBool(node)));
export const duration = (name?: string): Field =>
  valueField(name, (node) => literal(formatGoDuration(readDurationMs(node) * 1e6)));
export const bytes = (name?: string): Field =>
  valueField(name, (node) => literal(formatBytes(readBytes(node))));
export const list = (name?: string): Field => valueField(name, (node) => textList(readTexts(node)));
export const map = (name?: string): Field => valueField(name, (node) => textMap(readMap(node)));

/** Texts with commas between them. */
export const commaList: Field = ({ key, node }) => [
  attribute(
    key,
    textList(
      node
        .text()
        .split(",")
        .filter((item) => item !== ""),
    ),
    node,
  ),
];

/** A block of the same content. */
export function nested(name: string, fields: Fields): Field {
  return ({ node, log }) => [block(name, convertFields(node, fields, log), { origin: node })];
}

/** A block for each entry of a list. */
export function nestedEach(name: string, fields: Fields): Field {
  return ({ node, log }) =>
    node.list().map((item) => block(name, convertFields(item, fields, log), { origin: item }));
}

/** What has no counterpart: reported, and left out. */
export function refused(message: string, severity: ConversionSeverity = "error"): Field {
  return ({ node, log }) => {
    log.add(severity, node, message);
    return [];
  };
}

/** What needs nothing here. */
export const ignored: Field = () => [];

/** Only where it is switched on is there something to say. */
export function refusedWhenTrue(message: string, severity: ConversionSeverity = "error"): Field {
  return ({ node, log }) => {
    if (readBool(node)) log.add(severity, node, message);
    return [];
  };
}

const TRUE = /^(?:y|yes|on|true)$/i;
const FALSE = /^(?:n|no|off|false)$/i;

/** Also the older spellings, `yes` and `on`, that Go's decoder takes. */
export function readBool(node: YamlNode): boolean {
  const written = node.text();
  if (TRUE.test(written)) return true;
  if (FALSE.test(written)) return false;
  throw node.fault("true or false is wanted");
}

/** Durations of Go (`1m30s`) and of Prometheus (`1d`), in milliseconds. */
export function readDurationMs(node: YamlNode): number {
  const written = node.text();
  const ns = tryParseGoDuration(written);
  if (ns !== undefined) return ns / 1e6;
  try {
    return parseDuration(written);
  } catch (error) {
    if (error instanceof FinchError) throw node.fault('a duration such as "30s" is wanted');
    throw error;
  }
}

/** Sizes such as `1048576`, `256KB` and `1MiB`; all units are powers of 1024, as the programs converted from have it. */
export function readBytes(node: YamlNode): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTPE]?)(?:i?B)?$/i.exec(node.text());
  if (match === null) throw node.fault('a size such as "256KB" is wanted');
  return Math.round(Number(match[1]) * 1024 ** " KMGTPE".indexOf(match[2]!.toUpperCase() || " "));
}

/** A list of texts; a single text counts as a list of it where Go's decoders weakly take that. */
export function readTexts(node: YamlNode): readonly string[] {
  return node.list().map((item) => item.text());
}

export function readMap(node: YamlNode): ReadonlyMap<string, string> {
  return new Map(
    [...node.entries()].map(([name, value]) => [name, value.isEmpty ? "" : value.text()]),
  );
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Exact, in the largest unit that divides it. */
export function formatBytes(size: number): string {
  let unit = 0;
  let rest = size;
  while (rest > 0 && rest % 1024 === 0 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${rest}${UNITS[unit]!}`;
}
