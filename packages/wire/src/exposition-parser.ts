/** Reads what targets expose: Prometheus text 0.0.4 and OpenMetrics 1.0, into columns. */
import { isUtf8 } from "node:buffer";
import { type Labels, type MetricMetadata, type MetricType, parseFloatText } from "@finch/model";
import { badBody, tooLarge, unsupportedMedia } from "./errors.ts";
import { ExpositionScanner, unescapeText } from "./exposition-scanner.ts";
import type { ExpositionLimits } from "./limits.ts";
import { bufferOver } from "./text-bytes.ts";

/** Samples by row, in the order of the text. */
export interface Exposition {
  readonly count: number;
  /** `__name__` included. */
  readonly labels: readonly Labels[];
  readonly values: Float64Array;
  /** Unix milliseconds; NaN where the sample has no time of its own. */
  readonly timestampsMs: Float64Array;
  /** Families with `# TYPE`, `# HELP` or `# UNIT`, in their order. */
  readonly metadata: readonly MetricMetadata[];
  /** OpenMetrics only. */
  readonly exemplars: readonly ExpositionExemplar[];
}

export interface ExpositionExemplar {
  /** The sample it belongs to. */
  readonly row: number;
  readonly labels: Labels;
  readonly value: number;
  readonly timestampMs: number | undefined;
}

export interface ExpositionOptions {
  /** `application/openmetrics-text` means OpenMetrics; text formats, none and unknown ones mean text 0.0.4. */
  readonly contentType: string | undefined;
  readonly limits: ExpositionLimits;
  /** Labels by their text in the exposition. Pass the same map for every scrape of a target and known series are not parsed again; clear it when it grows too large. */
  readonly cache?: Map<string, Labels>;
}

const TEXT_TYPES: ReadonlyMap<string, MetricType> = new Map([
  ["counter", "counter"],
  ["gauge", "gauge"],
  ["histogram", "histogram"],
  ["summary", "summary"],
  ["untyped", "unknown"],
]);

const OPENMETRICS_TYPES: ReadonlyMap<string, MetricType> = new Map([
  ["counter", "counter"],
  ["gauge", "gauge"],
  ["histogram", "histogram"],
  ["gaugehistogram", "gaugehistogram"],
  ["summary", "summary"],
  ["info", "info"],
  ["stateset", "stateset"],
  ["unknown", "unknown"],
]);

/** Parses an exposition whole; a fault names line and column: `parse error at 3:14: expected …`. */
export function parseExposition(
  source: string | Uint8Array,
  options: ExpositionOptions,
): Exposition {
  const { limits, cache } = options;
  const mediaType = (options.contentType ?? "").split(";")[0]!.trim().toLowerCase();
  if (mediaType === "application/vnd.google.protobuf") {
    throw unsupportedMedia(
      "not supported yet: the protobuf exposition format: expose text or OpenMetrics",
    );
  }
  if (source.length > limits.textBytesMax) {
    throw tooLarge(`the exposition has ${source.length} bytes, ${limits.textBytesMax} are allowed`);
  }
  if (typeof source !== "string" && !isUtf8(source))
    throw badBody("the exposition is not valid UTF-8");
  const text = typeof source === "string" ? source : bufferOver(source).toString("utf8");
  const openMetrics = mediaType === "application/openmetrics-text";
  const parser = new Parser(new ExpositionScanner(text, limits), {
    openMetrics,
    samplesMax: limits.samplesMax,
    cache,
  });
  parser.parse();
  return parser.result();
}

interface FamilyDraft {
  type: MetricType;
  help: string;
  unit: string;
}

class Parser {
  readonly #scanner: ExpositionScanner;
  readonly #openMetrics: boolean;
  readonly #samplesMax: number;
  readonly #cache: Map<string, Labels> | undefined;
  readonly #labels: Labels[] = [];
  readonly #exemplars: ExpositionExemplar[] = [];
  readonly #families = new Map<string, FamilyDraft>();
  #values = new Float64Array(256);
  #timestampsMs = new Float64Array(256);

  constructor(
    scanner: ExpositionScanner,
    options: {
      readonly openMetrics: boolean;
      readonly samplesMax: number;
      readonly cache: Map<string, Labels> | undefined;
    },
  ) {
    this.#scanner = scanner;
    this.#openMetrics = options.openMetrics;
    this.#samplesMax = options.samplesMax;
    this.#cache = options.cache;
  }

