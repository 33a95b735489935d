/**
 * `loki.source.kubernetes_events`: what happens in a cluster, one line an event. The resourceVersion of the last event that everything downstream has
 * taken is stored, and the watch goes on behind it after a restart; where the server has forgotten it, what is listed and newer is read.
 */
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import {
  clientBlockFault,
  connectKubernetes,
  KUBERNETES_CLIENT_BLOCK,
} from "../../kubernetes/connection.ts";
import { eventTimeNs, formatEvent } from "../../kubernetes/event-line.ts";
import { RESOURCES } from "../../kubernetes/objects.ts";
import type { ClusterEvent } from "../../kubernetes/objects.ts";
import { watchResource } from "../../kubernetes/watch.ts";
import type { WatchHandler } from "../../kubernetes/watch.ts";
import { openPositions } from "../../positions.ts";
import type { Positions } from "../../positions.ts";
import type { LogEntry } from "../../receivers.ts";
import { oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forwardUntilTaken } from "./forward.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  job_name: optional("string", "loki.source.kubernetes_events", "Value of the label `job`."),
  log_format: oneOf(["logfmt", "json"], "logfmt", "Format of the lines."),
  namespaces: optional("list(string)", [], "Namespaces to watch; all when none is named."),
  client: KUBERNETES_CLIENT_BLOCK,
  ...CLUSTERING_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

interface EventPosition {
  readonly version: string;
}

const SAVE_EVERY_MS = 1000;
/** Events that are handed on at once after a list. */
const BATCH_EVENTS = 500;

export const sourceKubernetesEvents = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.kubernetes_events",
  stability: "generally-available",
  summary: "Reads the events of a Kubernetes cluster as log lines.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => clientBlockFault(values.client),
  async run(context, signal) {
    const positions = await openPositions<EventPosition>({
      directory: context.dataDirectory,
      fileSystem: context.fileSystem,
      log: context.log,
      isValue: (value): value is EventPosition =>
        typeof (value as EventPosition | null)?.version === "string",
    });
    await Promise.all([
      runSessions(context, signal, (values, session) =>
        watchEvents(context, values, positions, session),
      ),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        await save(context, positions);
      }),
    ]);
    await save(context, positions);
  },
});

async function save(context: Context, positions: Positions<EventPosition>): Promise<void> {
  try {
    await positions.save();
  } catch (error) {
    context.log.warn("the position cannot be stored; after a crash events would be read again", {
      error: describeError(error),
    });
  }
}

async function watchEvents(
  context: Context,
  values: Arguments,
  positions: Positions<EventPosition>,
  signal: AbortSignal,
): Promise<void> {
  using client = await connectKubernetes(values.client);
  const namespaces = values.namespaces.filter((name) => name !== "");
  const readers = (namespaces.length === 0 ? [undefined] : [...new Set(namespaces)]).map(
    (namespace) => new EventReader({ context, values, positions, namespace, signal }),
  );
  const report = () => {
    const troubles = readers.flatMap(({ trouble }) => trouble ?? []);
    if (troubles.length > 0) context.setHealth("unhealthy", troubles.join("; "));
    else context.setHealth("healthy", "watching events");
  };
  for (const reader of readers) reader.onReport = report;
  await Promise.all(
    readers.map((reader) =>
      watchResource(client, { resource: RESOURCES.event, namespace: reader.namespace }, reader, {
        clock: context.clock,
        signal,
        fromVersion: reader.version,
      }),
    ),
  );
}

interface EventReaderOptions {
  readonly context: Context;
  readonly values: Arguments;
  readonly positions: Positions<EventPosition>;
  readonly namespace: string | undefined;
  readonly signal: AbortSignal;
}

class EventReader implements WatchHandler<ClusterEvent> {
  readonly namespace: string | undefined;
  trouble: string | undefined;
  onReport: () => void = () => {};
  readonly #context: Context;
  readonly #values: Arguments;
  readonly #positions: Positions<EventPosition>;
  readonly #signal: AbortSignal;
  readonly #key: string;
  readonly #lines;
  readonly #unreadable;

  constructor({ context, values, positions, namespace, signal }: EventReaderOptions) {
    this.namespace = namespace;
    this.#context = context;
    this.#values = values;
    this.#positions = positions;
    this.#signal = signal;
    this.#key = namespace === undefined ? "events" : `events-${namespace}`;
    this.#lines = context.metrics.counter(
      "loki_source_kubernetes_events_entries_total",
      "Events handed on.",
    );
    this.#unreadable = context.metrics.counter(
      "loki_source_kubernetes_events_parsing_errors_total",
      "Events that do not say what they are about.",
    );
  }

  /** Of the last event that was taken. */
  get version(): string | undefined {
    return this.#positions.get(this.#key)?.version;
  }

  async replace(items: readonly ClusterEvent[], listVersion: string): Promise<void> {
    const known = this.version;
    // A cluster that counts from a lower number than before was set up anew.
    const isAnew = known !== undefined && isNewer(known, listVersion);
    const fresh = items
      .filter((item) => known === undefined || isAnew || isNewer(versionOf(item), known))
      .toSorted((a, b) => (isNewer(versionOf(a), versionOf(b)) ? 1 : -1));
    for (let start = 0; start < fresh.length; start += BATCH_EVENTS)
      await this.#deliver(fresh.slice(start, start + BATCH_EVENTS));
    this.#positions.set(this.#key, { version: listVersion });
  }

  async change(item: ClusterEvent, { isDeleted }: { readonly isDeleted: boolean }): Promise<void> {
    const known = this.version;
    if (isDeleted || (known !== undefined && !isNewer(versionOf(item), known))) return;
    await this.#deliver([item]);
  }

  fault(error: unknown): void {
    this.trouble = error === undefined ? undefined : describeError(error);
    this.onReport();
  }

  async #deliver(events: readonly ClusterEvent[]): Promise<void> {
    const entries = events.flatMap((event) => this.#toEntry(event) ?? []);
    if (await forwardUntilTaken(this.#context, entries, this.#signal)) this.onReport();
    this.#lines.add(entries.length);
    this.#unreadable.add(events.length - entries.length);
    this.#positions.set(this.#key, { version: versionOf(events.at(-1)!) });
  }

  #toEntry(event: ClusterEvent): LogEntry | undefined {
    const line = formatEvent(event, this.#values.log_format);
    if (line === undefined) return undefined;
    return {
      labels: Labels.fromObject({
        namespace: event.involvedObject?.namespace ?? "",
        job: this.#values.job_name,
        instance: this.#context.id,
      }),
      timestampNs: eventTimeNs(event) ?? this.#context.clock.nowNs(),
      line,
      structuredMetadata: Labels.EMPTY,
    };
  }
}

function versionOf(item: ClusterEvent): string {
  return item.metadata.resourceVersion ?? "";
}

/**
 * resourceVersions of one kind grow; as numbers wherever etcd stands behind the server.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
function isNewer(a: string, b: string): boolean {
  return /^\d+$/.test(a) && /^\d+$/.test(b) ? BigInt(a) > BigInt(b) : a !== b;
}
