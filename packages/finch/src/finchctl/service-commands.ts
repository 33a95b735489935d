/** The commands `finchctl service …` and their flags; what they do is loaded when they are called. */
import { Option } from "commander";
import type { Command } from "commander";
import { addGlobalFlags, addOutputFlags, listOption, serviceArgument } from "./flags.ts";

const DASHBOARD_ROLES = ["viewer", "operator", "admin"];

export function addServiceCommands(program: Command): void {
  const service = program.command("service").description("the Finch that agents send to");
  const info = service
    .command("info")
    .description("what a service says of itself")
    .addArgument(serviceArgument());
  addOutputFlags(addGlobalFlags(info)).action(async (name: string, flags) => {
    const { showServiceInfo } = await import("./service-actions.ts");
    await showServiceInfo(name, flags);
  });
  addDashboardCommand(service);
}

function addDashboardCommand(service: Command): void {
  const dashboard = service
    .command("dashboard")
    .description("a token for the dashboard of the fleet")
    .addArgument(serviceArgument());
  addOutputFlags(addGlobalFlags(dashboard))
    .option("--web", "open the dashboard in the browser, signed in")
    .option("--permission.session-timeout <SECONDS>", "how long the token is good for", "1800")
    .addOption(
      Object.assign(
        new Option("--permission.role <ROLE>", `what it permits: ${DASHBOARD_ROLES.join(", ")}`),
        { argChoices: DASHBOARD_ROLES, defaultValue: "viewer" },
      ),
    )
    .addOption(
      listOption("--permission.scope <RIDS>", "show these agents alone (default: all of them)"),
    )
    .addHelpText("after", DASHBOARD_EXAMPLES)
    .action(async (name: string, flags) => {
      const { showDashboardToken } = await import("./service-actions.ts");
      await showDashboardToken(name, flags);
    });
}

const DASHBOARD_EXAMPLES = `
Examples:
  finchctl service dashboard finch.example.com --web
  finchctl service dashboard finch.example.com --permission.role operator --permission.session-timeout 28800
`;
