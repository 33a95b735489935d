/** The `http` block of components that listen. Spread `HTTP_SERVER_BLOCKS` into a schema; `runHttpServer` serves what it describes. */
import { DEFAULT_HTTP_LIMITS } from "@finch/runtime/http";
import type { ArgumentFault } from "./component.ts";
import { block, maybe, oneOf, optional, type ValuesOf } from "./schema.ts";

export const TLS_SERVER_ARGUMENTS = {
  cert_pem: maybe("string", "Certificate of the server, as PEM."),
  cert_file: maybe("string", "File with the certificate of the server."),
  key_pem: maybe("secret", "Key of the certificate, as PEM."),
  key_file: maybe("string", "File with the key of the certificate."),
  client_ca_pem: maybe("string", "Authority that signs certificates of clients, as PEM."),
  client_ca_file: maybe("string", "File with the authority that signs certificates of clients."),
  client_auth_type: oneOf(
    [
      "NoClientCert",
      "RequestClientCert",
      "RequireAnyClientCert",
      "VerifyClientCertIfGiven",
      "RequireAndVerifyClientCert",
    ],
    "NoClientCert",
    "Whether clients must show a certificate.",
  ),
};

const HTTP_SERVER_ARGUMENTS = {
  listen_address: optional("string", "", "Address to listen on; empty: all of the machine."),
  listen_port: optional("number", 8080, "Port to listen on; 0: any that is free.", {
    min: 0,
    max: 65_535,
  }),
  conn_limit: optional(
    "number",
    0,
    `Most connections at once; 0: ${DEFAULT_HTTP_LIMITS.socketsMax}.`,
    { min: 0 },
  ),
  server_read_timeout: optional("duration", 30_000, "How long a request may take to arrive.", {
    min: 1,
  }),
  server_write_timeout: optional("duration", 30_000, "How long an answer may take.", { min: 1 }),
  server_idle_timeout: optional("duration", 120_000, "How long an idle connection stays open.", {
    min: 1,
  }),
  tls: block(TLS_SERVER_ARGUMENTS, { repeat: "optional", doc: "Serves HTTPS." }),
};

export const HTTP_SERVER_BLOCKS = {
  http: block(HTTP_SERVER_ARGUMENTS, { repeat: "one", doc: "The HTTP server." }),
};

export type ServerTlsArguments = ValuesOf<typeof TLS_SERVER_ARGUMENTS>;
export type HttpServerArguments = ValuesOf<typeof HTTP_SERVER_ARGUMENTS>;

/** Why a server cannot be made of the arguments; undefined when it can. */
export function httpServerFault(values: HttpServerArguments): ArgumentFault | undefined {
  const { tls } = values;
  const fault = tls === undefined ? undefined : serverTlsFault(tls);
  return fault === undefined ? undefined : { at: "http.tls", message: fault };
}

/** Why TLS cannot be served with the arguments of a block; undefined when it can. */
export function serverTlsFault(tls: ServerTlsArguments): string | undefined {
  const isOne = (pem: unknown, file: unknown) => (pem === undefined) !== (file === undefined);
  if (!isOne(tls.cert_pem, tls.cert_file)) return "give exactly one of cert_pem and cert_file";
  if (!isOne(tls.key_pem, tls.key_file)) return "give exactly one of key_pem and key_file";
  const hasAuthority = tls.client_ca_pem !== undefined || tls.client_ca_file !== undefined;
  if (tls.client_ca_pem !== undefined && tls.client_ca_file !== undefined)
    return "give at most one of client_ca_pem and client_ca_file";
  if (verifiesClients(tls.client_auth_type) && !hasAuthority)
    return `client_auth_type ${tls.client_auth_type} needs client_ca_pem or client_ca_file`;
  return undefined;
}

function verifiesClients(type: string): boolean {
  return type === "VerifyClientCertIfGiven" || type === "RequireAndVerifyClientCert";
}
