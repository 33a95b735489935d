/** `finch agent convert`: reads another collector's configuration, writes one of this agent, and says what could not be taken over. */
import { readFile, writeFile } from "node:fs/promises";
import {
  CONVERSION_FORMATS,
  conversionReport,
  convertConfig,
  formatConversionDiagnostic,
} from "@finch/agent";
import type { ConversionDiagnostic, ConversionFormat } from "@finch/agent";
import { FinchError } from "@finch/runtime";
import type { ConvertFlags } from "./agent-convert-options.ts";
import { readStandardInput } from "./standard-input.ts";

/** Throws `finch/not-converted` when nothing is written. */
export async function convertAgentFile(file: string, flags: ConvertFlags): Promise<void> {
  const format = parseFormat(flags.from ?? flags.sourceFormat, "--from");
  const name = file === "-" ? "standard input" : file;
  const bypassesErrors = flags.bypassErrors === true;
  const { text, diagnostics } = await convertConfig(await readInput(file), {
    format,
    name,
    extraArgs: splitArguments(flags.extraArgs),
  });
  if (flags.report !== undefined)
    await write(flags.report, conversionReport(diagnostics, { bypassesErrors }));
  for (const diagnostic of diagnostics)
    process.stderr.write(`${formatConversionDiagnostic(diagnostic)}\n`);
  if (text === undefined || (!bypassesErrors && hasErrors(diagnostics)))
    throw notConverted(name, text !== undefined);
  if (flags.output === undefined) process.stdout.write(text);
  else await write(flags.output, text);
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

export function splitArguments(text: string | undefined): readonly string[] {
  return (text ?? "").split(/\s+/).filter((argument) => argument !== "");
}

export function hasErrors(diagnostics: readonly ConversionDiagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error" || severity === "critical");
}

export function notConverted(name: string, canBypass: boolean): FinchError {
  const remedy = canBypass
    ? "change what the errors name, or leave it out with --bypass-errors"
    : "put right what the critical findings name";
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
