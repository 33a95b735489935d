/**
 * A day of logs in files, made once and read by every engine: `raw.log` (the lines in order of time, as a log file has them; an entry of several
 * lines is several lines of the file), and in little endian for each entry `times.bin` (i64, Unix ns), `streams.bin` (u16, into `corpus.json`) and
 * `lengths.bin` (u32, bytes without the line break that ends the entry). `corpus.json` says what is in it and has needles to look for.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ADDRESSES, addressOf, createRequest, frequent, SERVICES, writeLine } from "./log-lines.ts";
import type { CorpusStream, LineTime, LogShape } from "./log-lines.ts";
import { createRandom } from "./traffic-random.ts";
import type { Random } from "./traffic-random.ts";

/** Raised when the same options would give other bytes. */
const GENERATOR = 1;
const DESCRIPTION = "corpus.json";
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 19);
const STREAM_COUNTS: Readonly<Record<LogShape, number>> = {
  json: 12,
  logfmt: 140,
  syslog: 30,
  java: 18,
};
const SHAPES = ["json", "logfmt", "syslog", "java"] as const;
const SYSLOG_SHARE = 0.4;
const ACCESS_SHARE = 0.9;
const STACK_TRACE_SHARE = 0.01;
const NEEDLES_OF_A_KIND = 100;
/** Bytes of the file that are read or written at once. */
const CHUNK_BYTES = 4 << 20;

export interface Needle {
  readonly kind: "trace" | "user" | "address";
  readonly text: string;
  /** Entries that contain it. It stands in one line of each, so that a search of the file finds as many lines. */
  readonly count: number;
}

export interface Corpus {
  readonly generator: number;
  readonly entries: number;
  readonly seed: number;
  readonly directory: string;
  /** Lines of the file. */
  readonly lines: number;
  /** Of the file. */
  readonly bytes: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly streams: readonly CorpusStream[];
  readonly needles: readonly Needle[];
}

/** Entries that follow one another. Row `i` is `bytes[starts[i] … starts[i] + lengths[i])`; a line break follows it. Valid until the next is asked for. */
export interface CorpusPart {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  readonly timesNs: BigInt64Array;
  readonly streams: Uint16Array;
}

export const rawPath = (corpus: Corpus): string => join(corpus.directory, "raw.log");

/** The corpus below `cache`, made when it is not there. */
export function prepareCorpus(
  cache: string,
  options: { readonly entries: number; readonly seed: number },
): Corpus {
  const directory = join(cache, `logs-${options.entries}-${options.seed}`);
  const description = join(directory, DESCRIPTION);
  if (existsSync(description)) {
    const known = loadCorpus(directory);
    if (known.generator === GENERATOR) return known;
  }
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const corpus = writeCorpus(directory, options);
  writeFileSync(`${description}.part`, JSON.stringify(corpus));
  renameSync(`${description}.part`, description);
  return corpus;
}

/** A corpus that was prepared. */
export function loadCorpus(directory: string): Corpus {
  const known = JSON.parse(readFileSync(join(directory, DESCRIPTION), "utf8")) as Corpus;
  return { ...known, directory };
}

/** The entries, `count` at a time. */
export function* readCorpus(corpus: Corpus, count: number): Generator<CorpusPart> {
  const open = (name: string) => openSync(join(corpus.directory, name), "r");
  const files = {
    raw: open("raw.log"),
    times: open("times.bin"),
    streams: open("streams.bin"),
    lengths: open("lengths.bin"),
  };
  const timesNs = new BigInt64Array(count);
  const streams = new Uint16Array(count);
  const lengths = new Uint32Array(count);
  const starts = new Uint32Array(count);
  let bytes = new Uint8Array(CHUNK_BYTES);
  try {
    for (let left = corpus.entries; left > 0; left -= count) {
      const rows = Math.min(left, count);
      mustRead(files.times, bytesOf(timesNs).subarray(0, 8 * rows));
      mustRead(files.streams, bytesOf(streams).subarray(0, 2 * rows));
      mustRead(files.lengths, bytesOf(lengths).subarray(0, 4 * rows));
      let end = 0;
      for (let row = 0; row < rows; row++) {
        starts[row] = end;
        end += lengths[row]! + 1;
      }
      if (bytes.length < end) bytes = new Uint8Array(end);
      mustRead(files.raw, bytes.subarray(0, end));
      yield { count: rows, bytes: bytes.subarray(0, end), starts, lengths, timesNs, streams };
    }
  } finally {
    for (const file of Object.values(files)) closeSync(file);
  }
}

