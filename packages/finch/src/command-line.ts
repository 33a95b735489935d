/**
 * The commands of `finch` and their flags. Each command's code is loaded when it is called, so that `finch agent run` never loads the server
 * and `--help` loads nothing. Exit codes: 0 done, 1 failed, 2 wrong call or bad configuration.
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { AssertionFailure, describeError, FinchError } from "@finch/runtime";
import { addAgentCommands } from "./agent-commands.ts";
import { completionScript, SHELLS } from "./completion.ts";
import { CONFIG_OPTIONS, envOf, flagOf, topicOf } from "./config-options.ts";
import { addFleetCommands } from "./fleet-commands.ts";
import { addQueryCommands } from "./query-commands.ts";
import { readVersion } from "./version.ts";

export const EXIT_FAILED = 1;
export const EXIT_WRONG_CALL = 2;

/** Runs one command line (`process.argv`) and returns the exit code; faults are told on stderr. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  if (argv.length <= 2) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync([...argv]);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof AssertionFailure) throw error;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_CALL;
    process.stderr.write(`finch: ${describeFault(error)}\n`);
    return error instanceof FinchError && error.kind === "invalid" ? EXIT_WRONG_CALL : EXIT_FAILED;
  }
}

function describeFault(error: unknown): string {
  if (!(error instanceof FinchError) && error instanceof Error && error.stack !== undefined) {
    return error.stack;
  }
  return describeError(error);
}

/** The tree of commands; also what completion is made from. */
export function buildProgram(): Command {
  const program = new Command("finch")
    .description("Logs and metrics of your machines in one process with one data directory.")
    .exitOverride()
    .showHelpAfterError("(finch --help, or finch COMMAND --help, shows what is possible)")
    .addHelpText("after", PROGRAM_EXAMPLES)
    .version(`finch ${readVersion()}`, "--version", "print the version and stop");
  addUpCommand(program);
  addAgentCommands(program);
  addQueryCommands(program);
  addFleetCommands(program);
  program
    .command("rotate-secret")
    .description("change the secret of a service on this machine, which signs the tokens of agents")
    .option("--data-dir <DIR>", "its data directory", "./data")
    .option(
      "--overlap <DURATION>",
      "how long tokens of the present secret are still taken, such as 30d; 0s refuses them at once",
      "0s",
    )
    .action(async (flags: { readonly dataDir: string; readonly overlap: string }) => {
      const { rotateSecret } = await import("./rotate-secret-command.ts");
      await rotateSecret(flags);
    });
  program
    .command("check")
    .description("check a configuration file: finch.yaml, or an agent's .alloy file or folder")
    .argument("<file>", "file to check")
    .action(async (file: string) => {
      const { checkFile } = await import("./check-command.ts");
      await checkFile(file);
    });
  program
    .command("warm", { hidden: true })
    .description("compile everything once, so that the first start is as short as any other")
    .action(async () => {
      const { warmCompileCache } = await import("./warm-command.ts");
      await warmCompileCache();
    });
  program
    .command("completion")
    .description(`print the completion script of a shell: ${SHELLS.join(", ")}`)
    .addArgument(
      Object.assign(new Argument("<shell>", SHELLS.join(", ")), { argChoices: [...SHELLS] }),
    )
    .addHelpText("after", "\nExample:\n  source <(finch completion bash)\n")
    .action((shell: string) => {
      process.stdout.write(completionScript(shell, program));
    });
  return program;
}

function addUpCommand(program: Command): void {
  const command = program
    .command("up")
    .description("start Finch: collect this machine's metrics and logs, keep them, and show them")
    .option("--config <FILE>", "finch.yaml to read; none is needed");
  for (const option of CONFIG_OPTIONS) {
    const { isSwitch = false, placeholder } = option;
    const flag = `${flagOf(option.key)} ${isSwitch ? `[${placeholder}]` : `<${placeholder}>`}`;
    const words = `${option.doc} (default ${option.default}; ${option.key})`;
    command.addOption(new Option(flag, words).helpGroup(`${topicOf(option.key)}:`));
  }
  command.addHelpText("after", UP_EXAMPLES).action(async (flags: Record<string, string>) => {
    const { runUp } = await import("./up-command.ts");
    await runUp(flags);
  });
}

const PROGRAM_EXAMPLES = `
Examples:
  finch up                                   start here, data in ./data, then open http://localhost:3000
  finch query metrics 'up'                   ask a running Finch
  finch query logs '{job="finch"}' --since 1h
  finch tail '{service_name="finch"}'        follow logs as they come
  finch agent run config.alloy               run the collector by itself
  finch fleet collectors                     what the collectors of the fleet run, and how they do
  finch check finch.yaml                     find mistakes before a start does

Exit codes: 0 done, 1 failed, 2 wrong call or bad configuration.
`;

const UP_EXAMPLES = `
Examples:
  finch up
  finch up --data-dir /var/lib/finch --retention-logs 14d
  finch up --public --service-host finch.example.com --gateway-acme letsencrypt
  finch up --listen-ui 0.0.0.0:3000 --listen-agent off
  finch up --config finch.yaml

Every option can stand in finch.yaml, by the last name in parentheses, or in the environment, where listen.ui is
${envOf("listen.ui")}; flags win, then the environment, then the file. All listeners stay on this machine (127.0.0.1) until told otherwise.
Ctrl-C or SIGTERM stops: queues are written to disk first. A second Ctrl-C stops at once.
`;
