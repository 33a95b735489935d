/** Where StatsD comes in: lines in UDP datagrams and over TCP. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { createServer, type Socket } from "node:net";
import { describeError, FinchError } from "@finch/runtime";

export interface StatsdAddress {
  /** Empty: all of the machine. */
  readonly host: string;
  readonly port: number;
}

export interface ListenerEvents {
  readonly line: (line: string) => void;
  readonly packet: () => void;
  readonly connection: () => void;
  readonly connectionError: () => void;
  readonly tooLong: () => void;
}

export interface OpenStatsd extends AsyncDisposable {
  readonly port: number;
}

/** A line that is longer ends the connection. */
const LINE_BYTES_MAX = 64 << 10;
const CONNECTIONS_MAX = 1024;

/** Reads `HOST:PORT`, `[::1]:PORT` or `:PORT`; undefined when it is none. */
export function parseStatsdAddress(text: string): StatsdAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

/** Rejects with `agent/statsd-listen` when the address cannot be had. `bufferBytes`: what the system keeps of datagrams; 0 leaves it. */
export async function listenUdp(
  { host, port }: StatsdAddress,
  events: ListenerEvents,
  bufferBytes: number,
): Promise<OpenStatsd> {
  // One socket for both families takes IPv4 as well; a machine without IPv6 has none.
  const types =
    host === "" ? (["udp6", "udp4"] as const) : ([isIPv6(host) ? "udp6" : "udp4"] as const);
  let fault: unknown;
  for (const type of types) {
    const socket = createSocket({ type, ...(bufferBytes > 0 && { recvBufferSize: bufferBytes }) });
    socket.on("message", (datagram) => {
      events.packet();
      for (const line of datagram.toString("utf8").split("\n"))
        events.line(line.replace(/\r$/, ""));
    });
    try {
      await bound(socket, { host, port });
      socket.on("error", events.connectionError);
      return {
        port: socket.address().port,
        [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
      };
    } catch (error) {
      fault ??= error;
      socket.close();
    }
  }
  throw cannotListen("udp", { host, port }, fault);
}

async function bound(socket: UdpSocket, { host, port }: StatsdAddress): Promise<void> {
  const listening = once(socket, "listening");
  socket.bind({ port, ...(host !== "" && { address: host }) });
  await listening;
}

export async function listenTcp(
  { host, port }: StatsdAddress,
  events: ListenerEvents,
): Promise<OpenStatsd> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    events.connection();
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", events.connectionError);
    readLines(socket, events);
  });
  server.maxConnections = CONNECTIONS_MAX;
  try {
    const listening = once(server, "listening");
    server.listen({ port, ...(host !== "" && { host }) });
    await listening;
  } catch (error) {
    throw cannotListen("tcp", { host, port }, error);
  }
  return {
    port: (server.address() as { readonly port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readLines(socket: Socket, events: ListenerEvents): void {
  let held = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (held + chunk).split("\n");
    held = lines.pop()!;
    for (const line of lines) events.line(line.replace(/\r$/, ""));
    if (held.length <= LINE_BYTES_MAX) return;
    events.tooLong();
    socket.destroy();
  });
  socket.on("end", () => events.line(held));
}

function cannotListen(protocol: string, { host, port }: StatsdAddress, cause: unknown): FinchError {
  return new FinchError(
    "unavailable",
    "agent/statsd-listen",
    `cannot listen on ${protocol} ${host}:${port}: ${describeError(cause)}`,
  );
}