function mustRead(file: number, target: Uint8Array): void {
  for (let done = 0; done < target.length;) {
    const read = readSync(file, target, done, target.length - done, null);
    if (read === 0) throw new RangeError("the corpus is cut off; remove its directory");
    done += read;
  }
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function writeCorpus(
  directory: string,
  options: { readonly entries: number; readonly seed: number },
): Corpus {
  const { entries, seed } = options;
  const random = createRandom(seed);
  const streams = createStreams(random);
  const byShape = new Map(
    SHAPES.map((shape) => [shape, [...streams.keys()].filter((i) => streams[i]!.shape === shape)]),
  );
  const writer = new CorpusWriter(directory, streams, { random, entries });
  const anyOf = (shape: LogShape) => byShape.get(shape)!;
  while (writer.count < entries) {
    const request = createRequest(random);
    if (random.uniform() < SYSLOG_SHARE) {
      const hosts = anyOf("syslog");
      writer.write(hosts[frequent(random, hosts.length)]!, request);
      continue;
    }
    writer.expectNeedle(request);
    const services = anyOf("logfmt");
    let service = frequent(random, SERVICES.length);
    for (let calls = random.below(3) + (random.below(3) > 0 ? 1 : 0); calls > 0; calls--) {
      const pods = services.length / SERVICES.length;
      writer.write(services[service * pods + random.below(pods)]!, request);
      service = (service + 1 + random.below(5)) % SERVICES.length;
    }
    if (random.uniform() < STACK_TRACE_SHARE)
      writer.write(anyOf("java")[random.below(STREAM_COUNTS.java)]!, request);
    if (random.uniform() < ACCESS_SHARE)
      writer.write(anyOf("json")[random.below(STREAM_COUNTS.json)]!, request);
  }
  const { bytes, lines } = writer.close();
  return {
    generator: GENERATOR,
    entries,
    seed,
    directory,
    lines,
    bytes,
    startMs: START_MS,
    endMs: START_MS + DAY_MS,
    streams,
    needles: writer.needles(),
  };
}

function createStreams(random: Random): CorpusStream[] {
  const streams: CorpusStream[] = [];
  for (const shape of SHAPES) {
    for (let i = 0; i < STREAM_COUNTS[shape]; i++) {
      const app = {
        json: "nginx",
        logfmt: SERVICES[Math.floor((i * SERVICES.length) / STREAM_COUNTS.logfmt)]!,
        syslog: "syslog",
        java: SERVICES[i]!,
      }[shape];
      const namespace = { json: "ingress", logfmt: "shop", syslog: "host", java: "legacy" }[shape];
      const labels = {
        cluster: "prod-eu",
        namespace,
        app,
        host: `node-${i % STREAM_COUNTS.syslog}`,
        type: shape,
        ...(shape === "syslog" ? {} : { pod: `${app}-${random.hex(9)}-${random.hex(5)}` }),
      };
      streams.push({ shape, labels });
    }
  }
  return streams;
}

/** Writes entries to the four files, their times spread over the day, and counts needles. */
class CorpusWriter {
  count = 0;
  readonly #files: Readonly<Record<"raw" | "times" | "streams" | "lengths", number>>;
  readonly #streams: readonly CorpusStream[];
  readonly #random: Random;
  readonly #entries: number;
  readonly #stepMicroseconds: number;
  readonly #clock = new LineClock();
  readonly #traces = new Map<string, number>();
  readonly #users = new Map<string, number>();
  readonly #addresses = new Map<string, number>();
  #microseconds = 0;
  #text: string[] = [];
  #textLength = 0;
  #times: bigint[] = [];
  #numbers: number[] = [];
  #lengths: number[] = [];
  #bytes = 0;
  #lines = 0;

  constructor(
    directory: string,
    streams: readonly CorpusStream[],
    { random, entries }: { readonly random: Random; readonly entries: number },
  ) {
    const open = (name: string) => openSync(join(directory, name), "w");
    this.#files = {
      raw: open("raw.log"),
      times: open("times.bin"),
      streams: open("streams.bin"),
      lengths: open("lengths.bin"),
    };
    this.#streams = streams;
    this.#random = random;
    this.#entries = entries;
    this.#stepMicroseconds = (DAY_MS * 1000) / (entries + 1);
    for (let number = 0; this.#addresses.size < NEEDLES_OF_A_KIND; number += 97) {
      const address = addressOf(number % ADDRESSES);
      // Only full octets: none of these is part of another address.
      if (/^(\d{3}\.){3}\d{3}$/.test(address)) this.#addresses.set(address, 0);
    }
  }

  /** Makes a needle of a request now and then. */
  expectNeedle({ traceId, user }: { readonly traceId: string; readonly user: number }): void {
    const due = (this.#traces.size + 0.5) / NEEDLES_OF_A_KIND;
    if (this.#traces.size >= NEEDLES_OF_A_KIND || this.count < due * this.#entries) return;
    this.#traces.set(traceId, 0);
    if (!this.#users.has(`u_${user}`)) this.#users.set(`u_${user}`, 0);
  }

  write(stream: number, request: Parameters<typeof writeLine>[1]): void {
    if (this.count >= this.#entries) return;
    const jitter = 0.2 + 1.6 * this.#random.uniform();
    this.#microseconds = Math.min(
      this.#microseconds + jitter * this.#stepMicroseconds,
      DAY_MS * 1000 - 1,
    );
    const whole = Math.floor(this.#microseconds);
    const time = this.#clock.at(START_MS + Math.floor(whole / 1000));
    const line = writeLine(this.#random, request, this.#streams[stream]!, time);
    // Never on the bound of a minute, which a window of LogQL and a group of SQL count to different minutes.
    this.#times.push(
      BigInt(START_MS) * 1_000_000n + BigInt(whole) * 1000n + BigInt(1 + this.#random.below(999)),
    );
    this.#numbers.push(stream);
    this.#lengths.push(line.length);
    this.#text.push(line);
    this.#textLength += line.length + 1;
    this.count++;
    this.#countNeedles(line, request);
    if (this.#textLength >= CHUNK_BYTES) this.#flush();
  }

  close(): { readonly bytes: number; readonly lines: number } {
    this.#flush();
    for (const file of Object.values(this.#files)) closeSync(file);
    return { bytes: this.#bytes, lines: this.#lines };
  }

  /** Those that came; a small corpus has few. */
  needles(): readonly Needle[] {
    const kinds = { trace: this.#traces, user: this.#users, address: this.#addresses };
    return Object.entries(kinds).flatMap(([kind, counts]) =>
      [...counts]
        .filter(([, count]) => count > 0)
        .map(([text, count]) => ({ kind: kind as Needle["kind"], text, count })),
    );
  }

  #countNeedles(line: string, { traceId, user }: Parameters<typeof writeLine>[1]): void {
    const count = (counts: Map<string, number>, text: string) => {
      const known = counts.get(text);
      if (known !== undefined && line.includes(text)) counts.set(text, known + 1);
    };
    count(this.#traces, traceId);
    count(this.#users, `u_${user}`);
    const address = /[^\d](\d{3}\.\d{3}\.\d{3}\.\d{3})[^\d]/.exec(line)?.[1];
    if (address !== undefined) count(this.#addresses, address);
  }

  #flush(): void {
    const raw = Buffer.from(`${this.#text.join("\n")}\n`, "latin1");
    if (this.#text.length === 0) return;
    writeSync(this.#files.raw, raw);
    for (const byte of raw) if (byte === 10) this.#lines++;
    writeSync(this.#files.times, bytesOf(BigInt64Array.from(this.#times)));
    writeSync(this.#files.streams, bytesOf(Uint16Array.from(this.#numbers)));
    writeSync(this.#files.lengths, bytesOf(Uint32Array.from(this.#lengths)));
    this.#bytes += raw.length;
    this.#text = [];
    this.#textLength = 0;
    this.#times = [];
    this.#numbers = [];
    this.#lengths = [];
  }
}

/** Notations of the time, made once for each second. */
class LineClock {
  #second = -1;
  #iso = "";
  #syslog = "";

  at(timeMs: number): LineTime {
    const second = Math.floor(timeMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      const date = new Date(second * 1000);
      this.#iso = date.toISOString().slice(0, 20);
      this.#syslog = `Nov ${date.getUTCDate()} ${date.toISOString().slice(11, 19)}`;
    }
    const ms = String(timeMs % 1000).padStart(3, "0");
    return { iso: `${this.#iso}${ms}Z`, syslog: this.#syslog };
  }
}
