/**
 * Influx line protocol: `measurement,tag=value field=1.5,other=2i 1700000000000000000`, a line a point. Each field that is a number or a truth value
 * becomes a sample of the series `measurement_field` (`measurement` alone for a field named `value`), tags become labels; names are escaped to
 * Prometheus' classic ones, as Mimir does it. Text fields are left out, as there. A line that cannot be read refuses the body with its number.
 */
import { Labels } from "@finch/model";
import type { SampleBatch } from "@finch/model";
import { badBody } from "./errors.ts";
import { isUtf8 } from "node:buffer";
import type { BatchLimits } from "./sample-batch-builder.ts";
import { SampleBatchBuilder } from "./sample-batch-builder.ts";
import { bufferOver } from "./text-bytes.ts";

export interface InfluxOptions {
  /** What timestamps count: `n`, `ns`, `u`, `us`, `ms`, `s`, `m` or `h`; empty is nanoseconds. */
  readonly precision: string;
  /** For points without a time. */
  readonly nowMs: number;
  readonly limits: BatchLimits & {
    readonly labelsPerSeriesMax: number;
    readonly labelNameBytesMax: number;
    readonly labelValueBytesMax: number;
  };
}

export interface InfluxResult {
  readonly batch: SampleBatch;
  /** Series left out for their labels; the first few reasons. */
  readonly skippedSeries: number;
  readonly faults: readonly string[];
  /** Fields that are text, which no series can hold. */
  readonly textFields: number;
}

