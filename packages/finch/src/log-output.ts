/**
 * Where log events go: to stderr (logfmt, or pretty on a terminal), and into Finch's own log store as the stream
 * `{job="finch", service_name="finch", level=…}`, through the same ingest path as anybody's.
 */
import { formatLogfmt } from "@finch/runtime";
import type { LogEvent, LogLevel, LogSink } from "@finch/runtime";
import type { LogFormat } from "./config-options.ts";

export interface OwnLogLine {
  readonly level: LogLevel;
  readonly timeNs: bigint;
  readonly line: string;
}

/** Takes lines into the store; resolves when they are durable. */
export type OwnLogWriter = (lines: readonly OwnLogLine[]) => Promise<void>;

/** Lines that wait for the store; more are dropped and counted, so that a store that cannot write costs a fixed amount of memory. */
const WAITING_MAX = 1000;
const FLUSH_MS = 1000;

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: "\u001B[2m",
  info: "\u001B[32m",
  warn: "\u001B[33m",
  error: "\u001B[31m",
};
const RESET = "\u001B[0m";
const DIM = "\u001B[2m";

/** A sink that writes one line an event to `stream`. */
export function createStreamSink(stream: NodeJS.WriteStream, format: LogFormat): LogSink {
  const pretty = format === "pretty" || (format === "auto" && stream.isTTY);
  const coloured = pretty && stream.isTTY && process.env["NO_COLOR"] === undefined;
  return (event) => {
    stream.write(`${pretty ? formatPretty(event, coloured) : formatLogfmt(event)}\n`);
  };
}

/** `12:01:07 info  store:wal  segment cut  bytes=12` for a person at a terminal. */
export function formatPretty(event: LogEvent, coloured: boolean): string {
  const paint = (text: string, colour: string) => (coloured ? `${colour}${text}${RESET}` : text);
  const time = new Date(event.timeMs).toLocaleTimeString("en-GB");
  const level = paint(event.level.padEnd(5), COLOURS[event.level]);
  let line = `${paint(time, DIM)} ${level} ${event.msg}`;
  for (const [name, value] of Object.entries(event.fields)) {
    if (value !== undefined) line += ` ${paint(`${name}=`, DIM)}${String(value)}`;
  }
  return `${line} ${paint(`(${event.part})`, DIM)}`;
}

/**
 * Gathers events and hands them to the store once a second. There is no loop: what happens while a batch is being written (the store's own
 * events, a failed write) is kept on stderr only, and writing never logs.
 */
export class OwnLogs {
  readonly sink: LogSink = (event) => this.#take(event);
  #writer: OwnLogWriter | undefined;
  #waiting: OwnLogLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #lastNs = 0n;
  droppedTotal = 0;

  /** From now on, lines go to the store; those since the start come first. */
  connect(writer: OwnLogWriter): void {
    this.#writer = writer;
    this.#schedule();
  }

  /** Writes what waits and lets go of the store. */
  async disconnect(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#flush();
    this.#writer = undefined;
  }

  #take(event: LogEvent): void {
    if (this.#isWriting && event.part.startsWith("store")) return;
    if (this.#waiting.length >= WAITING_MAX) {
      this.droppedTotal++;
      return;
    }
    // Events of one millisecond keep their order, and equal ones are not taken for duplicates.
    const timeNs = BigInt(Math.floor(event.timeMs)) * 1_000_000n;
    this.#lastNs = timeNs > this.#lastNs ? timeNs : this.#lastNs + 1n;
    this.#waiting.push({ level: event.level, timeNs: this.#lastNs, line: formatLogfmt(event) });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#writer === undefined || this.#timer !== undefined || this.#waiting.length === 0)
      return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, FLUSH_MS);
    this.#timer.unref();
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const writer = this.#writer;
    const lines = this.#waiting;
    if (writer === undefined || lines.length === 0) return;
    this.#waiting = [];
    this.#isWriting = true;
    // A write that fails has been told on stderr by whoever failed; the lines stand there too.
    this.#writing = writer(lines)
      .catch(() => {
        this.droppedTotal += lines.length;
      })
      .finally(() => {
        this.#isWriting = false;
      });
    await this.#writing;
  }
}

/** Sends each event to all sinks. */
export function joinSinks(sinks: readonly LogSink[]): LogSink {
  return (event) => {
    for (const sink of sinks) sink(event);
  };
}
