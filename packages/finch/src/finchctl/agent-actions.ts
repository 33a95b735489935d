/** `finchctl agent register|list|describe|edit|config|deregister`: the agents of a service. */
import { writeFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import type { GetAgentResponse } from "@finch/wire/finch-rpc";
import { checkAgentData, readAgentData, sourcesByKind } from "./agent-data.ts";
import type { AgentFlags } from "./agent-data.ts";
import { METHODS } from "./control-client.ts";
import type { GlobalFlags } from "./flags.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { badFlag, readOutput, writeOutput } from "./output.ts";
import type { OutputFlags, Table } from "./output.ts";
import { connectService, openSession } from "./session.ts";

export interface RidFlags {
  readonly "agent.rid"?: string;
}

export interface ConfigFlags {
  readonly "agent.config": string;
}

type Flags<More> = GlobalFlags & OutputFlags & More;

export async function registerAgent(
  service: string,
  flags: Flags<AgentFlags & ConfigFlags>,
): Promise<void> {
  const output = readOutput(flags);
  const data = checkAgentData(await readAgentData(flags, undefined));
  using client = await connectService(await openSession(flags), service);
  const { rid } = await client.call(METHODS.registerAgent, data);
  const path = flags["agent.config"];
  await fetchConfig(client, { rid, path });
  const next = `finchctl agent deploy --agent.config ${path} [user@]${data.hostname}`;
  writeOutput(
    output,
    { rid, hostname: data.hostname, config: path },
    {
      header: [`${data.hostname} is registered.`],
      rows: [[`Its id: ${rid}`], [`Its configuration, with its token: ${path}`], [`Next: ${next}`]],
    },
  );
}

export async function listAgents(service: string, flags: Flags<unknown>): Promise<void> {
  const output = readOutput(flags);
  using client = await connectService(await openSession(flags), service);
  const { agents } = await client.call(METHODS.listAgents, {});
  const table: Table =
    agents.length === 0
      ? { header: [`No agents yet; "finchctl agent register ${service}" adds one.`], rows: [] }
      : {
          header: ["#", "HOSTNAME", "RESOURCE ID"],
          rows: agents.map(({ hostname, rid }, at) => [String(at + 1), hostname, rid]),
        };
  const data = agents.map(({ hostname, rid }) => ({ hostname, rid }));
  writeOutput(output, data, table);
}

export async function describeAgent(service: string, flags: Flags<RidFlags>): Promise<void> {
  const output = readOutput(flags);
  const rid = ridOf(flags);
  using client = await connectService(await openSession(flags), service);
  const agent = await client.call(METHODS.getAgent, { rid });
  writeOutput(output, descriptionOf(agent), descriptionTable(agent));
}

/** Only what is named changes; everything else of the agent stays as it is. */
export async function editAgent(
  service: string,
  flags: Flags<AgentFlags & RidFlags>,
): Promise<void> {
  const output = readOutput(flags);
  const rid = ridOf(flags);
  using client = await connectService(await openSession(flags), service);
  const before = await client.call(METHODS.getAgent, { rid });
  const data = checkAgentData(await readAgentData(flags, before));
  for (const [name, is, was] of [
    ["hostname", data.hostname, before.hostname],
    ["node", data.node, before.node],
  ] as const) {
    if (is !== was)
      throw badFlag(
        `the ${name} of an agent cannot be edited (${was} to ${is}): deregister it and register it anew`,
      );
  }
  await client.call(METHODS.updateAgent, { rid, ...data });
  const after = await client.call(METHODS.getAgent, { rid });
  const { header, rows } = descriptionTable(after);
  writeOutput(output, descriptionOf(after), {
    header,
    rows: [
      ...rows,
      [
        "Next",
        `finchctl agent config ${service} --agent.rid ${rid}\nfinchctl agent update --agent.config finch-agent.cfg --skip.binaries [user@]${after.hostname}`,
      ],
    ],
  });
}

export async function saveAgentConfig(
  service: string,
  flags: Flags<RidFlags & ConfigFlags>,
): Promise<void> {
  const output = readOutput(flags);
  const rid = ridOf(flags);
  const path = flags["agent.config"];
  using client = await connectService(await openSession(flags), service);
  await fetchConfig(client, { rid, path });
  if (path === "-") return;
  writeOutput(
    output,
    { rid, config: path },
    { header: [`The configuration, with the agent's token, is in ${path}.`], rows: [] },
  );
}

export async function deregisterAgent(service: string, flags: Flags<RidFlags>): Promise<void> {
  const output = readOutput(flags);
  const rid = ridOf(flags);
  using client = await connectService(await openSession(flags), service);
  const { hostname } = await client.call(METHODS.getAgent, { rid });
  await client.call(METHODS.deregisterAgent, { rid });
  writeOutput(
    output,
    { rid, hostname },
    {
      header: [`${hostname} is not registered any more; its token is refused from now on.`],
      rows: [[`Its agent still runs: finchctl agent teardown [user@]${hostname} removes it.`]],
    },
  );
}

/** The file holds a token: nobody else may read it. */
async function fetchConfig(
  client: GrpcClient,
  { rid, path }: { readonly rid: string; readonly path: string },
): Promise<void> {
  const { config } = await client.call(METHODS.getAgentConfig, { rid });
  if (path === "-") {
    process.stdout.write(config);
    return;
  }
  try {
    await writeFile(path, config, { mode: 0o600 });
  } catch (error) {
    throw new FinchError(
      "invalid",
      "finch/no-file",
      `cannot write the configuration to ${path} (${describeError(error)}); the agent is registered as ${rid}: fetch it with "finchctl agent config"`,
    );
  }
}

function ridOf(flags: RidFlags): string {
  const rid = flags["agent.rid"] ?? "";
  if (rid === "")
    throw badFlag('name the agent with --agent.rid; "finchctl agent list" shows which there are');
  return rid;
}

/** In the shape of the original. */
function descriptionOf(agent: GetAgentResponse) {
  const { journal, docker, files, events } = sourcesByKind(agent.logSources);
  return {
    rid: agent.resourceId,
    hostname: agent.hostname,
    node: agent.node,
    created_at: agent.createdAt,
    labels: agent.labels,
    logs: { journal: { enable: journal }, docker: { enable: docker }, files, events },
    metrics: { enable: agent.metrics, targets: agent.metricsTargets },
    profiles: { enable: agent.profiles },
  };
}

function descriptionTable(agent: GetAgentResponse): Table {
  const { journal, docker, files, events } = sourcesByKind(agent.logSources);
  const lists = [
    ["Labels", agent.labels],
    ["Files", files],
    ["Events", events],
    ["Metrics targets", agent.metricsTargets],
  ] as const;
  return {
    header: ["PROPERTY", "VALUE"],
    rows: [
      ["Hostname", agent.hostname],
      ["Resource id", agent.resourceId],
      ["Node", agent.node],
      ["Registered", agent.createdAt],
      ["Journal", onOff(journal)],
      ["Docker", onOff(docker)],
      ["Metrics", onOff(agent.metrics)],
      ["Profiles", onOff(agent.profiles)],
      ...lists.filter(([, list]) => list.length > 0).map(([name, list]) => [name, list.join("\n")]),
    ],
  };
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}