/** Nanoseconds of one unit of each precision. */
const PRECISION_NS: Readonly<Record<string, bigint>> = {
  "": 1n,
  n: 1n,
  ns: 1n,
  u: 1000n,
  us: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const FAULTS_TOLD_MAX = 10;

/** Reads a body; throws a FinchError `invalid` that names the line and column, or `too-large`. */
export function decodeInfluxLines(body: Uint8Array, options: InfluxOptions): InfluxResult {
  const unitNs = Object.hasOwn(PRECISION_NS, options.precision)
    ? PRECISION_NS[options.precision]
    : undefined;
  if (unitNs === undefined)
    throw badBody(
      `precision supplied is not valid: ${options.precision}: give ns, us, ms, s, m or h`,
    );
  if (!isUtf8(body)) throw badBody("the body is not valid UTF-8");
  const text = bufferOver(body).toString("utf8");
  const decoder = new LineDecoder(text, unitNs, options);
  decoder.readAll();
  return decoder.result();
}

interface Field {
  readonly name: string;
  readonly value: number;
}

class LineDecoder {
  readonly #text: string;
  readonly #unitNs: bigint;
  readonly #options: InfluxOptions;
  readonly #builder: SampleBatchBuilder;
  readonly #faults: string[] = [];
  #skipped = 0;
  #textFields = 0;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, unitNs: bigint, options: InfluxOptions) {
    this.#text = text;
    this.#unitNs = unitNs;
    this.#options = options;
    this.#builder = new SampleBatchBuilder(options.limits, text.length >>> 6);
  }

  result(): InfluxResult {
    return {
      batch: this.#builder.finish(),
      skippedSeries: this.#skipped,
      faults: this.#faults,
      textFields: this.#textFields,
    };
  }

  readAll(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      while (text[this.#at] === " " || text[this.#at] === "\t" || text[this.#at] === "\r")
        this.#at++;
      const first = text[this.#at];
      if (first === "#") this.#skipLine();
      else if (first !== "\n" && first !== undefined) this.#readPoint();
      if (text[this.#at] === "\n") this.#endLine();
    }
  }

  #readPoint(): void {
    const measurement = this.#readName(", ", "a measurement");
    const tags: string[] = [];
    while (this.#text[this.#at] === ",") {
      this.#at++;
      const key = this.#readName("=, ", "a tag's key");
      this.#expect("=", "behind a tag's key");
      tags.push(key, this.#readName(", =", "a tag's value"));
    }
    this.#skipSpaces();
    const fields: Field[] = [];
    do {
      const name = this.#readName("=, ", "a field's key");
      this.#expect("=", "behind a field's key");
      const value = this.#readValue();
      if (value === undefined) this.#textFields++;
      else fields.push({ name, value });
    } while (this.#takes(","));
    this.#skipSpaces();
    const timeMs = this.#readTime();
    this.#addSeries(measurement, tags, { fields, timeMs });
  }

  #addSeries(
    measurement: string,
    tags: readonly string[],
    point: { readonly fields: readonly Field[]; readonly timeMs: number },
  ): void {
    const pairs: string[] = [];
    const names = new Set<string>();
    for (let i = 0; i < tags.length; i += 2) {
      const name = classicName(tags[i]!);
      if (name === "__name__") continue;
      if (names.has(name)) throw this.#bad(`tag ${JSON.stringify(name)} is given twice`);
      names.add(name);
      pairs.push(name, tags[i + 1]!);
    }
    for (const { name, value } of point.fields) {
      const metric = classicName(name === "value" ? measurement : `${measurement}_${name}`);
      const all = ["__name__", metric, ...pairs];
      const fault = this.#limitFault(all);
      if (fault !== undefined) {
        this.#skipped++;
        if (this.#faults.length < FAULTS_TOLD_MAX)
          this.#faults.push(`line ${this.#line}: ${fault}`);
        continue;
      }
      this.#builder.beginSeries();
      this.#builder.writeLabels(Labels.fromPairs(all));
      this.#builder.addValue(point.timeMs, value, 0);
      this.#builder.endSeries();
    }
  }

  #limitFault(pairs: readonly string[]): string | undefined {
    const { labelsPerSeriesMax, labelNameBytesMax, labelValueBytesMax } = this.#options.limits;
    if (pairs.length / 2 > labelsPerSeriesMax)
      return `series ${pairs[1]!} has ${pairs.length / 2} labels, ${labelsPerSeriesMax} are allowed`;
    for (let i = 0; i < pairs.length; i += 2) {
      if (Buffer.byteLength(pairs[i]!) > labelNameBytesMax)
        return `a label name of ${pairs[1]!.slice(0, 100)} is longer than ${labelNameBytesMax} bytes`;
      if (Buffer.byteLength(pairs[i + 1]!) > labelValueBytesMax)
        return `the value of label ${pairs[i]!} is longer than ${labelValueBytesMax} bytes`;
    }
    return undefined;
  }

  /** Text up to one of `ends`, a backslash taking the character behind it as it is when it would end or escape. */
  #readName(ends: string, what: string): string {
    const text = this.#text;
    const start = this.#at;
    let name = "";
    let from = start;
    while (this.#at < text.length) {
      const char = text[this.#at]!;
      if (char === "\n" || ends.includes(char)) break;
      const next = text[this.#at + 1];
      if (char === "\\" && next !== undefined && (ends.includes(next) || ",= ".includes(next))) {
        name += text.slice(from, this.#at) + next;
        this.#at += 2;
        from = this.#at;
      } else this.#at++;
    }
    name += text.slice(from, this.#at);
    if (name === "") throw this.#bad(`${what} is missing`);
    return name;
  }

  /** The number a field holds, undefined for text. */
  #readValue(): number | undefined {
    const text = this.#text;
    if (text[this.#at] === '"') {
      this.#skipText();
      return undefined;
    }
    const start = this.#at;
    while (this.#at < text.length && !", \n\r".includes(text[this.#at]!)) this.#at++;
    const word = text.slice(start, this.#at);
    if (/^(?:t|T|true|True|TRUE)$/.test(word)) return 1;
    if (/^(?:f|F|false|False|FALSE)$/.test(word)) return 0;
    if (/^-?\d+i$/.test(word) || /^\d+u$/.test(word)) return Number(word.slice(0, -1));
    if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(word)) {
      const value = Number(word);
      if (Number.isFinite(value)) return value;
    }
    this.#at = start;
    throw this.#bad(`invalid field value ${JSON.stringify(word.slice(0, 50))}`);
  }

  #skipText(): void {
    const text = this.#text;
    const start = this.#at++;
    while (this.#at < text.length && text[this.#at] !== '"') {
      if (text[this.#at] === "\\") this.#at++;
      if (text[this.#at] === "\n") {
        this.#line++;
        this.#lineStart = this.#at + 1;
      }
      this.#at++;
    }
    if (this.#at >= text.length) {
      this.#at = start;
      throw this.#bad("a text is not closed");
    }
    this.#at++;
  }

  #readTime(): number {
    const text = this.#text;
    const start = this.#at;
    while (this.#at < text.length && !" \n\r\t".includes(text[this.#at]!)) this.#at++;
    const word = text.slice(start, this.#at);
    while (" \r\t".includes(text[this.#at] ?? "\n")) this.#at++;
    if (text[this.#at] !== undefined && text[this.#at] !== "\n")
      throw this.#bad("more than a time behind the fields");
    if (word === "") return this.#options.nowMs;
    if (!/^-?\d{1,19}$/.test(word)) {
      this.#at = start;
      throw this.#bad(`bad timestamp ${JSON.stringify(word.slice(0, 50))}`);
    }
    const ms = Number((BigInt(word) * this.#unitNs) / 1_000_000n);
    if (!Number.isSafeInteger(ms)) throw this.#bad(`timestamp ${word} is out of range`);
    return ms;
  }

  #skipSpaces(): void {
    if (this.#text[this.#at] !== " " && this.#text[this.#at] !== "\t") return;
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
  }

  #takes(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #expect(char: string, where: string): void {
    if (!this.#takes(char)) throw this.#bad(`${JSON.stringify(char)} is missing ${where}`);
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #endLine(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  #bad(message: string) {
    return badBody(`line ${this.#line}, column ${this.#at - this.#lineStart + 1}: ${message}`);
  }
}

/** A name with everything but letters, digits, `_` and `:` as `_`, and one before a leading digit. */
function classicName(name: string): string {
  const escaped = name.replaceAll(/[^a-zA-Z0-9_:]/gu, "_");
  return /^\d/.test(escaped) ? `_${escaped}` : escaped;
}
