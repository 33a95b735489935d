/** The address that a request asks for. */
import type { IncomingMessage } from "node:http";
import { FinchError } from "./errors.ts";

/** Paths that a URL leaves as they are: nothing to be escaped, and no segment that begins with a dot. */
const PLAIN_PATH = /^(?:\/(?:[\w~-][\w.~-]*)?)+$/;

/** Queries that a URL leaves as they are, but for what is escaped in them: no fragment, nothing that is cut off or changed. */
const PLAIN_QUERY = /^\?[!"$-~]*$/;

/** Throws an `invalid` fault where there is no address in it. Plain paths and queries are not parsed: making a URL costs as much as routing does. */
export class RequestTarget {
  readonly path: string;
  readonly #text: string;
  #url: URL | undefined;
  #query: URLSearchParams | undefined;

  constructor(message: IncomingMessage) {
    this.#text = message.url ?? "/";
    const end = this.#text.indexOf("?");
    const path = end < 0 ? this.#text : this.#text.slice(0, end);
    if (PLAIN_PATH.test(path)) this.path = path;
    else {
      this.#url = parseTarget(this.#text);
      this.path = this.#url.pathname;
    }
  }

  get query(): URLSearchParams {
    this.#query ??= this.#readQuery();
    return this.#query;
  }

  #readQuery(): URLSearchParams {
    const start = this.#text.indexOf("?");
    if (start < 0) return new URLSearchParams();
    const query = this.#text.slice(start);
    if (this.#url === undefined && PLAIN_QUERY.test(query)) return new URLSearchParams(query);
    return (this.#url ?? parseTarget(this.#text)).searchParams;
  }
}

/** The base only makes the URL complete and is never used. */
function parseTarget(target: string): URL {
  try {
    return new URL(target.startsWith("/") ? `http://finch${target}` : target, "http://finch");
  } catch (error) {
    throw new FinchError("invalid", "runtime/bad-target", `bad request target ${target}`, {
      cause: error,
    });
  }
}
