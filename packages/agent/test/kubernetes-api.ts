/**
 * A Kubernetes API server for tests: real HTTP on a port of its own, lists in pages, watches that stay open, logs of containers. What it lists is
 * what a real server answered (../shared/captures/kubernetes) or what the test puts there.
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const CAPTURES = join(import.meta.dirname, "../../../../shared/captures/kubernetes");

/** Why the recorded answers cannot be used here, or false. */
export const noCaptures: string | false = existsSync(CAPTURES)
  ? false
  : "../shared/captures/kubernetes is not here";

export function readCapture(name: string): string {
  return readFileSync(join(CAPTURES, name), "utf8");
}

export interface ListedObject {
  readonly metadata: Record<string, unknown> & { name: string };
  [field: string]: unknown;
}

export interface KubernetesList {
  metadata: { resourceVersion: string };
  items: ListedObject[];
}

export function recordedList(plural: string): KubernetesList {
  return JSON.parse(readCapture(`${plural}.json`)) as KubernetesList;
}

interface OpenWatch {
  readonly path: string;
  readonly url: URL;
  readonly response: ServerResponse;
}

export class KubernetesApi implements AsyncDisposable {
  url = "";
  /** By path, such as `/api/v1/pods`. What is not here answers 404. */
  readonly lists = new Map<string, KubernetesList>();
  /** Answers instead of lists, by path: status and body. */
  readonly refusals = new Map<string, { status: number; message: string; retryAfter?: string }>();
  /** Everything else: what a test answers itself. True when it did. */
  answer: (url: URL, response: ServerResponse) => boolean = () => false;
  readonly requests: string[] = [];
  readonly tokens = new Set<string | undefined>();
  /** Objects in a page at most, whatever is asked for. */
  pageMax = Infinity;
  /** resourceVersions that are answered with 410. */
  readonly expired = new Set<string>();
  readonly watches: OpenWatch[] = [];
  #arrival = Promise.withResolvers<void>();
  readonly #server = createServer((request, response) => this.#take(request, response));

  static async start(): Promise<KubernetesApi> {
    const api = new KubernetesApi();
    api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    api.url = `http://127.0.0.1:${(api.#server.address() as AddressInfo).port}`;
    return api;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.url);
    this.requests.push(`${url.pathname}${url.search}`);
    this.tokens.add(request.headers.authorization);
    const refusal = this.refusals.get(url.pathname);
    const list = this.lists.get(url.pathname);
    if (refusal !== undefined) {
      refuse(response, refusal.status, refusal.message, refusal.retryAfter);
    } else if (list === undefined) {
      if (!this.answer(url, response))
        refuse(response, 404, "the server could not find the requested resource");
    } else if (url.searchParams.get("watch") === "true") {
      this.#openWatch(url, response);
    } else {
      this.#sendPage(url, list, response);
    }
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  #sendPage(url: URL, list: KubernetesList, response: ServerResponse): void {
    const start = Number(url.searchParams.get("continue") ?? "0");
    const limit = Math.min(this.pageMax, Number(url.searchParams.get("limit") ?? "1e9"));
    const isLast = start + limit >= list.items.length;
    const metadata = { ...list.metadata, ...(!isLast && { continue: String(start + limit) }) };
    const items = list.items.slice(start, start + limit);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...list, metadata, items }));
  }

  #openWatch(url: URL, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const watch = { path: url.pathname, url, response };
    if (this.expired.has(url.searchParams.get("resourceVersion")!)) {
      const object = { kind: "Status", code: 410, message: "too old resource version" };
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    this.watches.push(watch);
    response.on("close", () => this.watches.splice(this.watches.indexOf(watch), 1));
  }

  /** Resolves with the watch of a path once it is open. */
  async watch(path: string): Promise<OpenWatch> {
    for (;;) {
      const found = this.watches.find((watch) => watch.path === path);
      if (found !== undefined) return found;
      await this.#arrival.promise;
    }
  }

  /** Resolves when a request that the condition is true of has come. */
  async until(condition: (requests: readonly string[]) => boolean): Promise<void> {
    while (!condition(this.requests)) await this.#arrival.promise;
  }

  /** Sends an event to the watch of a path, once there is one. */
  async send(path: string, type: string, object: object): Promise<void> {
    const { response } = await this.watch(path);
    response.write(`${JSON.stringify({ type, object })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

export function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  retryAfter?: string,
): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(retryAfter !== undefined && { "retry-after": retryAfter }),
  });
  response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message }));
}

/** Arguments of a component's Kubernetes client, decoded, with nothing but the server. */
export function clientArguments(apiServer: string | undefined) {
  return { api_server: apiServer, kubeconfig_file: undefined, follow_redirects: true };
}
