/** A client of gRPC that is not ours (@grpc/grpc-js), made from the service definition. */
import { join } from "node:path";
import { credentials, loadPackageDefinition, Metadata } from "@grpc/grpc-js";
import type {
  ChannelCredentials,
  Client,
  ClientUnaryCall,
  ServiceClientConstructor,
  ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const PROTO = join(import.meta.dirname, "../../wire/proto/finch.proto");

/** With the names of fields as in the definition. */
export type Message = Readonly<Record<string, unknown>>;

export interface RpcClient extends Disposable {
  /** `name` is such as `AgentService.GetAgent`; rejects with gRPC's `code` and `details`. */
  call(name: string, request: Message, headers: Readonly<Record<string, string>>): Promise<Message>;
  /** Sends bytes to any path. */
  callRaw(path: string, bytes: Buffer, headers: Readonly<Record<string, string>>): Promise<Buffer>;
}

type UnaryCall = (
  request: Message,
  metadata: Metadata,
  done: (error: ServiceError | null, reply: Message) => void,
) => ClientUnaryCall;

/** In PEM. */
export interface RpcTls {
  /** Of who signed the server's certificate. */
  readonly authority: string;
  readonly client?: { readonly certificate: string; readonly key: string };
}

/** `address` is `HOST:PORT`; without `tls` the connection has none. */
export function openRpcClient(address: string, tls?: RpcTls): RpcClient {
  const channel = tls === undefined ? credentials.createInsecure() : secured(tls);
  const definition = loadPackageDefinition(loadSync(PROTO, { keepCase: true, defaults: true }));
  const services = definition["finch"] as unknown as Readonly<
    Record<string, ServiceClientConstructor>
  >;
  const clients = new Map<string, Client>();
  for (const name of ["AgentService", "InfoService", "DashboardService"])
    clients.set(name, new services[name]!(address, channel));
  return {
    call: (name, request, headers) => {
      const [service = "", method = ""] = name.split(".");
      const client = clients.get(service)!;
      const run = (client as unknown as Readonly<Record<string, UnaryCall>>)[method]!;
      return new Promise((resolve, reject) => {
        run.call(client, request, metadataOf(headers), (error, reply) => {
          if (error === null) resolve(reply);
          else reject(error);
        });
      });
    },
    callRaw: (path, bytes, headers) =>
      new Promise((resolve, reject) => {
        const same = (value: Buffer) => value;
        const done = (error: ServiceError | null, reply?: Buffer) => {
          if (error === null) resolve(reply!);
          else reject(error);
        };
        const client = clients.get("AgentService")!;
        client.makeUnaryRequest(path, same, same, bytes, metadataOf(headers), done);
      }),
    [Symbol.dispose]: () => {
      for (const client of clients.values()) client.close();
    },
  };
}

function secured({ authority, client }: RpcTls): ChannelCredentials {
  const bytes = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(bytes(authority), bytes(client?.key), bytes(client?.certificate));
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return metadata;
}
