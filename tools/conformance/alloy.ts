/** Runs real configurations: each must parse, format idempotently and to the same tree, and either validate or name only what is not built yet. */
import { readFile } from "node:fs/promises";
import { decodeSource, formatDiagnosticLine, parseFile } from "@finch/alloy-syntax";
import type { File, Statement } from "@finch/alloy-syntax";
import { formatConfig, validateConfig } from "@finch/agent";
import { describeError } from "@finch/runtime";
import { findFiles } from "./case-files.ts";

export async function runAlloyFiles(
  paths: readonly string[],
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  for (const path of await findFiles(paths, (name) => /\.(alloy|river)$/.test(name))) {
    const bytes = await readFile(path);
    if (isTemplate(path, bytes)) {
      print(`${path}: skipped, a template that is not rendered`);
      continue;
    }
    const fault = await checkFile(path, bytes).catch(describeError);
    if (fault === undefined) passed++;
    else {
      failed++;
      print(`${path}: ${fault}`);
    }
  }
  return { passed, failed };
}

/** Templates of other tools (Go, Helm, Jinja) are not configurations before they are rendered. */
function isTemplate(path: string, bytes: Uint8Array): boolean {
  const source = decodeSource(path, bytes);
  return /\{\{|\{%/.test(source.text) && parseFile(source).diagnostics.length > 0;
}

async function checkFile(path: string, bytes: Uint8Array): Promise<string | undefined> {
  const source = decodeSource(path, bytes);
  const { file, diagnostics } = parseFile(source);
  if (diagnostics.length > 0) return formatDiagnosticLine(diagnostics[0]!);
  const formatted = formatConfig(source.text, path);
  if (formatConfig(formatted, path) !== formatted)
    return "formatting the formatted text changes it";
  const again = parseFile(decodeSource(path, Buffer.from(formatted))).file;
  if (shape(again) !== shape(file)) return "the formatted text means something else";
  const refused = (await validateConfig(source.text, path)).find(
    ({ kind, severity }) => kind !== "unsupported" && severity === "error",
  );
  return refused === undefined ? undefined : formatDiagnosticLine(refused);
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
