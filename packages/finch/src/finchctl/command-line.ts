/** The commands of `finchctl`: the client of a Finch service, with the flags of the original finchctl. Exit codes: 0 done, 1 failed, 2 wrong call. */
import { Argument, Command, CommanderError } from "commander";
import { AssertionFailure, describeError, FinchError } from "@finch/runtime";
import { completionScript, SHELLS } from "../completion.ts";
import { readVersion } from "../version.ts";
import { addAgentCommands } from "./agent-commands.ts";
import { normalizeSwitches } from "./flags.ts";
import { addServiceCommands } from "./service-commands.ts";

const EXIT_FAILED = 1;
const EXIT_WRONG_CALL = 2;

/** Runs one command line (`process.argv`) and returns the exit code; faults are told on stderr. */
export async function runFinchctl(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  if (argv.length <= 2) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync(normalizeSwitches(argv, program));
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof AssertionFailure) throw error;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_CALL;
    process.stderr.write(`finchctl: ${describeFault(error)}\n`);
    return error instanceof FinchError && error.code === "finch/bad-flag"
      ? EXIT_WRONG_CALL
      : EXIT_FAILED;
  }
}

function describeFault(error: unknown): string {
  if (!(error instanceof FinchError) && error instanceof Error && error.stack !== undefined) {
    return error.stack;
  }
  return describeError(error);
}

function buildProgram(): Command {
  const program = new Command("finchctl")
    .description(
      "Sets Finch up on machines, and enrols, configures and retires the agents that send to it.",
    )
    .exitOverride()
    .showHelpAfterError("(finchctl --help, or finchctl COMMAND --help, shows what is possible)")
    .addHelpText("after", EXAMPLES)
    .version(`finchctl ${readVersion()}`, "--version", "print the version and stop");
  addServiceCommands(program);
  addAgentCommands(program);
  program
    .command("completion")
    .description(`print the completion script of a shell: ${SHELLS.join(", ")}`)
    .addArgument(
      Object.assign(new Argument("<shell>", SHELLS.join(", ")), { argChoices: [...SHELLS] }),
    )
    .addHelpText("after", "\nExample:\n  source <(finchctl completion bash)\n")
    .action((shell: string) => {
      process.stdout.write(completionScript(shell, program));
    });
  program
    .command("version")
    .description("print the version")
    .action(() => {
      process.stdout.write(`finchctl ${readVersion()}\n`);
    });
  return program;
}

const EXAMPLES = `
Examples:
  finchctl service deploy root@203.0.113.7 --service.host finch.example.com
  finchctl agent register finch.example.com --agent.hostname web-1 --agent.logs.journal --agent.metrics
  finchctl agent deploy --agent.config finch-agent.cfg root@web-1
  finchctl agent list finch.example.com --output json

The services you administrate, with your certificate for each, are in ~/.config/finch.json; FINCH_CONFIG names
another file, or the folder it is in. Exit codes: 0 done, 1 failed, 2 wrong call.
`;
