/**
 * Follows the log of one container for `loki.source.docker`: through stops and starts, broken connections and restarts of the agent, each line once.
 * A line counts as read when everything downstream has taken it.
 */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { Labels } from "@finch/model";
import type { DockerClient } from "../../docker/engine-client.ts";
import type { ContainerLogCursor } from "../../container-logs/log-cursor.ts";
import { hashOf } from "../../container-logs/log-cursor.ts";
import { ContainerLogReader } from "../../container-logs/log-reader.ts";
import type { ContainerLogLine, DockerStream } from "../../container-logs/log-reader.ts";

/** First pause after a fault; it doubles up to the refresh interval. */
const RETRY_MS_MIN = 500;
/** A container may be said to run for this long after its log has ended. */
const STOPPING_MS = 200;
/** Lines that come so soon after the last were taken were there already: the container writes much, or has written much. */
const BUSY_MS = 20;
/** How long the rest of a container that is no target any more may take to come. */
const REST_MS_MAX = 10_000;

/** Labels of the lines of each stream; undefined where a rule drops them. */
export type StreamLabels = Readonly<Record<DockerStream, Labels | undefined>>;

/** What a tail needs of its component. */
export interface DockerTailHost {
  readonly client: DockerClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly refreshMs: () => number;
  /** Resolves when everything downstream has the lines; rejects only when the component stops. Unless it `isUrgent` they wait a moment for those of others. */
  deliver(
    lines: readonly ContainerLogLine[],
    labels: StreamLabels,
    options: { readonly isUrgent: boolean },
  ): Promise<void>;
  /** The cursor of the tail moved. */
  onMoved(id: string): void;
  onTimesMissing(count: number): void;
}

/** `reading`; `waiting` for a stopped container to start; `failing` with the reason in `message`; `gone`: the engine does not know it. */
export type DockerTailState = "reading" | "waiting" | "failing" | "gone";

export class DockerTail {
  readonly id: string;
  readonly cursor: ContainerLogCursor;
  /** Used for the lines that come from now on. */
  labels: StreamLabels;
  state: DockerTailState = "waiting";
  message = "";
  readonly #host: DockerTailHost;
  readonly #stop = new AbortController();
  #isReleased = false;
  #news = Promise.withResolvers<void>();
  /** The last run of the container whose log was read to its end. */
  #finishedRun: string | undefined;
  #retryMs = RETRY_MS_MIN;
  #takenMs = -Infinity;

  constructor(
    id: string,
    options: {
      readonly cursor: ContainerLogCursor;
      readonly labels: StreamLabels;
      readonly host: DockerTailHost;
    },
  ) {
    this.id = id;
    this.cursor = options.cursor;
    this.labels = options.labels;
    this.#host = options.host;
  }

  /** The container may have started: look at once. */
  wake(): void {
    this.#retryMs = RETRY_MS_MIN;
    this.#news.resolve();
  }

  /** It is no target any more. What a stopped container left behind is read still; then {@link DockerTail.run} resolves. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.wake();
    void this.#stopWhenRunning();
  }

  /** It is a target again. */
  adopt(labels: StreamLabels): void {
    this.labels = labels;
    this.#isReleased = false;
  }

  /** A running container was taken out by the configuration: its lines are not wanted. */
  async #stopWhenRunning(): Promise<void> {
    const { client, clock } = this.#host;
    const signal = this.#stop.signal;
    try {
      const details = await client.inspectContainer(this.id, signal);
      if (details?.isRunning !== true) await clock.sleep(REST_MS_MAX, signal);
    } catch {
      // An engine that does not answer gives no rest either.
    }
    if (this.#isReleased) this.#stop.abort(new Error("the container is no target any more"));
  }

