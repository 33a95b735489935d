/** Values of arguments and exports as text in the configuration's language. */
import type { ShownStatement, ShownValue } from "../runtime/component-info.ts";

export function formatStatements(statements: readonly ShownStatement[]): string {
  return statements.map((statement) => formatStatement(statement, "")).join("\n");
}

function formatStatement(statement: ShownStatement, indent: string): string {
  if (statement.type === "attr")
    return `${indent}${statement.name} = ${formatShown(statement.value, indent)}`;
  if (statement.body.length === 0) return `${indent}${statement.name} { }`;
  return `${indent}${statement.name} {\n${statement.body.map((inner) => formatStatement(inner, `${indent}  `)).join("\n")}\n${indent}}`;
}

function formatShown(shown: ShownValue, indent: string): string {
  const deeper = `${indent}  `;
  switch (shown.type) {
    case "null":
      return "null";
    case "bool":
      return String(shown.value);
    case "string":
      return JSON.stringify(shown.value);
    case "array":
      if (shown.value.length === 0) return "[]";
      return `[\n${shown.value.map((element) => `${deeper}${formatShown(element, deeper)},`).join("\n")}\n${indent}]`;
    case "object":
      if (shown.value.length === 0) return "{}";
      return `{\n${shown.value.map(({ key, value }) => `${deeper}${JSON.stringify(key)} = ${formatShown(value, deeper)},`).join("\n")}\n${indent}}`;
    default:
      return shown.value;
  }
}
