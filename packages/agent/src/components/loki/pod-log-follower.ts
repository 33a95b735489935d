/** Follows the logs of containers that are wanted, as many as there are, and remembers how far each was taken. For sources that read them over the API server. */
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import type { ContainerLogLine } from "../../container-logs/log-reader.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { describeContainer, isPodLogPosition, PodLogTail } from "../../kubernetes/pod-log-tail.ts";
import type {
  ContainerReference,
  PodLogHost,
  PodLogPosition,
} from "../../kubernetes/pod-log-tail.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";
import type { LogsReceiver, Target } from "../../receivers.ts";
import { forwardUntilTaken } from "./forward.ts";

/** Each is a connection to the API server. */
const CONTAINERS_MAX = 2000;
/** The first version whose kubelet follows a log over its rotation. */
const ROTATION_VERSION = [1, 29, 1] as const;

type Context = Pick<
  ComponentContext<{ readonly forward_to: readonly LogsReceiver[] }, object>,
  "arguments" | "clock" | "dataDirectory" | "fileSystem" | "log" | "metrics" | "setHealth"
>;

/** A log that is to be followed. */
export interface WantedLog {
  readonly container: ContainerReference;
  /** Of its lines. */
  readonly labels: Labels;
}

/** One connection to one server. */
interface Session {
  readonly host: PodLogHost;
  readonly runs: Map<PodLogTail, Promise<void>>;
  readonly signal: AbortSignal;
}

/** How it goes, for the health of a component. */
export interface FollowerReport {
  readonly state: "healthy" | "unhealthy";
  readonly message: string;
}

export class PodLogFollower {
  readonly #context: Context;
  readonly #positions: Positions<PodLogPosition>;
  readonly #isFromEnd: () => boolean;
  readonly #tails = new Map<string, PodLogTail>();
  readonly #entries;
  #wanted: ReadonlyMap<string, WantedLog> = new Map();
  #session: Session | undefined;

  private constructor(
    context: Context,
    positions: Positions<PodLogPosition>,
    isFromEnd: () => boolean,
  ) {
    this.#context = context;
    this.#positions = positions;
    this.#isFromEnd = isFromEnd;
    this.#entries = context.metrics.counter(
      "loki_source_kubernetes_target_entries_total",
      "Lines handed on.",
    );
  }

  /** With the positions of earlier runs. `isFromEnd`: whether logs without a position are read from now on only. */
  static async open(context: Context, isFromEnd: () => boolean): Promise<PodLogFollower> {
    const positions = await openPositions<PodLogPosition>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: isPodLogPosition,
    });
    return new PodLogFollower(context, positions, isFromEnd);
  }

  /** Before {@link want}: where logs are read until `signal` aborts. */
  async connect(client: KubernetesClient, signal: AbortSignal): Promise<void> {
    const answer = (await client.get({
      action: { verb: "get", resource: "version", namespace: undefined },
      path: "/version",
      signal,
    })) as { readonly gitVersion?: string };
    const host = {
      client,
      clock: this.#context.clock,
      losesRotatedLogs: isBefore(answer.gitVersion ?? "", ROTATION_VERSION),
      deliver: (lines: readonly ContainerLogLine[], labels: Labels, until: AbortSignal) =>
        this.#deliver(lines, labels, until),
    };
    this.#tails.clear();
    this.#session = { host, runs: new Map(), signal };
  }

  /** After the signal of {@link connect} has aborted: resolves when nothing is read any more. */
  async ended(): Promise<void> {
    if (this.#session !== undefined) await Promise.all(this.#session.runs.values());
    this.#session = undefined;
  }

  /** Follows these logs, by keys that stay the same over restarts, and no others. */
  want(wanted: ReadonlyMap<string, WantedLog>): void {
    const session = this.#session!;
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
  }

  #start(key: string, session: Session): void {
    const { container, labels } = this.#wanted.get(key)!;
    const tail = new PodLogTail(container, {
      position: this.#positions.get(key),
      fromNs: this.#isFromEnd() ? this.#context.clock.nowNs() : 0n,
      labels,
      host: session.host,
    });
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

  report(): FollowerReport {
    const tails = [...this.#tails.values()];
    const failing = tails.filter(({ state }) => state === "failing");
    if (this.#wanted.size > CONTAINERS_MAX)
      return {
        state: "unhealthy",
        message: `only the first ${CONTAINERS_MAX} containers are read`,
      };
    if (failing.length > 0)
      return {
        state: failing.length === tails.length ? "unhealthy" : "healthy",
        message: `${failing.length} of ${this.#wanted.size} logs cannot be read: ${failing[0]!.message}`,
      };
    return { state: "healthy", message: `following ${this.#wanted.size} containers` };
  }

  #keep(key: string, tail: PodLogTail): void {
    const position = tail.position();
    if (position !== undefined) this.#positions.set(key, position);
  }

  async save(): Promise<void> {
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

/** Key of a container's log: another pod of the same name is another log. */
export function keyOf(container: ContainerReference): string {
  return `${describeContainer(container)}:${container.uid}`;
}

/** The container that the labels of a target name; undefined when a part of it is missing. */
export function containerOf(target: Target): ContainerReference | undefined {
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
