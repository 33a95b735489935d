/** How a client of HTTP proves who it is: headers that are fixed, tokens of OAuth 2.0, signatures of AWS. */
import { readFile } from "node:fs/promises";
import { FinchError } from "@finch/runtime";
import type { SignedRequest } from "./aws/signature.ts";
import {
  DEFAULT_HTTP_CLIENT_OPTIONS,
  type Authentication,
  type Credential,
  type HttpClient,
  type HttpClientOptions,
} from "./http-client-types.ts";

export interface OpenAuthentication extends Disposable {
  /** Headers that a request proves with who sends it. */
  readonly headers: (request: SignedRequest) => Promise<Readonly<Record<string, string>>>;
}

/** How long a token server may take, and how much it may answer. */
const TOKEN_TIMEOUT_MS = 30_000;
const TOKEN_BYTES_MAX = 1 << 20;
/** A machine that is no instance of EC2 does not answer; a container's server is next to it. */
const AWS_TIMEOUT_MS = 2000;
const STS_TIMEOUT_MS = 10_000;

type Connect = (options: HttpClientOptions) => Promise<HttpClient>;

/** `connect` makes the clients that tokens are asked for with. */
export async function openAuthentication(
  authentication: Authentication,
  connect: Connect,
): Promise<OpenAuthentication> {
  if (authentication.kind === "oauth2") return await openOAuth2(authentication, connect);
  if (authentication.kind === "aws") return await openAws(authentication, connect);
  return {
    headers: async () => {
      const value = await authorizationHeader(authentication);
      return value === undefined ? {} : { authorization: value };
    },
    [Symbol.dispose]: () => {},
  };
}

async function openOAuth2(
  authentication: Authentication & { readonly kind: "oauth2" },
  connect: Connect,
): Promise<OpenAuthentication> {
  const { createTokenSource } = await import("./http-oauth2.ts");
  const { oauth2, secret, client: clientOptions } = authentication;
  const client = await connect(clientOptions);
  const stop = new AbortController();
  const tokens = createTokenSource(oauth2, {
    readSecret: async () => (secret === undefined ? "" : await readCredential(secret)),
    monotonicMs: () => performance.now(),
    post: async (request) => {
      const { status, body } = await client.request({
        ...request,
        method: "POST",
        timeoutMs: TOKEN_TIMEOUT_MS,
        signal: stop.signal,
        responseBytesMax: TOKEN_BYTES_MAX,
      });
      return { status, text: Buffer.from(body).toString("utf8") };
    },
  });
  return {
    headers: async () => ({ authorization: await tokens.authorization() }),
    [Symbol.dispose]: () => {
      stop.abort();
      client[Symbol.dispose]();
    },
  };
}

async function openAws(
  { credentials: options, service }: Authentication & { readonly kind: "aws" },
  connect: Connect,
): Promise<OpenAuthentication> {
  const { createAwsCredentials } = await import("./aws/credentials.ts");
  const { signatureHeaders } = await import("./aws/signature.ts");
  const client = await connect(DEFAULT_HTTP_CLIENT_OPTIONS);
  const stop = new AbortController();
  const credentials = createAwsCredentials(options, {
    env: (name) => process.env[name] || undefined,
    readFile: (path) => readFile(path, "utf8"),
    nowMs: () => Date.now(),
    ask: async (request) => {
      const { status, body } = await client.request({
        ...request,
        timeoutMs: request.url.startsWith("https:") ? STS_TIMEOUT_MS : AWS_TIMEOUT_MS,
        signal: stop.signal,
        responseBytesMax: TOKEN_BYTES_MAX,
      });
      return { status, text: Buffer.from(body).toString("utf8") };
    },
  });
  const scope = { region: options.region, service };
  return {
    headers: async (request) => signatureHeaders(request, await credentials(), scope, Date.now()),
    [Symbol.dispose]: () => {
      stop.abort();
      client[Symbol.dispose]();
    },
  };
}

async function authorizationHeader(
  authentication: Exclude<Authentication, { readonly kind: "oauth2" | "aws" }>,
): Promise<string | undefined> {
  switch (authentication.kind) {
    case "none":
      return undefined;
    case "basic": {
      const password =
        authentication.password === undefined ? "" : await readCredential(authentication.password);
      return `Basic ${Buffer.from(`${authentication.username}:${password}`).toString("base64")}`;
    }
    case "scheme":
      return `${authentication.scheme} ${await readCredential(authentication.credential)}`;
  }
}

async function readCredential(credential: Credential): Promise<string> {
  if (credential.kind === "text") return credential.secret.reveal();
  try {
    return (await readFile(credential.path, "utf8")).trim();
  } catch (cause) {
    throw new FinchError(
      "invalid",
      "agent/http-credential-file",
      `cannot read the credential file ${credential.path}`,
      { cause },
    );
  }
}
