/**
 * The arguments that every component with an HTTP client shares, and their translation into `HttpClientOptions`. Spread
 * `HTTP_CLIENT_ARGUMENTS` into a component's or an endpoint's schema and pass the decoded values to `httpClientOptions`.
 */
import { FinchError } from "@finch/runtime";
import type { Authentication, Credential, HttpClientOptions } from "./http-client.ts";
import type { TlsOptions } from "./http-tls.ts";
import type { ProxyOptions } from "./http-proxy.ts";
import { block, maybe, optional, type Secret, type ValuesOf } from "./schema.ts";

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

const PROXY_ARGUMENTS = {
  proxy_url: maybe("string", "Proxy to send requests through."),
  proxy_from_environment: maybe(
    "bool",
    "Take the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
  ),
  no_proxy: maybe(
    "string",
    "Hosts, domains and addresses that are reached without the proxy, separated by commas.",
  ),
  proxy_connect_header: maybe(
    "map(list(secret))",
    "Headers sent to the proxy when it is asked for a tunnel to where TLS is spoken.",
  ),
};

const OAUTH2_ARGUMENTS = {
  client_id: optional("string", "", "Identifier of the client."),
  client_secret: maybe("secret", "Secret of the client."),
  client_secret_file: maybe("string", "File with the secret; read for each token."),
  token_url: optional("string", "", "Where tokens are asked for."),
  scopes: optional("list(string)", [], "Scopes to ask for."),
  endpoint_params: optional("map(string)", {}, "Parameters sent to the token URL besides."),
  ...PROXY_ARGUMENTS,
  tls_config: block(TLS_CONFIG_ARGUMENTS, {
    repeat: "optional",
    doc: "TLS of the connection to the token URL.",
  }),
};

export const HTTP_CLIENT_ARGUMENTS = {
  bearer_token: maybe("secret", "Token sent as `Authorization: Bearer`."),
  bearer_token_file: maybe("string", "File with the bearer token; read at each request."),
  follow_redirects: optional("bool", true, "Follow redirects of the server."),
  http_headers: maybe("map(list(secret))", "Headers added to each request."),
  enable_http2: maybe(
    "bool",
    "Whether HTTP/2 may be negotiated; HTTP/1.1, which every server speaks too, is what is chosen.",
  ),
  ...PROXY_ARGUMENTS,
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
  oauth2: block(OAUTH2_ARGUMENTS, { repeat: "optional", doc: "OAuth 2.0 client credentials." }),
  tls_config: block(TLS_CONFIG_ARGUMENTS, { repeat: "optional", doc: "TLS of the connection." }),
};

export type HttpClientArguments = ValuesOf<typeof HTTP_CLIENT_ARGUMENTS>;

/** Translates decoded arguments; throws `agent/http-arguments` when two ways to authenticate, or two sources of one secret, are given. */
export function httpClientOptions(values: HttpClientArguments): HttpClientOptions {
  return {
    authentication: authenticationOf(values),
    tls: values.tls_config === undefined ? undefined : tlsOptions(values.tls_config),
    followRedirects: values.follow_redirects,
    headers: headersOf(values.http_headers),
    ...proxyOf(values),
  };
}

function proxyOf(values: ValuesOf<typeof PROXY_ARGUMENTS>): Pick<HttpClientOptions, "proxy"> {
  const { proxy_url: url = "", no_proxy: except = "", proxy_connect_header: headers } = values;
  const isFromEnvironment = values.proxy_from_environment === true;
  if (isFromEnvironment && (url !== "" || except !== ""))
    throw badArguments("proxy_from_environment excludes proxy_url and no_proxy");
  if (url === "" && !isFromEnvironment) {
    if (except !== "") throw badArguments("no_proxy needs a proxy_url");
    if (headers !== undefined)
      throw badArguments("proxy_connect_header needs a proxy_url or proxy_from_environment");
    return {};
  }
  const connectHeaders = headersOf(headers);
  if (isFromEnvironment) return { proxy: { ...environmentProxy(), connectHeaders } };
  const checked = checkedProxy(url, "proxy_url");
  return {
    proxy: {
      http: checked,
      https: checked,
      except: except === "" ? undefined : except,
      connectHeaders,
    },
  };
}

function headersOf(
  headers: Readonly<Record<string, readonly Secret[]>> = {},
): HttpClientOptions["headers"] {
  return Object.entries(headers).flatMap(([name, secrets]) =>
    secrets.map((value) => ({ name, value })),
  );
}

function checkedProxy(url: string, name: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== "http:" && parsed.protocol !== "https:"))
    throw badArguments(`${name} ${JSON.stringify(url)} is not an http or https URL`);
  return url;
}

/** The variables about proxies, in either case, the lower case first as in curl and Go. */
function environmentProxy(): Pick<ProxyOptions, "http" | "https" | "except"> {
  const read = (name: string) => process.env[name.toLowerCase()] || process.env[name] || undefined;
  const proxy = (name: string) => {
    const value = read(name);
    return value === undefined
      ? undefined
      : checkedProxy(value.includes("://") ? value : `http://${value}`, name);
  };
  return {
    http: proxy("HTTP_PROXY"),
    https: proxy("HTTPS_PROXY"),
    except: read("NO_PROXY") ?? "",
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
  if (values.oauth2 !== undefined) ways.push(oauth2Of(values.oauth2));
  if (ways.length > 1)
    throw badArguments(
      "at most one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file may be given",
    );
  return ways[0] ?? { kind: "none" };
}

function oauth2Of(values: ValuesOf<typeof OAUTH2_ARGUMENTS>): Authentication {
  const { client_id: clientId, token_url: tokenUrl } = values;
  if (clientId === "") throw badArguments("oauth2 needs a client_id");
  if (URL.parse(tokenUrl) === null)
    throw badArguments(`the token_url of oauth2, ${JSON.stringify(tokenUrl)}, is not a URL`);
  return {
    kind: "oauth2",
    oauth2: { tokenUrl, clientId, scopes: values.scopes, endpointParams: values.endpoint_params },
    secret: credentialOf(values.client_secret, values.client_secret_file, "client_secret"),
    client: {
      authentication: { kind: "none" },
      tls: values.tls_config === undefined ? undefined : tlsOptions(values.tls_config),
      followRedirects: true,
      headers: [],
      ...proxyOf(values),
    },
  };
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

/** A tls_config block as the client takes it. */
export function tlsOptions(values: ValuesOf<typeof TLS_CONFIG_ARGUMENTS>): TlsOptions {
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
