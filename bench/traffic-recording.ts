/**
 * Remote-write traffic in a file, made once and replayed at every server: `u32 samples, u32 bytes, body` for each request (little endian, body as sent,
 * Snappy), a record of two zeros after the last request of each scrape interval. Beside it `NAME.json` says what is in it.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import { createRandom } from "./traffic-random.ts";
import type { Random } from "./traffic-random.ts";
import { createTrafficSeries } from "./traffic-series.ts";
import type { TrafficSeries } from "./traffic-shape.ts";
import { moveValues } from "./traffic-values.ts";

/** Raised when the same options would give other bytes. */
const GENERATOR = 2;
const HEADER_BYTES = 8;
/** Where value and timestamp stand before the end of a series: `12 10 09 VALUE(8) 10 TIME(6)`. */
const VALUE_FROM_END = 15;
const TIME_FROM_END = 6;
const TIME_BYTES = 6;
const REQUEST_SAMPLES_MIN = 500;
const REQUEST_SAMPLES_MAX = 2000;
const READ_CHUNK_BYTES = 16 << 20;
/** Share of scrapes that are off their schedule, and by how much at most. */
const JITTER_SHARE = 0.05;
const JITTER_MS = 4;

export interface TrafficOptions {
  readonly series: number;
  /** Scrapes of every target. */
  readonly intervals: number;
  readonly intervalMs: number;
  readonly seed: number;
}

export interface Traffic extends TrafficOptions {
  readonly generator: number;
  readonly path: string;
  readonly samples: number;
  readonly requests: number;
  readonly bytes: number;
  readonly labelsPerSeries: number;
  /** Of one sample before compression. */
  readonly rawBytesPerSample: number;
  readonly startMs: number;
  readonly endMs: number;
}

export interface RecordedRequest {
  readonly samples: number;
  readonly body: Uint8Array;
}

/**
 * The recording at `path`, made when it is not there, is of other options, or ends earlier than `notBeforeMs`: servers refuse what is too old.
 * A new one ends at `endMs`.
 */
export function prepareTraffic(
  path: string,
  options: TrafficOptions,
  times: { readonly endMs: number; readonly notBeforeMs: number },
): Traffic {
  const known = existsSync(`${path}.json`)
    ? (JSON.parse(readFileSync(`${path}.json`, "utf8")) as Traffic)
    : undefined;
  const fits =
    known !== undefined &&
    known.generator === GENERATOR &&
    known.series === options.series &&
    known.intervals === options.intervals &&
    known.intervalMs === options.intervalMs &&
    known.seed === options.seed;
  if (fits && known.endMs >= times.notBeforeMs && existsSync(path)) return { ...known, path };
  const traffic = record(path, options, times.endMs);
  writeFileSync(`${path}.json`, JSON.stringify(traffic));
  return traffic;
}

/** One list of requests for each scrape interval; bodies are valid until the next is asked for. */
export function* readTraffic(path: string): Generator<readonly RecordedRequest[]> {
  const file = openSync(path, "r");
  try {
    let buffer = new Uint8Array(0);
    let at = 0;
    // Appends what comes next in the file, in fresh memory: earlier bodies may still be on their way out.
    const has = (bytes: number): boolean => {
      if (buffer.length - at >= bytes) return true;
      const rest = buffer.subarray(at);
      const next = new Uint8Array(rest.length + Math.max(READ_CHUNK_BYTES, bytes));
      next.set(rest);
      const read = readSync(file, next, rest.length, next.length - rest.length, null);
      buffer = next.subarray(0, rest.length + read);
      at = 0;
      return buffer.length >= bytes;
    };
    let requests: RecordedRequest[] = [];
    while (has(HEADER_BYTES)) {
      const view = new DataView(buffer.buffer, buffer.byteOffset + at, HEADER_BYTES);
      const [samples, bytes] = [view.getUint32(0, true), view.getUint32(4, true)];
      at += HEADER_BYTES;
      if (samples === 0) {
        yield requests;
        requests = [];
        continue;
      }
      if (!has(bytes)) throw new RangeError(`${path} is cut off`);
      requests.push({ samples, body: buffer.subarray(at, at + bytes) });
      at += bytes;
    }
  } finally {
    closeSync(file);
  }
}

/** All series once, encoded with room for value and time, which each scrape writes anew. */
interface Template {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where series `i` begins; one more than there are series. */
  readonly starts: Uint32Array;
}

