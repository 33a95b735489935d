/** A listener on a free loopback port, for tests. */
import { request as httpRequest } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { DEFAULT_HTTP_LIMITS, openListener } from "../src/http.ts";
import type { GrpcMethod, HttpLimits, Listener, Route } from "../src/http.ts";
import { silentLogger, systemClock } from "../src/index.ts";

export async function listenOn(
  routes: readonly Route[],
  limits: Partial<HttpLimits> = {},
  grpc?: readonly GrpcMethod[],
): Promise<Listener & AsyncDisposable> {
  const listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes,
    limits: { ...DEFAULT_HTTP_LIMITS, ...limits },
    clock: systemClock,
    log: silentLogger,
    ...(grpc !== undefined && { grpc }),
  });
  return { ...listener, [Symbol.asyncDispose]: () => listener.close(0) };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A plain request, nothing decoded. */
export function ask(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Uint8Array;
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {} } = options;
    const request = httpRequest({ port, host: "127.0.0.1", path, method, headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const body = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    request.end(options.body);
  });
}
