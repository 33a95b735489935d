/**
 * Client of the Docker Engine API (https://docs.docker.com/reference/api/engine/), as far as discovery and logs need it; Podman's compatible socket
 * speaks it, too. Paths carry no version, so an engine answers with its newest. Answers are read leniently: engines leave out what they do not know.
 */
import { FinchError } from "@finch/runtime";
import { createHttpClient } from "../http-client.ts";
import type { HttpClient, HttpClientOptions, HttpClientStream } from "../http-client.ts";

/** A host with ten thousand containers answers some 20 MB. */
const LIST_BYTES_MAX = 64 << 20;
const INSPECT_BYTES_MAX = 8 << 20;
const EVENT_BYTES_MAX = 1 << 20;
const ANSWER_SHOWN_MAX = 300;

export interface DockerEndpoint {
  /** What URLs begin with, without a slash at the end. */
  readonly baseUrl: string;
  readonly socketPath: string | undefined;
}

export interface DockerNetworkUse {
  readonly networkId: string;
  readonly ipAddress: string;
}

export interface DockerPort {
  readonly type: string;
  readonly privatePort: number;
  /** 0 when the port is not published. */
  readonly publicPort: number;
  readonly ip: string;
}

export interface DockerContainer {
  readonly id: string;
  /** Each begins with `/`. */
  readonly names: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly DockerPort[];
  /** Undefined where the engine does not list it (Podman 4). */
  readonly networkMode: string | undefined;
  /** By name; undefined where the engine does not list them. */
  readonly networks: Readonly<Record<string, DockerNetworkUse>> | undefined;
}

export interface DockerContainerDetails {
  readonly isRunning: boolean;
  readonly isTty: boolean;
  /** Start and end of its last run, as the engine writes them: equal texts mean the same run. */
  readonly run: string;
  readonly networkMode: string;
  readonly networks: Readonly<Record<string, DockerNetworkUse>>;
  /** Of the first process, as the host counts; 0 when it does not run. */
  readonly pid: number;
  /** As it was named when the container was made. */
  readonly image: string;
  /** `NAME=VALUE` each. */
  readonly environment: readonly string[];
  /** RFC 3339; of its last start. */
  readonly startedAt: string;
  readonly createdAt: string;
}

export interface DockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly scope: string;
  readonly isInternal: boolean;
  readonly isIngress: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export interface DockerEvent {
  /** Such as `start`, `die`, `rename`. */
  readonly action: string;
  /** Of the container, the network or whatever it is about. */
  readonly id: string;
}

export interface DockerInfo {
  /** Host name; empty where the engine does not tell. */
  readonly name: string;
  /** Such as `linux`. */
  readonly osType: string;
}

/** Values by filter name, as the engine's `filters` parameter takes them. */
export type DockerFilters = Readonly<Record<string, readonly string[]>>;

/** Rejects with `agent/docker-refused` when the engine answers with an error, with the faults of the HTTP client when it does not answer. */
export interface DockerClient extends Disposable {
  /** Running ones, unless a filter says otherwise. */
  listContainers(filters: DockerFilters, signal: AbortSignal): Promise<readonly DockerContainer[]>;
  listNetworks(signal: AbortSignal): Promise<readonly DockerNetwork[]>;
  /** The machine it runs on. */
  info(signal: AbortSignal): Promise<DockerInfo>;
  /** Undefined when there is no such container. */
  inspectContainer(id: string, signal: AbortSignal): Promise<DockerContainerDetails | undefined>;
  /** Standard output and error with timestamps, from `sinceNs` on (0n: all there is); without `follow` it ends where the log ends now. */
  openLogs(
    id: string,
    options: { readonly sinceNs: bigint; readonly follow: boolean },
    signal: AbortSignal,
  ): Promise<HttpClientStream>;
  /** What happens from now on; ends when the connection does. Resolves when the engine listens. */
  openEvents(filters: DockerFilters, signal: AbortSignal): Promise<AsyncIterable<DockerEvent>>;
}

