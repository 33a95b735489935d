/**
 * `loki.source.syslog`: listens for syslog over TCP, TLS and UDP, RFC 5424, RFC 3164 or as it comes. What cannot be read as a message is sent as a line
 * all the same; only empty messages are left out, and counted.
 */
import { readFile } from "node:fs/promises";
import type { SecureVersion, TlsOptions } from "node:tls";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { TLS_CONFIG_ARGUMENTS } from "../../http-client-schema.ts";
import type { LogEntry } from "../../receivers.ts";
import { createRelabeler } from "../../relabel.ts";
import { sameData } from "../../runtime/export-value.ts";
import { block, maybe, moot, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forward, uniqueNanoseconds } from "./forward.ts";
import { SyslogEntryMaker } from "./syslog-entry.ts";
import type { SyslogReceived } from "./syslog-entry.ts";
import { openSyslogListener, parseSyslogAddress } from "./syslog-listener.ts";
import type { SyslogListener } from "./syslog-listener.ts";

/** Pause before an address that could not be listened on is tried again. */
const REOPEN_MS = 5000;
/** Pause before lines that a receiver refused are offered again. */
const RETRY_MS = 1000;
/** How long receivers may take for what was received before a stop. */
const DRAIN_MS_MAX = 5000;
/** Names of TCP senders that are remembered. */
const TCP_NAMES_MAX = 128;

const LISTENER = {
  address: required("string", "Address to listen on, HOST:PORT."),
  protocol: oneOf(["tcp", "udp"], "tcp", "Protocol."),
  syslog_format: oneOf(
    ["rfc5424", "rfc3164", "raw"],
    "rfc5424",
    "Format of messages. A message of the other RFC is understood, too; raw takes nothing apart but the priority.",
  ),
  labels: optional("map(string)", {}, "Labels of every entry."),
  idle_timeout: optional("duration", 120_000, "Silence after which a TCP connection is closed.", {
    min: 1,
  }),
  max_message_length: optional(
    "number",
    8192,
    "Bytes of a message at most: a longer one is passed over in a stream, cut in a datagram.",
    { min: 1, max: 16 << 20 },
  ),
  use_incoming_timestamp: optional(
    "bool",
    false,
    "Keep the time of the message; else entries have the time at which they arrive.",
  ),
  use_rfc5424_message: optional("bool", false, "Send an RFC 5424 message whole, with its header."),
  rfc5424_allow_empty_msg: optional("bool", false, "Take messages without a text."),
  rfc3164_default_to_current_year: moot(
    "bool",
    false,
    "a time without a year has the year that brings it closest to now",
  ),
  label_structured_data: optional(
    "bool",
    false,
    "Make `__syslog_message_sd_ID_KEY` labels of structured data.",
  ),
  udp_host_cache_size: optional("number", 128, "Names of UDP senders that are remembered.", {
    min: 1,
  }),
  udp_queue_size: moot("number", 10, "up to 8 MiB of datagrams wait"),
  raw_format_options: block(
    {
      use_null_terminator_delimiter: optional(
        "bool",
        false,
        "Messages end with NUL instead of a line feed.",
      ),
    },
    { repeat: "optional", doc: "How raw messages are told apart." },
  ),
  rfc3164_cisco_components: block(
    {
      enable_all: optional("bool", false, "Take all of the parts below apart."),
      message_counter: optional("bool", false, "The counter of messages."),
      sequence_number: optional("bool", false, "The sequence number."),
      hostname: optional("bool", false, "The host."),
      second_fractions: optional("bool", false, "Fractions of seconds; always understood."),
    },
    { repeat: "optional", doc: "Parts that Cisco's devices write before the time." },
  ),
  tls_config: block(TLS_CONFIG_ARGUMENTS, {
    repeat: "optional",
    doc: "Speaks TLS: certificate and key of the server; with an authority, clients must show a certificate it signed.",
  }),
};

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
  relabel_rules: maybe("relabel-rules", "Rules that make labels from `__syslog_…` labels."),
  listener: block(LISTENER, { repeat: "many", doc: "Where to listen." }),
} as const;

type Arguments = ValuesOf<typeof ARGUMENTS>;
type ListenerValues = Arguments["listener"][number];
type Context = ComponentContext<Arguments, object>;

