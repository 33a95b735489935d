/**
 * Serves the built web application: files with their types, hashed ones cached for good, compressed once and kept, any other path answered
 * with the start page (the application routes in the browser). Paths never leave the folder.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
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

/** No request leaves the machine, no script but our own runs, nobody frames us. uPlot and CodeMirror set styles inline. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "x-frame-options": "DENY",
} as const;

const gzipAll = promisify(gzip);

interface LoadedFile {
  readonly bytes: Buffer;
  readonly zipped: Buffer | undefined;
  readonly etag: string;
  readonly type: string;
  /** Its name holds a hash of its content: it never changes. */
  readonly immutable: boolean;
  readonly modifiedMs: number;
}

/** Routes that serve `directory`; a folder that is not there answers with how to build it. */
export function serveStaticFiles(directory: string): readonly HttpRoute[] {
  const folder = new StaticFolder(directory);
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const name = request.params["*"] ?? "";
    const found =
      (await folder.read(name)) ?? (isPage(name) ? await folder.read("index.html") : undefined);
    if (found !== undefined) return replyWith(request, found);
    if (isPage(name)) return notBuilt();
    throw new FinchError("not-found", "finch/no-file", `there is no ${request.path}`);
  };
  // The application is nobody's secret: what it shows is.
  return [{ kind: "http", methods: ["GET"], path: "/*", faults: "text", access: "open", handle }];
}

/** The files of a folder, each read and compressed once, until it changes on disk. */
class StaticFolder {
  readonly #directory: string;
  readonly #loaded = new Map<string, LoadedFile>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined when there is no such file. */
  async read(name: string): Promise<LoadedFile | undefined> {
    const path = join(this.#directory, name);
    if (name === "" || name.includes("\0") || !path.startsWith(this.#directory + sep))
      return undefined;
    const known = this.#loaded.get(name);
    if (known?.immutable === true) return known;
    try {
      const found = await stat(path);
      if (!found.isFile() || name.endsWith(".map")) return undefined;
      if (known?.modifiedMs === found.mtimeMs) return known;
      const file = await loadFile(path, name, found.mtimeMs);
      this.#loaded.set(name, file);
      return file;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ENAMETOOLONG") throw error;
      this.#loaded.delete(name);
      return undefined;
    }
  }
}

/** An address of the application, as opposed to a file that ought to be there. */
function isPage(name: string): boolean {
  return extname(name) === "" && !/^(?:api|assets|loki|prometheus)\//.test(name);
}

async function loadFile(path: string, name: string, modifiedMs: number): Promise<LoadedFile> {
  const bytes = await readFile(path);
  const extension = extname(name);
  return {
    bytes,
    zipped: INCOMPRESSIBLE.has(extension) ? undefined : await gzipAll(bytes, { level: 9 }),
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    type: TYPES[extension] ?? "application/octet-stream",
    immutable: name.startsWith("assets/"),
    modifiedMs,
  };
}

function replyWith(request: HttpRequest, content: LoadedFile): HttpReply {
  const headers: Record<string, string> = {
    ...SECURITY_HEADERS,
    "content-type": content.type,
    "cache-control": content.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag: content.etag,
    vary: "Accept-Encoding",
  };
  if (request.header("if-none-match") === content.etag) return { status: 304, headers };
  // Files are kept in gzip alone, which every browser takes.
  const takesGzip =
    acceptedCoding(request.header("accept-encoding").replaceAll(/zstd/gi, "")) === "gzip";
  if (content.zipped !== undefined && takesGzip) {
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
