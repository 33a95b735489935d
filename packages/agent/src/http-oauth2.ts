/** OAuth 2.0 client credentials (RFC 6749, section 4.4): a token is asked for when there is none or it is about to end, and shared by all requests. */
import { FinchError } from "@finch/runtime";

export interface OAuth2Options {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Sent to the token server besides. */
  readonly endpointParams: Readonly<Record<string, string | readonly string[]>>;
}

/** What a token server is asked with, and what it answers. */
export interface TokenRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}
export interface TokenAnswer {
  readonly status: number;
  readonly text: string;
}

export interface TokenSource {
  /** The value of the `Authorization` header. Rejects with `unavailable` when no token is to be had. */
  authorization(): Promise<string>;
}

/** A token is not used in the last seconds of its life: it could end on the way. */
const EXPIRY_MARGIN_MS = 10_000;

interface Token {
  readonly authorization: string;
  /** On the monotonic clock; Infinity when the server does not say. */
  readonly usableUntilMs: number;
}

export function createTokenSource(
  options: OAuth2Options,
  parts: {
    readonly readSecret: () => Promise<string>;
    readonly post: (request: TokenRequest) => Promise<TokenAnswer>;
    readonly monotonicMs: () => number;
  },
): TokenSource {
  let token: Token | undefined;
  let asking: Promise<Token> | undefined;
  /** Servers take the credentials in the header or in the body; what worked is kept. */
  let style: "header" | "body" | undefined;

  const askFor = async (): Promise<Token> => {
    const secret = await parts.readSecret();
    const startMs = parts.monotonicMs();
    const styles = style === undefined ? (["header", "body"] as const) : [style];
    let refusal: TokenAnswer | undefined;
    for (const one of styles) {
      const answer = await parts.post(tokenRequest(options, secret, one));
      if (answer.status >= 200 && answer.status < 300) {
        style = one;
        return readToken(answer.text, startMs);
      }
      refusal = answer;
    }
    throw noToken(
      `${options.tokenUrl} answered with status ${refusal!.status}: ${refusal!.text.slice(0, 256).trim()}`,
    );
  };

  return {
    authorization: async () => {
      if (token === undefined || parts.monotonicMs() >= token.usableUntilMs) {
        asking ??= askFor().finally(() => (asking = undefined));
        token = await asking;
      }
      return token.authorization;
    },
  };
}

function tokenRequest(
  options: OAuth2Options,
  secret: string,
  style: "header" | "body",
): TokenRequest {
  const { tokenUrl, clientId, scopes, endpointParams } = options;
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  for (const [name, values] of Object.entries(endpointParams)) {
    form.delete(name);
    for (const value of typeof values === "string" ? [values] : values) form.append(name, value);
  }
  const headers: Record<string, string> = {
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
  };
  if (style === "header") {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
    headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
  } else {
    form.set("client_id", clientId);
    form.set("client_secret", secret);
  }
  return { url: tokenUrl, headers, body: Buffer.from(form.toString()) };
}

function readToken(text: string, startMs: number): Token {
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw noToken("the token server did not answer with JSON", cause);
  }
  const { access_token: value, token_type: type, expires_in: seconds } = answer;
  if (typeof value !== "string" || value === "")
    throw noToken("the answer of the token server has no access_token");
  // Servers write the type in any case, and the header wants this one.
  const isBearer = typeof type !== "string" || type.toLowerCase() === "bearer";
  const lifeMs = Number(seconds ?? NaN) * 1000;
  return {
    authorization: `${isBearer ? "Bearer" : type} ${value}`,
    usableUntilMs: Number.isNaN(lifeMs) ? Infinity : startMs + lifeMs - EXPIRY_MARGIN_MS,
  };
}

function noToken(message: string, cause?: unknown): FinchError {
  return new FinchError("unavailable", "agent/oauth2-token", `no OAuth 2.0 token: ${message}`, {
    cause,
  });
}