export const sourceSyslog = defineComponent({
  name: "loki.source.syslog",
  stability: "generally-available",
  summary: "Receives syslog messages over TCP, TLS and UDP.",
  arguments: ARGUMENTS,
  exports: {},
  check: ({ listener }) => {
    for (const [index, values] of listener.entries()) {
      const fault = listenerFault(values);
      if (fault !== undefined)
        return {
          at: `listener[${index}]${fault.at === undefined ? "" : `.${fault.at}`}`,
          message: fault.message,
        };
    }
    return undefined;
  },
  async run(context: Context, signal) {
    await using listeners = new Listeners(context, signal);
    await untilAborted(signal, async () => {
      const isComplete = await listeners.update(context.arguments());
      const next = context.nextArguments(signal);
      await (isComplete ? next : Promise.race([next, context.clock.sleep(REOPEN_MS, signal)]));
    });
  },
});

function listenerFault(values: ListenerValues): ArgumentFault | undefined {
  const { address, protocol, tls_config: tls } = values;
  if (parseSyslogAddress(address) === undefined)
    return {
      at: "address",
      message: `${JSON.stringify(address)} is no address; write HOST:PORT, such as 0.0.0.0:1514`,
    };
  if (tls === undefined) return undefined;
  if (protocol === "udp") return { at: "tls_config", message: "UDP has no TLS; use protocol tcp" };
  if (tls.server_name !== undefined)
    return { at: "tls_config", message: "server_name is for clients; leave it out" };
  const isOne = (pem: unknown, file: unknown) => (pem === undefined) !== (file === undefined);
  if (!isOne(tls.cert_pem, tls.cert_file) || !isOne(tls.key_pem, tls.key_file))
    return {
      at: "tls_config",
      message: "give exactly one of cert_pem and cert_file, and one of key_pem and key_file",
    };
  return undefined;
}

/** What decides whether a listener can stay open. */
function socketOptions(values: ListenerValues, needsNames: boolean): object {
  const {
    address,
    protocol,
    syslog_format: format,
    idle_timeout,
    max_message_length,
    raw_format_options,
    udp_host_cache_size,
    tls_config,
  } = values;
  return {
    address,
    protocol,
    isRaw: format === "raw",
    idle_timeout,
    max_message_length,
    raw_format_options,
    udp_host_cache_size,
    tls_config,
    needsNames,
  };
}

interface OpenListener {
  readonly options: object;
  readonly listener: SyslogListener;
  /** Takes the place of the last one when arguments change that the socket knows nothing of. */
  maker: SyslogEntryMaker;
}

class Listeners implements AsyncDisposable {
  readonly #context: Context;
  readonly #signal: AbortSignal;
  readonly #stamp: () => bigint;
  readonly #open = new Map<string, OpenListener>();
  readonly #counters;

