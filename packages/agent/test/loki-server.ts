/** A Loki for tests: an HTTP server that takes pushes, answers as it is told, and keeps what it took. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { decodeLokiPush, DEFAULT_LOKI_PUSH_LIMITS } from "@finch/wire";

interface Received {
  readonly stream: string;
  readonly line: string;
  readonly tenant: string | undefined;
}

type Answer = (
  request: number,
  entries: readonly Received[],
) => {
  status: number;
  headers?: Record<string, string>;
  body?: string;
};

/** A Loki that answers as it is told and keeps what it took. */
export async function startLoki(answer: Answer) {
  const received: Received[] = [];
  let requests = 0;
  let arrived = Promise.withResolvers<void>();
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const entries = decode(
      Buffer.concat(chunks),
      request.headers["x-scope-orgid"] as string | undefined,
    );
    const { status, headers = {}, body = "" } = answer(requests++, entries);
    if (status < 300) received.push(...entries);
    response.writeHead(status, headers).end(body);
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/loki/api/v1/push`,
    received,
    requests: () => requests,
    async until(condition: () => boolean) {
      while (!condition()) await arrived.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function decode(body: Buffer, tenant: string | undefined): Received[] {
  const { batch } = decodeLokiPush({
    body,
    contentType: "application/x-protobuf",
    contentEncoding: undefined,
    limits: DEFAULT_LOKI_PUSH_LIMITS,
  });
  return batch.streams.flatMap(({ labels, entries }) =>
    Array.from({ length: entries.count }, (_, row) => ({
      stream: labels.toString(),
      line: Buffer.from(
        entries.lines.subarray(entries.lineBounds[row]!, entries.lineBounds[row + 1]!),
      ).toString(),
      tenant,
    })),
  );
}
