/**
 * A socket of `loki.source.syslog`. A TCP or TLS connection is read no further than what was taken downstream, so that a full disk pushes back on
 * senders; datagrams wait in a queue of bounded size, and those that find it full are counted.
 */
import { createSocket } from "node:dgram";
import { reverse } from "node:dns/promises";
import { once } from "node:events";
import type { EventEmitter } from "node:events";
import { createServer as createTcpServer, isIPv6 } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { TlsOptions } from "node:tls";
import { describeError, FinchError } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { SyslogFraming } from "@finch/wire";
import type { SyslogDelimiter } from "@finch/wire";
import type { SyslogReceived } from "./syslog-entry.ts";

/** Each may hold a message and a chunk. */
const CONNECTIONS_MAX = 1000;
const QUEUE_BYTES_MAX = 8 << 20;
const QUEUE_BATCH_MAX = 1000;
const RECEIVE_BUFFER_BYTES = 4 << 20;
/** What a queued datagram takes besides its bytes. */
const DATAGRAM_OVERHEAD = 128;
/** A name server that is slow costs this much once for each sender, not more. */
const LOOKUP_MS_MAX = 1000;
const ZERO = 0x30;
const NINE = 0x39;

export interface SyslogAddress {
  readonly host: string;
  readonly port: number;
}

export interface SyslogListenerOptions {
  readonly address: SyslogAddress;
  readonly protocol: "tcp" | "udp";
  /** Of TCP: speaks TLS. */
  readonly tls: TlsOptions | undefined;
  readonly idleTimeoutMs: number;
  readonly messageBytesMax: number;
  readonly delimiter: SyslogDelimiter;
  /** Whether a datagram may hold several messages. */
  readonly splitsDatagrams: boolean;
  /** Names of senders that are remembered; 0 when nobody asks for names. */
  readonly namesMax: number;
  readonly log: Logger;
  /** Resolves when everything downstream has taken what becomes of the messages. */
  take(messages: readonly SyslogReceived[]): Promise<void>;
  /** Messages that were longer than allowed: passed over in a stream, cut in a datagram. */
  onOversized(count: number): void;
  onDropped(count: number): void;
}

export interface SyslogListener extends AsyncDisposable {
  readonly port: number;
}

/** Reads `host:port`, `:port` or `[::1]:port`; undefined when it is none. */
export function parseSyslogAddress(text: string): SyslogAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

/** Rejects when the address cannot be listened on. */
export function openSyslogListener(options: SyslogListenerOptions): Promise<SyslogListener> {
  return options.protocol === "tcp" ? openStream(options) : openDatagrams(options);
}

async function openStream(options: SyslogListenerOptions): Promise<SyslogListener> {
  const { address, log, tls } = options;
  const sockets = new Set<Socket>();
  const serving = new Set<Promise<void>>();
  const names = new PeerNames(options.namesMax);
  const accept = (socket: Socket) => {
    sockets.add(socket);
    const served = serve(socket, options, names)
      // A sender that went away, or our own end: what was whole is taken.
      .catch((error: unknown) =>
        log.debug("syslog connection ended", { error: describeError(error) }),
      )
      .finally(() => {
        sockets.delete(socket);
        serving.delete(served);
        socket.destroy();
      });
    serving.add(served);
  };
  const server: Server = tls === undefined ? createTcpServer(accept) : createTlsServer(tls, accept);
  server.maxConnections = CONNECTIONS_MAX;
  server.on("tlsClientError", (error: Error) =>
    log.debug("syslog handshake failed", { error: error.message }),
  );
  server.listen({ port: address.port, ...(address.host !== "" && { host: address.host }) });
  await listening(server, options);
  server.on("error", (error) => log.error("listener failed", { error: error.message }));
  return {
    port: portOf(server.address()),
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => server.close(resolve));
      // What was read is taken; what a sender has not handed over yet is still its own.
      for (const socket of sockets) socket.destroy();
      await Promise.all(serving);
      await ended;
    },
  };
}

async function serve(
  socket: Socket,
  options: SyslogListenerOptions,
  names: PeerNames,
): Promise<void> {
  const peer = plainAddress(socket.remoteAddress ?? "");
  const peerName = await names.of(peer);
  const framing = new SyslogFraming(options.messageBytesMax, options.delimiter);
  let isTaking = false;
  const take = async (messages: readonly Uint8Array[]) => {
    if (messages.length === 0) return;
    isTaking = true;
    await options.take(messages.map((bytes) => ({ bytes, peer, peerName })));
    isTaking = false;
  };
  socket.setTimeout(options.idleTimeoutMs);
  // A sender that waits for us is not idle.
  socket.on("timeout", () => {
    if (isTaking) socket.setTimeout(options.idleTimeoutMs);
    else socket.destroy();
  });
  try {
    // The next chunk is asked for when this one is taken: that is the back-pressure.
    for await (const chunk of socket) await take(framing.push(chunk as Buffer));
  } finally {
    if (framing.oversized > 0) options.onOversized(framing.oversized);
    await take(framing.finish());
  }
}

