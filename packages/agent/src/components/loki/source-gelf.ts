/** `loki.source.gelf`: listens for GELF over UDP, plain, gzip or zlib, in one datagram or several. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { Labels } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { LogEntry } from "../../receivers.ts";
import { createRelabeler } from "../../relabel.ts";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { unlessAborted } from "../../until-aborted.ts";
import { forwardUntilTaken, uniqueNanoseconds } from "./forward.ts";
import { GelfAssembler, readGelf } from "./gelf-message.ts";
import type { GelfMessage } from "./gelf-message.ts";
import { parseSyslogAddress } from "./syslog-listener.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  listen_address: optional("string", "0.0.0.0:12201", "UDP address to listen on, HOST:PORT."),
  relabel_rules: maybe("relabel-rules", "Rules that make labels from `__gelf_message_…` labels."),
  use_incoming_timestamp: optional(
    "bool",
    false,
    "Keep the time of the message; else entries have the time at which they arrive.",
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

/** Names of levels, as syslog has them. */
const LEVELS = [
  "emergency",
  "alert",
  "critical",
  "error",
  "warning",
  "notice",
  "informational",
  "debug",
];
/** Entries that wait; what comes besides is dropped and counted, since nobody can be held back over UDP. */
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 << 20;
const BATCH_MAX = 1000;
const RECEIVE_BUFFER_BYTES = 4 << 20;

export const sourceGelf = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.gelf",
  stability: "generally-available",
  summary: "Receives Graylog Extended Log Format over UDP.",
  arguments: ARGUMENTS,
  exports: {},
  check: ({ listen_address: address }) =>
    parseSyslogAddress(address) === undefined
      ? {
          at: "listen_address",
          message: `${JSON.stringify(address)} is no address; write HOST:PORT, such as 0.0.0.0:12201`,
        }
      : undefined,
  run: (context, signal) =>
    runSessions(context, signal, (values, session) => listen(context, values, session)),
});

/** Until `signal` aborts; rejects when the address cannot be listened on. */
async function listen(context: Context, values: Arguments, signal: AbortSignal): Promise<void> {
  const { host, port } = parseSyslogAddress(values.listen_address)!;
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
  const waiting = new Waiting(context, values);
  try {
    socket.on("message", (datagram) => waiting.push(datagram));
    socket.bind({ port, ...(host !== "" && { address: host }) });
    await listening(socket, values.listen_address);
    socket.on("error", (error) => context.log.error("listener failed", { error: error.message }));
    context.setHealth("healthy", `listening on ${host}:${socket.address().port}`);
    await waiting.drain(signal);
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    waiting.abandon();
  }
}

async function listening(socket: Socket, address: string): Promise<void> {
  try {
    await once(socket, "listening");
  } catch (cause) {
    throw new FinchError("unavailable", "agent/gelf-listen", `cannot listen on ${address}`, {
      cause,
    });
  }
  try {
    // Bursts wait here while the process is busy; the system may allow less.
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // Then it stays as it is.
  }
}

/** Entries on their way downstream. */
class Waiting {
  readonly #context: Context;
  readonly #values: Arguments;
  readonly #assembler = new GelfAssembler();
  readonly #relabel: (labels: Labels) => Labels | undefined;
  readonly #stamp: () => bigint;
  readonly #counters;
  #entries: LogEntry[] = [];
  #bytes = 0;
  #news = Promise.withResolvers<void>();

  constructor(context: Context, values: Arguments) {
    const { clock, metrics } = context;
    this.#context = context;
    this.#values = values;
    const { relabel_rules: rules } = values;
    this.#relabel = rules === undefined ? (labels) => labels : createRelabeler(rules);
    this.#stamp = uniqueNanoseconds(() => clock.nowNs());
    this.#counters = {
      entries: metrics.counter("gelf_target_entries_total", "Messages that were read."),
      faults: metrics.counter(
        "gelf_target_parsing_errors_total",
        "Messages that could not be read, or of which parts are missing.",
      ),
      dropped: metrics.counter(
        "gelf_target_dropped_total",
        "Messages that came faster than they were taken.",
      ),
    };
  }

  push(datagram: Uint8Array): void {
    const { clock, log } = this.#context;
    const before = this.#assembler.incomplete;
    try {
      const bytes = this.#assembler.push(datagram, clock.monotonicMs());
      const entry = bytes === undefined ? undefined : this.#entryOf(readGelf(bytes));
      if (entry !== undefined) this.#add(entry);
    } catch (error) {
      this.#counters.faults.add(1);
      log.debug("a message is left out", { error: describeError(error) });
    }
    this.#counters.faults.add(this.#assembler.incomplete - before);
  }

  #add(entry: LogEntry): void {
    if (
      this.#entries.length >= WAITING_MAX ||
      this.#bytes + entry.line.length > WAITING_BYTES_MAX
    ) {
      this.#drop([entry]);
      return;
    }
    this.#counters.entries.add(1);
    this.#bytes += entry.line.length;
    this.#entries.push(entry);
    this.#news.resolve();
  }

  /** Undefined when rules drop it. */
  #entryOf(message: GelfMessage): LogEntry | undefined {
    const given = Labels.fromObject({
      job: this.#context.id,
      __gelf_message_level: LEVELS[message.level] ?? "",
      __gelf_message_host: message.host,
      __gelf_message_version: message.version,
      __gelf_message_facility: message.facility,
    });
    const labels = this.#relabel(given);
    if (labels === undefined) {
      this.#context.drops.count({ kind: "lines", reason: "relabel_rules" }, 1, () => [
        { labels: String(given), text: message.line },
      ]);
      return undefined;
    }
    const hasTime = this.#values.use_incoming_timestamp && message.timestamp > 0;
    return {
      labels: Labels.fromPairs([...labels].filter(([name]) => !name.startsWith("__")).flat()),
      timestampNs: hasTime ? BigInt(Math.round(message.timestamp * 1e6)) * 1000n : this.#stamp(),
      line: message.line,
      structuredMetadata: Labels.EMPTY,
    };
  }

  /** At a stop: what was not handed on is lost. */
  abandon(): void {
    this.#drop(this.#entries);
    this.#entries = [];
  }

  #drop(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    this.#counters.dropped.add(entries.length);
    const place = { kind: "lines", reason: "came faster than it was taken" } as const;
    this.#context.drops.count(place, entries.length, () =>
      entries.slice(0, 20).map(({ labels, line }) => ({ labels: String(labels), text: line })),
    );
  }

  async drain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#entries.length === 0) {
        this.#news = Promise.withResolvers();
        await unlessAborted(this.#news.promise, signal);
      }
      const batch = this.#entries.splice(0, BATCH_MAX);
      const wasRefused = await forwardUntilTaken(this.#context, batch, signal);
      if (wasRefused)
        this.#context.setHealth("healthy", `listening on ${this.#values.listen_address}`);
      for (const { line } of batch) this.#bytes -= line.length;
    }
  }
}