  /** Follows until `signal` aborts, or until the tail is released and nothing is left to read. Called once. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#stop.signal]);
    while (!both.aborted) {
      this.#news = Promise.withResolvers();
      let isDone = false;
      try {
        isDone = await this.#readRun(both);
        this.#retryMs = RETRY_MS_MIN;
      } catch (error) {
        if (both.aborted) break;
        this.#fail(error);
      }
      if (this.#isReleased && isDone) break;
      if (this.state !== "reading") await this.#rest(both);
    }
    this.#stop.abort(new Error("the tail has ended"));
  }

  #fail(error: unknown): void {
    const message = describeError(error);
    if (this.state !== "failing" || this.message !== message)
      this.#host.log.warn("the log of a container cannot be read; trying again", {
        container: this.id,
        error: message,
      });
    this.state = "failing";
    this.message = message;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { clock, refreshMs } = this.#host;
    const waitMs = this.state === "failing" ? Math.min(this.#retryMs, refreshMs()) : refreshMs();
    this.#retryMs = Math.min(this.#retryMs * 2, Math.max(RETRY_MS_MIN, refreshMs()));
    const idle = new AbortController();
    const rest = clock.sleep(waitMs, AbortSignal.any([signal, idle.signal])).catch(() => {});
    await Promise.race([rest, this.#news.promise]);
    idle.abort();
    await rest;
  }

  /** Reads what there is, and what comes while the container runs. Whether nothing more can come. */
  async #readRun(signal: AbortSignal): Promise<boolean> {
    const details = await this.#host.client.inspectContainer(this.id, signal);
    if (details === undefined) {
      this.state = "gone";
      return true;
    }
    const { isRunning, isTty, run } = details;
    if (!isRunning && run === this.#finishedRun) {
      this.state = "waiting";
      return true;
    }
    this.state = "reading";
    await this.#readLog(isTty, signal);
    if (!isRunning) {
      this.#finishedRun = run;
      this.state = "waiting";
      return true;
    }
    // The engine ends the log of a container that stops, sometimes before it says so.
    await this.#host.clock.sleep(STOPPING_MS, signal);
    const after = await this.#host.client.inspectContainer(this.id, signal);
    if (after?.isRunning === true && after.run === run)
      throw new FinchError(
        "unavailable",
        "agent/docker-log",
        "the engine ended the log of a container that runs",
      );
    return false;
  }

  async #readLog(isTty: boolean, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#host;
    const { sinceNs, anchor } = this.cursor.plan(clock.nowNs());
    const found =
      anchor !== undefined && (await this.#hasLine(anchor, { sinceNs, isTty }, signal))
        ? anchor
        : undefined;
    const { body } = await client.openLogs(this.id, { sinceNs, follow: true }, signal);
    this.cursor.begin(found);
    const reader = new ContainerLogReader({ isTty });
    try {
      for await (const chunk of body) await this.#take(reader.push(chunk));
      await this.#take(reader.finish());
    } finally {
      if (reader.timesMissing > 0) this.#host.onTimesMissing(reader.timesMissing);
    }
  }

  /** Whether the log has the line now; its own connection, because the one that follows has no end. */
  async #hasLine(
    wanted: string,
    { sinceNs, isTty }: { readonly sinceNs: bigint; readonly isTty: boolean },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { body } = await this.#host.client.openLogs(this.id, { sinceNs, follow: false }, signal);
    const reader = new ContainerLogReader({ isTty });
    for await (const chunk of body)
      if (reader.push(chunk).some((line) => hashOf(line) === wanted)) return true;
    return reader.finish().some((line) => hashOf(line) === wanted);
  }

  async #take(lines: readonly ContainerLogLine[]): Promise<void> {
    const fresh = lines.filter((line) => !this.cursor.isTaken(line));
    if (fresh.length === 0) return;
    const { clock } = this.#host;
    const isUrgent = clock.monotonicMs() - this.#takenMs < BUSY_MS;
    await this.#host.deliver(fresh, this.labels, { isUrgent });
    this.#takenMs = clock.monotonicMs();
    for (const line of fresh) this.cursor.add(line);
    this.#host.onMoved(this.id);
  }
}
