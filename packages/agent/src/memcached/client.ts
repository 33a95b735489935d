/**
 * Asks memcached for its statistics, over one connection a time.
 * @see https://github.com/memcached/memcached/blob/master/doc/protocol.txt
 */
import { connect, isIP, type Socket } from "node:net";
import { describeError, FinchError } from "@finch/runtime";

/** What is asked, in this order. */
const COMMANDS = ["stats", "stats settings", "stats items", "stats slabs"] as const;
/** Some hundred kilobytes are usual; what is longer is no memcached. */
const ANSWER_BYTES_MAX = 8 << 20;
const DEFAULT_PORT = 11_211;

export type Statistics = ReadonlyMap<string, string>;

export interface MemcachedAnswers {
  readonly stats: Statistics;
  readonly settings: Statistics;
  readonly items: Statistics;
  readonly slabs: Statistics;
}

export interface MemcachedServer {
  /** `host:port`, or the path of a Unix socket. */
  readonly address: string;
  readonly timeoutMs: number;
  /** As `tls.connect` takes them; undefined: no TLS. */
  readonly tls: Readonly<Record<string, unknown>> | undefined;
}

/** Rejects with `agent/memcached` when it does not answer in time, and with the signal's reason. */
export async function askMemcached(
  server: MemcachedServer,
  signal: AbortSignal,
): Promise<MemcachedAnswers> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(server.timeoutMs)]);
  const socket = openSocket(server);
  const onAbort = () => socket.destroy(limit.reason as Error);
  limit.addEventListener("abort", onAbort, { once: true });
  try {
    limit.throwIfAborted();
    for (const command of COMMANDS) socket.write(`${command}\r\n`);
    const [stats, settings, items, slabs] = await readAnswers(socket);
    return { stats: stats!, settings: settings!, items: items!, slabs: slabs! };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError) throw error;
    throw fault(`${server.address} does not answer: ${describeError(error)}`);
  } finally {
    limit.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

function openSocket({ address, tls }: MemcachedServer): Socket {
  if (address.startsWith("/")) return connect({ path: address });
  const { host, port } = parseMemcachedAddress(address)!;
  if (tls === undefined) return connect({ host, port });
  // Loaded for those who use it.
  const { connect: connectTls } = process.getBuiltinModule("node:tls");
  return connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
}

/** Reads `host:port`, `[::1]:port` or `host`; undefined when it is none. */
export function parseMemcachedAddress(
  text: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2]!, port: Number(match[3] ?? DEFAULT_PORT) };
}

/** One answer to each command: lines `STAT name value`, and `END`. */
async function readAnswers(socket: Socket): Promise<Statistics[]> {
  const answers: Statistics[] = [];
  let current = new Map<string, string>();
  let held = "";
  let bytes = 0;
  for await (const chunk of socket) {
    bytes += (chunk as Buffer).length;
    if (bytes > ANSWER_BYTES_MAX)
      throw fault(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    const lines = (held + String(chunk)).split("\r\n");
    held = lines.pop()!;
    for (const line of lines) {
      const [, name, value] = /^STAT (\S+) ?(.*)$/.exec(line) ?? [];
      if (name !== undefined) current.set(name, value!);
      else if (line === "END") {
        answers.push(current);
        current = new Map();
      } else throw fault(`memcached says ${JSON.stringify(line.slice(0, 100))}`);
      if (answers.length === COMMANDS.length) return answers;
    }
  }
  throw fault("the server closed the connection");
}

function fault(message: string): FinchError {
  return new FinchError("unavailable", "agent/memcached", message);
}
