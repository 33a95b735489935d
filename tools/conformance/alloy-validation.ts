/** Cases of validation: an archive of files that make one configuration, and the diagnostics it must have. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { formatDiagnosticLine, parseFile } from "@finch/alloy-syntax";
import type { Block, Diagnostic, Source } from "@finch/alloy-syntax";
import { validateFiles } from "@finch/agent";

const diagnosticsPath = (path: string) => path.replace(/\.txtar$/, ".diags");

export function hasDiagnostics(path: string): boolean {
  return existsSync(diagnosticsPath(path));
}

/**
 * Diagnostics are compared by severity, place and message, in any order; what to do about it, and the name of the attribute before a message, are
 * ours and do not count. One diagnostic is made for a place; what is expected there besides is its echo. What is wrong in a module that nothing is made of is an error in Alloy, and a warning here. What is expected inside of a block that is not built cannot be told, and is left out.
 */
export async function checkValidation(
  path: string,
  { isGa }: { readonly isGa: boolean },
): Promise<string | undefined> {
  const files = readArchive(await readFile(path, "utf8"));
  const expected = (await readFile(diagnosticsPath(path), "utf8"))
    .split("\n")
    .filter((line) => /^(Error|Warning): /.test(line))
    .map(comparable);
  const stability = isGa ? "generally-available" : "experimental";
  const diagnostics = await validateFiles(files, { stability });
  const missing = [...expected];
  for (const diagnostic of diagnostics) {
    if (diagnostic.kind === "unsupported") continue;
    const line = comparable(formatDiagnosticLine(diagnostic));
    const index = missing.findIndex(
      (one) => one === line || one === line.replace("Warning", "Error"),
    );
    if (index < 0) return `not expected: ${formatDiagnosticLine(diagnostic)}`;
    missing.splice(index, 1);
  }
  const unknown = diagnostics.filter(({ kind }) => kind === "unsupported").map(blockOf);
  const places = new Set(diagnostics.map((one) => placeOf(formatDiagnosticLine(one))));
  const told = missing.filter(
    (line) => !places.has(placeOf(line)) && !unknown.some((block) => isInside(line, block)),
  );
  return told.length === 0 ? undefined : `not reported: ${told[0]!}`;
}

function comparable(line: string): string {
  return line
    .replace(/ \(did you mean "[^"]*"\?\)$/, "")
    .replace(
      /; (?:use [\w.]+|please refer to the documentation for updated usage and alternatives)$/,
      "",
    )
    .replace(/^(\w+: \S+:\d+:\d+: )\w+: /, "$1")
    .replace(/(stability level "[\w-]+")[.;] Use .*$/i, "$1")
    .replace(/ not terminated; close it .*$/, " not terminated");
}

/** `Error: main.alloy:2:18`. */
function placeOf(line: string): string {
  return /^\w+: .*?:\d+:\d+/.exec(line)?.[0] ?? line;
}

interface WrittenBlock {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

/** The innermost block that a diagnostic stands at. */
function blockOf({ source, start }: Diagnostic): WrittenBlock {
  const find = (blocks: readonly Block[]): Block | undefined => {
    const found = blocks.find((block) => block.start <= start && start < block.end);
    if (found === undefined || found.start === start) return found;
    return find(found.body.filter((statement) => statement.kind === "block")) ?? found;
  };
  const body = parseFile(source).file.body.filter((statement) => statement.kind === "block");
  const block = find(body) ?? { start, end: start };
  return { source, start: block.start, end: block.end };
}

function isInside(line: string, { source, start, end }: WrittenBlock): boolean {
  const [, name, text = "", column = ""] = /^\w+: (.*?):(\d+):(\d+): /.exec(line) ?? [];
  if (name !== source.name) return false;
  const from = source.position(start);
  const to = source.position(end);
  const at = Number(text);
  return (at > from.line || (at === from.line && Number(column) >= from.column)) && at <= to.line;
}

/** Files between lines `-- NAME --`; what stands before the first is a comment. */
function readArchive(text: string): readonly { readonly name: string; readonly text: string }[] {
  const parts = text.replaceAll("\r\n", "\n").split(/^-- (.+) --\n/m);
  const files: { name: string; text: string }[] = [];
  for (let index = 1; index < parts.length; index += 2)
    files.push({ name: parts[index]!, text: parts[index + 1] ?? "" });
  return files;
}
