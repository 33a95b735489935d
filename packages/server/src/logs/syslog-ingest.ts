/**
 * Stores syslog messages, whatever transport they came by. Syslog has no acknowledgements: a batch that there is no room for now is tried again until there
 * is, and who waits for it pushes back. What can never be stored is counted and told in the log.
 */
import { FinchError, describeError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { addSyslogMessage, LogEntryGroups, parseSyslogMessage } from "@finch/wire";
import { pushLimitsOf } from "./ingest.ts";
import type { LogIngest } from "./ingest.ts";
import type { LogsLimits } from "./limits.ts";

export type SyslogTransport = "tcp" | "udp" | "tls";

export interface SyslogContext {
  readonly ingest: LogIngest;
  readonly clock: Clock;
  readonly limits: LogsLimits;
  readonly log: Logger;
}

/** A message and who sent it. */
export interface ReceivedMessage {
  readonly bytes: Uint8Array;
  readonly peer: string;
}

/** Further back, a time is a wrong clock's; the store takes three days. */
const BACK_MS_MAX = 70 * 3_600_000;
const NS_PER_MS = 1_000_000n;
const RETRY_MS = 500;
const RETRY_MS_MAX = 5000;
/** Refusals are told at most so often. */
const TELL_MS = 60_000;

export class SyslogIngest {
  readonly #context: SyslogContext;
  readonly #messages = { tcp: 0, udp: 0, tls: 0 };
  #number = 0;
  #toldMs = -Infinity;
  /** Datagrams there was no room for, and messages over the limit. */
  dropped = 0;
  oversized = 0;
  connections = 0;

  constructor(context: SyslogContext) {
    this.#context = context;
  }

  get messageBytesMax(): number {
    // Room for a header as well.
    return this.#context.limits.lineBytesMax + 64 * 1024;
  }

  get log(): Logger {
    return this.#context.log;
  }

  /** Resolves when the messages are durable, or rejects when `signal` aborts before. */
  async take(
    messages: readonly ReceivedMessage[],
    transport: SyslogTransport,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, ingest, limits } = this.#context;
    const nowMs = clock.nowMs();
    const nowNs = clock.nowNs();
    const window = {
      nowNs,
      oldestNs: nowNs - BigInt(Math.min(BACK_MS_MAX, limits.ageMsMax)) * NS_PER_MS,
      newestNs: nowNs + BigInt(limits.futureMsMax) * NS_PER_MS,
    };
    const groups = new LogEntryGroups();
    for (const { bytes, peer } of messages) {
      const message = parseSyslogMessage(bytes, nowMs);
      addSyslogMessage(groups, message, { ...window, peer, number: this.#number++ });
    }
    this.#messages[transport] += messages.length;
    const { batch, faults, rejected } = groups.build(pushLimitsOf(limits));
    ingest.countRefused(rejected);
    if (rejected > 0) this.#tell(faults[0]!, rejected);
    for (let attempt = 0; ; attempt++) {
      try {
        const refusals = await ingest.take(batch);
        if (refusals.count > 0) this.#tell(refusals.told()[0]!, refusals.count);
        return;
      } catch (error) {
        if (!isForNow(error)) {
          ingest.countRefused(messages.length - rejected);
          this.#tell(describeError(error), messages.length - rejected);
          return;
        }
        await clock.sleep(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(attempt, 10)), signal);
      }
    }
  }

  families(): readonly MetricFamily[] {
    const family = (
      name: string,
      help: string,
      samples: MetricFamily["samples"],
      type: "counter" | "gauge" = "counter",
    ): MetricFamily => ({ name: `finch_syslog_${name}`, type, help, samples });
    return [
      family(
        "messages_total",
        "Syslog messages received.",
        Object.entries(this.#messages).map(([transport, value]) => ({
          labels: { transport },
          value,
        })),
      ),
      family("dropped_total", "Datagrams of syslog there was no room for.", [
        { labels: { transport: "udp" }, value: this.dropped },
      ]),
      family("oversized_total", "Syslog messages passed over because of their size.", [
        { labels: {}, value: this.oversized },
      ]),
      family(
        "connections_open",
        "Open connections of syslog senders.",
        [{ labels: {}, value: this.connections }],
        "gauge",
      ),
    ];
  }

  #tell(reason: string, messages: number): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    this.#context.log.warn("syslog messages refused", { messages, reason });
  }
}

function isForNow(error: unknown): boolean {
  return error instanceof FinchError && (error.kind === "limited" || error.kind === "unavailable");
}
