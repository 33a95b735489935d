/** What a client of HTTP is made with, is asked and answers. */
import type { IncomingHttpHeaders } from "node:http";
import type { AwsCredentialOptions } from "./aws/credentials.ts";
import type { OAuth2Options } from "./http-oauth2.ts";
import type { ProxyOptions } from "./http-proxy.ts";
import type { TlsOptions } from "./http-tls.ts";
import type { Secret } from "./schema.ts";

/** Where a credential comes from: given in the configuration, or in a file that is read at each request. */
export type Credential =
  | { readonly kind: "text"; readonly secret: Secret }
  | { readonly kind: "file"; readonly path: string };

export type Authentication =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: Credential | undefined }
  /** `Authorization: <scheme> <credential>`; a bearer token has the scheme `Bearer`. */
  | { readonly kind: "scheme"; readonly scheme: string; readonly credential: Credential }
  /** `client`: how the token server is reached. */
  | {
      readonly kind: "oauth2";
      readonly oauth2: OAuth2Options;
      readonly secret: Credential | undefined;
      readonly client: HttpClientOptions;
    }
  /** Signatures of AWS, for a service of theirs. */
  | { readonly kind: "aws"; readonly credentials: AwsCredentialOptions; readonly service: string };

export interface HttpClientOptions {
  readonly authentication: Authentication;
  readonly tls: TlsOptions | undefined;
  readonly followRedirects: boolean;
  /** Added to every request; a request's own headers win. */
  readonly headers: readonly { readonly name: string; readonly value: Secret }[];
  /** Undefined: no proxy. */
  readonly proxy?: ProxyOptions;
  /** Unix socket to speak through; the host of a URL is then a name alone. */
  readonly socketPath?: string;
}

export const DEFAULT_HTTP_CLIENT_OPTIONS: HttpClientOptions = {
  authentication: { kind: "none" },
  tls: undefined,
  followRedirects: true,
  headers: [],
};

/** A request whose answer is read as it arrives. */
export interface HttpStreamRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** For the whole exchange, redirects included; of a stream, until its headers are there (Infinity: for ever). */
  readonly timeoutMs: number;
  /** Ends the exchange, the body of a stream included. */
  readonly signal: AbortSignal;
}

export interface HttpClientRequest extends HttpStreamRequest {
  /** A longer answer (after gzip) is refused with `too-large`. */
  readonly responseBytesMax: number;
}

export interface HttpClientResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Decompressed when it came with `Content-Encoding: gzip`. */
  readonly body: Uint8Array;
}

/** An answer whose body is still to come. Leaving the loop over `body`, or aborting the signal, closes the connection. */
export interface HttpClientStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it arrives, not decompressed; the next chunk is read when it is asked for. Rejects when the connection breaks. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HttpClient extends Disposable {
  /**
   * Any status is an answer. Rejects with `unavailable` when the server cannot be reached, `timeout` when time is up, `too-large` when the
   * answer is, and with the signal's reason when `signal` aborts.
   */
  request(request: HttpClientRequest): Promise<HttpClientResponse>;
  /** For answers that have no end, such as events: resolves with the headers, rejects as `request` does. The body must be read or left. */
  open(request: HttpStreamRequest): Promise<HttpClientStream>;
}
