/** The HTTP client settings that Prometheus, Promtail and the static agent share, as the arguments that components with a client share. */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, mapOf, textList } from "./alloy-tree.ts";
import { bool, list, map, nested, readTexts, refused, text } from "./fields.ts";
import type { Field, Fields } from "./fields.ts";

export const TLS_FIELDS: Fields = {
  ca: text("ca_pem"),
  ca_file: text(),
  ca_ref: refused("secret managers are not known here; write the certificate or a file"),
  cert: text("cert_pem"),
  cert_file: text(),
  cert_ref: refused("secret managers are not known here; write the certificate or a file"),
  key: text("key_pem"),
  key_file: text(),
  key_ref: refused("secret managers are not known here; write the key or a file"),
  server_name: text(),
  insecure_skip_verify: bool(),
  min_version: text(),
  max_version: refused("there is no highest TLS version to set here"),
};

const PROXY_FIELDS: Fields = {
  proxy_url: text(),
  no_proxy: text(),
  proxy_from_environment: bool(),
  proxy_connect_header: ({ node }) => [
    attribute(
      "proxy_connect_header",
      mapOf([...node.entries()].map(([name, values]) => [name, textList(readTexts(values))])),
      node,
    ),
  ],
};

const USERNAME_FILE =
  "there is no username_file here; write the name as username, or read it with local.file and refer to its content";
const REF = "secret managers are not known here; write the secret or a file";

/** Everything but `http_headers`, which has a shape of its own in Prometheus alone. */
export const HTTP_CLIENT_FIELDS: Fields = {
  basic_auth: nested("basic_auth", {
    username: text(),
    username_file: refused(USERNAME_FILE),
    username_ref: refused(REF),
    password: text(),
    password_file: text(),
    password_ref: refused(REF),
  }),
  authorization: nested("authorization", {
    type: text(),
    credentials: text(),
    credentials_file: text(),
    credentials_ref: refused(REF),
  }),
  oauth2: nested("oauth2", {
    client_id: text(),
    client_secret: text(),
    client_secret_file: text(),
    client_secret_ref: refused(REF),
    scopes: list(),
    token_url: text(),
    endpoint_params: map(),
    tls_config: nested("tls_config", TLS_FIELDS),
    ...PROXY_FIELDS,
  }),
  bearer_token: text(),
  bearer_token_file: text(),
  follow_redirects: bool(),
  enable_http2: bool(),
  ...PROXY_FIELDS,
  tls_config: nested("tls_config", TLS_FIELDS),
};

/** `http_headers: { NAME: { values, secrets, files } }`. */
const headersField: Field = ({ node, log }) => {
  const entries = [...node.entries()].map(([name, header]) => {
    const { values, secrets, files } = header.fields(["values", "secrets", "files"]);
    if (files !== undefined)
      log.add("error", files, "header values from files are not known here; write them");
    return [name, textList([...textsOf(values), ...textsOf(secrets)])] as const;
  });
  return [attribute("http_headers", mapOf(entries), node)];
};

function textsOf(node: YamlNode | undefined): readonly string[] {
  return node === undefined ? [] : readTexts(node);
}

export const PROMETHEUS_HTTP_CLIENT_FIELDS: Fields = {
  ...HTTP_CLIENT_FIELDS,
  http_headers: headersField,
};
