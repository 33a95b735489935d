/** The commands of the collector: `finch agent run|convert|fmt|validate|test|graph`. */
import type { Command } from "commander";
import type { Stability } from "@finch/agent";
import { FinchError } from "@finch/runtime";
import { addGraphCommand, addTestCommand } from "./agent-explain-commands.ts";
import { addConversionFlags, addConvertCommand, conversionOf } from "./agent-convert-options.ts";
import type { ConversionFlags } from "./agent-convert-options.ts";

/** Flags of `alloy run` that change nothing here, with why; they are taken so that units and images keep working. */
const ACCEPTED_FLAGS: readonly (readonly [flag: string, why: string])[] = [
  ["--disable-reporting", "Finch reports nothing to anybody"],
];

/** Flags of `alloy run` that Finch does not have yet: refused, for ignoring them would run something else than asked for. */
const REFUSED_FLAGS = [
  "--cluster.enabled",
  "--feature.community-components.enabled",
  "--server.http.ui-path-prefix",
  "--server.http.memory-addr",
  "--server.http.disable-support-bundle",
] as const;

const STABILITIES = [
  "experimental",
  "public-preview",
  "generally-available",
] as const satisfies Stability[];

/** What `run` refuses, `validate` does too. */
const STABILITY_FLAG = [
  "--stability.level <LEVEL>",
  `least stability of what a configuration may use: ${STABILITIES.join(", ")}; foreach is experimental`,
  "generally-available" satisfies Stability,
] as const;

export function addAgentCommands(program: Command): void {
  const agent = program
    .command("agent")
    .description("the collector: run it by itself, or look after its configuration");
  const run = agent
    .command("run")
    .description(
      "run a configuration, with the flags of alloy run; SIGHUP or POST /-/reload reads it again",
    )
    .argument("<path>", "a .alloy file, or a folder of them")
    .option("--storage.path <DIR>", "where queues and positions are kept", "data-agent/")
    .option(
      "--server.http.listen-addr <HOST:PORT>",
      'address of its pages and /metrics; "off" turns them off',
      "127.0.0.1:12345",
    )
    .option(...STABILITY_FLAG);
  run.option(
    "--config.watch",
    "read the configuration again when its files change; one with a fault changes nothing, as with SIGHUP",
  );
  addConversionFlags(run);
  for (const [flag, why] of ACCEPTED_FLAGS) run.option(flag, `taken and without effect: ${why}`);
  run
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", RUN_EXAMPLES)
    .action(async (path: string, flags: Readonly<Record<string, string>>, command: Command) => {
      refuseUnknown(command.args.slice(1));
      const stability = parseStability(flags["stability.level"]!);
      const conversion = await conversionOf(flags);
      const { runAgent } = await import("./agent-run-command.ts");
      await runAgent(path, {
        storagePath: flags["storage.path"]!,
        listen: flags["server.http.listenAddr"]!,
        stability,
        watches: flags["config.watch"] !== undefined,
        conversion,
      });
    });
  addConvertCommand(agent);
  agent
    .command("fmt")
    .description("print a file in the standard format, or rewrite it")
    .argument("<file>", "a .alloy file, or - for standard input")
    .option("-w, --write", "rewrite the file instead of printing it")
    .option("-t, --test", "change nothing; exit with 1 when the file is not in the standard format")
    .action(async (file: string, flags: { readonly write?: boolean; readonly test?: boolean }) => {
      const { formatAgentFile } = await import("./agent-file-commands.ts");
      await formatAgentFile(file, flags);
    });
  const validate = agent
    .command("validate")
    .description("report everything that is wrong with a configuration, without running it")
    .argument("<path>", "a .alloy file, or a folder of them")
    .option(...STABILITY_FLAG);
  addConversionFlags(validate);
  validate.action(
    async (path: string, flags: ConversionFlags & { readonly "stability.level": string }) => {
      const stability = parseStability(flags["stability.level"]);
      const conversion = await conversionOf(flags);
      const { validateAgentFile } = await import("./agent-file-commands.ts");
      await validateAgentFile(path, { conversion, stability });
    },
  );
  addTestCommand(agent);
  addGraphCommand(agent);
}

function parseStability(text: string): Stability {
  const level = STABILITIES.find((known) => known === text);
  if (level !== undefined) return level;
  throw new FinchError(
    "invalid",
    "finch/bad-flag",
    `--stability.level ${text}: one of ${STABILITIES.join(", ")}`,
  );
}

function refuseUnknown(rest: readonly string[]): void {
  const [first] = rest;
  if (first === undefined) return;
  const name = first.split("=")[0]!;
  const isKnown = REFUSED_FLAGS.some((flag) => flag === name);
  const message = isKnown
    ? `not supported yet: ${name}; leave it out`
    : `${name} is no flag of finch agent run; see finch agent run --help`;
  throw new FinchError("invalid", "finch/unknown-flag", message);
}

const RUN_EXAMPLES = `
Examples:
  finch agent run config.alloy
  finch agent run config.alloy --config.watch
  finch agent run /etc/alloy --storage.path=/var/lib/alloy --server.http.listen-addr=127.0.0.1:12345
  finch agent validate config.alloy && finch agent run config.alloy
  finch agent run --config.format=promtail /etc/promtail/config.yml
`;
