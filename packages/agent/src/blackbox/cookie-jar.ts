/** Cookies of one probe, so that a site that sets one and redirects is followed (RFC 6265 as far as a probe of seconds needs it). */

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly isHostOnly: boolean;
  readonly path: string;
  readonly isSecure: boolean;
}

/** Browsers keep 50 for a site at least; without a bound a redirect loop would fill the memory. */
const COOKIES_MAX = 50;

export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  /** Takes the `Set-Cookie` headers of an answer. */
  take(url: URL, headers: readonly string[]): void {
    for (const header of headers) {
      const cookie = parseCookie(url, header);
      if (cookie === undefined) continue;
      const key = `${cookie.domain};${cookie.path};${cookie.name}`;
      if (this.#cookies.size < COOKIES_MAX || this.#cookies.has(key))
        this.#cookies.set(key, cookie);
    }
  }

  /** What the `Cookie` header of a request says; empty without any. */
  cookiesFor(url: URL): string {
    return [...this.#cookies.values()]
      .filter(
        ({ domain, isHostOnly, path, isSecure }) =>
          (url.hostname === domain || (!isHostOnly && url.hostname.endsWith(`.${domain}`))) &&
          isBelow(url.pathname, path) &&
          (!isSecure || url.protocol === "https:"),
      )
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }
}

function parseCookie(url: URL, header: string): Cookie | undefined {
  const [pair = "", ...attributes] = header.split(";");
  const equals = pair.indexOf("=");
  if (equals <= 0) return undefined;
  const given = new Map(
    attributes.map((attribute) => {
      const [name = "", ...value] = attribute.split("=");
      return [name.trim().toLowerCase(), value.join("=").trim()] as const;
    }),
  );
  const domain = (given.get("domain") ?? "").replace(/^\./, "").toLowerCase();
  const isForeign =
    domain !== "" && url.hostname !== domain && !url.hostname.endsWith(`.${domain}`);
  // A domain without a dot would be sent to all of a top-level domain.
  if (isForeign || (domain !== "" && domain !== url.hostname && !domain.includes(".")))
    return undefined;
  const path = given.get("path");
  return {
    name: pair.slice(0, equals).trim(),
    value: pair.slice(equals + 1).trim(),
    domain: domain === "" ? url.hostname : domain,
    isHostOnly: domain === "",
    path: path?.startsWith("/") === true ? path : url.pathname.replace(/\/[^/]*$/, "") || "/",
    isSecure: given.has("secure"),
  };
}

function isBelow(path: string, of: string): boolean {
  return path === of || path.startsWith(of.endsWith("/") ? of : `${of}/`);
}
