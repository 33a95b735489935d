/** WebSockets of a listener: upgrade by route, pings, back-pressure on send. `ws` is loaded at the first upgrade. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import { FinchError } from "./errors.ts";
import { faultReply, toFault } from "./http-faults.ts";
import type { HttpFaultStyle } from "./http-faults.ts";
import { RequestTarget } from "./http-request-target.ts";
import { ServedRequest } from "./http-request.ts";
import type { HttpServer } from "./http-server.ts";
import type { HttpReply, HttpWebSocket } from "./http-types.ts";
import { STATUS_CODES } from "./node-http.ts";

/** Bytes of a close reason the protocol has room for. */
const CLOSE_REASON_BYTES_MAX = 123;

/** Runs an open socket; may resolve with why it ends. */
type Run = (open: HttpWebSocket) => Promise<string | void>;

export class WebSocketGate {
  readonly #server: HttpServer;
  readonly #open = new Set<WebSocket>();
  #acceptor: Promise<WebSocketServer> | undefined;

  constructor(server: HttpServer) {
    this.#server = server;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Handles an `upgrade` event; never rejects. */
  async serve(
    message: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    peer?: string,
  ): Promise<void> {
    const ignoreReset = () => {};
    socket.on("error", ignoreReset);
    const end = this.#server.begin();
    socket.once("close", () => {
      end.abort(closed());
      this.#server.forget(end);
    });
    const { admit } = this.#server.options;
    let style: HttpFaultStyle = "text";
    let run: Run;
    try {
      const refusal = admit?.(message);
      if (refusal !== undefined) {
        writeRawReply(socket, refusal);
        return;
      }
      const target = new RequestTarget(message);
      const match = this.#server.router.findWebSocket(target.path);
      if (match === undefined)
        throw new FinchError("not-found", "runtime/no-route", "404 page not found");
      style = match.route.faults;
      const { params } = match;
      const request = new ServedRequest(message, this.#server, { target, params, end, peer });
      run = await match.route.accept(request);
    } catch (thrown) {
      writeRawReply(socket, faultReply(toFault(thrown), style));
      return;
    }
    const acceptor = await this.#load();
    if (socket.destroyed) return;
    acceptor.handleUpgrade(message, socket, head, (webSocket) => {
      void this.#run(webSocket, run);
    });
  }

  /** Says good-bye to every open socket; those that do not answer are cut. */
  closeAll(): void {
    for (const webSocket of this.#open) webSocket.close(1001, "Finch is stopping");
  }

  terminateAll(): void {
    for (const webSocket of this.#open) webSocket.terminate();
  }

  async #load(): Promise<WebSocketServer> {
    const { webSocketMessageBytesMax: maxPayload } = this.#server.options.limits;
    this.#acceptor ??= import("ws").then(
      (ws) => new ws.WebSocketServer({ noServer: true, maxPayload, clientTracking: false }),
    );
    return await this.#acceptor;
  }

  async #run(webSocket: WebSocket, run: Run): Promise<void> {
    this.#open.add(webSocket);
    const gone = new AbortController();
    let answered = true;
    webSocket.on("pong", () => {
      answered = true;
    });
    webSocket.on("error", () => webSocket.terminate());
    webSocket.on("close", () => gone.abort(closed()));
    const pings = setInterval(() => {
      if (!answered) webSocket.terminate();
      answered = false;
      if (webSocket.readyState === webSocket.OPEN) webSocket.ping();
    }, this.#server.options.limits.webSocketPingMs);
    try {
      const reason = await run({
        send: (text) => sendText(webSocket, text),
        signal: gone.signal,
      });
      webSocket.close(1000, fitReason(reason ?? ""));
    } catch (thrown) {
      if (!gone.signal.aborted) webSocket.close(1011, fitReason(toFault(thrown).message));
    } finally {
      clearInterval(pings);
      if (webSocket.readyState !== webSocket.CLOSED) {
        webSocket.once("close", () => this.#open.delete(webSocket));
      } else this.#open.delete(webSocket);
    }
  }
}

function sendText(webSocket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    webSocket.send(text, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

function closed(): FinchError {
  return new FinchError("canceled", "runtime/websocket-closed", "the WebSocket was closed");
}

function fitReason(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= CLOSE_REASON_BYTES_MAX) return message;
  return bytes
    .subarray(0, CLOSE_REASON_BYTES_MAX - 3)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}

function writeRawReply(socket: Duplex, reply: HttpReply): void {
  const body = typeof reply.body === "string" ? reply.body : "";
  let head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}\r\nconnection: close\r\n`;
  for (const [name, value] of Object.entries(reply.headers ?? {})) head += `${name}: ${value}\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
