/** How targets are spoken to: TLS and credentials of an object, with what its Secrets and ConfigMaps hold. */
import { Secret } from "@finch/alloy-syntax";
import { HTTP_CLIENT_ARGUMENTS } from "../http-client-schema.ts";
import type { HttpClientArguments } from "../http-client-schema.ts";
import { defaultsOf } from "../schema.ts";
import type { WrittenHttp, WrittenTls } from "./resources.ts";
import type { SecretReader } from "./secret-reader.ts";

const DEFAULTS = defaultsOf(HTTP_CLIENT_ARGUMENTS);
const EMPTY = new Secret("");

type TlsValues = NonNullable<HttpClientArguments["tls_config"]>;
type OAuth2Values = NonNullable<HttpClientArguments["oauth2"]>;

/** Rejects when a Secret or ConfigMap cannot be read. */
export async function httpValuesOf(
  written: WrittenHttp,
  secrets: SecretReader,
): Promise<HttpClientArguments> {
  const { tlsConfig, basicAuth, authorization, oauth2, bearerTokenSecret, bearerTokenFile } =
    written;
  const hasTokenFile = (bearerTokenFile ?? "") !== "";
  const hasToken = !hasTokenFile && (bearerTokenSecret?.name ?? "") !== "";
  return {
    ...DEFAULTS,
    follow_redirects: written.followRedirects ?? true,
    proxy_url: written.proxyUrl || undefined,
    bearer_token_file: hasTokenFile ? bearerTokenFile : undefined,
    bearer_token: hasToken ? await secrets.secret(bearerTokenSecret!) : undefined,
    tls_config: tlsConfig === undefined ? undefined : await tlsValues(tlsConfig, secrets),
    basic_auth:
      basicAuth === undefined
        ? undefined
        : {
            username: (await optionalSecret(basicAuth.username, secrets)).reveal(),
            password: await optionalSecret(basicAuth.password, secrets),
            password_file: undefined,
          },
    authorization:
      authorization === undefined
        ? undefined
        : {
            type: authorization.type || "Bearer",
            credentials: await optionalSecret(authorization.credentials, secrets),
            credentials_file: undefined,
          },
    oauth2: oauth2 === undefined ? undefined : await oauth2Values(oauth2, secrets),
  };
}

async function optionalSecret(
  selector: { readonly name?: string; readonly key: string } | undefined,
  secrets: SecretReader,
): Promise<Secret> {
  return (selector?.name ?? "") === "" ? EMPTY : secrets.secret(selector!);
}

async function tlsValues(written: WrittenTls, secrets: SecretReader): Promise<TlsValues> {
  return {
    ca_pem: await secrets.text(written.ca ?? {}),
    cert_pem: await secrets.text(written.cert ?? {}),
    key_pem: written.keySecret === undefined ? undefined : await secrets.secret(written.keySecret),
    ca_file: written.caFile || undefined,
    cert_file: written.certFile || undefined,
    key_file: written.keyFile || undefined,
    server_name: written.serverName || undefined,
    insecure_skip_verify: written.insecureSkipVerify ?? false,
    min_version: written.minVersion || undefined,
  };
}

async function oauth2Values(
  written: NonNullable<WrittenHttp["oauth2"]>,
  secrets: SecretReader,
): Promise<OAuth2Values> {
  return {
    client_id: (await secrets.text(written.clientId)) ?? "",
    client_secret: await secrets.secret(written.clientSecret),
    client_secret_file: undefined,
    token_url: written.tokenUrl,
    scopes: written.scopes ?? [],
    endpoint_params: written.endpointParams ?? {},
    proxy_url: undefined,
    proxy_from_environment: undefined,
    no_proxy: undefined,
    proxy_connect_header: undefined,
    tls_config: undefined,
  };
}
