/** `finch query logs` and `finch tail`: log lines for people, or frames as JSON for programs. */
import { FinchError, systemClock, untilSignal } from "@finch/runtime";
import {
  askFinch,
  readCountFlag,
  readDurationFlag,
  targetOf,
  tokenHeaders,
  wantsJson,
} from "./query-client.ts";
import type { QueryFlags, TailFlags } from "./query-commands.ts";

interface LogStream {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [ns: string, line: string])[];
}

interface LogsReply {
  readonly data: { readonly resultType: string; readonly result: readonly LogStream[] };
}

interface TailFrame {
  readonly streams: readonly LogStream[];
  readonly dropped_entries?: readonly unknown[];
}

const TAIL_LINES_MAX = 1000;

export async function queryLogs(query: string, flags: QueryFlags): Promise<void> {
  const json = wantsJson(flags.output);
  const endMs = systemClock.nowMs();
  const answer = (await askFinch(flags.url, "/loki/api/v1/query_range", {
    query,
    start: `${Math.floor(endMs - readDurationFlag("--since", flags.since))}000000`,
    end: `${Math.floor(endMs) + 1}000000`,
    limit: String(readCountFlag("--limit", flags.limit)),
  })) as LogsReply;
  if (json || answer.data.resultType !== "streams") {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  const lines = formatLines(answer.data.result);
  process.stdout.write(lines === "" ? "no lines match in this range\n" : lines);
}

/** Follows until Ctrl-C; a connection that breaks is a fault. */
export async function tailLogs(query: string, flags: TailFlags): Promise<void> {
  const json = wantsJson(flags.output);
  const sinceMs = readDurationFlag("--since", flags.since);
  const target = targetOf(flags.url, "/loki/api/v1/tail", {
    query,
    start: `${Math.floor(systemClock.nowMs() - sinceMs)}000000`,
    limit: String(TAIL_LINES_MAX),
  });
  // A refused query is told by HTTP; a browser-like WebSocket would hide the reason.
  await askFinch(flags.url, "/loki/api/v1/format_query", { query });
  target.protocol = target.protocol === "https:" ? "wss:" : "ws:";
  using stopping = untilSignal(process, () => process.exit(130));
  const socket = new WebSocket(target, { headers: tokenHeaders() });
  const ended = new Promise<void>((resolve, reject) => {
    socket.addEventListener("message", (message) => {
      const text = String(message.data);
      process.stdout.write(json ? `${text}\n` : formatFrame(JSON.parse(text) as TailFrame));
    });
    socket.addEventListener("close", (event) => {
      if (stopping.signal.aborted || event.code === 1000) resolve();
      else reject(brokenOff(target.host, event.reason));
    });
    stopping.signal.addEventListener("abort", () => socket.close(1000));
  });
  await ended;
}

function brokenOff(host: string, reason: string): FinchError {
  const why = reason === "" ? "is it running, and are fewer than ten tails open?" : reason;
  return new FinchError("unavailable", "finch/tail-ended", `the tail from ${host} ended: ${why}`);
}

function formatFrame(frame: TailFrame): string {
  const dropped = frame.dropped_entries?.length ?? 0;
  const note = dropped > 0 ? `… ${dropped} lines left out: this terminal is too slow …\n` : "";
  return formatLines(frame.streams) + note;
}

/** Lines of all streams by time: `12:01:07.123 service  line`. */
export function formatLines(streams: readonly LogStream[]): string {
  const rows = streams.flatMap(({ stream, values }) =>
    values.map(([ns, line]) => ({ ns: BigInt(ns), line, name: stream["service_name"] ?? "" })),
  );
  rows.sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0));
  return rows.map(({ ns, name, line }) => `${formatTime(ns)}  ${name}  ${line}\n`).join("");
}

function formatTime(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString().replace("T", " ").replace("Z", "");
}
