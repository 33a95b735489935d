/**
 * Listeners for syslog: TCP and TLS with either framing, and UDP. A connection is read no further than what is durable, so that a full disk pushes back on
 * senders; datagrams wait in a queue of bounded size, and those that find it full are counted.
 */
import { createSocket } from "node:dgram";
import type { Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createTcpServer, isIPv6 } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { bindFault } from "@finch/runtime/http";
import type { Listener, ListenerSetting } from "@finch/runtime/http";
import { SyslogFraming } from "@finch/wire";
import type { ReceivedMessage, SyslogIngest } from "./syslog-ingest.ts";

export interface SyslogListenerOptions {
  readonly name: string;
  /** What it is for, in words for a person. */
  readonly purpose: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly setting?: ListenerSetting;
}

/** PEM texts. */
export interface SyslogTls {
  readonly certificate: string;
  readonly key: string;
  /** Set, clients must show a certificate that these have signed. */
  readonly clientAuthorities: string | undefined;
}

/** Each may hold a message and a chunk. */
const CONNECTIONS_MAX = 1000;
const HANDSHAKE_MS = 10_000;
const QUEUE_BYTES_MAX = 8 << 20;
const QUEUE_BATCH_MAX = 2000;
const RECEIVE_BUFFER_BYTES = 4 << 20;
/** What a queued datagram takes besides its bytes. */
const DATAGRAM_OVERHEAD = 128;

/** Listens on TCP, with TLS when `tls` is given. */
export async function openSyslogStream(
  ingest: SyslogIngest,
  options: SyslogListenerOptions,
  tls?: SyslogTls,
): Promise<Listener> {
  const teardown = new AbortController();
  const sockets = new Set<Socket>();
  const serving = new Set<Promise<void>>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    ingest.connections++;
    const served = serveSocket(ingest, socket, tls === undefined ? "tcp" : "tls", teardown.signal)
      // A sender that went away, or our own end: what was whole is stored.
      .catch((error: Error) =>
        ingest.log.debug("syslog connection ended", { error: error.message }),
      )
      .finally(() => {
        sockets.delete(socket);
        serving.delete(served);
        ingest.connections--;
        socket.destroy();
      });
    serving.add(served);
  };
  const server = tls === undefined ? createTcpServer(accept) : createTls(tls, accept);
  server.maxConnections = CONNECTIONS_MAX;
  server.on("tlsClientError", (error: Error) =>
    ingest.log.debug("syslog handshake failed", { error: error.message }),
  );
  await listen(server, options);
  server.on("error", (error) => ingest.log.error("listener failed", { error: error.message }));
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number) => {
    const ended = new Promise((resolve) => server.close(resolve));
    // What was read is stored; what a sender has not handed over yet is still its own.
    for (const socket of sockets) socket.destroy();
    const cut = setTimeout(() => teardown.abort(new Error("listener closed")), deadlineMs);
    await Promise.all(serving);
    clearTimeout(cut);
    await ended;
  };
  return {
    name: options.name,
    host: options.host,
    port: (server.address() as AddressInfo).port,
    isServing: () => server.listening && closing === undefined,
    families: () => [],
    close: (deadlineMs) => (closing ??= close(deadlineMs)),
  };
}

function createTls(tls: SyslogTls, accept: (socket: Socket) => void): Server {
  const { certificate, clientAuthorities, key } = tls;
  return createTlsServer(
    {
      cert: certificate,
      key,
      handshakeTimeout: HANDSHAKE_MS,
      ...(clientAuthorities !== undefined && {
        ca: clientAuthorities,
        requestCert: true,
        rejectUnauthorized: true,
      }),
    },
    accept,
  );
}

async function serveSocket(
  ingest: SyslogIngest,
  socket: Socket,
  transport: "tcp" | "tls",
  signal: AbortSignal,
): Promise<void> {
  const peer = plainAddress(socket.remoteAddress ?? "");
  const framing = new SyslogFraming(ingest.messageBytesMax);
  const store = async (messages: readonly Uint8Array[]) => {
    if (messages.length === 0) return;
    await ingest.take(
      messages.map((bytes) => ({ bytes, peer })),
      transport,
      signal,
    );
  };
  try {
    // The next chunk is asked for when this one is durable: that is the back-pressure.
    for await (const chunk of socket) await store(framing.push(chunk as Buffer));
  } finally {
    ingest.oversized += framing.oversized;
    await store(framing.finish());
  }
}

/** Listens on UDP; a datagram is a message. */
export async function openSyslogDatagrams(
  ingest: SyslogIngest,
  options: SyslogListenerOptions,
): Promise<Listener> {
  const { host, name, port } = options;
  const teardown = new AbortController();
  const queue = new DatagramQueue(ingest);
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4" });
  await bind(socket, options);
  try {
    // Bursts wait here while the main thread is busy; the system may allow less.
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch (error) {
    ingest.log.debug("receive buffer stays as it is", { error: (error as Error).message });
  }
  socket.on("message", (bytes, { address }) => queue.push({ bytes, peer: plainAddress(address) }));
  socket.on("error", (error) => ingest.log.error("listener failed", { error: error.message }));
  let isOpen = true;
  socket.on("close", () => {
    isOpen = false;
  });
  const draining = queue.drain(teardown.signal);
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number) => {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    const cut = setTimeout(() => teardown.abort(new Error("listener closed")), deadlineMs);
    queue.end();
    await draining;
    clearTimeout(cut);
  };
  return {
    name,
    host,
    port: port === 0 ? socket.address().port : port,
    isServing: () => isOpen && closing === undefined,
    families: () => [],
    close: (deadlineMs) => (closing ??= close(deadlineMs)),
  };
}

/** Datagrams on their way to the store. */
class DatagramQueue {
  readonly #ingest: SyslogIngest;
  #waiting: ReceivedMessage[] = [];
  #bytes = 0;
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(ingest: SyslogIngest) {
    this.#ingest = ingest;
  }

  push(message: ReceivedMessage): void {
    const size = message.bytes.length + DATAGRAM_OVERHEAD;
    if (this.#bytes + size > QUEUE_BYTES_MAX) {
      this.#ingest.dropped++;
      return;
    }
    this.#bytes += size;
    this.#waiting.push(message);
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** Stores what comes until `end`; what cannot be stored before `signal` aborts is counted as dropped. */
  async drain(signal: AbortSignal): Promise<void> {
    while (!this.#hasEnded || this.#waiting.length > 0) {
      if (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const batch = this.#waiting.splice(0, QUEUE_BATCH_MAX);
      try {
        await this.#ingest.take(batch, "udp", signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        this.#ingest.dropped += batch.length + this.#waiting.length;
        return;
      }
      for (const { bytes } of batch) this.#bytes -= bytes.length + DATAGRAM_OVERHEAD;
    }
  }
}

async function listen(server: Server, options: SyslogListenerOptions): Promise<void> {
  server.listen({ host: options.host, port: options.port });
  await settle(once(server, "listening"), options);
}

async function bind(socket: DatagramSocket, options: SyslogListenerOptions): Promise<void> {
  socket.bind({ address: options.host, port: options.port });
  await settle(once(socket, "listening"), options);
}

async function settle(opened: Promise<unknown>, options: SyslogListenerOptions): Promise<void> {
  try {
    await opened;
  } catch (error) {
    throw bindFault(error as NodeJS.ErrnoException, options);
  }
}

/** IPv4 as it is written, also where a socket takes both kinds. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
