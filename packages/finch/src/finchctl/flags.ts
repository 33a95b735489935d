/** Flags that several commands of finchctl share, and the ways of the original's command line that commander does not have. */
import { Argument, Option } from "commander";
import type { Command } from "commander";
import { badFlag, OUTPUTS } from "./output.ts";
import { RUN_FORMATS } from "./run-report.ts";

/** By the names of the flags, as commander has them. */
export interface GlobalFlags {
  readonly "run.cmdTimeout": string;
  readonly "tls.skipVerify"?: boolean;
  readonly "ssh.config"?: string;
}

export interface RunFlags extends GlobalFlags {
  readonly "run.format": string;
  readonly "run.dryRun"?: boolean;
}

const SWITCH_VALUES: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  "1": true,
  false: false,
  f: false,
  "0": false,
};

/** A command that does something: with the global flags, so that they may stand anywhere. */
export function addGlobalFlags(command: Command): Command {
  return command
    .option("--run.cmd-timeout <SECONDS>", "how long a command on a host may take", "300")
    .option(
      "--tls.skip-verify",
      "take any certificate of the gateway (also FINCH_SKIP_TLS_VERIFY=1); anybody in between can read along then",
    )
    .option(
      "--ssh.config <FILE>",
      "configuration file of ssh, instead of ~/.ssh/config (also FINCH_SSH_CONFIG)",
    );
}

export function addOutputFlags(command: Command): Command {
  return command
    .addOption(
      Object.assign(new Option("--output <FORMAT>", `how to answer: ${OUTPUTS.join(", ")}`), {
        argChoices: [...OUTPUTS],
      }),
    )
    .option("--output.json", "the same as --output json")
    .option("--output.yaml", "the same as --output yaml");
}

export function addRunFlags(command: Command): Command {
  return command
    .addOption(
      Object.assign(
        new Option("--run.format <FORMAT>", `how to tell what is done: ${RUN_FORMATS.join(", ")}`),
        { argChoices: [...RUN_FORMATS], defaultValue: "progress" },
      ),
    )
    .option("--run.dry-run", "look at the host, tell what would be done, and change nothing");
}

/** A flag that takes a list: given several times, or with commas; double quotes keep a comma in an element. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    (text: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      ...splitList(text),
    ],
  );
}

/** A switch that `--flag=false` turns off, for what may be on already. */
export function addSwitch(command: Command, name: string, description: string): void {
  command
    .option(`--${name}`, `${description}; --${name}=false turns it off`)
    .addOption(new Option(`--no-${name}`).hideHelp());
}

export function serviceArgument(): Argument {
  return new Argument("<service>", "name of the service, as in the address of its gateway");
}

export function hostArgument(): Argument {
  return new Argument(
    "<host>",
    "[user@]host[:port] for ssh; localhost is this machine, without ssh",
  );
}

/** `--flag=true` and `--flag=false` of switches, as the original takes them, in the words of commander. */
export function normalizeSwitches(argv: readonly string[], program: Command): string[] {
  const switches = new Set(allOptions(program).filter(isSwitch).map(longOf));
  const negatable = new Set(
    allOptions(program)
      .filter((one) => one.negate)
      .map((one) => one.long?.replace(/^--no-/, "--") ?? ""),
  );
  return argv.flatMap((word) => {
    const at = word.indexOf("=");
    const flag = at < 0 ? "" : word.slice(0, at);
    if (!switches.has(flag)) return [word];
    const value = SWITCH_VALUES[word.slice(at + 1).toLowerCase()];
    if (value === undefined) throw badFlag(`${word}: ${flag} is true or false`);
    if (value) return [flag];
    return negatable.has(flag) ? [flag.replace(/^--/, "--no-")] : [];
  });
}

export function readSeconds(name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw badFlag(`${name} ${text}: give whole seconds above zero`);
  return Number(text);
}

function allOptions(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap(allOptions)];
}

function isSwitch(option: Option): boolean {
  return !option.required && !option.optional && !option.negate;
}

function longOf(option: Option): string {
  return option.long ?? "";
}

function splitList(text: string): string[] {
  if (text === "") return [];
  const elements = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"(?=,|$)|([^,]*))/g)];
  return elements
    .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.trim() ?? "")
    .filter((one) => one !== "");
}
