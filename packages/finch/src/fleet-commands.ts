/** The commands about the fleet of a running Finch: `finch fleet …`. */
import type { Command } from "commander";
import type { RollOutFlags, SaveFlags, SelectFlags, VersionFlags } from "./fleet-actions.ts";

const EXAMPLES = `
Examples:
  finch fleet save web web.alloy --comment "nginx logs, too"
  finch fleet roll-out web --selector '{env="prod"}' --stage 1:2m --stage 25%:10m --stage 100%:5m --wait
  finch fleet collectors --selector '{env="prod"}'
  finch fleet roll-back 7
`;

export function addFleetCommands(program: Command): void {
  const fleet = program
    .command("fleet")
    .description("see what the collectors of a running Finch run, and roll configurations out")
    .addHelpText("after", EXAMPLES);
  addReadCommands(fleet);
  addConfigurationCommands(fleet);
  addRolloutCommands(fleet);
}

function addReadCommands(fleet: Command): void {
  withAddress(fleet.command("collectors"))
    .description("list collectors with what they run against what they should, and how they do")
    .option("--selector <SELECTOR>", "which ones, such as '{env=\"prod\"}'", "{}")
    .action(async (flags: SelectFlags) => {
      const { listCollectors } = await import("./fleet-actions.ts");
      await listCollectors(flags);
    });
  withAddress(fleet.command("configurations"))
    .description("list configurations with their newest versions")
    .action(async (flags) => {
      const { listConfigurations } = await import("./fleet-actions.ts");
      await listConfigurations(flags);
    });
  withAddress(fleet.command("rollouts"))
    .description("list roll-outs, the newest first")
    .action(async (flags) => {
      const { listRollouts } = await import("./fleet-actions.ts");
      await listRollouts(flags);
    });
}

function addConfigurationCommands(fleet: Command): void {
  withAddress(fleet.command("save"))
    .description("keep a file as the next version of a configuration, if nothing is wrong with it")
    .argument("<name>", "name of the configuration")
    .argument("<file>", 'an .alloy file, or "-" for standard input')
    .option("--comment <TEXT>", "why, for people", "")
    .action(async (name: string, file: string, flags: SaveFlags) => {
      const { saveConfiguration } = await import("./fleet-actions.ts");
      await saveConfiguration(name, file, flags);
    });
  withAddress(fleet.command("show"))
    .description("print the text of a configuration")
    .argument("<name>", "name of the configuration")
    .option("--number <NUMBER>", "which version (default: the newest)")
    .action(async (name: string, flags: VersionFlags) => {
      const { showConfiguration } = await import("./fleet-actions.ts");
      await showConfiguration(name, flags);
    });
}

function addRolloutCommands(fleet: Command): void {
  withAddress(fleet.command("roll-out"))
    .description("bring a version of a configuration to collectors, in stages")
    .argument("<name>", "name of the configuration")
    .requiredOption("--selector <SELECTOR>", "which collectors; '{}' is every one")
    .option("--number <NUMBER>", "which version (default: the newest)")
    .option(
      "--stage <SIZE:PAUSE>",
      "how many collectors have it at the end of a stage, and how long they are observed: 1:2m, 25%:10m; again for each stage (default: all, 5m)",
      (stage: string, before: readonly string[]) => [...before, stage],
      [],
    )
    .option("--unhealthy-max <COUNT>", "collectors that may be unhealthy before it is taken back")
    .option("--wait", "show each step until it is complete; exit 1 when it is taken back")
    .action(async (name: string, flags: RollOutFlags) => {
      const { rollOut } = await import("./fleet-actions.ts");
      await rollOut(name, flags);
    });
  for (const [command, words] of [
    ["pause", "hold a roll-out where it is"],
    ["resume", "go on with a roll-out that was paused"],
    ["roll-back", "take a roll-out back, complete or not: collectors get what they had before"],
  ] as const) {
    withAddress(fleet.command(command))
      .description(words)
      .argument("<id>", "number of the roll-out")
      .action(async (id: string, flags) => {
        const { commandRollout } = await import("./fleet-actions.ts");
        await commandRollout(id, command, flags);
      });
  }
}

function withAddress(command: Command): Command {
  return command
    .option("--output <FORMAT>", "table for people, json or yaml for programs", "table")
    .option("--url <URL>", "address of Finch (default http://127.0.0.1:3000)");
}
