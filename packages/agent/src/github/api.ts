/**
 * What the GitHub exporter asks of the REST API: pages followed to their end, answers kept with their ETags (an answer that did not change
 * costs nothing of the quota), a token of the configuration or of a GitHub App.
 */
import { createSign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FinchError, type Clock } from "@finch/runtime";
import type { Credential, HttpClient, HttpClientResponse } from "../http-client.ts";

/** A page of a hundred repositories has half a megabyte. */
const RESPONSE_BYTES_MAX = 32 << 20;
/** Pages of one list; without a bound a server that always names a next page is asked for ever. */
const PAGES_MAX = 100;
/** Answers kept for their ETags. */
const CACHE_ENTRIES_MAX = 2000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A token of an App that ends sooner is replaced. */
const TOKEN_REST_MS = 60_000;

export type GithubAuthentication =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly credential: Credential }
  | {
      readonly kind: "app";
      readonly appId: number;
      readonly installationId: number;
      readonly keyPath: string;
    };

export interface GithubApiOptions {
  /** Without a slash at the end. */
  readonly url: string;
  readonly authentication: GithubAuthentication;
  readonly client: HttpClient;
  readonly clock: Clock;
}

interface Kept {
  readonly etag: string;
  readonly response: HttpClientResponse;
}

export class GithubApi {
  readonly #options: GithubApiOptions;
  readonly #kept = new Map<string, Kept>();
  #appToken: { readonly token: string; readonly untilMs: number } | undefined;

  constructor(options: GithubApiOptions) {
    this.#options = options;
  }

  /** The value at `path`; rejects for any status but 200. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return parse(await this.#fetch(this.#options.url + path, signal));
  }

  /** All elements of a list. */
  async list(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const all: unknown[] = [];
    let url: string | undefined = `${this.#options.url}${path}?per_page=100`;
    for (let page = 0; url !== undefined && page < PAGES_MAX; page++) {
      const response: HttpClientResponse = await this.#fetch(url, signal);
      const part = parse(response);
      if (!Array.isArray(part)) throw refused(`${url} is no list`);
      for (const element of part as unknown[]) all.push(element);
      url = nextPage(response.headers["link"]?.toString() ?? "");
    }
    return all;
  }

  /** Headers of an answer of `/rate_limit`, which costs nothing; undefined where the server has no limits. */
  async rateHeaders(
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string | string[] | undefined>> | undefined> {
    const response = await this.#send(`${this.#options.url}/rate_limit`, "", signal);
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw statusFault(`${this.#options.url}/rate_limit`, response);
    return response.headers;
  }

  /** The token of an App is asked for anew at the next request. */
  forgetAppToken(): void {
    this.#appToken = undefined;
  }

  async #fetch(url: string, signal: AbortSignal): Promise<HttpClientResponse> {
    const kept = this.#kept.get(url);
    const response = await this.#send(url, kept?.etag ?? "", signal);
    if (response.status === 304 && kept !== undefined) return kept.response;
    if (response.status !== 200) throw statusFault(url, response);
    const { etag } = response.headers;
    this.#kept.delete(url);
    if (etag !== undefined) {
      if (this.#kept.size >= CACHE_ENTRIES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(url, { etag, response });
    }
    return response;
  }

  async #send(url: string, etag: string, signal: AbortSignal): Promise<HttpClientResponse> {
    const token = await this.#token(signal);
    return await this.#request(url, "GET", signal, {
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      ...(etag === "" ? {} : { "if-none-match": etag }),
    });
  }

  #request(
    url: string,
    method: "GET" | "POST",
    signal: AbortSignal,
    headers: Readonly<Record<string, string>>,
  ): Promise<HttpClientResponse> {
    return this.#options.client.request({
      method,
      url,
      headers: {
        accept: "application/vnd.github+json",
        "accept-encoding": "gzip",
        "user-agent": "Finch",
        ...headers,
      },
      timeoutMs: REQUEST_TIMEOUT_MS,
      signal,
      responseBytesMax: RESPONSE_BYTES_MAX,
    });
  }

  async #token(signal: AbortSignal): Promise<string> {
    const { authentication, clock } = this.#options;
    if (authentication.kind === "none") return "";
    if (authentication.kind === "token") {
      const { credential } = authentication;
      if (credential.kind === "text") return credential.secret.reveal();
      return (await readFile(credential.path, "utf8")).trim();
    }
    if (this.#appToken !== undefined && this.#appToken.untilMs - TOKEN_REST_MS > clock.nowMs())
      return this.#appToken.token;
    const { appId, installationId, keyPath } = authentication;
    const key = await readFile(keyPath, "utf8");
    const url = `${this.#options.url}/app/installations/${installationId}/access_tokens`;
    const response = await this.#request(url, "POST", signal, {
      authorization: `Bearer ${appAssertion(appId, key, clock.nowMs())}`,
    });
    if (response.status !== 201) throw statusFault(url, response);
    const { token, expires_at: until } = parse(response) as {
      readonly token?: string;
      readonly expires_at?: string;
    };
    if (token === undefined) throw refused(`${url} answers without a token`);
    this.#appToken = { token, untilMs: Date.parse(until ?? "") || clock.nowMs() };
    return token;
  }
}

/** The JSON Web Token by which a GitHub App shows who it is: RS256, for nine minutes, begun a minute ago for clocks that differ. */
function appAssertion(appId: number, key: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", typ: "JWT" })}.${part({ iat: seconds - 60, exp: seconds + 540, iss: String(appId) })}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}

function nextPage(link: string): string | undefined {
  for (const part of link.split(",")) {
    const match = /<([^>]+)>;.*\brel="next"/.exec(part);
    if (match !== null) return match[1];
  }
  return undefined;
}

function parse(response: HttpClientResponse): unknown {
  try {
    return JSON.parse(Buffer.from(response.body).toString("utf8"));
  } catch {
    throw refused("the answer is no JSON");
  }
}

function statusFault(url: string, response: HttpClientResponse): FinchError {
  let message = "";
  try {
    const body = parse(response) as { readonly message?: unknown };
    if (typeof body.message === "string") message = `: ${body.message}`;
  } catch {
    // The status says enough.
  }
  return refused(`${url} answered with status ${response.status}${message}`);
}

function refused(message: string): FinchError {
  return new FinchError("unavailable", "agent/github-refused", message);
}
