/**
 * What stands before the servers of the original Finch: HTTPS with a certificate that nobody knows, a bearer token that is asked for at each path (or a service that is asked
 * about it, as ForwardAuth is), and prefixes that are taken off. Requests are handed on as they came.
 */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { makeCertificates } from "../packages/agent/test/certificates.ts";

export interface FrontDoor extends AsyncDisposable {
  /** `localhost:PORT`. */
  readonly host: string;
  /** Requests without the token. */
  readonly refused: number;
  /** Paths with their query, before the prefix was taken off, and what they were answered. */
  readonly passed: { readonly path: string; readonly status: number }[];
}

/** `routes`: from prefixes such as `/loki` to addresses such as `http://127.0.0.1:3100`. */
export async function openFrontDoor(
  directory: string,
  options: {
    readonly routes: Readonly<Record<string, string>>;
  } & ({ readonly token: string } | { readonly authUrl: string }),
): Promise<FrontDoor> {
  const { routes } = options;
  const isLetIn = async (authorization: string | undefined): Promise<boolean> => {
    if ("token" in options) return authorization === `Bearer ${options.token}`;
    const headers = authorization === undefined ? {} : { authorization };
    return (await fetch(options.authUrl, { headers })).status === 200;
  };
  makeCertificates(directory);
  const certificate = {
    cert: readFileSync(join(directory, "server.pem")),
    key: readFileSync(join(directory, "server.key")),
  };
  const passed: { path: string; status: number }[] = [];
  let refused = 0;
  const answer = async (message: IncomingMessage, response: ServerResponse) => {
    const path = message.url ?? "";
    const prefix = Object.keys(routes).find((one) => path.startsWith(`${one}/`));
    if (!(await isLetIn(message.headers.authorization))) {
      refused++;
      response.writeHead(401).end();
    } else if (prefix === undefined) response.writeHead(404).end();
    else
      handOn(message, response, {
        url: routes[prefix]! + path.slice(prefix.length),
        done: (status) => passed.push({ path, status }),
      });
  };
  const server = createServer(certificate, (message, response) => {
    answer(message, response).catch(() => response.writeHead(502).end());
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    passed,
    get refused() {
      return refused;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function handOn(
  message: IncomingMessage,
  response: ServerResponse,
  to: { readonly url: string; readonly done: (status: number) => void },
): void {
  const { method = "GET", headers } = message;
  const outgoing = httpRequest(to.url, { method, headers }, (answer) => {
    const status = answer.statusCode ?? 502;
    response.writeHead(status, answer.headers);
    answer.pipe(response);
    answer.on("end", () => to.done(status));
  });
  outgoing.on("error", () => response.writeHead(502).end());
  message.pipe(outgoing);
}
