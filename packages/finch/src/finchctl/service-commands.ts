/** The commands `finchctl service …` and their flags; what they do is loaded when they are called. */
import { Option } from "commander";
import type { Command } from "commander";
import {
  addGlobalFlags,
  addOutputFlags,
  addRunFlags,
  hostArgument,
  listOption,
  serviceArgument,
} from "./flags.ts";

const DASHBOARD_ROLES = ["viewer", "operator", "admin"];

export function addServiceCommands(program: Command): void {
  const service = program.command("service").description("the Finch that agents send to");
  addDeployCommands(service);
  addAccessCommands(service);
  addTeardownCommand(service);
  const doctor = service
    .command("doctor")
    .description(
      "what a host lacks to be a service, or is wrong with the one there, and how to mend it",
    )
    .addArgument(hostArgument());
  addOutputFlags(addGlobalFlags(doctor)).action(async (host: string, flags) => {
    const { examineService } = await import("./doctor.ts");
    await examineService(host, flags);
  });
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

function addDeployCommands(service: Command): void {
  const deploy = service
    .command("deploy")
    .description("make a host a Finch service: copies Finch from here, and starts it")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(deploy))
    .option(
      "--service.host <HOST[:PORT]>",
      "name by which agents and people reach it (default: as the host is named here)",
    )
    .option("--service.letsencrypt", "fetch its certificate from Let's Encrypt")
    .option("--service.letsencrypt.email <ADDRESS>", "where Let's Encrypt writes to")
    .option("--service.customtls", "show a certificate of your own")
    .option("--service.customtls.cert <FILE>", "that certificate, with those that signed it (PEM)")
    .option("--service.customtls.key <FILE>", "its key (PEM)")
    .addHelpText("after", DEPLOY_EXAMPLES)
    .action(async (host: string, flags) => {
      const { deployService } = await import("./service-deploy.ts");
      await deployService(host, flags);
    });
  const update = service
    .command("update")
    .description("give a service the Finch that is here; its configuration and data stay")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(update)).action(async (host: string, flags) => {
    const { updateService } = await import("./service-deploy.ts");
    await updateService(host, flags);
  });
}

function addAccessCommands(service: Command): void {
  const register = service
    .command("register")
    .description("get access to a service that runs: it learns this user's certificate")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(register)).action(async (host: string, flags) => {
    const { registerService } = await import("./service-upkeep.ts");
    await registerService(host, flags);
  });
  const deregister = service
    .command("deregister")
    .description("give up the access to a service, or take it from another client")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(deregister))
    .option("--client.rid <RID>", "the client to refuse from now on (default: this user)")
    .action(async (host: string, flags) => {
      const { deregisterService } = await import("./service-upkeep.ts");
      await deregisterService(host, flags);
    });
  const certificate = service
    .command("rotate-certificate")
    .description("a new client certificate for this user, without a moment of being refused")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(certificate)).action(async (host: string, flags) => {
    const { rotateCertificate } = await import("./service-upkeep.ts");
    await rotateCertificate(host, flags);
  });
  const secret = service
    .command("rotate-secret")
    .description("a new secret for tokens: all agents need their configuration anew")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(secret))
    .option(
      "--secret.overlap <DURATION>",
      "how long tokens so far are still taken, such as 24h",
      "0",
    )
    .action(async (host: string, flags) => {
      const { rotateSecret } = await import("./service-upkeep.ts");
      await rotateSecret(host, flags);
    });
}

function addTeardownCommand(service: Command): void {
  const teardown = service
    .command("teardown")
    .description("remove a service from its host, with its data; asks first")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(teardown))
    .option("--yes", "do not ask")
    .option("--keep-data", "leave the data directory where it is")
    .action(async (host: string, flags) => {
      const { teardownService } = await import("./service-upkeep.ts");
      await teardownService(host, flags);
    });
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

const DEPLOY_EXAMPLES = `
Examples:
  finchctl service deploy root@203.0.113.7 --service.host finch.example.com
  finchctl service deploy root@finch.example.com --service.letsencrypt --service.letsencrypt.email me@example.com
  finchctl service deploy root@finch.example.com --run.dry-run      what it would do
  finchctl service deploy localhost                                 this machine, without ssh

Nothing is fetched from the internet: Finch, its Node and its packages are copied from here. Running it again changes
what is not as it should be; when a step fails, those before it are undone. It needs root, or sudo without a password.
On the host: /opt/finch (program), /etc/finch/finch.yaml, /var/lib/finch (data), and a unit of systemd or, where none
runs, /opt/finch/run-finch.
`;
