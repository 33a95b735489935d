/** Servers that the tests of blackbox probe: HTTP, TLS, plain TCP and DNS, each on a free port of this machine. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";

export interface TestServer extends AsyncDisposable {
  readonly port: number;
}

async function served(server: Server): Promise<TestServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export function httpServer(answer: RequestListener): Promise<TestServer> {
  return served(createServer(answer));
}

export function httpsServer(
  files: { readonly cert: Buffer; readonly key: Buffer },
  answer: RequestListener,
): Promise<TestServer> {
  return served(createHttpsServer(files, answer));
}

export function tcpServer(talk: (socket: Socket) => void): Promise<TestServer> {
  return served(createTcpServer(talk));
}

/** Answers each question by `answer` (the whole message), over UDP and TCP on the same port. */
export async function dnsServer(answer: (question: Buffer) => Buffer): Promise<TestServer> {
  const tcp = await tcpServer((socket) => {
    socket.on("data", (data: Buffer) => {
      const message = answer(data.subarray(2));
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    });
  });
  const udp = createSocket("udp4");
  udp.on("message", (question, peer) => udp.send(answer(question), peer.port, peer.address));
  udp.bind(tcp.port, "127.0.0.1");
  await once(udp, "listening");
  return {
    port: tcp.port,
    async [Symbol.asyncDispose]() {
      udp.close();
      await tcp[Symbol.asyncDispose]();
    },
  };
}

/** A record with the question's own name; `data` is the record's data as bytes. */
export function dnsRecord(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(300, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** The answer to `question` with these records of the answer section and code. */
export function dnsAnswer(question: Buffer, records: readonly Buffer[], rcode = 0): Buffer {
  const header = Buffer.from(question.subarray(0, 12));
  header.writeUInt16BE(0x8180 | rcode, 2);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question.subarray(12), ...records]);
}
