/** An entry inside `loki.process`, made so that what no stage changes costs nothing: label sets are shared, what a line said is noted only when it is taken out. */
import type { Labels } from "@finch/model";
import type { LogEntry } from "../../receivers.ts";

/** Mutable, owned by the pipeline, never seen outside. */
export class PipelineEntry {
  /** Change them by {@link setLabel} and {@link dropLabel}. */
  labels: Labels;
  line: string;
  timestampNs: bigint;
  metadata: Labels;
  readonly extracted: ExtractedValues;
  readonly #from: LogEntry;

  constructor(from: LogEntry, extracted = new ExtractedValues(from.labels)) {
    this.labels = from.labels;
    this.line = from.line;
    this.timestampNs = from.timestampNs;
    this.metadata = from.structuredMetadata;
    this.extracted = extracted;
    this.#from = from;
  }

  /** An empty value is none. */
  setLabel(name: string, value: string): void {
    this.labels = changedLabels(this.labels, name, value);
  }

  dropLabel(name: string): void {
    if (this.labels.has(name)) this.labels = changedLabels(this.labels, name, "");
  }

  /** Likewise. Not remembered as labels are: ids stand there. */
  setMetadata(name: string, value: string): void {
    this.metadata = this.metadata.with(name, value);
  }

  /** One of its own, with another line. */
  withLine(line: string): PipelineEntry {
    return new PipelineEntry({ ...this.close(), line }, this.extracted.clone());
  }

  /** As receivers take it; what came in when no stage changed anything. */
  close(): LogEntry {
    const { labels, line, timestampNs, metadata } = this;
    const from = this.#from;
    if (
      labels === from.labels &&
      line === from.line &&
      timestampNs === from.timestampNs &&
      metadata === from.structuredMetadata
    )
      return from;
    return { labels, timestampNs, line, structuredMetadata: metadata };
  }
}

/** What stages took out of a line, by name; begins with the labels the entry came with. Values are JSON values. */
export class ExtractedValues {
  readonly #labels: Labels;
  /** What was set; undefined where a label was taken away. */
  #own: Map<string, unknown> | undefined;

  constructor(labels: Labels, own?: Map<string, unknown>) {
    this.#labels = labels;
    this.#own = own;
  }

  /** Undefined when there is none. */
  get(name: string): unknown {
    const own = this.#own;
    if (own !== undefined) {
      const value = own.get(name);
      if (value !== undefined || own.has(name)) return value;
    }
    return this.#labels.get(name) || undefined;
  }

  set(name: string, value: unknown): void {
    (this.#own ??= new Map()).set(name, value);
  }

  delete(name: string): void {
    if (this.#labels.has(name)) this.set(name, undefined);
    else this.#own?.delete(name);
  }

  clone(): ExtractedValues {
    return new ExtractedValues(this.#labels, this.#own && new Map(this.#own));
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: unknown]> {
    const own = this.#own;
    for (const pair of this.#labels) if (own?.has(pair[0]) !== true) yield pair;
    if (own !== undefined) for (const pair of own) if (pair[1] !== undefined) yield pair;
  }
}

/** Label sets made of others, by name and value: streams are few, and each line of one would make its label set anew. */
const changes = new WeakMap<Labels, Map<string, Map<string, Labels>>>();
/** Values of one label that are remembered beside one label set; when there are more, they are no names of streams. */
const VALUES_MAX = 512;

function changedLabels(labels: Labels, name: string, value: string): Labels {
  let byName = changes.get(labels);
  if (byName === undefined) changes.set(labels, (byName = new Map()));
  let byValue = byName.get(name);
  if (byValue === undefined) byName.set(name, (byValue = new Map()));
  let changed = byValue.get(value);
  if (changed === undefined) {
    changed = labels.get(name) === value ? labels : labels.with(name, value);
    if (byValue.size >= VALUES_MAX) byValue.clear();
    byValue.set(value, changed);
  }
  return changed;
}
