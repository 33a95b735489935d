/**
 * The certificate of a client: of the TLS connection itself or, where a trusted proxy ended that, of the header X-Forwarded-Tls-Client-Cert in the form that Traefik
 * gives it (`passTLSClientCert` with `pem`): the base64 of each certificate, commas between them, the client's first. nginx (`$ssl_client_escaped_cert`) writes the same
 * as a percent-encoded PEM text.
 */
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

export const CLIENT_CERTIFICATE_HEADER = "x-forwarded-tls-client-cert";
const HEADER_CHARS_MAX = 16 * 1024;

/** PEM of the certificate that the other end of a connection showed and has the key of. */
export function certificateOfSocket(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.toString();
}

/** PEM of the first certificate in the header's value; undefined when there is none that can be read. */
export function certificateOfHeader(value: string): string | undefined {
  if (value === "" || value.length > HEADER_CHARS_MAX) return undefined;
  let text = value;
  if (text.includes("%")) {
    try {
      text = decodeURIComponent(text);
    } catch {
      return undefined;
    }
  }
  const first = text
    .split(/-----END CERTIFICATE-----|,/)[0]!
    .replaceAll(/-----BEGIN CERTIFICATE-----|\s/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(first)) return undefined;
  try {
    return new X509Certificate(Buffer.from(first, "base64")).toString();
  } catch {
    return undefined;
  }
}

/** The value of the header for a certificate, as services behind it read it. */
export function headerOfCertificate(pem: string): string {
  return pem.replaceAll(/-----(?:BEGIN|END) CERTIFICATE-----|\s/g, "");
}
