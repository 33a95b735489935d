/** Gauges of a TLS connection: version, cipher and certificates, as blackbox_exporter words them. */
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import type { Probe } from "./probe.ts";

export const EARLIEST_EXPIRY = {
  name: "probe_ssl_earliest_cert_expiry",
  help: "Returns last SSL chain expiry in unixtime",
};
const CHAIN_EXPIRY = {
  name: "probe_ssl_last_chain_expiry_timestamp_seconds",
  help: "Returns last SSL chain expiry in timestamp",
};
const CHAIN_INFO = {
  name: "probe_ssl_last_chain_info",
  help: "Contains SSL leaf certificate information",
};
const VERSION_INFO = {
  name: "probe_tls_version_info",
  help: "Returns the TLS version used or NaN when unknown",
};
const CIPHER_INFO = {
  name: "probe_tls_cipher_info",
  help: "Returns the TLS cipher negotiated during handshake",
};
/** What Go's zero time is in Unix seconds: the expiry of a chain that was not verified. */
const NEVER_SECONDS = -62_135_596_800;

/** What a handshake showed. A socket that is closed has forgotten it, so it is taken down at once. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  readonly isVerified: boolean;
  /** The server's certificate first, the anchor of trust last; empty when it showed none. */
  readonly chain: readonly DetailedPeerCertificate[];
}

/** Called when the handshake is done. */
export function inspectTls(socket: TLSSocket): TlsFacts {
  return {
    version: versionOf(socket),
    cipher: socket.getCipher().standardName,
    isVerified: socket.authorized,
    chain: certificatesOf(socket),
  };
}

/** Sets the gauges. */
export function reportTls(probe: Probe, { version, cipher, isVerified, chain }: TlsFacts): void {
  const [leaf] = chain;
  const presented = chain.filter((one, index) => index === 0 || !isSelfSigned(one));
  probe.set(EARLIEST_EXPIRY, leaf === undefined ? NEVER_SECONDS : earliest(presented));
  probe.set(CHAIN_EXPIRY, isVerified && leaf !== undefined ? earliest(chain) : NEVER_SECONDS);
  probe.set(VERSION_INFO, 1, "version", version);
  probe.set(CIPHER_INFO, 1, "cipher", cipher);
  if (leaf === undefined) return;
  const labels = {
    fingerprint_sha256: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
    issuer: distinguishedName(leaf.issuer),
    serialnumber: leaf.serialNumber.replace(/^0+(?=.)/, "").toLowerCase(),
    subject: distinguishedName(leaf.subject),
    subjectalternative: dnsNamesOf(leaf.subjectaltname ?? ""),
  };
  probe.set(CHAIN_INFO, 1, ...Object.entries(labels).flat());
}

/** The server's certificate and those that vouch for it, the anchor of trust last. */
function certificatesOf(socket: TLSSocket): readonly DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !chain.some((one) => one.raw.equals(next!.raw))) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

/** A server sends its authority along rarely; Go counts what was sent, so an anchor that the machine knew is left out. */
function isSelfSigned(certificate: DetailedPeerCertificate): boolean {
  return distinguishedName(certificate.issuer) === distinguishedName(certificate.subject);
}

function earliest(chain: readonly DetailedPeerCertificate[]): number {
  return Math.min(...chain.map((one) => Date.parse(one.valid_to) / 1000));
}

function versionOf(socket: TLSSocket): string {
  const version = socket.getProtocol() ?? "unknown";
  return version === "TLSv1" ? "TLS 1.0" : version.replace(/^TLSv/, "TLS ");
}

/** Attributes in the order in which Go prints a name, the reverse of the one in which it is built. */
const ATTRIBUTES: readonly (readonly [key: string, shown: string])[] = [
  ["serialNumber", "SERIALNUMBER"],
  ["CN", "CN"],
  ["postalCode", "POSTALCODE"],
  ["street", "STREET"],
  ["ST", "ST"],
  ["L", "L"],
  ["OU", "OU"],
  ["O", "O"],
  ["C", "C"],
];

function distinguishedName(name: object): string {
  const values = name as Readonly<Record<string, string | readonly string[] | undefined>>;
  const parts = ATTRIBUTES.flatMap(([key, shown]) => {
    const value = values[key];
    if (value === undefined) return [];
    return [
      [value]
        .flat()
        .map((one) => `${shown}=${escapeValue(one as string)}`)
        .join("+"),
    ];
  });
  return parts.join(",");
}

/** RFC 2253. */
function escapeValue(text: string): string {
  return text
    .replaceAll(/[,+"\\<>;]/g, String.raw`\$&`)
    .replace(/^[ #]/, String.raw`\$&`)
    .replace(/ $/, String.raw`\ `);
}

/** Of `DNS:a.example, IP Address:127.0.0.1` only the names. */
function dnsNamesOf(subjectAltName: string): string {
  const names = subjectAltName
    .split(", ")
    .filter((entry) => entry.startsWith("DNS:"))
    .map((entry) => entry.slice("DNS:".length));
  return names.join(",");
}
