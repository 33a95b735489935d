/** `finchctl agent deploy|update|teardown`: a machine gets Finch's agent with its configuration, or an Alloy that is there gets the configuration alone. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { PROJECT_ROOT } from "../version.ts";
import { openBundle } from "./bundle.ts";
import { confirm } from "./confirmation.ts";
import { checkHost, readHostFacts } from "./host-facts.ts";
import { filesStep } from "./host-files.ts";
import { checkStep, guardStep, releaseStep, removeOldReleases, startStep } from "./installation.ts";
import { AGENT, AGENT_CONFIG, AGENT_DATA, SERVICE } from "./layout.ts";
import { badFlag } from "./output.ts";
import { runOnHost } from "./run-on-host.ts";
import type { HostRun, HostRunFlags } from "./run-on-host.ts";
import { runSteps } from "./steps.ts";
import type { Step } from "./steps.ts";
import { supervisionOf } from "./supervision.ts";

export interface AgentDeployFlags {
  readonly "agent.config"?: string;
  readonly "alloy.existing"?: boolean;
  readonly "alloy.version": string;
  readonly "skip.config"?: boolean;
  readonly "skip.binaries"?: boolean;
}

const READY_URL = "http://127.0.0.1:12345/-/ready";

export async function deployAgent(
  target: string,
  flags: HostRunFlags & AgentDeployFlags,
): Promise<void> {
  const config = await readConfig(flags);
  await runOnHost(target, flags, async (run) => {
    if (flags["alloy.existing"] === true) await configureAlloy(run, config);
    else await installAgent(run, { config, isUpdate: false, skipBinaries: false });
  });
}

export async function updateAgent(
  target: string,
  flags: HostRunFlags & AgentDeployFlags,
): Promise<void> {
  const [skipConfig, skipBinaries] = [
    flags["skip.config"] === true,
    flags["skip.binaries"] === true,
  ];
  if (skipConfig && skipBinaries)
    throw badFlag("--skip.config and --skip.binaries: nothing is left to update");
  const config = skipConfig ? undefined : await readConfig(flags);
  await runOnHost(target, flags, async (run) => {
    if (flags["alloy.existing"] !== true) {
      await installAgent(run, { config, isUpdate: true, skipBinaries });
      return;
    }
    if (config === undefined)
      throw badFlag("--alloy.existing and --skip.config: finchctl updates no Alloy");
    await configureAlloy(run, config);
  });
}

export async function teardownAgent(
  target: string,
  flags: HostRunFlags & { readonly yes?: boolean },
): Promise<void> {
  await runOnHost(target, flags, async ({ host, report, dryRun }) => {
    const facts = await readHostFacts(host);
    const { stop, path } = supervisionOf(AGENT, { systemd: facts.hasSystemd });
    if (!dryRun) {
      await confirm(
        `Remove the Finch agent from ${host.name}, with what it has not sent yet (${AGENT_DATA})?`,
        flags.yes === true,
      );
    }
    const remove = (title: string, script: string, args: readonly string[]): Step => ({
      title,
      run: async () => {
        await host.run(script, { args });
      },
    });
    await runSteps(
      [
        remove("Stop the agent", stop, []),
        remove("Remove the program", 'rm -rf "$1" "$2"', [path, AGENT.link]),
        remove("Remove its configuration and data", 'rm -rf "$(dirname "$1")" "$2"', [
          AGENT_CONFIG,
          AGENT_DATA,
        ]),
      ],
      { report, dryRun },
    );
    if (dryRun) return;
    if (facts.hasSystemd) await host.run("systemctl daemon-reload");
    await removeOldReleases(host, { spare: 0 });
    report.note("The service still knows it: finchctl agent deregister SERVICE --agent.rid RID");
  });
}

async function installAgent(
  { host, report, dryRun }: HostRun,
  wanted: {
    /** Undefined leaves what is there. */
    readonly config: string | undefined;
    readonly isUpdate: boolean;
    readonly skipBinaries: boolean;
  },
): Promise<void> {
  const { config, isUpdate, skipBinaries } = wanted;
  const facts = await readHostFacts(host);
  checkHost(host, facts);
  if (isUpdate && facts.agentRelease === "") {
    throw new FinchError(
      "not-found",
      "finch/not-deployed",
      `${host.name} has no Finch agent; "finchctl agent deploy" installs it, --alloy.existing is for an Alloy that is there`,
    );
  }
  if (facts.serviceRelease !== "") {
    throw new FinchError(
      "conflict",
      "finch/watches-itself",
      `${host.name} is a Finch service, which watches its own machine with an agent of its own; a second one has no ports there. What more it should collect belongs in ${SERVICE.data}/agent/config.alloy`,
    );
  }
  const supervision = supervisionOf(AGENT, { systemd: facts.hasSystemd });
  const changes = { any: false, restarted: false };
  const opened = await openBundle(PROJECT_ROOT, facts.machine);
  const bundle = skipBinaries ? { ...opened, id: facts.agentRelease } : opened;
  const installation = { host, facts, bundle, report, changes, program: AGENT, supervision };
  const unit = { path: supervision.path, content: supervision.content, mode: supervision.mode };
  const files = config === undefined ? [] : [{ path: AGENT_CONFIG, content: config, mode: "600" }];
  await runSteps(
    [
      guardStep(installation),
      releaseStep(installation),
      filesStep(host, `Write ${AGENT_CONFIG}`, { files, changes }),
      checkStep(installation, { what: AGENT_CONFIG, command: `agent validate ${AGENT_CONFIG}` }),
      filesStep(host, `Install ${supervision.path}`, { files: [unit], changes }),
      startStep({ ...installation, readyUrl: READY_URL }),
    ],
    { report, dryRun },
  );
  if (dryRun) return;
  await removeOldReleases(host);
  if (supervision.hint !== undefined) report.note(supervision.hint);
}

