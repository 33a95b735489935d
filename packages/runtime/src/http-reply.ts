/** Writes a reply: compression by what the client accepts, back-pressure for streamed bodies. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { constants, createGzip, createZstdCompress, gzip, zstdCompress } from "node:zlib";
import { freeBytes } from "./free-bytes.ts";
import type { HttpBody, HttpReply } from "./http-types.ts";

type Coding = "zstd" | "gzip";

const gzipAll = promisify(gzip);
const zstdAll = promisify(zstdCompress);
/** Fast levels: replies are made once and read once. */
const GZIP_OPTIONS = { level: 1 } as const;
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } } as const;
const COMPRESSIBLE = /^(?:text\/|application\/(?:json|javascript|manifest\+json)|image\/svg)/;

/** Sends `reply` with `headers`, to which it adds; resolves when the last byte was handed over, or rejects when the client is gone or the body failed. */
export async function writeReply(
  message: IncomingMessage,
  response: ServerResponse,
  what: {
    readonly reply: HttpReply;
    readonly headers: Record<string, string | number>;
    readonly compressBytesMin: number;
  },
): Promise<void> {
  const { reply, headers, compressBytesMin } = what;
  const { body = "" } = reply;
  const coding = chooseCoding(message, reply, compressBytesMin);
  if (coding !== undefined) {
    headers["content-encoding"] = coding;
    headers["vary"] = "Accept-Encoding";
  }
  if (body === "") {
    if (reply.status !== 204 && reply.status !== 304) headers["content-length"] = 0;
    response.writeHead(reply.status, headers);
    response.end();
    return;
  }
  if (typeof body !== "string" && !(body instanceof Uint8Array)) {
    response.writeHead(reply.status, headers);
    await writeStream(message, response, body, coding);
    return;
  }
  const plain = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  const bytes = coding === undefined ? plain : await compress(plain, coding);
  if (reply.status !== 204 && reply.status !== 304) headers["content-length"] = bytes.length;
  response.writeHead(reply.status, headers);
  // Bytes of a reply that was broken off may still be on their way: those are left alone.
  if (reply.givesBody === true) response.once("finish", () => freeBytes(plain));
  response.end(message.method === "HEAD" ? undefined : bytes);
}

async function compress(bytes: Uint8Array, coding: Coding): Promise<Uint8Array> {
  return coding === "gzip"
    ? await gzipAll(bytes, GZIP_OPTIONS)
    : await zstdAll(bytes, ZSTD_OPTIONS);
}

async function writeStream(
  message: IncomingMessage,
  response: ServerResponse,
  body: Exclude<HttpBody, string | Uint8Array>,
  coding: Coding | undefined,
): Promise<void> {
  if (message.method === "HEAD") {
    response.end();
    return;
  }
  if (coding !== undefined) {
    const compressor =
      coding === "gzip" ? createGzip(GZIP_OPTIONS) : createZstdCompress(ZSTD_OPTIONS);
    await pipeline(Readable.from(body), compressor, response);
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  for await (const chunk of body) {
    if (gone.signal.aborted) return;
    if (!response.write(chunk)) {
      await once(response, "drain", { signal: gone.signal }).catch((error: unknown) => {
        if (!gone.signal.aborted) throw error;
      });
    }
  }
  response.end();
}

function chooseCoding(
  message: IncomingMessage,
  reply: HttpReply,
  compressBytesMin: number,
): Coding | undefined {
  if (reply.compress === false || reply.headers?.["content-encoding"] !== undefined)
    return undefined;
  if (!COMPRESSIBLE.test(reply.headers?.["content-type"] ?? "")) return undefined;
  const { body } = reply;
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  if (body === undefined || (isWhole && body.length < compressBytesMin)) return undefined;
  return acceptedCoding(String(message.headers["accept-encoding"] ?? ""));
}

/** The best coding a client takes: zstd over gzip; one with `q=0` is refused. */
export function acceptedCoding(acceptEncoding: string): Coding | undefined {
  const accepted = new Set<string>();
  for (const part of acceptEncoding.toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    if (!parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) accepted.add(name);
  }
  if (accepted.has("zstd")) return "zstd";
  return accepted.has("gzip") || accepted.has("x-gzip") ? "gzip" : undefined;
}
