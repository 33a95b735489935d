/** A service's gRPC over TLS for tests of finchctl: it asks for client certificates as a gateway does, and keeps agents in memory. What the real one does is tested elsewhere. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { METHODS } from "../src/finchctl/control-client.ts";

export interface ControlPlane extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** The registered agents, by resource id. */
  readonly agents: Map<string, Record<string, unknown>>;
}

type Handler = (request: never) => object;

/** `authority` is the certificate that must have signed those of clients; key and certificate are the gateway's. */
export async function startControlPlane(options: {
  readonly authority: string;
  readonly key: string;
  readonly certificate: string;
}): Promise<ControlPlane> {
  const agents: ControlPlane["agents"] = new Map();
  const handlers = handlersOf(agents);
  const server = createSecureServer({
    key: options.key,
    cert: options.certificate,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
  });
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    const client = (stream.session?.socket as TLSSocket | undefined)?.getPeerX509Certificate();
    const isKnown = client?.verify(new X509Certificate(options.authority).publicKey) === true;
    answer(stream, headers, isKnown ? handlers : undefined).catch((error: unknown) => {
      stream.destroy(error as Error);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    name: `localhost:${port}`,
    port,
    agents,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handlers: Readonly<Record<string, Handler>> | undefined,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  const found = Object.entries(METHODS).find(([, { path }]) => path === headers[":path"]);
  if (handlers === undefined || found === undefined) {
    refuse(stream, handlers === undefined ? 16 : 12, "permission denied");
    return;
  }
  const [name, method] = found;
  const reply = handlers[name]!(method.request.decode(Buffer.concat(chunks).subarray(5)) as never);
  if (typeof (reply as { code?: number }).code === "number") {
    const { code, message } = reply as { code: number; message: string };
    refuse(stream, code, message);
    return;
  }
  const body = method.reply.encode(reply as never);
  const framed = Buffer.alloc(5 + body.length);
  framed.writeUInt32BE(body.length, 1);
  framed.set(body, 5);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(framed);
}

function refuse(stream: ServerHttp2Stream, code: number, message: string): void {
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(code),
      "grpc-message": encodeURIComponent(message),
    },
    { endStream: true },
  );
}

function handlersOf(agents: ControlPlane["agents"]): Readonly<Record<string, Handler>> {
  const gone = { code: 5, message: "agent not found" };
  return {
    registerAgent: (data: { hostname: string }) => {
      if ([...agents.values()].some(({ hostname }) => hostname === data.hostname))
        return { code: 6, message: "agent already exists" };
      const rid = `rid:finch:0:agent:${agents.size}`;
      agents.set(rid, { ...data, resourceId: rid, createdAt: "2026-01-01T00:00:00Z" });
      return { rid };
    },
    deregisterAgent: ({ rid }: { rid: string }) => (agents.delete(rid) ? {} : gone),
    getAgent: ({ rid }: { rid: string }) => agents.get(rid) ?? gone,
    listAgents: () => ({
      agents: [...agents].map(([rid, { hostname }]) => ({ rid, hostname })),
    }),
    getAgentConfig: ({ rid }: { rid: string }) =>
      agents.has(rid) ? { config: Buffer.from(`// ${rid}\n`) } : gone,
    updateAgent: ({ rid, ...data }: { rid: string }) => {
      agents.set(rid, { ...agents.get(rid), ...data });
      return {};
    },
    getServiceInfo: () => ({
      id: "0123",
      hostname: "localhost",
      createdAt: "2026-01-01T00:00:00Z",
      release: "1.2.3",
      commit: "abc",
    }),
    getDashboardToken: (request: { role: string; sessionTimeout: number }) => ({
      token: `${request.role}-${request.sessionTimeout}`,
      expiresAt: "2026-01-01T00:30:00Z",
      dashboardUrl: "https://localhost/login",
    }),
  };
}