/** Where the Alloy that is installed reads its configuration: from its unit, its defaults, or the usual places. */
const FIND_ALLOY = `
path=$(systemctl cat alloy 2>/dev/null | sed -n 's/^ExecStart=.*[ =]\\(\\/[^ ]*\\.\\(config\\|alloy\\)\\).*/\\1/p' | tail -n 1)
[ -n "$path" ] || path=$(sed -n 's/^CONFIG_FILE="\\{0,1\\}\\([^"]*\\)"\\{0,1\\}$/\\1/p' /etc/default/alloy 2>/dev/null | tail -n 1)
for one in /etc/alloy/alloy.config /etc/alloy/config.alloy; do
  [ -n "$path" ] || [ ! -e "$one" ] || path=$one
done
[ -n "$path" ] || exit 3
printf '%s\\n' "$path"
stat -c '%a %u:%g' "$path" 2>/dev/null || echo "600 0:0"
`;

/** Its own file keeps its owner and mode, for Alloy may not run as root. */
async function configureAlloy({ host, report, dryRun }: HostRun, config: string): Promise<void> {
  const { code, stdout } = await host.attempt(FIND_ALLOY);
  if (code !== 0) {
    throw new FinchError(
      "not-found",
      "finch/not-deployed",
      `${host.name} has no Alloy that can be found (no unit, no /etc/default/alloy, no file in /etc/alloy); leave out --alloy.existing to install Finch's agent`,
    );
  }
  const [path = "", access = ""] = stdout.trim().split("\n");
  const [mode = "600", owner = "0:0"] = access.split(" ");
  const changes = { any: false };
  const write = filesStep(host, `Write ${path}`, {
    files: [{ path, content: config, mode }],
    changes,
  });
  const own = () => host.run('chown "$2" "$1"', { args: [path, owner] });
  await runSteps(
    [
      {
        ...write,
        run: async () => {
          await host.run('[ ! -e "$1" ] || cp -p "$1" "$1~"', { args: [path] });
          await write.run();
          await own();
        },
        undo: async () => {
          await write.undo?.();
          await own();
        },
      },
      {
        title: "Let Alloy read it",
        isDone: () => !changes.any,
        run: async () => {
          await host.run(
            "systemctl reload alloy 2>/dev/null || systemctl restart alloy 2>/dev/null || pkill -HUP -x alloy",
          );
        },
      },
    ],
    { report, dryRun },
  );
  if (!dryRun) report.note(`What the file was before is in ${path}~.`);
}

async function readConfig(flags: AgentDeployFlags): Promise<string> {
  const path = flags["agent.config"];
  if (flags["alloy.version"] !== "latest") {
    throw badFlag(
      `--alloy.version ${flags["alloy.version"]}: finchctl installs Finch's own agent and fetches nothing; for an Alloy that is installed already say --alloy.existing`,
    );
  }
  if (path === undefined)
    throw badFlag(
      'name the configuration with --agent.config: the file that "finchctl agent register" wrote',
    );
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw badFlag(
      `--agent.config ${path}: ${describeError(error)}; "finchctl agent config" fetches it`,
    );
  }
}
