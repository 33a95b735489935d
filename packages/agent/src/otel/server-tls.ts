/** The `tls` block of OpenTelemetry's servers. */
import type { SecureVersion } from "node:tls";
import type { ListenerTls } from "@finch/runtime/http";
import { serverTls } from "../http-server.ts";
import { serverTlsFault } from "../http-server-schema.ts";
import type { ServerTlsArguments } from "../http-server-schema.ts";
import { block, maybe, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";
import { TLS_NOT_YET, tlsVersionFault, tlsVersionOf } from "./client-tls.ts";

const SERVER_TLS = {
  cert_pem: maybe("string", "Certificate of the server, as PEM."),
  cert_file: maybe("string", "File with the certificate of the server."),
  key_pem: maybe("secret", "Key of the certificate, as PEM."),
  key_file: maybe("string", "File with the key of the certificate."),
  client_ca_file: maybe(
    "string",
    "File with the authority that signs certificates of clients; clients must show one, then.",
  ),
  min_version: optional("string", "TLS 1.2", "Lowest TLS version: TLS 1.0 to TLS 1.3."),
  ...TLS_NOT_YET,
};

export const SERVER_TLS_BLOCK = block(SERVER_TLS, { repeat: "optional", doc: "Serves TLS." });

export type ServerTls = ValuesOf<typeof SERVER_TLS>;

/** What a listener needs; throws `agent/http-tls-file` when a file cannot be read. */
export async function listenerTls(tls: ServerTls): Promise<ListenerTls> {
  const { options, admits } = await serverTls(argumentsOf(tls));
  const version = tlsVersionOf(tls.min_version).replace(/^TLS1(\d)$/, "TLSv1.$1");
  const minVersion = (version === "TLSv1.0" ? "TLSv1" : version) as SecureVersion;
  return { options: { ...options, minVersion }, ...(admits === undefined ? {} : { admits }) };
}

/** Why the block cannot be taken; undefined when it can. */
export function serverTlsBlockFault(tls: ServerTls | undefined): string | undefined {
  if (tls === undefined) return undefined;
  return serverTlsFault(argumentsOf(tls)) ?? tlsVersionFault(tls.min_version);
}

function argumentsOf(tls: ServerTls): ServerTlsArguments {
  return {
    cert_pem: tls.cert_pem,
    cert_file: tls.cert_file,
    key_pem: tls.key_pem,
    key_file: tls.key_file,
    client_ca_pem: undefined,
    client_ca_file: tls.client_ca_file,
    client_auth_type:
      tls.client_ca_file === undefined ? "NoClientCert" : "RequireAndVerifyClientCert",
  };
}