async function openDatagrams(options: SyslogListenerOptions): Promise<SyslogListener> {
  const { address, log } = options;
  const queue = new DatagramQueue(options);
  const socket = createSocket({ type: isIPv6(address.host) ? "udp6" : "udp4" });
  socket.bind({ port: address.port, ...(address.host !== "" && { address: address.host }) });
  await listening(socket, options);
  try {
    // Bursts wait here while the process is busy; the system may allow less.
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch (error) {
    log.debug("the receive buffer stays as it is", { error: describeError(error) });
  }
  socket.on("message", (bytes, { address: peer }) => queue.push(bytes, plainAddress(peer)));
  socket.on("error", (error) => log.error("listener failed", { error: error.message }));
  const draining = queue.drain();
  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
      queue.end();
      await draining;
    },
  };
}

interface Datagram {
  readonly bytes: Uint8Array;
  readonly peer: string;
}

/** Datagrams on their way downstream. */
class DatagramQueue {
  readonly #options: SyslogListenerOptions;
  readonly #names: PeerNames;
  #waiting: Datagram[] = [];
  #bytes = 0;
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(options: SyslogListenerOptions) {
    this.#options = options;
    this.#names = new PeerNames(options.namesMax);
  }

  push(bytes: Uint8Array, peer: string): void {
    const size = bytes.length + DATAGRAM_OVERHEAD;
    if (this.#bytes + size > QUEUE_BYTES_MAX) {
      this.#options.onDropped(1);
      return;
    }
    this.#bytes += size;
    this.#waiting.push({ bytes, peer });
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** Hands on what comes until `end`; what cannot be handed on at the stop is counted as dropped. */
  async drain(): Promise<void> {
    while (!this.#hasEnded || this.#waiting.length > 0) {
      if (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const batch = this.#waiting.splice(0, QUEUE_BATCH_MAX);
      try {
        await this.#options.take(await this.#messagesOf(batch));
      } catch {
        this.#options.onDropped(batch.length + this.#waiting.length);
        this.#waiting = [];
        return;
      }
      for (const { bytes } of batch) this.#bytes -= bytes.length + DATAGRAM_OVERHEAD;
    }
  }

  async #messagesOf(batch: readonly Datagram[]): Promise<readonly SyslogReceived[]> {
    const peers = [...new Set(batch.map(({ peer }) => peer))];
    const names = await Promise.all(peers.map((peer) => this.#names.of(peer)));
    const nameOf = new Map(peers.map((peer, index) => [peer, names[index]!]));
    return batch.flatMap(({ bytes, peer }) =>
      this.#split(bytes).map((message) => ({ bytes: message, peer, peerName: nameOf.get(peer)! })),
    );
  }

  /** A datagram is a message (RFC 5426); some senders count its bytes all the same. */
  #split(bytes: Uint8Array): readonly Uint8Array[] {
    const { messageBytesMax, delimiter, splitsDatagrams } = this.#options;
    const first = bytes[0] ?? 0;
    if (splitsDatagrams || (first >= ZERO && first <= NINE)) {
      const framing = new SyslogFraming(messageBytesMax, delimiter);
      const messages = [...framing.push(bytes), ...framing.finish()];
      if (framing.oversized > 0) this.#options.onOversized(framing.oversized);
      return messages;
    }
    if (bytes.length <= messageBytesMax) return [bytes];
    this.#options.onOversized(1);
    return [bytes.subarray(0, messageBytesMax)];
  }
}

/** Names of peers by reverse lookup, as many as are remembered; one that cannot be found is the empty text. */
class PeerNames {
  readonly #max: number;
  readonly #known = new Map<string, Promise<string>>();

  constructor(max: number) {
    this.#max = max;
  }

  of(peer: string): Promise<string> {
    if (this.#max === 0) return Promise.resolve("");
    const known = this.#known.get(peer);
    const name = known ?? lookUp(peer);
    this.#known.delete(peer);
    this.#known.set(peer, name);
    if (this.#known.size > this.#max) this.#known.delete(this.#known.keys().next().value!);
    return name;
  }
}

async function lookUp(peer: string): Promise<string> {
  const deadline = Promise.withResolvers<readonly string[]>();
  const timer = setTimeout(() => deadline.resolve([]), LOOKUP_MS_MAX);
  try {
    const names = await Promise.race([reverse(peer), deadline.promise]);
    // As Go writes them: a name with domains is absolute.
    return names.map((name) => (/\..*[^.]$/.test(name) ? `${name}.` : name)).join(",");
  } catch {
    return "";
  } finally {
    clearTimeout(timer);
  }
}

async function listening(
  emitter: EventEmitter,
  { address, protocol }: SyslogListenerOptions,
): Promise<void> {
  try {
    await once(emitter, "listening");
  } catch (cause) {
    throw new FinchError(
      "unavailable",
      "agent/syslog-listen",
      `cannot listen on ${protocol} ${address.host || "*"}:${address.port}`,
      { cause },
    );
  }
}

function portOf(address: ReturnType<Server["address"]>): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** IPv4 as it is written, also where a socket takes both kinds. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
