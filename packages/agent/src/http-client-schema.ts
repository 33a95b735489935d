/**
 * The arguments that every component with an HTTP client shares, and their translation into `HttpClientOptions`. Spread
 * `HTTP_CLIENT_ARGUMENTS` into a component's or an endpoint's schema and pass the decoded values to `httpClientOptions`.
 */
import { FinchError } from "@finch/runtime";
import type { Authentication, Credential, HttpClientOptions, TlsOptions } from "./http-client.ts";
import { block, maybe, notYet, optional, type Secret, type ValuesOf } from "./schema.ts";

export const TLS_CONFIG_ARGUMENTS = {
  ca_pem: maybe("string", "Certificate authority to trust, as PEM."),
  ca_file: maybe("string", "File with the certificate authority to trust."),
  cert_pem: maybe("string", "Client certificate, as PEM."),
  cert_file: maybe("string", "File with the client certificate."),
  key_pem: maybe("secret", "Key of the client certificate, as PEM."),
  key_file: maybe("string", "File with the key of the client certificate."),
  insecure_skip_verify: optional("bool", false, "Accept any server certificate."),
  min_version: maybe("string", "Lowest TLS version: TLS10, TLS11, TLS12 or TLS13."),
  server_name: maybe(
    "string",
    "Name the server's certificate must carry, when it is not the host of the URL.",
  ),
};

export const HTTP_CLIENT_ARGUMENTS = {
  bearer_token: maybe("secret", "Token sent as `Authorization: Bearer`."),
  bearer_token_file: maybe("string", "File with the bearer token; read at each request."),
  follow_redirects: optional("bool", true, "Follow redirects of the server."),
  http_headers: maybe("map(list(secret))", "Headers added to each request."),
  enable_http2: maybe("bool", "Whether HTTP/2 may be negotiated; only HTTP/1.1 is spoken so far."),
  proxy_url: notYet("attribute", "Proxy to send requests through."),
  proxy_from_environment: notYet("attribute", "Take the proxy from HTTP_PROXY and friends."),
  proxy_connect_header: notYet("attribute", "Headers sent to the proxy."),
  no_proxy: notYet("attribute", "Hosts that are reached without the proxy."),
  basic_auth: block(
    {
      username: optional("string", "", "User name."),
      password: maybe("secret", "Password."),
      password_file: maybe("string", "File with the password; read at each request."),
    },
    { repeat: "optional", doc: "HTTP basic authentication." },
  ),
  authorization: block(
    {
      type: optional("string", "Bearer", "Scheme of the Authorization header."),
      credentials: maybe("secret", "What follows the scheme."),
      credentials_file: maybe("string", "File with what follows the scheme; read at each request."),
    },
    { repeat: "optional", doc: "A generic Authorization header." },
  ),
  oauth2: notYet("block", "OAuth 2.0 client credentials."),
  tls_config: block(TLS_CONFIG_ARGUMENTS, { repeat: "optional", doc: "TLS of the connection." }),
};

export type HttpClientArguments = ValuesOf<typeof HTTP_CLIENT_ARGUMENTS>;

/** Translates decoded arguments; throws `agent/http-arguments` when two ways to authenticate, or two sources of one secret, are given. */
export function httpClientOptions(values: HttpClientArguments): HttpClientOptions {
  if (values.enable_http2 === true) {
    throw new FinchError(
      "unsupported",
      "agent/http2",
      "not supported yet: enable_http2 = true; leave it out to speak HTTP/1.1",
    );
  }
  return {
    authentication: authenticationOf(values),
    tls: values.tls_config === undefined ? undefined : tlsOptions(values.tls_config),
    followRedirects: values.follow_redirects,
    headers: Object.entries(values.http_headers ?? {}).flatMap(([name, secrets]) =>
      secrets.map((value) => ({ name, value })),
    ),
  };
}

function authenticationOf(values: HttpClientArguments): Authentication {
  const ways: Authentication[] = [];
  const token = credentialOf(values.bearer_token, values.bearer_token_file, "bearer_token");
  if (token !== undefined) ways.push({ kind: "scheme", scheme: "Bearer", credential: token });
  const basic = values.basic_auth;
  if (basic !== undefined) {
    ways.push({
      kind: "basic",
      username: basic.username,
      password: credentialOf(basic.password, basic.password_file, "password"),
    });
  }
  const authorization = values.authorization;
  if (authorization !== undefined) {
    const credential = credentialOf(
      authorization.credentials,
      authorization.credentials_file,
      "credentials",
    );
    if (credential === undefined)
      throw badArguments("authorization needs credentials or credentials_file");
    ways.push({ kind: "scheme", scheme: authorization.type, credential });
  }
  if (ways.length > 1)
    throw badArguments(
      "at most one of basic_auth, authorization, bearer_token and bearer_token_file may be given",
    );
  return ways[0] ?? { kind: "none" };
}

function credentialOf(
  secret: Secret | undefined,
  path: string | undefined,
  name: string,
): Credential | undefined {
  if (secret !== undefined && path !== undefined)
    throw badArguments(`at most one of ${name} and ${name}_file may be given`);
  if (secret !== undefined) return { kind: "text", secret };
  return path === undefined ? undefined : { kind: "file", path };
}

function tlsOptions(values: ValuesOf<typeof TLS_CONFIG_ARGUMENTS>): TlsOptions {
  return {
    caPem: values.ca_pem,
    caFile: values.ca_file,
    certPem: values.cert_pem,
    certFile: values.cert_file,
    keyPem: values.key_pem,
    keyFile: values.key_file,
    serverName: values.server_name,
    insecureSkipVerify: values.insecure_skip_verify,
    minVersion: values.min_version,
  };
}

function badArguments(message: string): FinchError {
  return new FinchError("invalid", "agent/http-arguments", message);
}
