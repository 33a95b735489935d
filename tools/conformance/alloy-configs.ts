/** Real configurations: each must parse, format idempotently and to the same tree, and either validate or name only what is not built yet. */
import { decodeSource, formatDiagnosticLine, parseFile } from "@finch/alloy-syntax";
import type { File, Statement } from "@finch/alloy-syntax";
import { formatConfig, validateConfig } from "@finch/agent";

/** Templates of other tools (Go, Helm, Jinja) are not configurations before they are rendered. */
export function isTemplate(path: string, bytes: Uint8Array): boolean {
  const source = decodeSource(path, bytes);
  return /\{\{|\{%/.test(source.text) && parseFile(source).diagnostics.length > 0;
}

/** What is wrong with a configuration; undefined when it validates, as far as its components are built. */
export async function checkConfig(path: string, bytes: Uint8Array): Promise<string | undefined> {
  const fault = checkSyntax(path, bytes);
  if (fault !== undefined) return fault;
  const refused = (await validateConfig(decodeSource(path, bytes).text, path)).find(
    ({ kind, severity }) => kind !== "unsupported" && severity === "error",
  );
  return refused === undefined ? undefined : formatDiagnosticLine(refused);
}

/** What is wrong with a text of the language, whatever its blocks are. */
export function checkSyntax(path: string, bytes: Uint8Array): string | undefined {
  const source = decodeSource(path, bytes);
  const { file, diagnostics } = parseFile(source);
  if (diagnostics.length > 0) return formatDiagnosticLine(diagnostics[0]!);
  const formatted = formatConfig(source.text, path);
  if (formatConfig(formatted, path) !== formatted)
    return "formatting the formatted text changes it";
  const again = parseFile(decodeSource(path, Buffer.from(formatted))).file;
  return shape(again) === shape(file) ? undefined : "the formatted text means something else";
}

const PLACES = new Set([
  "start",
  "end",
  "equals",
  "nameEnd",
  "nameStart",
  "labelSpan",
  "nameSpan",
  "openBrace",
  "closeBrace",
  "openBracket",
  "openParen",
  "operatorStart",
]);

/** The tree without places. */
function shape(file: File): string {
  return JSON.stringify(file.body satisfies readonly Statement[], (key, value: unknown) => {
    if (PLACES.has(key)) return undefined;
    return typeof value === "bigint" ? `${value}n` : value;
  });
}
