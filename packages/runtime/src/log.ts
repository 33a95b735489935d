/**
 * Structured logs: one event, one object, `msg` first and scalars after. Each part of a package makes its own logger with
 * `root.child("store:wal")`; the composition root decides where the events go (see `LogSink`).
 */

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface LogEvent {
  readonly timeMs: number;
  readonly level: LogLevel;
  /** `package:part`. */
  readonly part: string;
  readonly msg: string;
  readonly fields: LogFields;
}

export type LogSink = (event: LogEvent) => void;

export interface Logger {
  debug(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  error(msg: string, fields?: LogFields): void;
  child(part: string): Logger;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A logger that hands events of `level` or above to `sink`. */
export function createLogger(options: {
  readonly sink: LogSink;
  readonly level: LogLevel;
  readonly part: string;
  readonly nowMs: () => number;
}): Logger {
  const { sink, level, part, nowMs } = options;
  const emit =
    (at: LogLevel) =>
    (msg: string, fields: LogFields = {}) => {
      if (SEVERITY[at] >= SEVERITY[level]) sink({ timeMs: nowMs(), level: at, part, msg, fields });
    };
  return {
    debug: emit("debug"),
    info: emit("info"),
    warn: emit("warn"),
    error: emit("error"),
    child: (childPart) => createLogger({ sink, level, part: childPart, nowMs }),
  };
}

/** A logger that drops everything; for tests and embedded use. */
export const silentLogger: Logger = createLogger({
  sink: () => {},
  level: "error",
  part: "silent",
  nowMs: () => 0,
});

/** Formats an event as one logfmt line without a newline: `time=… level=info part=store:wal msg="…" key=value`. */
export function formatLogfmt(event: LogEvent): string {
  let line = `time=${new Date(event.timeMs).toISOString()} level=${event.level} part=${event.part} msg=${quote(event.msg)}`;
  for (const [key, value] of Object.entries(event.fields)) {
    if (value !== undefined) line += ` ${key}=${quote(String(value))}`;
  }
  return line;
}

function quote(text: string): string {
  return /^[^\s"=\\]+$/.test(text) ? text : JSON.stringify(text);
}
