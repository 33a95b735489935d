/** A collector as the service sees one: asks, applies or refuses what it is given, and tells so, by any way the protocol has. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { ProtobufReader, ProtobufWriter } from "@finch/codec";

export type Way = "post" | "get" | "json" | "grpc";

export interface SimulatedOptions {
  readonly url: string;
  readonly id: string;
  readonly token: string;
  readonly way: Way;
  readonly attributes: Readonly<Record<string, string>>;
  /** What it makes of a text: the message of a fault, or undefined when it is in order. */
  readonly refuses?: (text: string) => string | undefined;
}

interface Status {
  readonly status: 1 | 3;
  readonly error: string;
}

/** Behaves as Alloy does: the hash is kept with what was received, applied or not; the status goes along with each call. */
export class SimulatedCollector {
  readonly #options: SimulatedOptions;
  #hash = "";
  #status: Status | undefined;
  /** The text it runs. */
  running = "";

  constructor(options: SimulatedOptions) {
    this.#options = options;
  }

  async register(): Promise<void> {
    const { id, attributes } = this.#options;
    await this.#call("RegisterCollector", { id, name: `name of ${id}`, attributes });
  }

  async unregister(): Promise<void> {
    await this.#call("UnregisterCollector", { id: this.#options.id });
  }

  /** Forgets what a process forgets. */
  restart(): void {
    this.#hash = "";
    this.#status = undefined;
  }

  /** Says it failed without having been given anything, as Alloy does after it could not ask. */
  failFor(error: string): void {
    this.#status = { status: 3, error };
  }

  /** One turn: asks, takes what it is given, and tells at once what became of it. */
  async poll(): Promise<void> {
    const answer = await this.#ask();
    if (answer.isUnmodified) return;
    this.#hash = answer.hash;
    const error = this.#options.refuses?.(answer.content);
    if (error === undefined) this.running = answer.content;
    this.#status = error === undefined ? { status: 1, error: "" } : { status: 3, error };
    await this.#ask();
  }

  async #ask() {
    const { id, attributes } = this.#options;
    return await this.#call("GetConfig", {
      id,
      hash: this.#hash,
      attributes,
      status: this.#status,
    });
  }

  async #call(method: string, fields: CallFields): Promise<Answer> {
    const { way, url, token } = this.#options;
    const path = `${url}/collector.v1.CollectorService/${method}`;
    const authorization = `Bearer ${token}`;
    if (way === "grpc")
      return decode(await callGrpc(url, { method, authorization }, encode(method, fields)));
    if (way === "json") return await callJson(path, authorization, fields);
    const isGet = way === "get" && method === "GetConfig";
    const reply = isGet
      ? await fetch(`${path}?${getQuery(encode(method, fields))}`, { headers: { authorization } })
      : await fetch(path, {
          method: "POST",
          headers: { authorization, "content-type": "application/proto" },
          body: encode(method, fields),
        });
    if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}`);
    assert.equal(reply.headers.get("content-type"), "application/proto");
    return decode(await reply.bytes());
  }
}

interface CallFields {
  readonly id: string;
  readonly name?: string;
  readonly hash?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly status?: Status | undefined;
}

interface Answer {
  readonly content: string;
  readonly hash: string;
  readonly isUnmodified: boolean;
}

/** As connect-go asks with `WithHTTPGet`. */
function getQuery(message: Uint8Array): string {
  const compressed = Buffer.from(gzipSync(message)).toString("base64url");
  return `connect=v1&encoding=proto&base64=1&compression=gzip&message=${compressed}`;
}

async function callJson(
  path: string,
  authorization: string,
  { id, name, hash, attributes, status }: CallFields,
): Promise<Answer> {
  const statuses = { 1: "RemoteConfigStatuses_APPLIED", 3: "RemoteConfigStatuses_FAILED" };
  const reply = await fetch(path, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({
      id,
      name,
      hash,
      localAttributes: attributes,
      ...(status !== undefined && {
        remoteConfigStatus: { status: statuses[status.status], errorMessage: status.error },
      }),
    }),
  });
  if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}`);
  const answer = (await reply.json()) as Partial<Answer> & { readonly notModified?: boolean };
  const { content = "", hash: told = "", notModified = false } = answer;
  return { content, hash: told, isUnmodified: notModified };
}

async function callGrpc(
  url: string,
  { method, authorization }: { readonly method: string; readonly authorization: string },
  message: Uint8Array,
): Promise<Uint8Array> {
  const session = connect(url);
  // What is wrong with the connection is wrong with its stream.
  session.on("error", () => {});
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": `/collector.v1.CollectorService/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
      authorization,
    });
    let status: unknown;
    let text: unknown;
    const take = (headers: Readonly<Record<string, unknown>>) => {
      status ??= headers["grpc-status"];
      text ??= headers["grpc-message"];
    };
    stream.on("response", take).on("trailers", take);
    const framed = Buffer.alloc(5 + message.length);
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, 5);
    stream.end(framed);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(stream, "close");
    if (status !== "0") throw new Error(`grpc-status ${String(status)}: ${String(text)}`);
    return Buffer.concat(chunks).subarray(5);
  } finally {
    session.close();
  }
}

function encode(method: string, fields: CallFields): Uint8Array<ArrayBuffer> {
  const writer = new ProtobufWriter();
  writer.writeString(1, fields.id);
  const third = method === "GetConfig" ? fields.hash : fields.name;
  if (third !== undefined && third !== "") writer.writeString(3, third);
  for (const [key, value] of Object.entries(fields.attributes ?? {})) {
    const mark = writer.begin(4);
    writer.writeString(1, key);
    writer.writeString(2, value);
    writer.end(mark);
  }
  if (fields.status !== undefined) {
    const mark = writer.begin(5);
    writer.writeInt64(1, fields.status.status);
    if (fields.status.error !== "") writer.writeString(2, fields.status.error);
    writer.end(mark);
  }
  return new Uint8Array(writer.finish());
}

function decode(bytes: Uint8Array): Answer {
  const reader = new ProtobufReader(bytes);
  const text = () => new TextDecoder().decode(reader.readBytes());
  const answer = { content: "", hash: "", isUnmodified: false };
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) answer.content = text();
    else if (reader.field === 2) answer.hash = text();
    else answer.isUnmodified = reader.readBigInt(false) !== 0n;
  }
  return answer;
}
