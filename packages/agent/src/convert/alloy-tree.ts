/**
 * A small tree of the configuration language that converters build, and its printing: the text is laid out roughly here and brought into the
 * standard format by the formatter of alloy-syntax, so what comes out is what `finch agent fmt` leaves alone.
 */
import { formatFile, isIdentifier, parseFile, Source } from "@finch/alloy-syntax";
import { assert } from "@finch/runtime";
import type { YamlNode } from "../yaml-config.ts";

export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [string, Expression])[] }
  /** A reference or a call, as it is written. */
  | { readonly kind: "code"; readonly text: string }
  /** Lists put together, one a line. */
  | { readonly kind: "concat"; readonly lists: readonly Expression[] };

export interface Attribute {
  readonly kind: "attribute";
  readonly name: string;
  readonly value: Expression;
  /** What it was made of, for messages. */
  readonly origin: YamlNode | undefined;
}

export interface Block {
  readonly kind: "block";
  readonly name: string;
  /** Empty for blocks inside of others. */
  readonly label: string;
  readonly body: readonly Statement[];
  readonly origin: YamlNode | undefined;
}

export type Statement = Attribute | Block;

export function literal(value: string | number | boolean | null): Expression {
  return { kind: "literal", value };
}

export function textList(values: readonly string[]): Expression {
  return { kind: "list", items: values.map(literal) };
}

/** A map of texts, sorted by key. */
export function textMap(values: ReadonlyMap<string, string>): Expression {
  const entries = [...values].map(([name, value]) => [name, literal(value)] as const);
  return mapOf(entries);
}

export function mapOf(entries: readonly (readonly [string, Expression])[]): Expression {
  return {
    kind: "map",
    entries: entries.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))),
  };
}

export function code(text: string): Expression {
  return { kind: "code", text };
}

/** A list of references such as `loki.write.default.receiver`. */
export function references(names: readonly string[]): Expression {
  return { kind: "list", items: names.map(code) };
}

/** One list as it is, several joined, none empty. */
export function joinLists(lists: readonly Expression[]): Expression {
  const [first, second] = lists;
  if (first === undefined) return { kind: "list", items: [] };
  return second === undefined ? first : { kind: "concat", lists };
}

export function attribute(name: string, value: Expression, origin?: YamlNode): Attribute {
  return { kind: "attribute", name, value, origin };
}

export function block(
  name: string,
  body: readonly Statement[],
  options: { readonly label?: string; readonly origin?: YamlNode | undefined } = {},
): Block {
  return { kind: "block", name, label: options.label ?? "", body, origin: options.origin };
}

/** The text of a configuration in the standard format; empty when there are no blocks. */
export function printBlocks(blocks: readonly Block[]): string {
  const rough = blocks.map(printBlock).join("\n\n");
  const { file, diagnostics } = parseFile(new Source("converted configuration", rough));
  assert(diagnostics.length === 0, `what is printed parses: ${diagnostics[0]?.message ?? ""}`);
  return formatFile(file);
}

function printBlock({ name, label, body }: Block): string {
  const header = label === "" ? name : `${name} ${JSON.stringify(label)}`;
  if (body.length === 0) return `${header} { }`;
  const statements = inPrintedOrder(body).map((statement) =>
    statement.kind === "block"
      ? printBlock(statement)
      : `${statement.name} = ${printExpression(statement.value)}`,
  );
  return `${header} {\n${statements.join("\n")}\n}`;
}

/** Attributes first, then blocks. */
export function inPrintedOrder(body: readonly Statement[]): readonly Statement[] {
  return [
    ...body.filter((statement) => statement.kind === "attribute"),
    ...body.filter((statement) => statement.kind === "block"),
  ];
}

function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return typeof expression.value === "string"
        ? JSON.stringify(expression.value)
        : String(expression.value);
    case "list":
      return `[${expression.items.map(printExpression).join(", ")}]`;
    case "map":
      return printMap(expression.entries);
    case "code":
      return expression.text;
    case "concat":
      return `array.concat(\n${expression.lists.map((list) => `${printExpression(list)},\n`).join("")})`;
    default:
      return expression satisfies never;
  }
}

function printMap(entries: readonly (readonly [string, Expression])[]): string {
  if (entries.length === 0) return "{}";
  const fields = entries.map(([name, value]) => {
    const key = isIdentifier(name) ? name : JSON.stringify(name);
    return `${key} = ${printExpression(value)},\n`;
  });
  return `{\n${fields.join("")}}`;
}
