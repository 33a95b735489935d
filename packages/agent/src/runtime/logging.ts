/**
 * The `logging` block, as a node like any other so that `write_to` may refer to receivers, and the agent's logger, whose level follows it.
 */
import { Labels } from "@finch/model";
import type { LogEvent, LogFields, Logger, LogLevel } from "@finch/runtime";
import { defineComponent } from "../component.ts";
import type { ComponentDefinition } from "../component.ts";
import type { LogEntry, LogsReceiver } from "../receivers.ts";
import { maybe, oneOf } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";
import { formatAgentLine } from "./log-lines.ts";
import type { LineFormat } from "./log-lines.ts";

export interface LoggingSettings {
  readonly level: LogLevel;
  /** `auto`: nobody says, and the host writes for whoever reads. */
  readonly format: LineFormat | "auto";
}

export const LOGGING_DEFAULTS: LoggingSettings = { level: "info", format: "auto" };

/** Where the host of an agent writes its events; called from anywhere in the agent. */
export type AgentLogSink = (event: LogEvent, settings: LoggingSettings) => void;

/** Entries waiting for `write_to`. Without a bound a receiver that blocks fills the memory with the agent's own words. */
const PENDING_ENTRIES_MAX = 1000;

/** Of the agent's own lines in `write_to`, as Alloy labels them: dashboards and rules for Alloy select by it. */
const OWN_LABELS = Labels.fromObject({ component: "alloy" });

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** The agent's events: filtered by the `logging` block, handed to the host, and to `write_to`. */
export class AgentLog {
  settings: LoggingSettings = LOGGING_DEFAULTS;
  readonly #sink: AgentLogSink;
  readonly #nowMs: () => number;
  #writeTo: readonly LogsReceiver[] = [];
  #pending: LogEntry[] = [];
  #flushing = false;
  #dropped = 0;
  /** Until the logging block has run, or there is none, it is not known whether lines go to receivers. */
  #isUndecided = true;

  constructor(sink: AgentLogSink, nowMs: () => number) {
    this.#sink = sink;
    this.#nowMs = nowMs;
  }

  /** A logger for one part; for a component, its id. */
  logger(part: string): Logger {
    const emit =
      (level: LogLevel) =>
      (msg: string, fields: LogFields = {}) =>
        this.#emit({ timeMs: this.#nowMs(), level, part, msg, fields });
    return {
      debug: emit("debug"),
      info: emit("info"),
      warn: emit("warn"),
      error: emit("error"),
      child: (child) => this.logger(child),
    };
  }

  /** Where lines go from now on; also those written before the first call. */
  setWriteTo(receivers: readonly LogsReceiver[]): void {
    this.#writeTo = receivers;
    this.#isUndecided = false;
    if (receivers.length === 0) this.#pending = [];
    else void this.#flush();
  }

  #emit(event: LogEvent): void {
    if (SEVERITY[event.level] < SEVERITY[this.settings.level]) return;
    this.#sink(event, this.settings);
    if (this.#writeTo.length === 0 && !this.#isUndecided) return;
    if (this.#pending.length >= PENDING_ENTRIES_MAX) {
      this.#dropped++;
      return;
    }
    this.#pending.push({
      labels: OWN_LABELS,
      timestampNs: BigInt(Math.round(event.timeMs * 1000)) * 1000n,
      line: formatAgentLine(event, this.settings.format === "json" ? "json" : "logfmt"),
      structuredMetadata: Labels.EMPTY,
    });
    if (!this.#isUndecided) void this.#flush();
  }

  /** Hands pending entries on, one batch at a time. A receiver that refuses must not make new log lines about it without end. */
  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    const { signal } = new AbortController();
    while (this.#pending.length > 0) {
      const entries = this.#pending;
      this.#pending = [];
      const results = await Promise.allSettled(
        this.#writeTo.map((receiver) => receiver.append(entries, signal)),
      );
      const failed = results.filter((result) => result.status === "rejected").length;
      if (failed > 0 || this.#dropped > 0) {
        const fields = { receivers: failed, dropped: this.#dropped };
        this.#dropped = 0;
        this.#sink(
          {
            timeMs: this.#nowMs(),
            level: "warn",
            part: "logging",
            msg: "own log lines lost on the way to write_to",
            fields,
          },
          this.settings,
        );
      }
    }
    this.#flushing = false;
  }
}

/** The declaration of the `logging` block, bound to the log it steers. */
export function defineLogging(log: Pick<AgentLog, "settings" | "setWriteTo">): ComponentDefinition {
  return defineComponent({
    name: "logging",
    stability: "generally-available",
    summary:
      "Level and format of the agent's own log lines, and where they go besides standard error.",
    arguments: {
      level: oneOf(["error", "warn", "info", "debug"], "info", "Lowest level that is written."),
      format: oneOf(["logfmt", "json"], "logfmt", "How lines are written."),
      destination: oneOf(
        ["stderr", "windows_event_log"],
        "stderr",
        "Where lines are written; only to standard error so far.",
      ),
      write_to: maybe("list(logs-receiver)", "Receivers that get the agent's own log lines."),
    },
    exports: {},
    check: ({ destination }) =>
      destination === "stderr"
        ? undefined
        : { at: "destination", message: `not supported yet: destination = "${destination}"` },
    async run(context, signal) {
      await untilAborted(signal, async () => {
        const { level, format, write_to: writeTo } = context.arguments();
        log.settings = { level, format };
        log.setWriteTo(writeTo ?? []);
        await context.nextArguments(signal);
      });
      log.settings = LOGGING_DEFAULTS;
      log.setWriteTo([]);
    },
  });
}
