/**
 * An engine that speaks the Docker API as it was recorded (../shared/captures/docker28): lists, inspection, events, and logs in frames with times.
 * Containers do what a test tells them.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { DockerStream } from "../src/container-logs/log-reader.ts";

export interface ScriptedContainer {
  readonly id: string;
  name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: Readonly<Record<string, { NetworkID: string; IPAddress: string }>> | null;
  readonly ports: readonly object[];
  readonly isTty: boolean;
  readonly networkMode: string | undefined;
  isRunning: boolean;
  runs: number;
  readonly log: ScriptedLine[];
}

interface ScriptedLine {
  readonly ns: bigint;
  readonly stream: DockerStream;
  readonly text: string;
}

interface Follower {
  readonly container: ScriptedContainer;
  readonly response: ServerResponse;
}

/** `2026-11-20T17:29:02.305927407Z` */
function timeText(ns: bigint): string {
  const second = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${second}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}

function frame({ stream, ns, text }: ScriptedLine): Buffer {
  const payload = Buffer.from(`${timeText(ns)} ${text}\n`);
  const header = Buffer.alloc(8);
  header[0] = stream === "stdout" ? 1 : 2;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

export class ScriptedEngine implements AsyncDisposable {
  readonly containers = new Map<string, ScriptedContainer>();
  networks: readonly object[] = [];
  /** Answered as the list of containers, in place of the scripted ones. */
  listing: readonly object[] | undefined;
  /** Paths that are answered with 403, as a proxy before the engine does. */
  readonly forbidden = new Set<string>();
  /** Paths and queries that were asked for. */
  readonly requests: string[] = [];
  /** Old engines look at the time of each line, new ones send all that stands behind the first that is late enough. */
  looksAtEachTime = false;
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #followers = new Set<Follower>();
  readonly #listeners = new Set<ServerResponse>();
  #asked = Promise.withResolvers<void>();

  async listen(socketPath: string): Promise<void> {
    this.#server.listen(socketPath);
    await once(this.#server, "listening");
  }

  add(id: string, changes: Partial<ScriptedContainer> = {}): ScriptedContainer {
    const container: ScriptedContainer = {
      id,
      name: `/${id}`,
      labels: {},
      networks: { bridge: { NetworkID: "n1", IPAddress: "172.17.0.2" } },
      ports: [],
      isTty: false,
      networkMode: "bridge",
      isRunning: true,
      runs: 1,
      log: [],
      ...changes,
    };
    this.containers.set(id, container);
    this.tell("start", id);
    return container;
  }

  write(id: string, ns: bigint, text: string, stream: DockerStream = "stdout"): void {
    const container = this.containers.get(id)!;
    const line = { ns, stream, text };
    container.log.push(line);
    for (const follower of this.#followers)
      if (follower.container === container) follower.response.write(bytesOf(container, line));
  }

  stop(id: string): void {
    const container = this.containers.get(id)!;
    container.isRunning = false;
    for (const follower of this.#followers)
      if (follower.container === container) this.#end(follower);
    this.tell("die", id);
  }

  start(id: string): void {
    const container = this.containers.get(id)!;
    container.isRunning = true;
    container.runs++;
    this.tell("start", id);
  }

  remove(id: string): void {
    this.stop(id);
    this.containers.delete(id);
    this.tell("destroy", id);
  }

  /** Breaks every connection that has no end. */
  breakStreams(): void {
    for (const { response } of this.#followers) response.destroy();
    for (const response of this.#listeners) response.destroy();
    this.#followers.clear();
    this.#listeners.clear();
  }

  tell(action: string, id: string): void {
    const event = { Type: "container", Action: action, Actor: { ID: id }, status: action, id };
    for (const listener of this.#listeners) listener.write(`${JSON.stringify(event)}\n`);
  }

  /** Resolves when the condition holds; it is looked at after each request. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#asked.promise;
  }

  get followed(): readonly string[] {
    return [...this.#followers].map(({ container }) => container.id);
  }

  #end(follower: Follower): void {
    this.#followers.delete(follower);
    follower.response.end();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, "http://docker");
    this.requests.push(url.pathname + url.search);
    const [, kind, id, what] = url.pathname.split("/");
    const container = this.containers.get(id ?? "");
    if (this.forbidden.has(url.pathname)) answerJson(response, 403, { message: "forbidden" });
    else if (url.pathname === "/events") this.#listen(response);
    else if (url.pathname === "/networks") answerJson(response, 200, this.networks);
    else if (url.pathname === "/containers/json")
      answerJson(
        response,
        200,
        this.listing ?? [...this.containers.values()].filter(isRunning).map(summary),
      );
    else if (kind === "containers" && container === undefined)
      answerJson(response, 404, { message: `No such container: ${id}` });
    else if (what === "json") answerJson(response, 200, details(container!));
    else if (what === "logs") this.#sendLog(container!, url.searchParams, response);
    else answerJson(response, 404, { message: "page not found" });
    this.#asked.resolve();
    this.#asked = Promise.withResolvers();
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.#listeners.add(response);
    response.on("close", () => this.#listeners.delete(response));
  }

  #sendLog(container: ScriptedContainer, query: URLSearchParams, response: ServerResponse): void {
    const [seconds, fraction = "0"] = query.get("since")!.split(".");
    const sinceNs = BigInt(seconds!) * 1_000_000_000n + BigInt(fraction);
    const { log } = container;
    const first = log.findIndex(({ ns }) => ns >= sinceNs);
    const lines = this.looksAtEachTime
      ? log.filter(({ ns }) => ns >= sinceNs)
      : first < 0
        ? []
        : log.slice(first);
    response.writeHead(200, { "content-type": "application/vnd.docker.multiplexed-stream" });
    response.flushHeaders();
    response.write(Buffer.concat(lines.map((line) => bytesOf(container, line))));
    const follower = { container, response };
    if (query.get("follow") === "1" && container.isRunning) this.#followers.add(follower);
    else response.end();
    response.on("close", () => this.#followers.delete(follower));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function bytesOf(container: ScriptedContainer, line: ScriptedLine): Buffer {
  return container.isTty ? Buffer.from(`${timeText(line.ns)} ${line.text}\r\n`) : frame(line);
}

function isRunning(container: ScriptedContainer): boolean {
  return container.isRunning;
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function summary(container: ScriptedContainer): object {
  return {
    Id: container.id,
    Names: [container.name],
    Labels: container.labels,
    Ports: container.ports,
    ...(container.networkMode !== undefined && {
      HostConfig: { NetworkMode: container.networkMode },
    }),
    NetworkSettings: { Networks: container.networkMode === undefined ? null : container.networks },
  };
}

function details(container: ScriptedContainer): object {
  return {
    Id: container.id,
    State: {
      Running: container.isRunning,
      StartedAt: `run ${container.runs}`,
      FinishedAt: container.isRunning ? "" : `end ${container.runs}`,
    },
    Config: { Tty: container.isTty },
    HostConfig: { NetworkMode: container.networkMode ?? "podman" },
    NetworkSettings: { Networks: container.networks ?? {} },
  };
}
