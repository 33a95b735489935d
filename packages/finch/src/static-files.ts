/**
 * Serves the built web application: files with their types, hashed ones cached for good, compressed once and kept, any other path answered
 * with the start page (the application routes in the browser). Paths never leave the folder.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { acceptedCoding } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json",
  ".txt": "text/plain; charset=utf-8",
};

/** Formats that are compressed already gain nothing. */
const INCOMPRESSIBLE: ReadonlySet<string> = new Set([".png", ".woff2", ".ico"]);

/** No request leaves the machine, no script but our own runs, nobody frames us. Mantine and uPlot set styles inline. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "x-frame-options": "DENY",
} as const;

const gzipAll = promisify(gzip);

interface StaticFile {
  readonly path: string;
  readonly type: string;
  readonly immutable: boolean;
}

interface LoadedFile {
  readonly bytes: Buffer;
  readonly zipped: Buffer | undefined;
  readonly etag: string;
}

/** Routes that serve `directory`; a folder that is not there answers with how to build it. */
export async function serveStaticFiles(directory: string): Promise<readonly HttpRoute[]> {
  const files = await listStaticFiles(directory);
  const loaded = new Map<string, Promise<LoadedFile>>();
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const name = request.params["*"] ?? "";
    const file = files.get(name) ?? (isPage(name) ? files.get("index.html") : undefined);
    if (file === undefined) {
      if (files.size === 0) return notBuilt();
      throw new FinchError("not-found", "finch/no-file", `there is no ${request.path}`);
    }
    let content = loaded.get(file.path);
    if (content === undefined) {
      content = loadFile(file);
      loaded.set(file.path, content);
    }
    return replyWith(request, file, await content);
  };
  return [{ kind: "http", methods: ["GET"], path: "/*", faults: "text", handle }];
}

/** An address of the application, as opposed to a file that ought to be there. */
function isPage(name: string): boolean {
  return extname(name) === "" && !/^(?:api|assets|loki|prometheus)\//.test(name);
}

async function listStaticFiles(directory: string): Promise<ReadonlyMap<string, StaticFile>> {
  const files = new Map<string, StaticFile>();
  let entries;
  try {
    entries = await readdir(directory, { recursive: true, withFileTypes: true });
  } catch {
    return files;
  }
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.endsWith(".map")) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path).split(sep).join("/");
    const type = TYPES[extname(entry.name)] ?? "application/octet-stream";
    files.set(name, { path, type, immutable: name.startsWith("assets/") });
  }
  return files;
}

async function loadFile(file: StaticFile): Promise<LoadedFile> {
  const bytes = await readFile(file.path);
  const zipped = INCOMPRESSIBLE.has(extname(file.path))
    ? undefined
    : await gzipAll(bytes, { level: 9 });
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  return { bytes, zipped, etag };
}

function replyWith(request: HttpRequest, file: StaticFile, content: LoadedFile): HttpReply {
  const headers: Record<string, string> = {
    ...SECURITY_HEADERS,
    "content-type": file.type,
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag: content.etag,
    vary: "Accept-Encoding",
  };
  if (request.header("if-none-match") === content.etag) return { status: 304, headers };
  const isZipped =
    content.zipped !== undefined && acceptedCoding(request.header("accept-encoding")) !== undefined;
  // A client that takes zstd takes gzip too, in all practice; what counts is that it asked for some coding.
  if (isZipped && /gzip/.test(request.header("accept-encoding"))) {
    headers["content-encoding"] = "gzip";
    return { status: 200, headers, body: content.zipped, compress: false };
  }
  return { status: 200, headers, body: content.bytes, compress: false };
}

function notBuilt(): HttpReply {
  return {
    status: 503,
    headers: { "content-type": "text/html; charset=utf-8", ...SECURITY_HEADERS },
    body: "<!doctype html><title>Finch</title><h1>The web application is not built</h1><p>Run <code>npm start</code> in the project's root, or <code>npm run build -w @finch/web</code>, then reload this page.",
  };
}
