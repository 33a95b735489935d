/**
 * Runs case files of the agent's language. What a file is, its name tells:
 *
 * - `NAME.alloy`, `NAME.river`: a configuration; with comments `ERROR "regex"` in it, or below a folder `parser` or `syntax`, a text for the parser.
 * - `NAME.in`: a text to format; `NAME.expect` is how, `NAME.error` part of why not.
 * - `NAME.txtar`: files of one configuration; `NAME.diags` is what validation says. Below a folder `ga`, only what is generally available is taken.
 * - `NAME.yaml`: `cases` of expressions, see `alloy-expressions.ts`; or with `config`, a test of a pipeline, see `docs/reference/agent-test.md`.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, sep } from "node:path";
import { describeError } from "@finch/runtime";
import { checkConfig, checkSyntax, isTemplate } from "./alloy-configs.ts";
import { runExpressionCases } from "./alloy-expressions.ts";
import { checkFormat, checkParserErrors, hasExpectedErrors } from "./alloy-syntax-cases.ts";
import { checkPipeline } from "./alloy-pipelines.ts";
import { printTable } from "./alloy-table.ts";
import { checkValidation, hasDiagnostics } from "./alloy-validation.ts";
import { findFiles, readYaml } from "./case-files.ts";

/** A fault, nothing, or why the file is no case. */
type Outcome = string | undefined | { readonly skipped: string };

export async function runAlloyFiles(
  paths: readonly string[],
  print: (line: string) => void,
  options: ReadonlySet<string> = new Set(),
): Promise<{ passed: number; failed: number }> {
  if (options.has("--table") || options.has("--run"))
    return printTable(paths, print, { runs: options.has("--run") });
  let passed = 0;
  let failed = 0;
  const files = await findFiles(paths, (name) => /\.(alloy|river|in|txtar|ya?ml)$/.test(name));
  for (const path of files) {
    const kind = extname(path);
    const isYaml = kind === ".yaml" || kind === ".yml";
    if (isYaml && !(await isPipeline(path))) {
      const run = await runExpressionCases(path, print);
      passed += run.passed;
      failed += run.failed;
      continue;
    }
    const outcome = await checkFile(path).catch(describeError);
    if (typeof outcome === "object") print(`${path}: skipped, ${outcome.skipped}`);
    else if (outcome === undefined) passed++;
    else {
      failed++;
      print(`${path}: ${outcome}`);
    }
  }
  return { passed, failed };
}

async function isPipeline(path: string): Promise<boolean> {
  const content = await readYaml(path);
  return typeof content === "object" && content !== null && "config" in content;
}

async function checkFile(path: string): Promise<Outcome> {
  switch (extname(path)) {
    case ".in":
      return checkFormat(path);
    case ".yaml":
    case ".yml":
      return checkPipeline(path, await readFile(path, "utf8"));
    case ".txtar":
      return hasDiagnostics(path)
        ? checkValidation(path, { isGa: basename(dirname(path)) === "ga" })
        : { skipped: "without a file of diagnostics beside it" };
    case ".alloy":
    case ".river":
      break;
    default:
      return { skipped: "it belongs to another file" };
  }
  const bytes = await readFile(path);
  if (hasExpectedErrors(bytes)) return checkParserErrors(path, bytes);
  if (isTemplate(path, bytes)) return { skipped: "a template that is not rendered" };
  const folders = new Set(dirname(path).split(sep));
  return folders.has("parser") || folders.has("syntax")
    ? checkSyntax(path, bytes)
    : checkConfig(path, bytes);
}
