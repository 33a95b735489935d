/** The commands `finchctl agent …` and their flags; what they do is loaded when they are called. */
import type { Command } from "commander";
import {
  addGlobalFlags,
  addOutputFlags,
  addRunFlags,
  addSwitch,
  hostArgument,
  listOption,
  serviceArgument,
} from "./flags.ts";

const CONFIG_PATH = "finch-agent.cfg";

export function addAgentCommands(program: Command): void {
  const agent = program.command("agent").description("the machines that send to a service");
  addRegisterCommand(agent);
  addDeployCommands(agent);
  addReadingCommands(agent);
  addEditCommand(agent);
  const deregister = agent
    .command("deregister")
    .description("forget an agent: its token is refused from then on")
    .addArgument(serviceArgument());
  addRid(addOutputFlags(addGlobalFlags(deregister))).action(async (service: string, flags) => {
    const { deregisterAgent } = await import("./agent-actions.ts");
    await deregisterAgent(service, flags);
  });
}

function addRegisterCommand(agent: Command): void {
  const register = agent
    .command("register")
    .description("enrol a machine, and fetch the configuration for its agent")
    .addArgument(serviceArgument());
  addCollectionFlags(addOutputFlags(addGlobalFlags(register)))
    .option("--agent.hostname <NAME>", "name of the machine; the label host of all it sends")
    .option("--agent.node <KIND>", "what it runs: unix or windows (default unix)")
    .option(
      "--agent.config <FILE>",
      "where the configuration is written, - for stdout",
      CONFIG_PATH,
    )
    .addHelpText("after", REGISTER_EXAMPLES)
    .action(async (service: string, flags) => {
      const { registerAgent } = await import("./agent-actions.ts");
      await registerAgent(service, flags);
    });
}

function addDeployCommands(agent: Command): void {
  const deploy = agent
    .command("deploy")
    .description("install the agent on a machine, with its configuration")
    .addArgument(hostArgument());
  addAlloyFlags(addRunFlags(addGlobalFlags(deploy)))
    .addHelpText("after", DEPLOY_EXAMPLES)
    .action(async (host: string, flags) => {
      const { deployAgent } = await import("./agent-deploy.ts");
      await deployAgent(host, flags);
    });
  const update = agent
    .command("update")
    .description("give an agent a new configuration, and the Finch that is here")
    .addArgument(hostArgument());
  addAlloyFlags(addRunFlags(addGlobalFlags(update)))
    .option("--skip.config", "leave its configuration as it is")
    .option("--skip.binaries", "leave its program as it is")
    .action(async (host: string, flags) => {
      const { updateAgent } = await import("./agent-deploy.ts");
      await updateAgent(host, flags);
    });
  const teardown = agent
    .command("teardown")
    .description("remove the agent from a machine; asks first")
    .addArgument(hostArgument());
  addRunFlags(addGlobalFlags(teardown))
    .option("--yes", "do not ask")
    .action(async (host: string, flags) => {
      const { teardownAgent } = await import("./agent-deploy.ts");
      await teardownAgent(host, flags);
    });
  const doctor = agent
    .command("doctor")
    .description(
      "what a machine lacks for the agent, or is wrong with the one there, and how to mend it",
    )
    .addArgument(hostArgument());
  addOutputFlags(addGlobalFlags(doctor))
    .option("--check.ports", "look whether the ports of an agent are free, where none is installed")
    .option("--check.optionals", "look for what some sources of logs need")
    .action(async (host: string, flags) => {
      const { examineAgent } = await import("./doctor.ts");
      await examineAgent(host, flags);
    });
}

function addAlloyFlags(command: Command): Command {
  return command
    .option("--agent.config <FILE>", 'the configuration, as "finchctl agent register" wrote it')
    .option(
      "--alloy.existing",
      "write it for the Alloy that is installed there, and install nothing",
    )
    .option(
      "--alloy.version <VERSION>",
      "of the original; latest alone, for nothing is fetched",
      "latest",
    );
}

