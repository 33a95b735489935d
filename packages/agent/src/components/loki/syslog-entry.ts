/** One syslog message as an entry of `loki.source.syslog`: what the message says becomes internal labels for relabelling, as in Alloy. */
import { Labels } from "@finch/model";
import { facilityName, parseSyslogMessage, severityName } from "@finch/wire";
import type { SyslogMessage } from "@finch/wire";
import type { LogEntry } from "../../receivers.ts";

export type SyslogFormat = "rfc5424" | "rfc3164" | "raw";

/** Which of Cisco's additions before the time are taken apart; a part that is not stays where it is. */
export interface CiscoComponents {
  readonly messageCounter: boolean;
  readonly sequenceNumber: boolean;
  readonly hostname: boolean;
}

export interface SyslogEntryOptions {
  readonly format: SyslogFormat;
  readonly labels: Readonly<Record<string, string>>;
  readonly labelsStructuredData: boolean;
  readonly usesIncomingTime: boolean;
  /** Send an RFC 5424 message whole, not only its text. */
  readonly sendsWholeMessage: boolean;
  readonly allowsEmpty: boolean;
  readonly cisco: CiscoComponents | undefined;
  /** Undefined when a rule drops the entry; it is handed the labels with the internal ones. */
  readonly relabel: ((labels: Labels) => Labels | undefined) | undefined;
}

export interface SyslogReceived {
  readonly bytes: Uint8Array;
  readonly peer: string;
  /** Names of the peer, joined by commas. */
  readonly peerName: string;
}

/** What a message becomes: `empty` has no text, `dropped` is what a rule does not want. */
export type SyslogOutcome =
  | { readonly kind: "entry"; readonly entry: LogEntry }
  | { readonly kind: "empty" | "dropped" };

const IS_5424 = /^<\d{1,3}>[1-9]\d? /;
const PRIORITY = /^<\d{1,3}>/;
/** What a switch writes before the time: `77: 000073: host: *Jan  1 …`. */
const NUMBER = /^(\d{1,10}): /;
const CISCO_HOST = /^([\w.-]{1,255}): (?=[*.]?[A-Z][a-z]{2} )/;
const NS_PER_SECOND = 1_000_000_000n;

export class SyslogEntryMaker {
  readonly #options: SyslogEntryOptions;
  readonly #stamp: () => bigint;
  /** Counts up, so that messages of one second keep their order and none is taken for a repetition. */
  #number = 0n;

  /** `stamp` gives the time of entries that have none of their own. */
  constructor(options: SyslogEntryOptions, stamp: () => bigint) {
    this.#options = options;
    this.#stamp = stamp;
  }

  make(received: SyslogReceived, nowMs: number): SyslogOutcome {
    return this.#options.format === "raw"
      ? this.#makeRaw(received)
      : this.#makeParsed(received, nowMs);
  }

  #makeRaw({ bytes, ...from }: SyslogReceived): SyslogOutcome {
    const text = Buffer.from(bytes).toString("utf8").trim();
    const priority = PRIORITY.exec(text)?.[0];
    const number = priority === undefined ? Number.NaN : Number(priority.slice(1, -1));
    const isKnown = number <= 255;
    const line = (isKnown ? text.slice(priority!.length) : text).trim();
    if (line === "") return { kind: "empty" };
    const labels: Record<string, string> = connectionLabels(from);
    if (isKnown) {
      labels["__syslog_message_severity"] = severityName(number & 7);
      labels["__syslog_message_facility"] = facilityName(number >> 3);
    }
    return this.#finish(labels, line, this.#stamp());
  }

  #makeParsed(received: SyslogReceived, nowMs: number): SyslogOutcome {
    const { format, cisco, sendsWholeMessage, labelsStructuredData, allowsEmpty } = this.#options;
    const labels: Record<string, string> = connectionLabels(received);
    const bytes =
      format === "rfc3164" && cisco !== undefined
        ? takeCiscoParts(received.bytes, cisco, labels)
        : received.bytes;
    const message = parseSyslogMessage(bytes, nowMs);
    if (message.line.length === 0 && !allowsEmpty) return { kind: "empty" };
    addMessageLabels(labels, message);
    if (labelsStructuredData) addStructuredData(labels, message.data);
    const whole = sendsWholeMessage ? wholeMessage(bytes) : undefined;
    const line = whole ?? Buffer.from(message.line).toString("utf8");
    return this.#finish(labels, line, this.#timeOf(message));
  }

  #timeOf({ timeNs, isWholeSecond }: SyslogMessage): bigint {
    if (!this.#options.usesIncomingTime || timeNs === undefined) return this.#stamp();
    return isWholeSecond ? timeNs + (this.#number++ % NS_PER_SECOND) : timeNs;
  }

  #finish(internal: Record<string, string>, line: string, timestampNs: bigint): SyslogOutcome {
    const { labels: fixed, relabel } = this.#options;
    const labels =
      relabel === undefined
        ? Labels.fromObject(fixed)
        : relabel(Labels.fromObject({ ...fixed, ...internal }));
    if (labels === undefined) return { kind: "dropped" };
    const visible = labels.drop(
      new Set([...labels].map(([name]) => name).filter((name) => name.startsWith("__"))),
    );
    return {
      kind: "entry",
      entry: { labels: visible, line, timestampNs, structuredMetadata: Labels.EMPTY },
    };
  }
}

function connectionLabels({ peer, peerName }: Omit<SyslogReceived, "bytes">) {
  return {
    __syslog_connection_ip_address: peer,
    __syslog_connection_hostname: peerName,
  };
}

function addMessageLabels(labels: Record<string, string>, message: SyslogMessage): void {
  const { app, facility, host, messageId, processId, severity } = message;
  labels["__syslog_message_severity"] = severityName(severity);
  labels["__syslog_message_facility"] = facilityName(facility);
  if (host !== "") labels["__syslog_message_hostname"] = host;
  if (app !== "") labels["__syslog_message_app_name"] = app;
  if (processId !== "") labels["__syslog_message_proc_id"] = processId;
  if (messageId !== "") labels["__syslog_message_msg_id"] = messageId;
}

/** `data` holds ID, name and value in turn. */
function addStructuredData(labels: Record<string, string>, data: readonly string[]): void {
  for (let i = 0; i < data.length; i += 3) {
    const id = data[i]!.replaceAll("@", "_");
    labels[`__syslog_message_sd_${id}_${data[i + 1]!}`] = data[i + 2]!;
  }
}

/** The message as it came, when it is one of RFC 5424. */
function wholeMessage(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString("utf8");
  return IS_5424.test(text) ? text.trimEnd() : undefined;
}

/** Takes what stands between priority and time out of the message and into labels. */
function takeCiscoParts(
  bytes: Uint8Array,
  cisco: CiscoComponents,
  labels: Record<string, string>,
): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const priority = PRIORITY.exec(text)?.[0] ?? "";
  let rest = text.slice(priority.length);
  const take = (pattern: RegExp, label: string) => {
    const match = pattern.exec(rest);
    if (match === null) return;
    labels[label] = match[1]!;
    rest = rest.slice(match[0].length);
  };
  if (cisco.messageCounter) take(NUMBER, "__syslog_message_msg_counter");
  if (cisco.sequenceNumber) take(NUMBER, "__syslog_message_sequence");
  if (cisco.hostname) take(CISCO_HOST, "__syslog_message_hostname");
  return Buffer.from(priority + rest, "latin1");
}
