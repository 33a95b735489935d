/** Which groups are shown, and with which labels: containers of a Docker engine by the id in the name of their group, all others by their path alone. */
import { describeError } from "@finch/runtime";
import type { DockerClient, DockerContainerDetails } from "../docker/engine-client.ts";
import { sanitizeLabelName } from "../kubernetes/target-labels.ts";
import type { CgroupTree } from "./cgroup-tree.ts";

/** A group with what is known of it. */
export interface ShownContainer {
  readonly group: string;
  /** By name; without empty ones. */
  readonly labels: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly startedMs: number | undefined;
  readonly createdMs: number | undefined;
  /** A process of it, whose network is that of the container; undefined when it has none of its own. */
  readonly networkPid: number | undefined;
}

export interface ContainerSelection {
  /** Only containers of the engine, and groups of {@link prefixes}. */
  readonly dockerOnly: boolean;
  readonly withoutRoot: boolean;
  readonly prefixes: readonly string[];
  /** Labels of containers that are shown; undefined: all. */
  readonly labels: readonly string[] | undefined;
  /** Beginnings of names of environment variables that are shown. */
  readonly environment: readonly string[];
}

/** Names of groups that engines make: `ID`, `docker-ID.scope`, `libpod-ID.scope`. */
const CONTAINER_ID = /([0-9a-f]{64})(?:\.scope)?$/;

/** Asks an engine for its containers, at each scrape. */
export class ContainerCatalog {
  readonly #client: DockerClient;
  readonly #selection: ContainerSelection;
  /** Why the engine could not be asked the last time. */
  trouble: string | undefined;

  constructor(client: DockerClient, selection: ContainerSelection) {
    this.#client = client;
    this.#selection = selection;
  }

  async select(tree: CgroupTree, signal: AbortSignal): Promise<readonly ShownContainer[]> {
    const engine = await this.#ask(signal);
    const { dockerOnly, withoutRoot, prefixes } = this.#selection;
    return tree.groups().flatMap((group) => {
      const described = engine.get(CONTAINER_ID.exec(group)?.[1] ?? "");
      if (described !== undefined) return [{ group, ...described }];
      const isListed = prefixes.some((prefix) => prefix !== "" && group.startsWith(prefix));
      if (group === "/" ? withoutRoot : dockerOnly && !isListed) return [];
      const madeMs = tree.madeMs(group);
      return [{ group, labels: {}, startedMs: madeMs, createdMs: madeMs, networkPid: undefined }];
    });
  }

  /** By id. Without an answer of the engine there are none, and the groups are shown without names. */
  async #ask(signal: AbortSignal): Promise<ReadonlyMap<string, Omit<ShownContainer, "group">>> {
    const found = new Map<string, Omit<ShownContainer, "group">>();
    try {
      for (const container of await this.#client.listContainers({}, signal)) {
        const { id, names, labels } = container;
        const details = await this.#client.inspectContainer(id, signal);
        if (details === undefined || !details.isRunning) continue;
        found.set(id, this.#describe({ name: names[0] ?? "", labels }, details));
      }
      this.trouble = undefined;
    } catch (error) {
      signal.throwIfAborted();
      this.trouble = describeError(error);
    }
    return found;
  }

  #describe(
    container: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
    details: DockerContainerDetails,
  ): Omit<ShownContainer, "group"> {
    const { labels: shown, environment } = this.#selection;
    const labels: Record<string, string> = {
      name: container.name.replace(/^\//, ""),
      image: details.image,
    };
    for (const [name, value] of Object.entries(container.labels))
      if (shown === undefined || shown.includes(name))
        labels[`container_label_${sanitizeLabelName(name)}`] = value;
    for (const pair of details.environment) {
      const at = pair.indexOf("=");
      const name = pair.slice(0, Math.max(0, at));
      if (environment.some((prefix) => prefix !== "" && name.startsWith(prefix)))
        labels[`container_env_${sanitizeLabelName(name.toLowerCase())}`] = pair.slice(at + 1);
    }
    return {
      labels,
      startedMs: timeOf(details.startedAt),
      createdMs: timeOf(details.createdAt),
      networkPid: details.networkMode.startsWith("container:") ? undefined : details.pid,
    };
  }
}

function timeOf(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
