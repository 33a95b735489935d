/** The flags of `finch agent convert`, those of `alloy convert`, and the flags of `finch agent run` that convert. */
import { Option } from "commander";
import type { Command } from "commander";
import type { FileConversion } from "./agent-convert-command.ts";

/** Formats that are converted; a test holds the list against those of the agent, which is loaded only when it converts. */
export const CONVERTED_FORMATS = ["promtail", "prometheus", "static"] as const;

export interface ConvertFlags {
  readonly from?: string;
  readonly sourceFormat?: string;
  readonly output?: string;
  readonly report?: string;
  readonly bypassErrors?: boolean;
  readonly extraArgs?: string;
}

export function addConvertCommand(agent: Command): void {
  agent
    .command("convert")
    .description(
      "make a configuration of this agent out of one of Promtail, Prometheus or Grafana Agent",
    )
    .argument("[file]", "the file to convert; standard input when it is - or left out")
    .option("-f, --from <FORMAT>", `what the file is: ${CONVERTED_FORMATS.join(", ")}`)
    .addOption(new Option("--source-format <FORMAT>", "the same as --from").hideHelp())
    .option("-o, --output <FILE>", "where to write the configuration; standard output otherwise")
    .option("-r, --report <FILE>", "where to write what was found")
    .option("-b, --bypass-errors", "leave out what cannot be converted and write the rest")
    .option(
      "-e, --extra-args <ARGS>",
      "flags the program was started with, separated by spaces, where they change how it reads the file",
    )
    .addHelpText("after", CONVERT_HELP)
    .action(async (file: string | undefined, flags: ConvertFlags) => {
      const { convertAgentFile } = await import("./agent-convert-command.ts");
      await convertAgentFile(file ?? "-", flags);
    });
}

export type ConversionFlags = Readonly<Record<string, string | boolean | undefined>>;

export function addConversionFlags(command: Command): void {
  command
    .option(
      "--config.format <FORMAT>",
      `what the file is: alloy, ${CONVERTED_FORMATS.join(", ")}; others than alloy are converted whenever the file is read`,
      "alloy",
    )
    .option("--config.bypass-conversion-errors", "leave out what cannot be converted")
    .option(
      "--config.extra-args <ARGS>",
      "flags the program converted from was started with, separated by spaces",
    );
}

/** How a file is converted; undefined when it needs not be. */
export async function conversionOf(flags: ConversionFlags): Promise<FileConversion | undefined> {
  const format = flags["config.format"] as string;
  if (format === "alloy") return undefined;
  const { parseFormat } = await import("./agent-convert-command.ts");
  return {
    format: parseFormat(format, "--config.format"),
    bypassesErrors: flags["config.bypassConversionErrors"] === true,
    extraArgs: flags["config.extraArgs"] as string | undefined,
    report: undefined,
    bypassFlag: "--config.bypass-conversion-errors",
  };
}

const CONVERT_HELP = `
Each finding has a severity: (Info) and (Warning) are for you to read; (Error) means that something of the file has no
counterpart, so that nothing is written unless --bypass-errors leaves it out; (Critical) means that the file is wrong.
Exit status 0 when a configuration was written, 1 otherwise. What is written passes finch agent validate.

Examples:
  finch agent convert --from promtail promtail.yaml                    show what would come of it
  finch agent convert -f promtail -o config.alloy promtail.yaml        write it
  finch agent convert -f promtail -b -r report.txt -o config.alloy promtail.yaml
  finch agent convert -f static -e "-config.expand-env" agent.yaml     an agent that was started with this flag
  finch agent run config.alloy
`;
