/**
 * Configurations of Promtail, Prometheus and the Grafana Agent's static mode as configurations of this agent; behind `finch agent convert` and
 * `finch agent run --config.format`. What is written always passes `validate`; what of the input is not in it is said.
 */
import { parseFile, Source } from "@finch/alloy-syntax";
import type { Diagnostic, Statement as WrittenStatement } from "@finch/alloy-syntax";
import { validateConfig } from "../runtime/validate.ts";
import { parseYamlConfig } from "../yaml-config.ts";
import type { YamlNode } from "../yaml-config.ts";
import { inPrintedOrder, printBlocks } from "./alloy-tree.ts";
import type { Block, Statement } from "./alloy-tree.ts";
import { Conversion } from "./conversion.ts";
import type { ConversionDiagnostic, ConversionLog } from "./conversion-log.ts";
import { expandVariables, findVariable } from "./expand-variables.ts";
import type { ReadVariable } from "./expand-variables.ts";
import { fitToDeclarations } from "./fit-declarations.ts";
import { readPromtailFlags, readStaticFlags } from "./program-flags.ts";
import { convertPrometheus } from "./prometheus.ts";
import { convertPromtail } from "./promtail.ts";
import { convertStatic } from "./static.ts";

/** Formats that are converted, by the names that `alloy convert` gives them. */
export const CONVERSION_FORMATS = ["promtail", "prometheus", "static"] as const;
export type ConversionFormat = (typeof CONVERSION_FORMATS)[number];

export interface ConversionResult {
  /** In the standard format; undefined when something critical was found. Without what the errors name. */
  readonly text: string | undefined;
  readonly diagnostics: readonly ConversionDiagnostic[];
}

export interface ConversionOptions {
  readonly format: ConversionFormat;
  /** Stands for the input in messages. */
  readonly name: string;
  /** Flags the program was started with that change how it reads its configuration. */
  readonly extraArgs: readonly string[];
  /** Variables of the environment, for programs that put them into their configuration. */
  readonly env: ReadVariable;
}

export async function convertConfig(
  yaml: string,
  options: ConversionOptions,
): Promise<ConversionResult> {
  const conversion = new Conversion();
  const { log } = conversion;
  log.guard(() => convertText(yaml, options, conversion));
  const blocks = await fitToDeclarations(conversion.blocks, log);
  if (isCritical(log)) return { text: undefined, diagnostics: log.diagnostics };
  const text = printBlocks(blocks);
  await validate(text, blocks, log);
  return { text: isCritical(log) ? undefined : text, diagnostics: log.diagnostics };
}

function convertText(yaml: string, options: ConversionOptions, conversion: Conversion): void {
  const { format, name, extraArgs, env } = options;
  const { log } = conversion;
  const read = (expands: boolean, keepsNumbers: boolean) => {
    if (expands) return parseYamlConfig(expandVariables(yaml, { name, env, keepsNumbers }), name);
    const variable = findVariable(yaml, name);
    if (variable !== undefined)
      log.add(
        "warning",
        undefined,
        `${variable} is taken as it is written; if the program replaces it, give --extra-args=-config.expand-env`,
      );
    return parseYamlConfig(yaml, name);
  };
  switch (format) {
    case "promtail": {
      const { expandsVariables } = readPromtailFlags(extraArgs, log);
      return convertPromtail(read(expandsVariables, false), conversion);
    }
    case "static": {
      const flags = readStaticFlags(extraArgs, log);
      return convertStatic(read(flags.expandsVariables, true), conversion, flags);
    }
    case "prometheus":
      if (extraArgs.length > 0)
        log.add(
          "critical",
          undefined,
          `extra arguments are not known here: ${extraArgs.join(" ")}`,
        );
      return convertPrometheus(parseYamlConfig(yaml, name), conversion);
    default:
      return format satisfies never;
  }
}

function isCritical(log: ConversionLog): boolean {
  return log.diagnostics.some(({ severity }) => severity === "critical");
}

/** Values that cannot be are found by the declarations of the components; they are told where they come from. */
async function validate(text: string, blocks: readonly Block[], log: ConversionLog): Promise<void> {
  const found = await validateConfig(text, "converted");
  for (const diagnostic of found) {
    if (diagnostic.severity !== "error") continue;
    log.add("critical", originOf(diagnostic, text, blocks), diagnostic.message);
  }
}

/** What of the input the wrong place was made of: the innermost statement that knows. */
function originOf(
  diagnostic: Diagnostic,
  text: string,
  blocks: readonly Block[],
): YamlNode | undefined {
  return originAt(parseFile(new Source("converted", text)).file.body, blocks, diagnostic.start);
}

function originAt(
  written: readonly WrittenStatement[],
  statements: readonly Statement[],
  offset: number,
): YamlNode | undefined {
  const index = written.findIndex(({ start, end }) => start <= offset && offset < end);
  const [at, statement] = [written[index], statements[index]];
  if (at?.kind === "block" && statement?.kind === "block")
    return originAt(at.body, inPrintedOrder(statement.body), offset) ?? statement.origin;
  return statement?.origin;
}
