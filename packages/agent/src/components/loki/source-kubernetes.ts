/** `loki.source.kubernetes`: follows the logs of containers through the API server, without a file of the node. */
import { describeError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { ContainerLogLine } from "../../container-logs/log-reader.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import {
  clientBlockFault,
  connectKubernetes,
  KUBERNETES_CLIENT_BLOCK,
} from "../../kubernetes/connection.ts";
import { describeContainer, isPodLogPosition, PodLogTail } from "../../kubernetes/pod-log-tail.ts";
import type {
  ContainerReference,
  PodLogHost,
  PodLogPosition,
} from "../../kubernetes/pod-log-tail.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";
import type { Target } from "../../receivers.ts";
import { sameData } from "../../runtime/export-value.ts";
import { required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forwardUntilTaken } from "./forward.ts";

const ARGUMENTS = {
  targets: required(
    "list(target)",
    "Containers whose logs are followed, as of discovery.kubernetes.",
  ),
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  client: KUBERNETES_CLIENT_BLOCK,
  ...CLUSTERING_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

/** Lines taken since the last save are read again after a crash. */
const SAVE_EVERY_MS = 1000;
/** Each is a connection to the API server. */
const CONTAINERS_MAX = 2000;
const RETRY_MS = 5000;
/** The first version whose kubelet follows a log over its rotation. */
const ROTATION_VERSION = [1, 29, 1] as const;

export const sourceKubernetes = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.kubernetes",
  stability: "generally-available",
  summary: "Follows the logs of pods through the Kubernetes API.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => clientBlockFault(values.client),
  async run(context, signal) {
    const positions = await openPositions<PodLogPosition>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: isPodLogPosition,
    });
    const logs = new PodLogs(context, positions);
    await Promise.all([
      untilAborted(signal, () => logs.follow(signal)),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        await logs.save();
      }),
    ]);
    await logs.save();
  },
});

interface Wanted {
  readonly container: ContainerReference;
  readonly labels: Labels;
}

/** One connection to one server. */
interface Session {
  readonly host: PodLogHost;
  readonly runs: Map<PodLogTail, Promise<void>>;
  readonly signal: AbortSignal;
}

class PodLogs {
  readonly #context: Context;
  readonly #positions: Positions<PodLogPosition>;
  readonly #tails = new Map<string, PodLogTail>();
  readonly #entries;
  #wanted: ReadonlyMap<string, Wanted> = new Map();
  #unusable = 0;
  #trouble: string | undefined;

