/**
 * Lines of StatsD with the tags that clients add to it: DogStatsD's behind the type, those of InfluxDB, Librato and SignalFx in the name. What is wrong with a
 * line is told by a word that is counted by.
 * @see https://github.com/statsd/statsd/blob/master/docs/metric_types.md
 */
import { escapeName, type StatsdEvent, type StatsdType } from "./event.ts";

export interface TagStyles {
  readonly dogstatsd: boolean;
  readonly influxdb: boolean;
  readonly librato: boolean;
  readonly signalfx: boolean;
}

/** Where the parser tells what it met. */
export interface LineCounts {
  sample(): void;
  sampleError(reason: string): void;
  tags(): void;
  tagError(): void;
}

/** An event of a sampled timer stands for several; more than this are not made of one. */
const REPEATS_MAX = 1000;
const TYPES: Readonly<Record<string, StatsdType>> = {
  c: "counter",
  g: "gauge",
  ms: "observer",
  h: "observer",
  d: "observer",
};

export class StatsdLineParser {
  readonly #styles: TagStyles;
  readonly #counts: LineCounts;

  constructor(styles: TagStyles, counts: LineCounts) {
    this.#styles = styles;
    this.#counts = counts;
  }

  parse(line: string): readonly StatsdEvent[] {
    if (line === "") return [];
    const colon = line.indexOf(":");
    if (colon <= 0 || line.includes("\ufffd")) return this.#refuse("malformed_line");
    const tags: Record<string, string> = {};
    const name = this.#readName(line.slice(0, colon), tags);
    const rest = line.slice(colon + 1);
    const hasDogTags = rest.includes("|#");
    if (hasDogTags && Object.keys(tags).length > 0) return this.#refuse("mixed_tagging_styles");
    const samples = this.#samplesOf(rest, hasDogTags);
    return samples.flatMap((sample) => this.#readSample(sample, name, tags));
  }

  #refuse(reason: string): readonly [] {
    this.#counts.sampleError(reason);
    return [];
  }

  /** The name without its tags, which are added. */
  #readName(text: string, tags: Record<string, string>): string {
    const { signalfx, librato, influxdb } = this.#styles;
    if (signalfx) {
      const start = text.indexOf("[");
      const end = text.indexOf("]");
      if (start >= 0 && end > start) {
        this.#readTags(text.slice(start + 1, end), "=", tags);
        return text.slice(0, start) + text.slice(end + 1);
      }
      if (start >= 0 || end >= 0) {
        this.#counts.tagError();
        return text;
      }
    }
    const marks = (librato ? "#" : "") + (influxdb ? "," : "");
    const at = marks === "" ? -1 : text.search(new RegExp(`[${marks}]`));
    if (at < 0) return text;
    this.#readTags(text.slice(at + 1), "=", tags);
    return text.slice(0, at);
  }

  #readTags(text: string, separator: string, tags: Record<string, string>): void {
    if (text === "") return;
    // A comma at the end is no tag.
    for (const tag of text.replace(/,$/, "").split(",")) {
      const at = tag.indexOf(separator);
      if (at <= 0 || at === tag.length - 1) this.#counts.tagError();
      else tags[escapeName(tag.slice(0, at))] = tag.slice(at + 1);
    }
  }

  /** `1|c`, or several: `1|c:2|c`, and as DogStatsD has them `1:2:3|ms`. */
  #samplesOf(rest: string, hasDogTags: boolean): readonly string[] {
    const [values = "", type] = rest.split("|");
    if (type === undefined) return this.#refuse("not_enough_parts_after_colon");
    if (values.includes(":")) {
      if (TYPES[type] !== "observer") return this.#refuse("invalid_extended_aggregate_type");
      const suffix = rest.slice(values.length);
      return values.split(":").map((value) => value + suffix);
    }
    return hasDogTags ? [rest] : splitSamples(rest);
  }

  #readSample(sample: string, name: string, tags: Record<string, string>): readonly StatsdEvent[] {
    this.#counts.sample();
    const [text = "", kind = "", ...more] = sample.split("|");
    if (kind === "" || more.length > 4) return this.#refuse("malformed_component");
    if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text))
      return this.#refuse("malformed_value");
    if (more.includes("")) return this.#refuse("malformed_component");
    let rate = 1;
    for (const part of more) {
      if (part.startsWith("@")) rate = this.#readRate(part.slice(1));
      else if (part.startsWith("#")) {
        if (this.#styles.dogstatsd) this.#readTags(part.slice(1).replaceAll(",#", ","), ":", tags);
      } else if (part.startsWith("c:") && part.length > 2) tags["container_id"] = part.slice(2);
      else if (part.startsWith("c")) return this.#refuse("malformed_container_id");
      // A time of the sender's is worth nothing where values are asked for.
      else if (!part.startsWith("T")) return this.#refuse("invalid_sample_factor");
    }
    if (Object.keys(tags).length > 0) this.#counts.tags();
    const type = Object.hasOwn(TYPES, kind) ? TYPES[kind] : undefined;
    if (type === undefined) return this.#refuse("illegal_event");
    const event = {
      type,
      name,
      value: valueOf(Number(text), kind, rate),
      isRelative: /^[+-]/.test(text),
      tags: { ...tags },
    };
    const repeats = type === "observer" ? Math.min(REPEATS_MAX, Math.floor(1 / rate)) : 1;
    return Array.from({ length: Math.max(0, repeats) }, () => event);
  }

  #readRate(text: string): number {
    const rate = Number(text);
    if (text !== "" && Number.isFinite(rate)) return rate === 0 ? 1 : rate;
    this.#counts.sampleError("invalid_sample_factor");
    return 1;
  }
}

/** At colons, but at that of a container's id, `1|c|c:ID`. */
function splitSamples(rest: string): readonly string[] {
  const samples: string[] = [];
  let held = "";
  for (const piece of rest.split(":")) {
    const sample = held + piece;
    const isId = /^[^|]*\|[^|]*\|(?:.*\|)?c$/.test(sample);
    held = isId ? `${sample}:` : "";
    if (!isId) samples.push(sample);
  }
  return held === "" ? samples : [...samples, held.slice(0, -1)];
}

/** Milliseconds become seconds; a counter that was sampled counts for those that were not sent. */
function valueOf(value: number, kind: string, rate: number): number {
  if (kind === "ms") return value / 1000;
  return kind === "c" ? value / rate : value;
}
