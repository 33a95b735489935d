/**
 * `discovery.docker`: the containers of an engine as targets. The engine tells what changes, so a new container is a target at once; `refresh_interval`
 * is for what events do not tell, and for engines (or proxies before them) that give none.
 */
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { containerTargets } from "../../docker/container-targets.ts";
import { createDockerClient, parseDockerHost } from "../../docker/engine-client.ts";
import type {
  DockerClient,
  DockerContainer,
  DockerFilters,
  DockerNetwork,
} from "../../docker/engine-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import type { Target } from "../../receivers.ts";
import { block, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { argumentFaultOf, watchDockerEvents } from "../../docker/watch-events.ts";

/** The engine is asked for its lists no more often than this, however many containers come and go. */
const REFRESH_MS_MIN = 1000;
/** What an engine may take to answer. */
const TIMEOUT_MS = 30_000;
/** Events that change what the lists say. */
const EVENTS: DockerFilters = {
  type: ["container", "network"],
  event: [
    "start",
    "die",
    "destroy",
    "rename",
    "update",
    "connect",
    "disconnect",
    "pause",
    "unpause",
  ],
};

const ARGUMENTS = {
  host: required("string", "Engine to ask, such as unix:///var/run/docker.sock."),
  port: optional("number", 80, "Port of containers that expose none.", { min: 0, max: 65_535 }),
  host_networking_host: optional(
    "string",
    "localhost",
    "Address of containers that use the network of the host.",
  ),
  match_first_network: optional(
    "bool",
    true,
    "Whether a container in several networks is a target in the first of them only.",
  ),
  refresh_interval: optional("duration", 60_000, "How often the lists are read anew at least.", {
    min: 1,
  }),
  filter: block(
    {
      name: required("string", "Filter of the engine, such as label, name or status."),
      values: required("list(string)", "Values, one of which must fit."),
    },
    { repeat: "many", doc: "Takes only containers that pass." },
  ),
  ...HTTP_CLIENT_ARGUMENTS,
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly targets: readonly Target[];
}
type Context = ComponentContext<Arguments, Exports>;
interface State {
  hasExported: boolean;
}

export const docker = defineComponent({
  name: "discovery.docker",
  stability: "generally-available",
  summary: "Finds the containers of a Docker engine.",
  arguments: ARGUMENTS,
  exports: { targets: "A target for each network and port of each container." },
  check: (values) =>
    argumentFaultOf("host", () =>
      parseDockerHost(values.host, { hasTls: values.tls_config !== undefined }),
    ) ?? argumentFaultOf(undefined, () => httpClientOptions(values)),
  async run(context: Context, signal) {
    const state: State = { hasExported: false };
    await untilAborted(signal, async () => {
      const changed = new AbortController();
      const either = AbortSignal.any([signal, changed.signal]);
      const watch = context.nextArguments(either).then(
        () => changed.abort(),
        () => {},
      );
      try {
        await discover(context, state, either);
      } finally {
        changed.abort();
        await watch;
      }
    });
  },
});

/** Keeps the targets current until the signal aborts. */
async function discover(context: Context, state: State, signal: AbortSignal): Promise<void> {
  const values = context.arguments();
  using client = await createDockerClient(values.host, {
    http: httpClientOptions(values),
    timeoutMs: TIMEOUT_MS,
  });
  let news = Promise.withResolvers<void>();
  const events = watchDockerEvents(client, {
    filters: EVENTS,
    retryMs: values.refresh_interval,
    clock: context.clock,
    log: context.log,
    onEvent: () => news.resolve(),
    onListening: () => news.resolve(),
    signal,
  });
  await untilAborted(signal, async () => {
    news = Promise.withResolvers();
    await refresh(context, client, state, signal);
    await context.clock.sleep(Math.min(REFRESH_MS_MIN, values.refresh_interval), signal);
    const idle = new AbortController();
    const rest = context.clock
      .sleep(
        Math.max(0, values.refresh_interval - REFRESH_MS_MIN),
        AbortSignal.any([signal, idle.signal]),
      )
      .catch(() => {});
    await Promise.race([rest, news.promise]);
    idle.abort();
    await rest;
  });
  await events;
}

async function refresh(
  context: Context,
  client: DockerClient,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  const values = context.arguments();
  try {
    const containers = await listContainers(client, filtersOf(values), signal);
    const networks = await listNetworks(context, client, signal);
    context.setExports({
      targets: containerTargets(containers, networks, {
        port: values.port,
        hostNetworkingHost: values.host_networking_host,
        matchFirstNetwork: values.match_first_network,
      }),
    });
    context.setHealth("healthy", `${containers.length} containers`);
  } catch (error) {
    signal.throwIfAborted();
    context.setHealth("unhealthy", describeError(error));
    context.log.warn("containers cannot be listed; trying again", { error: describeError(error) });
    // Whoever refers to the targets starts with none; those that were found once stay.
    if (!state.hasExported) context.setExports({ targets: [] });
  }
  state.hasExported = true;
}

function filtersOf(values: Arguments): DockerFilters {
  const filters: Record<string, string[]> = {};
  for (const { name, values: wanted } of values.filter) (filters[name] ??= []).push(...wanted);
  return filters;
}

/** Podman leaves networks out of its list, so each container is asked for its own. */
async function listContainers(
  client: DockerClient,
  filters: DockerFilters,
  signal: AbortSignal,
): Promise<readonly DockerContainer[]> {
  const listed = await client.listContainers(filters, signal);
  const complete: DockerContainer[] = [];
  for (const container of listed) {
    if (container.networkMode !== undefined && container.networks !== undefined) {
      complete.push(container);
      continue;
    }
    const details = await client.inspectContainer(container.id, signal);
    if (details === undefined) continue;
    const { networkMode, networks } = details;
    complete.push({
      ...container,
      networkMode,
      ...(Object.keys(networks).length > 0 && { networks }),
    });
  }
  return complete;
}

/** A proxy that lets the list of networks not through costs their labels, not the targets. */
async function listNetworks(
  context: Context,
  client: DockerClient,
  signal: AbortSignal,
): Promise<readonly DockerNetwork[]> {
  try {
    return await client.listNetworks(signal);
  } catch (error) {
    if (!(error instanceof FinchError) || error.code !== "agent/docker-refused") throw error;
    context.log.debug("networks cannot be listed; targets go without their labels", {
      error: describeError(error),
    });
    return [];
  }
}