  result(): Exposition {
    const count = this.#labels.length;
    return {
      count,
      labels: this.#labels,
      values: this.#values.slice(0, count),
      timestampsMs: this.#timestampsMs.slice(0, count),
      metadata: Array.from(this.#families, ([family, draft]) => ({ family, ...draft })),
      exemplars: this.#exemplars,
    };
  }

  parse(): void {
    const scanner = this.#scanner;
    while (!scanner.done) {
      if (!this.#openMetrics) {
        scanner.skipSpace();
        if (scanner.take("\n")) continue;
        if (scanner.done) break;
      }
      if (scanner.peek() !== "#") this.#sample();
      else if (this.#comment() === "end") return;
    }
    if (this.#openMetrics) throw scanner.fault("# EOF at the end");
  }

  /** A line that starts with `#`. */
  #comment(): "end" | undefined {
    const scanner = this.#scanner;
    const start = scanner.at;
    if (this.#openMetrics && scanner.take("# EOF")) {
      scanner.take("\n");
      if (!scanner.done) throw scanner.fault("nothing after # EOF");
      return "end";
    }
    scanner.at++;
    const spaced = scanner.skipSpace();
    const keyword = /^(?:HELP|TYPE|UNIT)(?=[ \t])/.exec(
      scanner.text.slice(scanner.at, scanner.at + 5),
    )?.[0];
    if (!spaced || keyword === undefined || (keyword === "UNIT" && !this.#openMetrics)) {
      if (this.#openMetrics) {
        scanner.at = start;
        throw scanner.fault("# HELP, # TYPE, # UNIT or # EOF");
      }
      scanner.restOfLine();
      return undefined;
    }
    scanner.at += keyword.length;
    scanner.skipSpace();
    const name = scanner.metricName();
    const valueAt = scanner.at + 1;
    const rest = this.#restAfterName();
    const family = this.#family(name);
    if (keyword === "HELP") family.help = unescapeText(rest);
    else if (keyword === "TYPE") family.type = this.#type(rest.trim(), valueAt);
    else family.unit = this.#unit(rest, name, valueAt);
    return undefined;
  }

  #restAfterName(): string {
    const scanner = this.#scanner;
    const next = scanner.peek();
    if (next !== " " && next !== "\t" && next !== "\n")
      throw scanner.fault("a space after the metric name");
    const rest = scanner.restOfLine();
    return this.#openMetrics ? rest.slice(1) : rest.replace(/^[ \t]+/, "");
  }

  #type(word: string, at: number): MetricType {
    const type = (this.#openMetrics ? OPENMETRICS_TYPES : TEXT_TYPES).get(word);
    if (type !== undefined) return type;
    this.#scanner.at = Math.min(at, this.#scanner.at - 1);
    throw this.#scanner.fault("a metric type");
  }

  #unit(unit: string, name: string, at: number): string {
    if (unit === "" || name.endsWith(`_${unit}`)) return unit;
    this.#scanner.at = at;
    throw this.#scanner.fault(`a unit that ${name} ends with`);
  }

  #family(name: string): FamilyDraft {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { type: "unknown", help: "", unit: "" };
      this.#families.set(name, family);
    }
    return family;
  }

  #sample(): void {
    const scanner = this.#scanner;
    const row = this.#labels.length;
    if (row >= this.#samplesMax)
      throw tooLarge(`the exposition has more than ${this.#samplesMax} samples`);
    if (row >= this.#values.length) this.#grow();
    this.#labels.push(this.#series());
    scanner.skipSpace();
    this.#values[row] = this.#number("a value");
    this.#timestampsMs[row] = Number.NaN;
    const spaced = scanner.skipSpace();
    if (spaced && scanner.peek() !== "\n" && scanner.peek() !== "#") {
      this.#timestampsMs[row] = this.#time();
      scanner.skipSpace();
    }
    if (this.#openMetrics && scanner.peek() === "#") this.#exemplar(row);
    scanner.endLine();
  }

  #series(): Labels {
    const scanner = this.#scanner;
    const start = scanner.at;
    const pairs: string[] = [];
    if (scanner.peek() !== "{") pairs.push("__name__", scanner.metricName());
    if (!this.#openMetrics) scanner.skipSpace();
    const end = scanner.peek() === "{" ? scanner.labelSetEnd() : scanner.at;
    const key = scanner.text.slice(start, end);
    const known = this.#cache?.get(key);
    if (known !== undefined) {
      scanner.at = end;
      return known;
    }
    if (scanner.peek() === "{") scanner.labelSet(pairs);
    const labels = scanner.labelsOf(pairs, start);
    if (labels.get("__name__") === "") {
      scanner.at = start;
      throw scanner.fault("a metric name");
    }
    this.#cache?.set(key, labels);
    return labels;
  }

  #number(expected: string): number {
    const scanner = this.#scanner;
    const start = scanner.at;
    const value = parseFloatText(scanner.token(expected));
    if (value !== undefined) return value;
    scanner.at = start;
    throw scanner.fault(expected);
  }

  /** Milliseconds: as they stand in the text format, from seconds in OpenMetrics. */
  #time(): number {
    const scanner = this.#scanner;
    const start = scanner.at;
    const token = scanner.token("a timestamp");
    const whole = /^[+-]?[0-9]+$/.test(token);
    const number = this.#openMetrics || whole ? parseFloatText(token) : undefined;
    const ms =
      number === undefined ? Number.NaN : this.#openMetrics ? Math.trunc(number * 1000) : number;
    if (Number.isSafeInteger(ms)) return ms + 0;
    scanner.at = start;
    throw scanner.fault(
      this.#openMetrics ? "a timestamp in seconds" : "a timestamp in whole milliseconds",
    );
  }

  #exemplar(row: number): void {
    const scanner = this.#scanner;
    if (!scanner.take("# ") || scanner.peek() !== "{")
      throw scanner.fault("an exemplar: # {labels} value");
    const start = scanner.at;
    const pairs: string[] = [];
    scanner.labelSet(pairs);
    const labels = scanner.labelsOf(pairs, start);
    scanner.skipSpace();
    const value = this.#number("the value of the exemplar");
    const timed = scanner.skipSpace() && scanner.peek() !== "\n";
    this.#exemplars.push({ row, labels, value, timestampMs: timed ? this.#time() : undefined });
  }

  #grow(): void {
    const values = new Float64Array(this.#values.length * 2);
    values.set(this.#values);
    this.#values = values;
    const timestampsMs = new Float64Array(this.#timestampsMs.length * 2);
    timestampsMs.set(this.#timestampsMs);
    this.#timestampsMs = timestampsMs;
  }
}
