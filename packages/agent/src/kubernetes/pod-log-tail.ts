/**
 * Follows the log of one container over the API server: through broken connections, restarts of the container and of the agent, each line once. A
 * line counts as read when everything downstream has taken it.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
 */
import { describeError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { Labels } from "@finch/model";
import {
  ContainerLogCursor,
  hashOf,
  isContainerLogPosition,
} from "../container-logs/log-cursor.ts";
import type { ContainerLogPosition } from "../container-logs/log-cursor.ts";
import { ContainerLogReader } from "../container-logs/log-reader.ts";
import type { ContainerLogLine } from "../container-logs/log-reader.ts";
import { KubernetesFault } from "./client.ts";
import type { KubernetesClient } from "./client.ts";
import { resourcePath, RESOURCES } from "./objects.ts";
import type { ContainerStatus, Pod } from "./objects.ts";

/** Which container. */
export interface ContainerReference {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Of the pod: another pod of the same name is another log. */
  readonly uid: string;
}

/** `namespace/pod:container`, as Alloy's `instance`. */
export function describeContainer({ namespace, pod, container }: ContainerReference): string {
  return `${namespace}/${pod}:${container}`;
}

/** What is stored: how far the log was taken, and of which run of the container. */
export interface PodLogPosition {
  readonly run: string;
  readonly log: ContainerLogPosition | null;
}

export function isPodLogPosition(value: unknown): value is PodLogPosition {
  const position = value as Partial<PodLogPosition> | null;
  return (
    typeof position?.run === "string" &&
    (position.log === null || isContainerLogPosition(position.log))
  );
}

export interface PodLogHost {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** The kubelet stops to send when it rotates the log (Kubernetes before 1.29.1): a quiet log is opened again. */
  readonly losesRotatedLogs: boolean;
  /** Resolves when everything downstream has the lines; rejects only when `signal` aborts. */
  deliver(lines: readonly ContainerLogLine[], labels: Labels, signal: AbortSignal): Promise<void>;
}

export type PodLogState = "reading" | "failing" | "finished" | "gone";

/** A connection is opened again after this long: API servers have been seen to send nothing more over old ones. */
const CONNECTION_MS_MAX = 3_600_000;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 60_000;
/** Time a log gets to end by itself when its container is no target any more. */
const REST_MS_MAX = 10_000;
const LOOK_MS = 1000;
/** Shortest silence that makes a log be opened again, and how many usual pauses it must last. */
const QUIET_MS_MIN = 2000;
const QUIET_PAUSES = 3;
/** Answers to the question for a run before this one when its log is not there any more. */
const FORGOTTEN: ReadonlySet<number> = new Set([400, 404, 500]);
/** Pauses between lines that tell what is usual. */
const PAUSES_MIN = 100;

export class PodLogTail {
  readonly container: ContainerReference;
  readonly cursor: ContainerLogCursor;
  /** Used for the lines that come from now on. */
  labels: Labels;
  state: PodLogState = "reading";
  message = "";
  /** Lines were taken since the position was asked for. */
  hasMoved = false;
  readonly #host: PodLogHost;
  /** Where a log begins that nothing was taken of. */
  readonly #fromNs: bigint;
  readonly #stop = new AbortController();
  /** Container ID of the run that is read or was read last. */
  #run: string;
  #release: AbortController | undefined;
  #retryMs = RETRY_MS_MIN;

  constructor(
    container: ContainerReference,
    options: {
      readonly position: PodLogPosition | undefined;
      /** Unix nanoseconds; a log without a position is read from here on. 0n: from its start. */
      readonly fromNs: bigint;
      readonly labels: Labels;
      readonly host: PodLogHost;
    },
  ) {
    this.container = container;
    this.cursor = new ContainerLogCursor(options.position?.log ?? undefined);
    this.labels = options.labels;
    this.#run = options.position?.run ?? "";
    this.#host = options.host;
    this.#fromNs = options.fromNs;
  }

  position(): PodLogPosition | undefined {
    this.hasMoved = false;
    const log = this.cursor.position() ?? null;
    return this.#run === "" && log === null ? undefined : { run: this.#run, log };
  }

  /** It is no target any more: it may read for a little, since a log often ends then. */
  release(): void {
    if (this.#release !== undefined) return;
    const release = new AbortController();
    this.#release = release;
    const stopped = AbortSignal.any([this.#stop.signal, release.signal]);
    this.#host.clock.sleep(REST_MS_MAX, stopped).then(
      () => this.#stop.abort(new Error("the container is no target any more")),
      () => {},
    );
  }

  /** It is a target (again). */
  adopt(labels: Labels): void {
    this.labels = labels;
    this.#release?.abort();
    this.#release = undefined;
  }

  /** Follows until `signal` aborts, or until no line can come any more. Called once. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#stop.signal]);
    while (!both.aborted) {
      try {
        if (await this.#readRun(both)) break;
      } catch (error) {
        if (both.aborted) break;
        this.state = "failing";
        this.message = describeError(error);
      }
      await this.#host.clock.sleep(this.#retryMs, both).catch(() => {});
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    }
    this.#stop.abort(new Error("the tail has ended"));
  }

  /** Reads what there is and what comes until the connection ends. Whether nothing more can come. */
  async #readRun(signal: AbortSignal): Promise<boolean> {
    const before = await this.#look(signal);
    if (before === undefined) return true;
    const run = before.status?.containerID ?? "";
    // Not started yet.
    if (run === "") return false;
    if (this.#run !== "" && this.#run !== run) await this.#readLog({ isPrevious: true }, signal);
    this.#run = run;
    await this.#readLog({ isPrevious: false }, signal);
    const after = await this.#look(signal);
    if (after === undefined) return true;
    this.state = "reading";
    const isOver = after.status?.containerID === run && isFinal(after.pod, after.status);
    if (isOver) this.state = "finished";
    return isOver;
  }

  /** The pod and the state of the container; undefined when the pod is gone. */
  async #look(
    signal: AbortSignal,
  ): Promise<{ pod: Pod; status: ContainerStatus | undefined } | undefined> {
    const { namespace, pod: name, uid } = this.container;
    let pod: Pod | undefined;
    try {
      pod = (await this.#host.client.get({
        action: { verb: "get", resource: `pod ${name}`, namespace },
        path: this.#path(),
        signal,
      })) as Pod;
    } catch (error) {
      if (!(error instanceof KubernetesFault) || error.status !== 404) throw error;
    }
    if (pod === undefined || (uid !== "" && pod.metadata.uid !== uid)) {
      this.state = "gone";
      return undefined;
    }
    const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = pod.status;
    const status = [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
      .flatMap((statuses) => statuses ?? [])
      .find((candidate) => candidate.name === this.container.container);
    return { pod, status };
  }

  #path(): string {
    const { namespace, pod } = this.container;
    return `${resourcePath("/api/v1", RESOURCES.pod, namespace)}/${encodeURIComponent(pod)}`;
  }

  /** `isPrevious`: the run before this one, to its end. A rotated log or a run that is forgotten has nothing more to give. */
  async #readLog({ isPrevious }: { readonly isPrevious: boolean }, signal: AbortSignal) {
    const plan = this.cursor.plan(this.#host.clock.nowNs());
    const { anchor } = plan;
    const sinceNs = this.cursor.isEmpty ? this.#fromNs : plan.sinceNs;
    const options = { isPrevious, sinceNs };
    try {
      const found =
        anchor !== undefined && (await this.#hasLine(anchor, options, signal)) ? anchor : undefined;
      const connection = new AbortController();
      const both = AbortSignal.any([signal, connection.signal]);
      const pauses = new Pauses(this.#host.clock);
      const watching = this.#closeWhenOld(pauses, connection, both);
      try {
        const body = await this.#open({ ...options, isFollowing: !isPrevious }, both);
        this.cursor.begin(found);
        this.state = "reading";
        await this.#takeAll(body, { sinceNs, pauses }, both);
      } catch (error) {
        if (signal.aborted || !connection.signal.aborted) throw error;
      } finally {
        connection.abort(new Error("the connection has ended"));
        await watching;
      }
    } catch (error) {
      // The kubelet keeps one run before this one, and not for ever; it says so in several ways.
      const isForgotten = error instanceof KubernetesFault && FORGOTTEN.has(error.status);
      if (!isPrevious || !isForgotten) throw error;
    }
  }

  async #takeAll(
    body: AsyncIterable<Uint8Array>,
    { sinceNs, pauses }: { readonly sinceNs: bigint; readonly pauses: Pauses },
    signal: AbortSignal,
  ): Promise<void> {
    const reader = new ContainerLogReader({ isTty: true });
    const take = async (lines: readonly ContainerLogLine[]) => {
      pauses.add(lines.length);
      // The server counts from the whole second.
      const fresh = lines.filter(
        (line) => line.timestampNs >= sinceNs && !this.cursor.isTaken(line),
      );
      if (fresh.length === 0) return;
      await this.#host.deliver(fresh, this.labels, signal);
      for (const line of fresh) this.cursor.add(line);
      this.hasMoved = true;
      this.#retryMs = RETRY_MS_MIN;
    };
    for await (const chunk of body) await take(reader.push(chunk));
    await take(reader.finish());
  }

  #open(
    options: {
      readonly isPrevious: boolean;
      readonly isFollowing: boolean;
      readonly sinceNs: bigint;
    },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { namespace, pod, container } = this.container;
    const { isPrevious, isFollowing, sinceNs } = options;
    const seconds = Number(sinceNs / 1_000_000_000n);
    return this.#host.client.open({
      action: { verb: "read", resource: `pods/log of ${pod}`, namespace },
      path: `${this.#path()}/log`,
      query: {
        container,
        timestamps: "true",
        follow: isFollowing ? "true" : undefined,
        previous: isPrevious ? "true" : undefined,
        sinceTime:
          seconds > 0 ? new Date(seconds * 1000).toISOString().replace(".000Z", "Z") : undefined,
      },
      signal,
    });
  }

  /** Whether the log has the line now; its own connection, because the one that follows has no end. */
  async #hasLine(
    wanted: string,
    options: { readonly isPrevious: boolean; readonly sinceNs: bigint },
    signal: AbortSignal,
  ): Promise<boolean> {
    const body = await this.#open({ ...options, isFollowing: false }, signal);
    const reader = new ContainerLogReader({ isTty: true });
    const isThere = (lines: readonly ContainerLogLine[]) =>
      lines.some((line) => hashOf(line) === wanted);
    for await (const chunk of body) if (isThere(reader.push(chunk))) return true;
    return isThere(reader.finish());
  }

  async #closeWhenOld(
    pauses: Pauses,
    connection: AbortController,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, losesRotatedLogs } = this.#host;
    const openedMs = clock.monotonicMs();
    try {
      if (!losesRotatedLogs) await clock.sleep(CONNECTION_MS_MAX, signal);
      else
        while (clock.monotonicMs() - openedMs < CONNECTION_MS_MAX && !pauses.isUnusual())
          await clock.sleep(LOOK_MS, signal);
      connection.abort(new Error("the log is opened again"));
    } catch {
      // It ended by itself.
    }
  }
}

