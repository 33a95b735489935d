/** Cookie, headers and redirects of the dashboard. The cookie holds the token itself, as the original's does. */
import type { HttpReply, HttpRequest } from "@finch/runtime/http";
import type { DashboardClaims } from "../tokens.ts";
import type { Html } from "./html.ts";

const COOKIE = "dashboard_token";

/** Nothing is loaded from elsewhere, nothing is written into the page by scripts of others, and no page frames this one. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

export interface SessionOptions {
  readonly build: { readonly release: string; readonly commit: string };
  /** Rejects for a token that is not in force. */
  readonly verify: (token: string) => Promise<DashboardClaims>;
}

export class DashboardSession {
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The token of the request's cookie with what it allows; undefined without one in force. */
  async of(
    request: HttpRequest,
  ): Promise<{ readonly token: string; readonly claims: DashboardClaims } | undefined> {
    const token = cookieOf(request);
    if (token === undefined) return undefined;
    const claims = await this.check(token);
    return claims === undefined ? undefined : { token, claims };
  }

  /** What a token allows; undefined when it is not in force. */
  async check(token: string): Promise<DashboardClaims | undefined> {
    try {
      return await this.#options.verify(token);
    } catch {
      // Whatever is wrong with it: the answer is to sign in.
      return undefined;
    }
  }

  page(request: HttpRequest, page: Html, status = 200): HttpReply {
    return this.reply(request, {
      status,
      headers: { "content-type": "text/html; charset=utf-8" },
      body: page.text,
    });
  }

  /** To another page of the dashboard. `cookie`: a token to keep, `null` to forget what is kept. */
  redirect(request: HttpRequest, location: string, cookie?: string | null): HttpReply {
    return this.reply(request, {
      status: 303,
      headers: {
        location,
        ...(cookie !== undefined && { "set-cookie": cookieText(cookie, isTls(request)) }),
      },
    });
  }

  /** The reply with the headers that every one has. */
  reply(request: HttpRequest, reply: HttpReply): HttpReply {
    const { release, commit } = this.#options.build;
    return {
      ...reply,
      headers: {
        "cache-control": "no-store",
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-finch-commit": commit,
        "x-finch-release": release,
        "x-frame-options": "DENY",
        ...(isTls(request) && {
          "strict-transport-security": "max-age=31536000; includeSubDomains",
        }),
        ...reply.headers,
      },
    };
  }
}

/** Whether the browser speaks TLS, here or with the proxy in front. Whoever lies changes nothing but their own cookie. */
function isTls(request: HttpRequest): boolean {
  return request.header("x-forwarded-proto") === "https";
}

/** Without an end of its own, the cookie goes with the browser; the token in it ends by itself. */
function cookieText(token: string | null, isSecure: boolean): string {
  const value = token === null ? `${COOKIE}=; Max-Age=0` : `${COOKIE}=${token}`;
  return `${value}; Path=/; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
}

function cookieOf(request: HttpRequest): string | undefined {
  for (const pair of request.header("cookie").split(";")) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === COOKIE && value !== undefined && value !== "") return value;
  }
  return undefined;
}

/** Whether a page of this very dashboard asks: its `Origin` names the configured host, or the address that was asked. */
export function isOwnOrigin(request: HttpRequest, hostname: string): boolean {
  const origin = request.header("origin");
  try {
    const url = new URL(origin);
    const asked = new URL(`${url.protocol}//${request.header("host")}`);
    return url.hostname === hostname || url.host === asked.host;
  } catch {
    return false;
  }
}