/** Reads a `host` argument; throws `agent/docker-host`. `tcp://` is HTTPS when TLS is configured. */
export function parseDockerHost(
  host: string,
  options: { readonly hasTls: boolean },
): DockerEndpoint {
  const match = /^([a-z]+):\/\/(.+)$/s.exec(host);
  const [, scheme, rest] = match ?? [];
  if (scheme === "unix" && rest!.startsWith("/"))
    return { baseUrl: "http://docker", socketPath: rest! };
  const protocol = scheme === "tcp" ? (options.hasTls ? "https" : "http") : scheme;
  if (protocol === "http" || protocol === "https") {
    const url = URL.parse(`${protocol}://${rest!}`);
    if (url !== null)
      return { baseUrl: url.origin + url.pathname.replace(/\/+$/, ""), socketPath: undefined };
  }
  const what =
    scheme === "npipe" || scheme === "ssh" || scheme === "fd"
      ? `not supported yet: Docker over ${scheme}`
      : `${JSON.stringify(host)} names no Docker engine`;
  throw new FinchError(
    "invalid",
    "agent/docker-host",
    `${what}; write unix:///var/run/docker.sock, tcp://HOST:2375, http://… or https://…`,
  );
}

export async function createDockerClient(
  host: string,
  options: { readonly http: HttpClientOptions; readonly timeoutMs: number },
): Promise<DockerClient> {
  const { baseUrl, socketPath } = parseDockerHost(host, { hasTls: options.http.tls !== undefined });
  const http = await createHttpClient({
    ...options.http,
    ...(socketPath !== undefined && { socketPath }),
  });
  return new HttpDockerClient(http, { host, baseUrl, timeoutMs: options.timeoutMs });
}

class HttpDockerClient implements DockerClient {
  readonly #http: HttpClient;
  readonly #host: string;
  readonly #baseUrl: string;
  readonly #timeoutMs: number;

  constructor(
    http: HttpClient,
    options: { readonly host: string; readonly baseUrl: string; readonly timeoutMs: number },
  ) {
    this.#http = http;
    this.#host = options.host;
    this.#baseUrl = options.baseUrl;
    this.#timeoutMs = options.timeoutMs;
  }

  async listContainers(filters: DockerFilters, signal: AbortSignal) {
    const query =
      Object.keys(filters).length === 0
        ? ""
        : `?filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const answer = await this.#get(`/containers/json${query}`, LIST_BYTES_MAX, signal);
    return list(answer).map(readContainer);
  }

  async listNetworks(signal: AbortSignal) {
    return list(await this.#get("/networks", LIST_BYTES_MAX, signal)).map(readNetwork);
  }

  async info(signal: AbortSignal) {
    const answer = (await this.#get("/info", INSPECT_BYTES_MAX, signal)) as {
      readonly Name?: unknown;
      readonly OSType?: unknown;
    } | null;
    const text = (value: unknown) => (typeof value === "string" ? value : "");
    return { name: text(answer?.Name), osType: text(answer?.OSType).toLowerCase() };
  }

  async inspectContainer(id: string, signal: AbortSignal) {
    const path = `/containers/${encodeURIComponent(id)}/json`;
    const answer = await this.#get(path, INSPECT_BYTES_MAX, signal);
    return answer === undefined ? undefined : readDetails(answer);
  }

  async openLogs(
    id: string,
    { sinceNs, follow }: { readonly sinceNs: bigint; readonly follow: boolean },
    signal: AbortSignal,
  ): Promise<HttpClientStream> {
    const query = `stdout=1&stderr=1&timestamps=1&follow=${follow ? 1 : 0}&since=${unixTime(sinceNs)}`;
    return await this.#open(`/containers/${encodeURIComponent(id)}/logs?${query}`, signal);
  }

  async openEvents(filters: DockerFilters, signal: AbortSignal) {
    const query = `filters=${encodeURIComponent(JSON.stringify(filters))}`;
    return readEvents((await this.#open(`/events?${query}`, signal)).body);
  }

  /** The answer as JSON; undefined for 404. */
  async #get(path: string, responseBytesMax: number, signal: AbortSignal): Promise<unknown> {
    const { status, body } = await this.#http.request({
      ...this.#requestOf(path, signal),
      responseBytesMax,
    });
    if (status === 404) return undefined;
    if (status !== 200) throw this.#refusal(path, status, Buffer.from(body).toString("utf8"));
    try {
      return JSON.parse(Buffer.from(body).toString("utf8")) as unknown;
    } catch (cause) {
      throw new FinchError(
        "invalid",
        "agent/docker-answer",
        `what ${this.#host} answers to ${path} is no JSON: is it a Docker engine?`,
        { cause },
      );
    }
  }

  async #open(path: string, signal: AbortSignal): Promise<HttpClientStream> {
    // Podman sends the headers of a log when the first line comes.
    const request = { ...this.#requestOf(path, signal), timeoutMs: Infinity };
    const stream = await this.#http.open(request);
    if (stream.status === 200) return stream;
    let text = "";
    for await (const chunk of stream.body) {
      text += Buffer.from(chunk).toString("utf8");
      if (text.length > ANSWER_SHOWN_MAX) break;
    }
    throw this.#refusal(path, stream.status, text);
  }

  #requestOf(path: string, signal: AbortSignal) {
    return {
      method: "GET" as const,
      url: this.#baseUrl + path,
      headers: {},
      timeoutMs: this.#timeoutMs,
      signal,
    };
  }

  #refusal(path: string, status: number, text: string): FinchError {
    return new FinchError(
      "unavailable",
      "agent/docker-refused",
      `${this.#host} answers ${status} to ${path.split("?")[0]!}: ${messageOf(text)}`,
    );
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