  constructor(context: Context, positions: Positions<PodLogPosition>) {
    this.#context = context;
    this.#positions = positions;
    this.#entries = context.metrics.counter(
      "loki_source_kubernetes_target_entries_total",
      "Lines handed on.",
    );
  }

  /** Until `signal` aborts or the arguments name another server. */
  async follow(signal: AbortSignal): Promise<void> {
    const values = this.#context.arguments();
    const other = new AbortController();
    const either = AbortSignal.any([signal, other.signal]);
    const runs = new Map<PodLogTail, Promise<void>>();
    try {
      using client = await connectKubernetes(values.client);
      const host = await this.#hostOf(client, either);
      this.#trouble = undefined;
      this.#tails.clear();
      this.#update(values, { host, runs, signal: either });
      await untilAborted(either, async () => {
        const next = await this.#context.nextArguments(either);
        if (sameData(next.client, values.client))
          this.#update(next, { host, runs, signal: either });
        else other.abort(new Error("the arguments name another server"));
      });
      await Promise.all(runs.values());
    } catch (error) {
      if (either.aborted) return;
      this.#trouble = describeError(error);
      this.#report();
      await this.#context.clock.sleep(RETRY_MS, signal);
    } finally {
      other.abort(new Error("the server is left"));
      await Promise.all(runs.values());
    }
  }

  async #hostOf(client: KubernetesClient, signal: AbortSignal): Promise<PodLogHost> {
    const answer = (await client.get({
      action: { verb: "get", resource: "version", namespace: undefined },
      path: "/version",
      signal,
    })) as { readonly gitVersion?: string };
    return {
      client,
      clock: this.#context.clock,
      losesRotatedLogs: isBefore(answer.gitVersion ?? "", ROTATION_VERSION),
      deliver: (lines, labels, until) => this.#deliver(lines, labels, until),
    };
  }

  #update(values: Arguments, session: Session): void {
    const wanted = new Map<string, Wanted>();
    this.#unusable = 0;
    for (const target of values.targets) {
      const container = containerOf(target);
      if (container === undefined) this.#unusable++;
      else wanted.set(keyOf(container), { container, labels: this.#labelsOf(target, container) });
    }
    this.#wanted = wanted;
    for (const [key, tail] of this.#tails) {
      if (wanted.has(key)) continue;
      if (session.runs.has(tail)) tail.release();
      else this.#forget(key, tail);
    }
    for (const [key, { labels }] of wanted) {
      const known = this.#tails.get(key);
      if (known !== undefined) known.adopt(labels);
      else if (this.#tails.size < CONTAINERS_MAX) this.#start(key, session);
    }
    this.#report();
  }

  #start(key: string, session: Session): void {
    const { container, labels } = this.#wanted.get(key)!;
    const position = this.#positions.get(key);
    const tail = new PodLogTail(container, { position, labels, host: session.host });
    this.#tails.set(key, tail);
    const run = tail.run(session.signal).finally(() => {
      this.#keep(key, tail);
      session.runs.delete(tail);
      const isWanted = this.#wanted.has(key);
      // What has ended is remembered as long as it is a target, or it would be asked for again and again.
      if (isWanted && (tail.state === "finished" || tail.state === "gone")) return;
      this.#forget(key, tail);
      // It became a target again while it was being let go.
      if (isWanted && !session.signal.aborted) this.#start(key, session);
    });
    session.runs.set(tail, run);
  }

  #forget(key: string, tail: PodLogTail): void {
    this.#tails.delete(key);
    if (tail.state === "gone") this.#positions.delete(key);
  }

  #labelsOf(target: Target, container: ContainerReference): Labels {
    const labels: Record<string, string> = {
      job: this.#context.id,
      instance: describeContainer(container),
    };
    for (const [name, value] of target) if (!name.startsWith("__")) labels[name] = value;
    return Labels.fromObject(labels);
  }

  async #deliver(
    lines: readonly ContainerLogLine[],
    labels: Labels,
    signal: AbortSignal,
  ): Promise<void> {
    const entries = lines.map(({ timestampNs, line }) => ({
      labels,
      timestampNs,
      line,
      structuredMetadata: Labels.EMPTY,
    }));
    await forwardUntilTaken(this.#context, entries, signal);
    this.#entries.add(entries.length);
  }

  #report(): void {
    const tails = [...this.#tails.values()];
    const failing = tails.filter(({ state }) => state === "failing");
    if (this.#trouble !== undefined) this.#context.setHealth("unhealthy", this.#trouble);
    else if (this.#unusable > 0)
      this.#context.setHealth(
        "unhealthy",
        `${this.#unusable} targets do not say which container they are: they need __pod_namespace__, __pod_name__, __pod_container_name__ and __pod_uid__, or the labels of discovery.kubernetes`,
      );
    else if (this.#wanted.size > CONTAINERS_MAX)
      this.#context.setHealth("unhealthy", `only the first ${CONTAINERS_MAX} containers are read`);
    else if (failing.length > 0)
      this.#context.setHealth(
        failing.length === tails.length ? "unhealthy" : "healthy",
        `${failing.length} of ${this.#wanted.size} logs cannot be read: ${failing[0]!.message}`,
      );
    else this.#context.setHealth("healthy", `following ${this.#wanted.size} containers`);
  }

  #keep(key: string, tail: PodLogTail): void {
    const position = tail.position();
    if (position !== undefined) this.#positions.set(key, position);
  }

  async save(): Promise<void> {
    this.#report();
    for (const [key, tail] of this.#tails) if (tail.hasMoved) this.#keep(key, tail);
    try {
      await this.#positions.save();
    } catch (error) {
      this.#context.log.warn(
        "positions cannot be stored; after a crash lines would be read again",
        { error: describeError(error) },
      );
    }
  }
}

function keyOf(container: ContainerReference): string {
  return `${describeContainer(container)}:${container.uid}`;
}

/** Undefined when a part of it is missing. */
function containerOf(target: Target): ContainerReference | undefined {
  const first = (...names: string[]) =>
    names.map((name) => target.get(name)).find((value) => value !== "");
  const namespace = first("__pod_namespace__", "__meta_kubernetes_namespace");
  const pod = first("__pod_name__", "__meta_kubernetes_pod_name");
  const container = first("__pod_container_name__", "__meta_kubernetes_pod_container_name");
  const uid = first("__pod_uid__", "__meta_kubernetes_pod_uid");
  if (!namespace || !pod || !container || !uid) return undefined;
  return { namespace, pod, container, uid };
}

/** Whether `v1.28.3+k3s1` is before a version. What cannot be read is taken for a new one. */
function isBefore(text: string, version: readonly [number, number, number]): boolean {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (match === null) return false;
  for (const [index, part] of version.entries()) {
    const own = Number(match[index + 1]);
    if (own !== part) return own < part;
  }
  return false;
}
