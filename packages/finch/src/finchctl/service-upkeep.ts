/** `finchctl service register|deregister|rotate-certificate|rotate-secret|teardown`: who is let in by a service that runs, and its end. */
import { randomBytes } from "node:crypto";
import { parseDuration } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { clientIdOf } from "./client-certificate.ts";
import type { ClientCredentials } from "./client-certificate.ts";
import { confirm } from "./confirmation.ts";
import { formatServiceName, GATEWAY_PORT } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";
import { readHostFacts } from "./host-facts.ts";
import { readHostFile, writeHostFile } from "./host-files.ts";
import { removeOldReleases } from "./installation.ts";
import { SERVICE, SERVICE_CONFIG } from "./layout.ts";
import { badFlag } from "./output.ts";
import { runOnHost } from "./run-on-host.ts";
import type { HostRun, HostRunFlags } from "./run-on-host.ts";
import { askService, authorityPath, grantStep, keepStep, rotationSteps } from "./service-access.ts";
import { readServiceConfig } from "./service-config.ts";
import { notDeployed } from "./service-deploy.ts";
import { runSteps } from "./steps.ts";
import { supervisionOf } from "./supervision.ts";

export interface TeardownFlags {
  readonly yes?: boolean;
  readonly keepData?: boolean;
}

interface Deployed {
  readonly address: ServiceAddress;
  readonly dataDirectory: string;
  readonly name: string;
}

export async function registerService(target: string, flags: HostRunFlags): Promise<void> {
  await runOnHost(target, flags, async (run) => {
    const { session, host, report, dryRun } = run;
    const deployed = await readDeployed(run);
    const made: { credentials: ClientCredentials | undefined } = { credentials: undefined };
    const access = { session, host, ...deployed };
    await runSteps([grantStep(access, made), keepStep(access, made)], { report, dryRun });
    if (dryRun) return;
    await askService(session, await session.stacks.get(deployed.name));
    report.note(`You may use ${deployed.name} from here: finchctl agent list ${deployed.name}`);
  });
}

export async function deregisterService(
  target: string,
  flags: HostRunFlags & { readonly "client.rid"?: string },
): Promise<void> {
  await runOnHost(target, flags, async ({ session, host, report, dryRun, ...run }) => {
    const { name, dataDirectory } = await readDeployed({ session, host, report, dryRun, ...run });
    const other = flags["client.rid"];
    const clientId = other ?? clientIdOf((await session.stacks.get(name)).certificate);
    if (!/^[A-Za-z0-9][A-Za-z0-9:._-]*$/.test(clientId))
      throw badFlag(`--client.rid ${clientId}: no id of a client`);
    const path = authorityPath(dataDirectory, clientId);
    const steps = [
      {
        title: `Let ${other ?? "this user"} in to ${name} no more`,
        run: async () => {
          await host.run('rm -f "$1"', { args: [path] });
        },
      },
      ...(other === undefined
        ? [{ title: `Forget ${name}`, run: () => session.stacks.remove(name) }]
        : []),
    ];
    await runSteps(steps, { report, dryRun });
    if (!dryRun) report.note("Agents of the service go on as they are.");
  });
}

export async function rotateCertificate(target: string, flags: HostRunFlags): Promise<void> {
  await runOnHost(target, flags, async (run) => {
    const { session, host, report, dryRun } = run;
    const deployed = await readDeployed(run);
    await session.stacks.get(deployed.name);
    await runSteps(rotationSteps({ session, host, ...deployed }), { report, dryRun });
    if (!dryRun)
      report.note("Agents of the service go on as they are: they have tokens of their own.");
  });
}

/** A new secret for tokens; those signed with the present one are refused at once, or after `--secret.overlap`. */
export async function rotateSecret(
  target: string,
  flags: HostRunFlags & { readonly "secret.overlap": string },
): Promise<void> {
  const overlapMs = readOverlap(flags["secret.overlap"]);
  await runOnHost(target, flags, async (run) => {
    const { session, host, report, dryRun } = run;
    const { name, dataDirectory } = await readDeployed(run);
    const facts = await readHostFacts(host);
    const { reload } = supervisionOf(SERVICE, { systemd: facts.hasSystemd });
    const path = `${dataDirectory}/finch.json`;
    let before: string | undefined;
    const steps = [
      {
        title: "Change the secret",
        run: async () => {
          before = await readHostFile(host, path);
          const content = withNewSecret(path, before, session.clock.nowMs(), overlapMs);
          await writeHostFile(host, { path, content, mode: "600" });
        },
        undo: async () => {
          if (before !== undefined)
            await writeHostFile(host, { path, content: before, mode: "600" });
        },
      },
      {
        title: "Let the service read it",
        run: async () => {
          await host.run(reload);
        },
      },
    ];
    await runSteps(steps, { report, dryRun });
    if (dryRun) return;
    report.note(
      `${overlapMs === 0 ? "All agents are refused from now on" : `Agents are refused after ${flags["secret.overlap"]}`}, and so are tokens of the dashboard. For each agent:\n` +
        `  finchctl agent config ${name} --agent.rid RID && finchctl agent update --skip.binaries --agent.config finch-agent.cfg [user@]host`,
    );
  });
}