/** Seconds and nanoseconds, as the engine's `since` takes them. */
function unixTime(ns: bigint): string {
  if (ns <= 0n) return "0";
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}`;
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // A proxy in front answers in its own way.
  }
  return text.trim().slice(0, ANSWER_SHOWN_MAX);
}

async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncIterable<DockerEvent> {
  let held = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = lines.pop()!;
    if (held.length > EVENT_BYTES_MAX) held = "";
    for (const line of lines) {
      const event = readEvent(line);
      if (event !== undefined) yield event;
    }
  }
}

/** Old engines say `status` and `id`, new ones `Action` and `Actor`. */
function readEvent(line: string): DockerEvent | undefined {
  let event: Fields;
  try {
    event = fields(JSON.parse(line));
  } catch {
    return undefined;
  }
  const action = text(event["Action"]) || text(event["status"]);
  const id = text(fields(event["Actor"])["ID"]) || text(event["id"]);
  return action === "" ? undefined : { action, id };
}

function readContainer(value: unknown): DockerContainer {
  const container = fields(value);
  const networkMode = fields(container["HostConfig"])["NetworkMode"];
  const networks = fields(container["NetworkSettings"])["Networks"];
  return {
    id: text(container["Id"]),
    names: list(container["Names"]).map(text),
    labels: texts(container["Labels"]),
    ports: list(container["Ports"]).map((port) => {
      const { Type, PrivatePort, PublicPort, IP } = fields(port);
      return {
        type: text(Type),
        privatePort: number(PrivatePort),
        publicPort: number(PublicPort),
        ip: text(IP),
      };
    }),
    networkMode: typeof networkMode === "string" ? networkMode : undefined,
    networks: typeof networks === "object" && networks !== null ? readUses(networks) : undefined,
  };
}

function readDetails(value: unknown): DockerContainerDetails {
  const details = fields(value);
  const state = fields(details["State"]);
  return {
    isRunning: state["Running"] === true,
    isTty: fields(details["Config"])["Tty"] === true,
    run: `${text(state["StartedAt"])} ${text(state["FinishedAt"])}`,
    networkMode: text(fields(details["HostConfig"])["NetworkMode"]),
    networks: readUses(fields(details["NetworkSettings"])["Networks"]),
    pid: number(state["Pid"]),
    image: text(fields(details["Config"])["Image"]),
    environment: list(fields(details["Config"])["Env"]).map(text),
    startedAt: text(state["StartedAt"]),
    createdAt: text(details["Created"]),
  };
}

/** An entry that is null is a network that is being torn down. */
function readUses(value: unknown): Readonly<Record<string, DockerNetworkUse>> {
  const uses = Object.entries(fields(value)).filter(([, use]) => use !== null);
  return Object.fromEntries(
    uses.map(([name, use]) => {
      const { NetworkID, IPAddress } = fields(use);
      return [name, { networkId: text(NetworkID), ipAddress: text(IPAddress) }];
    }),
  );
}

function readNetwork(value: unknown): DockerNetwork {
  const network = fields(value);
  return {
    id: text(network["Id"]),
    name: text(network["Name"]),
    scope: text(network["Scope"]),
    isInternal: network["Internal"] === true,
    isIngress: network["Ingress"] === true,
    labels: texts(network["Labels"]),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function texts(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
