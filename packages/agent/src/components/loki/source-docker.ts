/**
 * `loki.source.docker`: the logs of containers, through the API of their engine. Containers are followed by their id, so a new name, a stop and a
 * start are nothing to them; the cursor of each is stored every five seconds while lines come.
 */
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { createDockerClient, parseDockerHost } from "../../docker/engine-client.ts";
import type { DockerClient, DockerFilters } from "../../docker/engine-client.ts";
import { ContainerLogCursor, isContainerLogPosition } from "../../container-logs/log-cursor.ts";
import type { ContainerLogPosition } from "../../container-logs/log-cursor.ts";
import type { ContainerLogLine, DockerStream } from "../../container-logs/log-reader.ts";
import { argumentFaultOf, watchDockerEvents } from "../../docker/watch-events.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";
import { createRelabeler } from "../../relabel.ts";
import { sameData } from "../../runtime/export-value.ts";
import { block, maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import type { LogEntry } from "../../receivers.ts";
import { DockerTail } from "./docker-tail.ts";
import type { DockerTailHost, StreamLabels } from "./docker-tail.ts";
import { EntryGatherer } from "./entry-gatherer.ts";
import { forward } from "./forward.ts";

/** Each container takes a connection to the engine. */
const CONTAINERS_MAX = 2000;
/** Lines taken since the last save are read again after a crash, with the same time, so that a store tells them from new ones. A save costs two syncs of the disk. */
const SAVE_EVERY_MS = 5000;
/** Pause before lines that a receiver refused are offered again. */
const RETRY_MS = 1000;
/** What an engine may take to answer. */
const TIMEOUT_MS = 30_000;
const CONTAINER_ID = "__meta_docker_container_id";
const LOG_STREAM = "__meta_docker_container_log_stream";
/** Only a start tells something that the log of a container does not. */
const EVENTS: DockerFilters = { type: ["container"], event: ["start"] };

const ARGUMENTS = {
  host: required("string", "Engine to ask, such as unix:///var/run/docker.sock."),
  targets: required(
    "list(target)",
    "Containers to read: `__meta_docker_container_id` is the container, labels that are not internal go with every line.",
  ),
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  labels: optional("map(string)", {}, "Labels of every line; they win over the target's."),
  relabel_rules: maybe(
    "relabel-rules",
    "Rules that make labels from the target's and from `__meta_docker_container_log_stream`.",
  ),
  refresh_interval: optional(
    "duration",
    60_000,
    "How often a container that does not run or cannot be read is looked at, besides when the engine tells of its start.",
    { min: 1 },
  ),
  http_client_config: block(HTTP_CLIENT_ARGUMENTS, {
    repeat: "optional",
    doc: "How to speak to the engine.",
  }),
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

export const sourceDocker = defineComponent({
  name: "loki.source.docker",
  stability: "generally-available",
  summary: "Follows the logs of containers, through stops and restarts.",
  arguments: ARGUMENTS,
  exports: {},
  check: ({ host, http_client_config: http }) =>
    argumentFaultOf("host", () =>
      parseDockerHost(host, { hasTls: http?.tls_config !== undefined }),
    ) ?? argumentFaultOf("http_client_config", () => http === undefined || httpClientOptions(http)),
  async run(context: Context, signal) {
    const positions = await openPositions<ContainerLogPosition>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: isContainerLogPosition,
    });
    const tails = new DockerTails(context, positions);
    await Promise.all([
      tails.run(signal),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        await tails.save();
      }),
    ]);
    await tails.save();
  },
});

/** Another engine, or another way to it: then every tail begins anew, at its cursor. */
function isSameEngine(a: Arguments, b: Arguments): boolean {
  return a.host === b.host && sameData(a.http_client_config, b.http_client_config);
}