/** Stops the service and removes it; asked first, for its data go, too. */
export async function teardownService(
  target: string,
  flags: HostRunFlags & TeardownFlags & { readonly "service.host"?: string },
): Promise<void> {
  await runOnHost(target, flags, async (run) => {
    const { session, host, report, dryRun } = run;
    const { name, dataDirectory } = await readDeployed(run);
    const facts = await readHostFacts(host);
    const { stop, path } = supervisionOf(SERVICE, { systemd: facts.hasSystemd });
    const keepData = flags.keepData === true;
    if (!dryRun) {
      await confirm(
        `Remove the Finch service ${name} from ${host.name}${keepData ? ", and keep its data" : `, with all that it has stored in ${dataDirectory}`}?`,
        flags.yes === true,
      );
    }
    const remove = (title: string, script: string, args: readonly string[]) => ({
      title,
      run: async () => {
        await host.run(script, { args });
      },
    });
    await runSteps(
      [
        remove("Stop the service", stop, []),
        remove("Remove the program", 'rm -rf "$1" "$2" "$3"', [path, SERVICE.link, SERVICE_CONFIG]),
        ...(keepData ? [] : [remove(`Remove ${dataDirectory}`, removeData, [dataDirectory])]),
        { title: `Forget ${name}`, run: () => session.stacks.remove(name) },
      ],
      { report, dryRun },
    );
    if (dryRun) return;
    if (facts.hasSystemd) await host.run("systemctl daemon-reload");
    await removeOldReleases(host, { spare: 0 });
    report.note(
      "Its agents keep what they have in their queues and try on: finchctl agent teardown [user@]host removes each.",
    );
  });
}

/** A folder that is no data directory of Finch is left alone, whatever the configuration says. */
const removeData = `
if [ -d "$1" ]; then
  [ -e "$1/version.json" ] || { echo "$1 is no data directory of Finch; remove it by hand" >&2; exit 1; }
  rm -rf "$1"
fi`;

async function readDeployed({ host, address: target }: HostRun): Promise<Deployed> {
  const text = await readHostFile(host, SERVICE_CONFIG);
  if (text === undefined) throw notDeployed(host.name);
  const { address, dataDirectory } = readServiceConfig(text);
  const found = address ?? { host: target.host, port: GATEWAY_PORT };
  return { address: found, dataDirectory, name: formatServiceName(found) };
}

interface IdentityFile extends Record<string, unknown> {
  readonly secret: string;
  readonly former_secrets?: readonly unknown[];
}

/** In the format of the original, with the former secret as long as it is taken (`IdentityStore` of control reads both). */
function withNewSecret(
  path: string,
  text: string | undefined,
  nowMs: number,
  overlapMs: number,
): string {
  let file: IdentityFile;
  try {
    file = JSON.parse(text ?? "") as IdentityFile;
  } catch (error) {
    throw new FinchError(
      "corrupt",
      "finch/not-deployed",
      `${path} on the host does not say who the service is; start the service once, or restore the file`,
      { cause: error },
    );
  }
  const former = { secret: file.secret, valid_until: new Date(nowMs + overlapMs).toISOString() };
  const kept = overlapMs === 0 ? [] : [former, ...(file.former_secrets ?? [])];
  const secret = randomBytes(32).toString("base64");
  return `${JSON.stringify({ ...file, secret, former_secrets: kept }, undefined, 2)}\n`;
}

function readOverlap(text: string): number {
  if (text === "0") return 0;
  try {
    return parseDuration(text);
  } catch (error) {
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `--secret.overlap ${text}: write a duration such as 24h, or 0`,
      { cause: error },
    );
  }
}