function record(path: string, options: TrafficOptions, endMs: number): Traffic {
  const series = createTrafficSeries({ count: options.series, seed: options.seed });
  const random = createRandom(options.seed ^ 0x5eed);
  const template = encodeTemplate(series);
  const { intervals, intervalMs } = options;
  const startMs = Math.floor(endMs / 60_000) * 60_000 - intervals * intervalMs;
  const targets = series.at(-1)!.target + 1;
  const phasesMs = Float64Array.from(
    { length: targets },
    () => random.below(intervalMs - 2 * JITTER_MS) + JITTER_MS,
  );
  const timesMs = new Float64Array(targets);
  const file = openSync(`${path}.part`, "w");
  let requests = 0;
  let bytes = 0;
  try {
    for (let interval = 0; interval < intervals; interval++) {
      for (let target = 0; target < targets; target++) {
        const jitterMs =
          random.uniform() < JITTER_SHARE ? random.below(2 * JITTER_MS + 1) - JITTER_MS : 0;
        timesMs[target] = startMs + interval * intervalMs + phasesMs[target]! + jitterMs;
      }
      moveValues(series, random, { timesMs, intervalMs });
      fillTemplate(template, series, timesMs);
      const written = writeInterval(file, template, random);
      requests += written.requests;
      bytes += written.bytes;
    }
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.part`, path);
  return {
    ...options,
    generator: GENERATOR,
    path,
    samples: series.length * intervals,
    requests,
    bytes,
    labelsPerSeries:
      series.reduce((sum, { labels }) => sum + Object.keys(labels).length, 0) / series.length,
    rawBytesPerSample: template.bytes.length / series.length,
    startMs,
    endMs: startMs + intervals * intervalMs,
  };
}

function encodeTemplate(series: readonly TrafficSeries[]): Template {
  const writer = new ProtobufWriter(series.length * 640);
  const starts = new Uint32Array(series.length + 1);
  for (const [i, { labels }] of series.entries()) {
    const message = writer.begin(1);
    for (const name of Object.keys(labels).toSorted()) {
      const label = writer.begin(1);
      writer.writeString(1, name);
      writer.writeString(2, labels[name]!);
      writer.end(label);
    }
    const sample = writer.begin(2);
    writer.writeDoubleWords(1, 0, 0x3ff00000);
    writer.writeInt64(2, Date.UTC(2026));
    writer.end(sample);
    writer.end(message);
    starts[i + 1] = writer.length;
  }
  const bytes = writer.finish();
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), starts };
}

function fillTemplate(
  template: Template,
  series: readonly TrafficSeries[],
  timesMs: Float64Array,
): void {
  const { bytes, view, starts } = template;
  for (let i = 0; i < series.length; i++) {
    const end = starts[i + 1]!;
    const { value, target } = series[i]!;
    view.setFloat64(end - VALUE_FROM_END, value, true);
    let rest = timesMs[target]!;
    for (let k = end - TIME_FROM_END; k < end; k++) {
      bytes[k] = (rest % 128) | (k === end - 1 ? 0 : 0x80);
      rest = Math.floor(rest / 128);
    }
    if (rest !== 0) throw new RangeError(`a timestamp does not fit ${TIME_BYTES} bytes`);
  }
}

function writeInterval(
  file: number,
  template: Template,
  random: Random,
): { readonly requests: number; readonly bytes: number } {
  const { bytes: raw, starts } = template;
  const count = starts.length - 1;
  let requests = 0;
  let bytes = 0;
  const put = (samples: number, body: Uint8Array) => {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    header.setUint32(0, samples, true);
    header.setUint32(4, body.length, true);
    writeSync(file, header);
    if (body.length > 0) writeSync(file, body);
  };
  for (let from = 0; from < count;) {
    let samples = REQUEST_SAMPLES_MIN + random.below(REQUEST_SAMPLES_MAX - REQUEST_SAMPLES_MIN + 1);
    if (count - from - samples < REQUEST_SAMPLES_MIN) samples = count - from;
    const body = encodeSnappy(raw.subarray(starts[from], starts[from + samples]));
    put(samples, body);
    requests++;
    bytes += body.length;
    from += samples;
  }
  put(0, new Uint8Array(0));
  return { requests, bytes };
}
