/** The `tls` block of OpenTelemetry's clients. */
import type { TlsOptions } from "../http-tls.ts";
import { block, maybe, notYet, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";

/** Blocks and attributes of Alloy that both ends of TLS lack here. */
export const TLS_NOT_YET = {
  cipher_suites: notYet("attribute", "Cipher suites that are allowed."),
  curve_preferences: notYet("attribute", "Curves that are allowed."),
  include_insecure_cipher_suites: notYet("attribute", "Whether weak suites are allowed."),
  include_system_ca_certs_pool: notYet("attribute", "The system's authorities besides."),
  reload_interval: notYet("attribute", "How often certificates are read again."),
  max_version: notYet("attribute", "Highest TLS version."),
  tpm: notYet("block", "A key in a TPM."),
};

const CLIENT_TLS = {
  ca_pem: maybe("string", "Certificate authority to trust, as PEM."),
  ca_file: maybe("string", "File with the certificate authority to trust."),
  cert_pem: maybe("string", "Certificate of the client, as PEM."),
  cert_file: maybe("string", "File with the certificate of the client."),
  key_pem: maybe("secret", "Key of the certificate, as PEM."),
  key_file: maybe("string", "File with the key of the certificate."),
  insecure: optional("bool", false, "Speak without TLS where the address does not say."),
  insecure_skip_verify: optional("bool", false, "Accept any certificate of the server."),
  server_name: maybe("string", "Name that the server's certificate must carry."),
  min_version: optional("string", "TLS 1.2", "Lowest TLS version: TLS 1.0 to TLS 1.3."),
  ...TLS_NOT_YET,
};

export const CLIENT_TLS_BLOCK = block(CLIENT_TLS, {
  repeat: "optional",
  doc: "TLS of the connection.",
});

export type ClientTls = ValuesOf<typeof CLIENT_TLS>;

/** For the HTTP client; undefined when nothing is written. */
export function tlsOptionsOf(tls: ClientTls | undefined): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  return {
    caPem: tls.ca_pem,
    caFile: tls.ca_file,
    certPem: tls.cert_pem,
    certFile: tls.cert_file,
    keyPem: tls.key_pem,
    keyFile: tls.key_file,
    serverName: tls.server_name,
    insecureSkipVerify: tls.insecure_skip_verify,
    minVersion: tlsVersionOf(tls.min_version),
  };
}

/** `TLS 1.2`, `1.2` and `TLS12` as the HTTP client has it. */
export function tlsVersionOf(text: string): string {
  const digits = /^(?:TLS ?)?1\.?([0-3])$/.exec(text)?.[1];
  return digits === undefined ? text : `TLS1${digits}`;
}

/** Why a version cannot be taken; undefined when it can. */
export function tlsVersionFault(text: string): string | undefined {
  return /^TLS1[0-3]$/.test(tlsVersionOf(text))
    ? undefined
    : `min_version ${JSON.stringify(text)} is none of TLS 1.0, TLS 1.1, TLS 1.2, TLS 1.3`;
}

/** Why the block cannot be taken; undefined when it can. */
export function clientTlsFault(tls: ClientTls | undefined): string | undefined {
  if (tls === undefined) return undefined;
  if (tls.ca_pem !== undefined && tls.ca_file !== undefined)
    return "give at most one of ca_pem and ca_file";
  const certificates = [tls.cert_pem, tls.cert_file].filter((one) => one !== undefined).length;
  const keys = [tls.key_pem, tls.key_file].filter((one) => one !== undefined).length;
  if (certificates > 1 || keys > 1 || certificates !== keys)
    return "give one of cert_pem and cert_file together with one of key_pem and key_file";
  return tlsVersionFault(tls.min_version);
}
