/**
 * What real configurations talk to, stubbed: one server that is Loki, Prometheus, a Kubernetes API server without objects, a Docker engine without
 * containers and a target with one metric; and their texts rewritten so that they find it.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Source, parseFile } from "@finch/alloy-syntax";
import type { Block, Expression, Statement } from "@finch/alloy-syntax";

export interface Stub extends AsyncDisposable {
  readonly port: number;
}

/** `keys`: names of what Secrets and ConfigMaps hold. */
export async function startStub(keys: ReadonlySet<string>): Promise<Stub> {
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response, keys, () => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  keys: ReadonlySet<string>,
  address: () => string,
): void {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://stub");
  const json = (value: unknown) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  // An empty message of Protocol Buffers is one with its defaults.
  if (pathname.includes("/collector.v1."))
    response.writeHead(200, { "content-type": "application/proto" }).end();
  else if (request.method !== "GET") response.writeHead(204).end();
  else if (searchParams.get("watch") !== null || pathname.endsWith("/events"))
    response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
  else if (/\/(secrets|configmaps)\/[^/]+$/.test(pathname))
    json(valuesOf(pathname, keys, address()));
  else if (/^\/apis?\//.test(pathname))
    json({ kind: "List", metadata: { resourceVersion: "1" }, items: [] });
  else if (pathname.endsWith("/_ping")) response.writeHead(200).end("OK");
  else if (pathname.endsWith("/version")) json({ ApiVersion: "1.44", MinAPIVersion: "1.24" });
  else if (/\/(containers\/json|networks)$/.test(pathname)) json([]);
  else if (request.headers.accept === "application/json") json([]);
  else response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end("stub 1\n");
}

function valuesOf(path: string, keys: ReadonlySet<string>, address: string): unknown {
  const isSecret = path.includes("/secrets/");
  const data = Object.fromEntries(
    [...keys].map((key) => {
      const value = secretOf(key, address);
      return [key, isSecret ? Buffer.from(value).toString("base64") : value];
    }),
  );
  const name = path.split("/").at(-1);
  return { metadata: { name, namespace: "default", resourceVersion: "1" }, data };
}

/** What a name of the environment, or of a Secret, stands for. */
export function valueOf(name: string, address: string): string {
  if (/host|addr|target|upstream/i.test(name)) return address;
  if (/url|endpoint|server/i.test(name)) return `http://${address}`;
  return /port/i.test(name) ? address.split(":")[1]! : "stub";
}

/** Secrets of real configurations hold whole addresses. */
function secretOf(key: string, address: string): string {
  return /host|url|endpoint/i.test(key) ? `http://${address}` : valueOf(key, address);
}

/** Names of keys that a text takes out of Secrets and ConfigMaps. */
export function keysOf(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\.data(?:\["([^"]+)"\]|\.(\w+))/g)].map(([, a, b]) => a ?? b!));
}

/** Components that find their API server by `client { api_server }`, or by `api_server` itself. */
const KUBERNETES_CLIENTS =
  /^(loki\.source\.(kubernetes|kubernetes_events|podlogs)|prometheus\.operator\.\w+|remote\.kubernetes\.\w+)$/;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The configuration with its servers and files at their stubs. */
export function stubbed(text: string, places: StubPlaces): string {
  const { file: tree } = parseFile(new Source("config.alloy", text));
  const edits: Edit[] = [];
  for (const statement of tree.body) visit(statement, edits, places);
  let stub = text;
  for (const { start, end, text: replacement } of edits.toSorted((a, b) => b.start - a.start))
    stub = stub.slice(0, start) + replacement + stub.slice(end);
  return stub;
}

export interface StubPlaces {
  /** Of the server. */
  readonly address: string;
  /** A text. */
  readonly file: string;
  /** A mapping of statsd_exporter. */
  readonly mapping: string;
}

function visit(statement: Statement, edits: Edit[], places: StubPlaces): void {
  if (statement.kind === "attribute") {
    if (/^filename$|_file$/.test(statement.name) && statement.value.kind === "literal")
      edits.push({ ...statement.value, text: JSON.stringify(places.file) });
    else if (statement.name === "mapping_config_path")
      edits.push({ ...statement.value, text: JSON.stringify(places.mapping) });
    // There is no pod that the agent runs in.
    else if (statement.name === "own_namespace") edits.push({ ...statement.value, text: "false" });
    else if (statement.name === "auth_type")
      edits.push({ ...statement.value, text: '"kubeConfig"' });
    else if (statement.name === "listen_port") edits.push({ ...statement.value, text: "0" });
    else visitValue(statement.value, edits, places);
    return;
  }
  for (const inner of statement.body) {
    // A resolver by Kubernetes knows only the cluster that it runs in.
    if (statement.name === "resolver" && inner.name === "kubernetes")
      edits.push({ ...inner, text: 'static {\nhostnames = ["127.0.0.1"]\n}' });
    else visit(inner, edits, places);
  }
  const server = JSON.stringify(`http://${places.address}`);
  if (statement.name === "discovery.kubernetes")
    addTo(statement, `\napi_server = ${server}\n`, edits, "api_server");
  else if (statement.name === "otelcol.processor.k8sattributes")
    addTo(statement, '\nauth_type = "kubeConfig"\n', edits, "auth_type");
  else if (KUBERNETES_CLIENTS.test(statement.name)) {
    const client = statement.body.find(({ name }) => name === "client");
    if (client?.kind === "block") addTo(client, `\napi_server = ${server}\n`, edits, "api_server");
    else addTo(statement, `\nclient {\napi_server = ${server}\n}\n`, edits, "client");
  }
}

/** A kubeconfig file for the server at `address`. */
export function kubeconfigOf(address: string): string {
  return `apiVersion: v1
kind: Config
current-context: stub
contexts: [{ name: stub, context: { cluster: stub } }]
clusters: [{ name: stub, cluster: { server: "http://${address}" } }]
`;
}

/** Puts a statement at the beginning of a block that does not have it. */
function addTo(block: Block, text: string, edits: Edit[], unless: string): void {
  if (block.body.some(({ name }) => name === unless)) return;
  const at = block.openBrace + 1;
  edits.push({ start: at, end: at, text });
}

function visitValue(value: Expression, edits: Edit[], places: StubPlaces): void {
  switch (value.kind) {
    case "literal": {
      if (typeof value.value !== "string") return;
      const moved = movedTo(value.value, places.address);
      if (moved !== value.value) edits.push({ ...value, text: JSON.stringify(moved) });
      return;
    }
    case "array":
      for (const element of value.elements) visitValue(element, edits, places);
      return;
    case "object":
      for (const field of value.fields) visitValue(field.value, edits, places);
      return;
    case "binary":
      for (const side of [value.left, value.right]) visitValue(side, edits, places);
      return;
    case "call":
      for (const argument of value.args) visitValue(argument, edits, places);
      return;
    case "paren":
      visitValue(value.inner, edits, places);
      return;
    default:
  }
}

function movedTo(text: string, address: string): string {
  if (/^unix:\/\/.*docker\.sock$/.test(text)) return `tcp://${address}`;
  return text.replace(/^(https?|tcp):\/\/[^/?#]+/, (_, protocol) =>
    protocol === "tcp" ? `tcp://${address}` : `http://${address}`,
  );
}