class DockerTails {
  readonly #context: Context;
  readonly #positions: Positions<ContainerLogPosition>;
  readonly #tails = new Map<string, { readonly tail: DockerTail; readonly ended: Promise<void> }>();
  readonly #moved = new Set<string>();
  #wanted: ReadonlyMap<string, StreamLabels> = new Map();
  readonly #entries;
  readonly #parsingErrors;
  #refusals = "";

  constructor(context: Context, positions: Positions<ContainerLogPosition>) {
    this.#context = context;
    this.#positions = positions;
    this.#entries = context.metrics.counter(
      "loki_source_docker_target_entries_total",
      "Lines handed on.",
    );
    this.#parsingErrors = context.metrics.counter(
      "loki_source_docker_target_parsing_errors_total",
      "Messages without a time that can be read.",
    );
  }

  async run(signal: AbortSignal): Promise<void> {
    await untilAborted(signal, async () => this.#followEngine(signal));
  }

  /** Until the signal aborts or the arguments name another engine. */
  async #followEngine(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const values = this.#context.arguments();
    const http = values.http_client_config;
    using client = await createDockerClient(values.host, {
      http: http === undefined ? DEFAULT_HTTP_CLIENT_OPTIONS : httpClientOptions(http),
      timeoutMs: TIMEOUT_MS,
    });
    const other = new AbortController();
    const either = AbortSignal.any([signal, other.signal]);
    const gatherer = new EntryGatherer({
      clock,
      forward: (entries, stop) => this.#forwardUntilTaken(entries, stop),
      signal: either,
    });
    const host = this.#hostOf(client, gatherer);
    const events = watchDockerEvents(client, {
      filters: EVENTS,
      retryMs: values.refresh_interval,
      clock,
      log,
      onEvent: ({ id }) => this.#tails.get(id)?.tail.wake(),
      onListening: () => this.#wakeAll(),
      signal: either,
    });
    const pruning = this.#prune(client, either);
    try {
      this.#update(values, host, either);
      await untilAborted(either, async () => {
        const next = await this.#context.nextArguments(either);
        if (isSameEngine(values, next)) this.#update(next, host, either);
        else other.abort(new Error("the arguments name another engine"));
      });
    } finally {
      other.abort(new Error("the component stops"));
      await Promise.allSettled([...this.#tails.values()].map(({ ended }) => ended));
      await Promise.allSettled([events, pruning]);
    }
  }

  #wakeAll(): void {
    for (const { tail } of this.#tails.values()) tail.wake();
  }

  /** Cursors of containers that were removed while nobody looked. */
  async #prune(client: DockerClient, signal: AbortSignal): Promise<void> {
    for (const id of this.#positions.keys()) {
      if (signal.aborted || this.#tails.has(id)) continue;
      try {
        const details = await client.inspectContainer(id, signal);
        if (details === undefined) this.#positions.delete(id);
      } catch {
        return;
      }
    }
  }

  #update(values: Arguments, host: DockerTailHost, signal: AbortSignal): void {
    const wanted = new Map<string, StreamLabels>();
    for (const [id, target] of targetsById(values)) wanted.set(id, streamLabels(target, values));
    this.#wanted = wanted;
    for (const [id, { tail }] of this.#tails) if (!wanted.has(id)) tail.release();
    for (const [id, labels] of wanted) {
      const known = this.#tails.get(id);
      if (known !== undefined) known.tail.adopt(labels);
      else if (this.#tails.size < CONTAINERS_MAX) this.#start(id, labels, host, signal);
    }
    this.#report();
  }

  #start(id: string, labels: StreamLabels, host: DockerTailHost, signal: AbortSignal): void {
    const cursor = new ContainerLogCursor(this.#positions.get(id));
    const tail = new DockerTail(id, { cursor, labels, host });
    const ended = tail.run(signal).finally(() => {
      this.#keep(id, tail);
      this.#tails.delete(id);
      if (tail.state === "gone") this.#positions.delete(id);
      // It came back while it was being let go.
      const again = this.#wanted.get(id);
      if (again !== undefined && !signal.aborted) this.#start(id, again, host, signal);
    });
    this.#tails.set(id, { tail, ended });
  }

  #hostOf(client: DockerClient, gatherer: EntryGatherer): DockerTailHost {
    const { clock, log } = this.#context;
    return {
      client,
      clock,
      log,
      refreshMs: () => this.#context.arguments().refresh_interval,
      deliver: (lines, labels, options) => gatherer.handOn(this.#entriesOf(lines, labels), options),
      onMoved: (id) => void this.#moved.add(id),
      onTimesMissing: (count) => this.#parsingErrors.add(count),
    };
  }

  #entriesOf(lines: readonly ContainerLogLine[], labels: StreamLabels): readonly LogEntry[] {
    let unwanted = 0;
    const entries = lines.flatMap(({ stream, timestampNs, line }) => {
      const own = labels[stream];
      if (own === undefined) unwanted++;
      if (own === undefined || line === "") return [];
      return [{ labels: own, timestampNs, line, structuredMetadata: Labels.EMPTY }];
    });
    if (unwanted > 0)
      this.#context.drops.count({ kind: "lines", reason: "relabel_rules" }, unwanted);
    return entries;
  }

  async #forwardUntilTaken(entries: readonly LogEntry[], signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await forward(this.#context.arguments().forward_to, entries, signal);
        this.#entries.add(entries.length);
        this.#refusals = "";
        return;
      } catch (error) {
        signal.throwIfAborted();
        this.#refusals = `lines are not taken: ${describeError(error)}`;
        this.#context.setHealth("unhealthy", this.#refusals);
        await this.#context.clock.sleep(RETRY_MS, signal);
      }
    }
  }

  #report(): void {
    const wanted = this.#wanted.size;
    const failing = [...this.#tails.values()].filter(({ tail }) => tail.state === "failing");
    if (this.#refusals !== "") this.#context.setHealth("unhealthy", this.#refusals);
    else if (wanted > this.#tails.size)
      this.#context.setHealth("unhealthy", `only the first ${CONTAINERS_MAX} containers are read`);
    else if (failing.length > 0)
      this.#context.setHealth(
        // A single container without a log is no fault of this component; the engine's absence is.
        failing.length === this.#tails.size ? "unhealthy" : "healthy",
        `${failing.length} of ${wanted} containers cannot be read: ${failing[0]!.tail.message}`,
      );
    else this.#context.setHealth("healthy", `following ${wanted} containers`);
  }

  #keep(id: string, tail: DockerTail): void {
    const position = tail.cursor.position();
    if (position !== undefined) this.#positions.set(id, position);
    this.#moved.delete(id);
  }

  async save(): Promise<void> {
    this.#report();
    for (const id of this.#moved) {
      const tail = this.#tails.get(id)?.tail;
      if (tail !== undefined) this.#keep(id, tail);
    }
    this.#moved.clear();
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

/** A container in several networks is several targets; the first by its labels stands for all. */
function targetsById(values: Arguments): ReadonlyMap<string, Labels> {
  const byId = new Map<string, Labels>();
  for (const target of values.targets) {
    const id = target.get(CONTAINER_ID);
    if (id === "") continue;
    const known = byId.get(id);
    if (known === undefined || target.key < known.key) byId.set(id, target);
  }
  return byId;
}

function streamLabels(target: Labels, values: Arguments): StreamLabels {
  const relabel =
    values.relabel_rules === undefined ? undefined : createRelabeler(values.relabel_rules);
  const own = { ...target.toObject(), ...values.labels };
  const ofStream = (stream: DockerStream): Labels | undefined => {
    const labels = Labels.fromObject({ ...own, [LOG_STREAM]: stream });
    const relabelled = relabel === undefined ? labels : relabel(labels);
    return relabelled?.drop(
      new Set([...relabelled].map(([name]) => name).filter((name) => name.startsWith("__"))),
    );
  };
  return { stdout: ofStream("stdout"), stderr: ofStream("stderr") };
}