function addReadingCommands(agent: Command): void {
  const list = agent
    .command("list")
    .description("the agents of a service")
    .addArgument(serviceArgument());
  addOutputFlags(addGlobalFlags(list)).action(async (service: string, flags) => {
    const { listAgents } = await import("./agent-actions.ts");
    await listAgents(service, flags);
  });
  const describe = agent
    .command("describe")
    .description("what is collected of a machine")
    .addArgument(serviceArgument());
  addRid(addOutputFlags(addGlobalFlags(describe))).action(async (service: string, flags) => {
    const { describeAgent } = await import("./agent-actions.ts");
    await describeAgent(service, flags);
  });
  const config = agent
    .command("config")
    .description("fetch the configuration for an agent, with a new token")
    .addArgument(serviceArgument());
  addRid(addOutputFlags(addGlobalFlags(config)))
    .option("--agent.config <FILE>", "where it is written, - for stdout", CONFIG_PATH)
    .action(async (service: string, flags) => {
      const { saveAgentConfig } = await import("./agent-actions.ts");
      await saveAgentConfig(service, flags);
    });
}

function addEditCommand(agent: Command): void {
  const edit = agent
    .command("edit")
    .description("change what is collected of a machine; what is not named stays as it is")
    .addArgument(serviceArgument());
  addCollectionFlags(addRid(addOutputFlags(addGlobalFlags(edit))))
    .addHelpText("after", EDIT_EXAMPLES)
    .action(async (service: string, flags) => {
      const { editAgent } = await import("./agent-actions.ts");
      await editAgent(service, flags);
    });
}

function addRid(command: Command): Command {
  return command.option(
    "--agent.rid <RID>",
    'resource id of the agent, from "finchctl agent list"',
  );
}

function addCollectionFlags(command: Command): Command {
  command
    .option("--agent.file <FILE>", "read all of it from a YAML file; flags win over it")
    .addOption(
      listOption(
        "--agent.labels <LABELS>",
        "labels of all it sends: env=prod,web (web is web=true)",
      ),
    );
  addSwitch(command, "agent.logs.journal", "collect the systemd journal");
  addSwitch(command, "agent.logs.docker", "collect the logs of Docker containers");
  command
    .addOption(
      listOption("--agent.logs.files <PATHS>", "collect files: /var/log/*.log,/srv/app.log"),
    )
    .addOption(listOption("--agent.logs.events <CHANNELS>", "collect Windows events: Application"));
  addSwitch(command, "agent.metrics", "collect metrics of the machine");
  command.addOption(
    listOption(
      "--agent.metrics.targets <URLS>",
      "scrape these, too: http://127.0.0.1:9100/metrics",
    ),
  );
  addSwitch(command, "agent.profiles", "take profiles of programs on the machine and pass them on");
  return command;
}

const REGISTER_EXAMPLES = `
Examples:
  finchctl agent register finch.example.com --agent.hostname web-1 --agent.logs.journal --agent.metrics
  finchctl agent register finch.example.com --agent.file web-1.yml
  finchctl agent deploy --agent.config finch-agent.cfg root@web-1        what comes next

The file of --agent.file:
  hostname: web-1
  labels: [env=prod]
  logs:
    journal: { enable: true }
    docker: { enable: false }
    files: [/var/log/nginx/*.log]
  metrics: { enable: true, targets: [http://127.0.0.1:9113/metrics] }
  profiles: { enable: false }
`;

const EDIT_EXAMPLES = `
Examples:
  finchctl agent edit finch.example.com --agent.rid RID --agent.logs.docker
  finchctl agent edit finch.example.com --agent.rid RID --agent.metrics=false --agent.labels env=test
  finchctl agent edit finch.example.com --agent.rid RID --agent.logs.files ''       no files any more

The agent runs on as it was until it gets its new configuration: finchctl agent config, then agent update.
`;

const DEPLOY_EXAMPLES = `
Examples:
  finchctl agent deploy --agent.config finch-agent.cfg root@web-1
  finchctl agent deploy --agent.config finch-agent.cfg --alloy.existing root@web-1
  finchctl agent deploy --agent.config finch-agent.cfg localhost

On the machine: /opt/finch (program), /etc/finch-agent/config.alloy, /var/lib/finch-agent (queues and positions), and
a unit of systemd or, where none runs, /opt/finch/run-finch-agent. It needs root, or sudo without a password.
`;