  constructor(context: Context, signal: AbortSignal) {
    const { clock, metrics } = context;
    this.#context = context;
    this.#signal = signal;
    this.#stamp = uniqueNanoseconds(() => clock.nowNs());
    this.#counters = {
      entries: metrics.counter("loki_source_syslog_entries_total", "Entries handed on."),
      empty: metrics.counter("loki_source_syslog_empty_messages_total", "Messages without a text."),
      faults: metrics.counter(
        "loki_source_syslog_parsing_errors_total",
        "Messages longer than allowed.",
      ),
      dropped: metrics.counter(
        "loki_source_syslog_dropped_datagrams_total",
        "Datagrams that came faster than they were taken.",
      ),
    };
  }

  /** Closes what is not wanted, opens what is missing. Whether all is open. */
  async update(values: Arguments): Promise<boolean> {
    const needsNames = values.relabel_rules !== undefined;
    const wanted = new Map(
      values.listener.map((listener) => [`${listener.protocol} ${listener.address}`, listener]),
    );
    for (const [key, { listener, options }] of this.#open) {
      const now = wanted.get(key);
      if (now !== undefined && sameData(options, socketOptions(now, needsNames))) continue;
      this.#open.delete(key);
      await listener[Symbol.asyncDispose]();
    }
    const faults: string[] = [];
    for (const [key, listener] of wanted) {
      const maker = this.#makerOf(listener, values);
      const known = this.#open.get(key);
      if (known !== undefined) known.maker = maker;
      else
        await this.#openListener(key, listener, { maker, needsNames }).catch((error: unknown) =>
          faults.push(describeError(error)),
        );
    }
    if (faults.length === 0)
      this.#context.setHealth(
        "healthy",
        `listening on ${[...this.#open].map(([key]) => key).join(", ") || "nothing"}`,
      );
    else {
      this.#context.setHealth("unhealthy", faults.join("; "));
      this.#context.log.error("cannot listen; trying again", { error: faults.join("; ") });
    }
    return faults.length === 0;
  }

  #makerOf(listener: ListenerValues, { relabel_rules: rules }: Arguments): SyslogEntryMaker {
    const cisco = listener.rfc3164_cisco_components;
    return new SyslogEntryMaker(
      {
        format: listener.syslog_format,
        labels: listener.labels,
        labelsStructuredData: listener.label_structured_data,
        usesIncomingTime: listener.use_incoming_timestamp,
        sendsWholeMessage: listener.use_rfc5424_message,
        allowsEmpty: listener.rfc5424_allow_empty_msg,
        cisco: cisco && {
          messageCounter: cisco.enable_all || cisco.message_counter,
          sequenceNumber: cisco.enable_all || cisco.sequence_number,
          hostname: cisco.enable_all || cisco.hostname,
        },
        relabel: rules === undefined ? undefined : createRelabeler(rules),
      },
      this.#stamp,
    );
  }

  async #openListener(
    key: string,
    values: ListenerValues,
    { maker, needsNames }: { readonly maker: SyslogEntryMaker; readonly needsNames: boolean },
  ): Promise<void> {
    const isRaw = values.syslog_format === "raw";
    const endsWithNul = values.raw_format_options?.use_null_terminator_delimiter === true;
    const tls = values.tls_config === undefined ? undefined : await serverTls(values.tls_config);
    const namesMax = values.protocol === "udp" ? values.udp_host_cache_size : TCP_NAMES_MAX;
    const listener = await openSyslogListener({
      address: parseSyslogAddress(values.address)!,
      protocol: values.protocol,
      tls,
      idleTimeoutMs: values.idle_timeout,
      messageBytesMax: values.max_message_length,
      delimiter: isRaw ? (endsWithNul ? "nul" : "lf") : "either",
      splitsDatagrams: isRaw,
      namesMax: needsNames ? namesMax : 0,
      log: this.#context.log,
      take: (messages) => this.#take(this.#open.get(key)?.maker ?? maker, messages),
      onOversized: (count) => this.#counters.faults.add(count),
      onDropped: (count) => {
        this.#counters.dropped.add(count);
        this.#context.drops.count(
          { kind: "lines", reason: "came faster than it was taken" },
          count,
        );
      },
    });
    this.#open.set(key, { options: socketOptions(values, needsNames), listener, maker });
  }

  async #take(maker: SyslogEntryMaker, messages: readonly SyslogReceived[]): Promise<void> {
    const { clock } = this.#context;
    const entries: LogEntry[] = [];
    let empty = 0;
    let unwanted = 0;
    for (const message of messages) {
      const outcome = maker.make(message, clock.nowMs());
      if (outcome.kind === "entry") entries.push(outcome.entry);
      else if (outcome.kind === "empty") empty++;
      else unwanted++;
    }
    this.#counters.empty.add(empty);
    if (unwanted > 0)
      this.#context.drops.count({ kind: "lines", reason: "relabel_rules" }, unwanted);
    await this.#forwardUntilTaken(entries);
    this.#counters.entries.add(entries.length);
  }

  /** Senders of syslog forget what they have sent, so receivers are asked again; at a stop for a moment only. */
  async #forwardUntilTaken(entries: readonly LogEntry[]): Promise<void> {
    const { clock } = this.#context;
    for (;;) {
      const patience = this.#signal.aborted ? AbortSignal.timeout(DRAIN_MS_MAX) : this.#signal;
      try {
        return await forward(this.#context.arguments().forward_to, entries, patience);
      } catch (error) {
        if (patience !== this.#signal) throw error;
        if (this.#signal.aborted) continue;
        this.#context.setHealth("unhealthy", `entries are not taken: ${describeError(error)}`);
        await clock.sleep(RETRY_MS, this.#signal).catch(() => {});
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#open.values()].map(({ listener }) => listener[Symbol.asyncDispose]()),
    );
    this.#open.clear();
  }
}

async function serverTls(values: NonNullable<ListenerValues["tls_config"]>): Promise<TlsOptions> {
  const authority = values.ca_pem ?? (await readPem(values.ca_file));
  return {
    cert: values.cert_pem ?? (await readPem(values.cert_file)),
    key: values.key_pem?.reveal() ?? (await readPem(values.key_file)),
    ...(authority !== undefined && {
      ca: authority,
      requestCert: true,
      rejectUnauthorized: !values.insecure_skip_verify,
    }),
    ...(values.min_version !== undefined && {
      minVersion: values.min_version
        .replace(/^TLS1(\d)$/, "TLSv1.$1")
        .replace(".0", "") as SecureVersion,
    }),
  };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new FinchError("invalid", "agent/http-tls-file", `cannot read ${path}`, { cause });
  }
}
