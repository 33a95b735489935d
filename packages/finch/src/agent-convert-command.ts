/** `finch agent convert`: reads another collector's configuration, writes one of this agent, and says what could not be taken over. */
import { readFile, writeFile } from "node:fs/promises";
import {
  CONVERSION_FORMATS,
  conversionReport,
  convertConfig,
  formatConversionDiagnostic,
} from "@finch/agent/convert";
import type { ConversionFormat } from "@finch/agent/convert";
import { FinchError } from "@finch/runtime";
import type { ConvertFlags } from "./agent-convert-options.ts";
import { readStandardInput } from "./standard-input.ts";

/** Throws `finch/not-converted` when nothing is written. */
export async function convertAgentFile(file: string, flags: ConvertFlags): Promise<void> {
  const format = parseFormat(flags.from ?? flags.sourceFormat, "--from");
  const text = await convertFile(file, {
    format,
    bypassesErrors: flags.bypassErrors === true,
    extraArgs: flags.extraArgs,
    report: flags.report,
    bypassFlag: "--bypass-errors",
  });
  if (flags.output === undefined) process.stdout.write(text);
  else await write(flags.output, text);
}

export interface FileConversion {
  readonly format: ConversionFormat;
  readonly bypassesErrors: boolean;
  /** Separated by spaces. */
  readonly extraArgs: string | undefined;
  /** Where the report goes. */
  readonly report: string | undefined;
  /** What a message about errors names as the way around them. */
  readonly bypassFlag: string;
}

/** The converted text of a file or, for `-`, of standard input; findings go to standard error. Throws `finch/not-converted`. */
export async function convertFile(file: string, options: FileConversion): Promise<string> {
  const { format, bypassesErrors, report, bypassFlag } = options;
  const name = file === "-" ? "standard input" : file;
  const extraArgs = (options.extraArgs ?? "").split(/\s+/).filter((argument) => argument !== "");
  const yaml = await readInput(file);
  const { text, diagnostics } = await convertConfig(yaml, {
    format,
    name,
    extraArgs,
    env: (variable) => process.env[variable],
  });
  if (report !== undefined) await write(report, conversionReport(diagnostics, { bypassesErrors }));
  for (const diagnostic of diagnostics)
    process.stderr.write(`${formatConversionDiagnostic(diagnostic)}\n`);
  if (text === undefined) throw notConverted(name, "put right what the critical findings name");
  const hasErrors = diagnostics.some(({ severity }) => severity === "error");
  if (hasErrors && !bypassesErrors)
    throw notConverted(name, `change what the errors name, or leave it out with ${bypassFlag}`);
  return text;
}

/** A format by its name; throws when there is none, and for formats that only Alloy converts. */
export function parseFormat(text: string | undefined, flag: string): ConversionFormat {
  const format = CONVERSION_FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  const formats = CONVERSION_FORMATS.join(", ");
  const message =
    text === undefined
      ? `${flag} says what the file is: ${formats}`
      : `${flag} ${text}: one of ${formats}`;
  throw new FinchError("invalid", "finch/bad-flag", message);
}

function notConverted(name: string, remedy: string): FinchError {
  return new FinchError(
    "unprocessable",
    "finch/not-converted",
    `${name} is not converted; ${remedy}`,
  );
}

async function readInput(file: string): Promise<string> {
  if (file === "-") return readStandardInput();
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/no-file", `cannot read ${file}`, { cause: error });
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new FinchError("invalid", "finch/no-file", `cannot write ${path}`, { cause: error });
  }
}
