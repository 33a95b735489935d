/** Entries by what `loki.write` sends them as: a tenant, and labels with external ones added where missing and internal ones (`__…`) left out. */
import { Labels } from "@finch/model";
import type { LogEntry } from "../../receivers.ts";
import { TENANT_LABEL } from "./stage-labels.ts";

export interface OutgoingStream {
  readonly tenant: string;
  readonly labels: Labels;
}

/** Streams that are remembered; when there are more, they are found anew. */
const STREAMS_MAX = 10_000;

export class OutgoingStreams {
  readonly #external: Readonly<Record<string, string>>;
  readonly #ofLabels = new WeakMap<Labels, OutgoingStream>();
  readonly #byKey = new Map<string, OutgoingStream>();

  constructor(external: Readonly<Record<string, string>>) {
    this.#external = external;
  }

  /** By tenant, then by stream, each in the order of its first entry. */
  group(entries: readonly LogEntry[]): Map<string, Map<OutgoingStream, LogEntry[]>> {
    const tenants = new Map<string, Map<OutgoingStream, LogEntry[]>>();
    let last: { readonly labels: Labels; readonly entries: LogEntry[] } | undefined;
    for (const entry of entries) {
      if (entry.labels !== last?.labels) {
        const stream = this.#streamOf(entry.labels);
        let streams = tenants.get(stream.tenant);
        if (streams === undefined) tenants.set(stream.tenant, (streams = new Map()));
        let list = streams.get(stream);
        if (list === undefined) streams.set(stream, (list = []));
        last = { labels: entry.labels, entries: list };
      }
      last.entries.push(entry);
    }
    return tenants;
  }

  #streamOf(labels: Labels): OutgoingStream {
    let stream = this.#ofLabels.get(labels);
    if (stream !== undefined) return stream;
    const tenant = labels.get(TENANT_LABEL);
    const visible = [...labels].filter(([name]) => !name.startsWith("__"));
    const sent = Labels.fromObject({ ...this.#external, ...Object.fromEntries(visible) });
    const key = `${tenant}\u0001${sent.key}`;
    stream = this.#byKey.get(key);
    if (stream === undefined) {
      if (this.#byKey.size >= STREAMS_MAX) this.#byKey.clear();
      this.#byKey.set(key, (stream = { tenant, labels: sent }));
    }
    this.#ofLabels.set(labels, stream);
    return stream;
  }
}
