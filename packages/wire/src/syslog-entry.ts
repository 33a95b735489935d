/**
 * Syslog messages as log entries: the stream is the host and the program, as are `job="syslog"`; what else a message tells is structured metadata, in the
 * names that Alloy's `loki.source.syslog` has for it.
 */
import { labelNameOf } from "./otlp-names.ts";
import type { LogEntryDraft, LogEntryGroups } from "./log-entry-groups.ts";
import type { SyslogMessage } from "./syslog-message.ts";

export interface SyslogReceipt {
  /** Address of the peer, which stands for the host where a message names none. */
  readonly peer: string;
  readonly nowNs: bigint;
  /** Times further back or ahead are a wrong clock's: the line gets the time it came. */
  readonly oldestNs: bigint;
  readonly newestNs: bigint;
  /** Counts up, so that messages of a second keep their order and none is taken for a repetition. */
  readonly number: number;
}

const SEVERITIES = [
  "emergency",
  "alert",
  "critical",
  "error",
  "warning",
  "notice",
  "informational",
  "debug",
] as const;
const LEVELS = [
  "critical",
  "critical",
  "critical",
  "error",
  "warn",
  "info",
  "info",
  "debug",
] as const;
const FACILITIES = [
  "kern",
  "user",
  "mail",
  "daemon",
  "auth",
  "syslog",
  "lpr",
  "news",
  "uucp",
  "cron",
  "authpriv",
  "ftp",
  "ntp",
  "security",
  "console",
  "solaris-cron",
  "local0",
  "local1",
  "local2",
  "local3",
  "local4",
  "local5",
  "local6",
  "local7",
] as const;

/** The level that Finch knows a syslog severity (0 to 7) by. */
export function levelOfSeverity(severity: number): string {
  return LEVELS[severity] ?? "unknown";
}

/** The name of a severity (0 to 7). */
export function severityName(severity: number): string {
  return SEVERITIES[severity] ?? String(severity);
}

/** The name of a facility (0 to 23). */
export function facilityName(facility: number): string {
  return FACILITIES[facility] ?? String(facility);
}

export function addSyslogMessage(
  groups: LogEntryGroups,
  message: SyslogMessage,
  receipt: SyslogReceipt,
): void {
  const { app, data, facility, host, line, messageId, processId, severity } = message;
  const labels = ["job", "syslog", "host", host === "" ? receipt.peer : host];
  if (app !== "") labels.push("app", app);
  const metadata = ["facility", facilityName(facility), "severity", severityName(severity)];
  metadata.push("detected_level", levelOfSeverity(severity));
  metadata.push("proc_id", processId, "msg_id", messageId, "connection_ip_address", receipt.peer);
  for (let i = 0; i < data.length; i += 3) {
    const name = labelNameOf(`sd_${data[i]!}_${data[i + 1]!}`, "UnderscoreEscapingWithSuffixes");
    if (name !== undefined) metadata.push(name, data[i + 2]!);
  }
  groups.add(labels, { ...timed(message, receipt, metadata), line });
}

function timed(
  { isWholeSecond, timeNs }: SyslogMessage,
  { newestNs, nowNs, number, oldestNs }: SyslogReceipt,
  metadata: readonly string[],
): Omit<LogEntryDraft, "line"> {
  if (timeNs === undefined) return { timeNs: nowNs + BigInt(number % 1000), metadata };
  if (timeNs < oldestNs || timeNs > newestNs)
    return {
      timeNs: nowNs + BigInt(number % 1000),
      metadata: [...metadata, "syslog_timestamp", String(timeNs)],
    };
  return { timeNs: isWholeSecond ? timeNs + BigInt(number % 1_000_000_000) : timeNs, metadata };
}