/** How long it is usually quiet between lines. */
class Pauses {
  readonly #clock: Clock;
  #lastMs: number | undefined;
  #meanMs = 0;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(lines: number): void {
    if (lines === 0) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#lastMs !== undefined) {
      this.#count += lines;
      const weight = Math.min(1, lines / Math.min(this.#count, 10_000));
      this.#meanMs += ((nowMs - this.#lastMs) / lines - this.#meanMs) * weight;
    }
    this.#lastMs = nowMs;
  }

  /** Whether the silence now is so long that lines must have been missed. */
  isUnusual(): boolean {
    if (this.#lastMs === undefined || this.#count < PAUSES_MIN) return false;
    const quietMs = this.#clock.monotonicMs() - this.#lastMs;
    return quietMs > Math.max(QUIET_MS_MIN, QUIET_PAUSES * this.#meanMs);
  }
}

/** Whether the container has ended and will not be started again. */
function isFinal(pod: Pod, status: ContainerStatus): boolean {
  const { terminated } = status.state ?? {};
  if (terminated === undefined) return false;
  const policy = pod.spec.restartPolicy ?? "Always";
  const failed = terminated.exitCode !== 0;
  if (pod.status.ephemeralContainerStatuses?.some(({ name }) => name === status.name)) return true;
  const isInit =
    pod.status.initContainerStatuses?.some(({ name }) => name === status.name) ?? false;
  if (isInit || policy === "OnFailure") return !failed || policy === "Never";
  return policy === "Never";
}
